"""What it means that Zoho refuses an access token: the token is used up, or it refuses this row alone.

A refusal counts for one token at one time of sending. Zoho evicts the oldest of several tokens, so that a renewed one
may be refused too although the account may still remove learners.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from bulkremove.domain.clock import Monotonic
from bulkremove.engine.admission import TokenProvider, result_or_event
from bulkremove.engine.events import RunEnd, TokenWait
from bulkremove.zoho.response_kind import Response


class Cause(Enum):
    """Why a renewed token was refused for a row, as far as that is known."""

    ROW = auto()
    """The token was accepted for a row that was sent later: Zoho refuses this row alone."""
    TOKEN = auto()
    """There is a newer token now, and the row is to be sent with it."""
    UNKNOWN = auto()
    """Nothing was accepted with this token since."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A response that refused a renewed token."""

    token: str
    sent_at: Monotonic
    response: Response


class RefusedTokens:
    """The tokens that Zoho refused during one run, by row."""

    def __init__(self, tokens: TokenProvider) -> None:
        self._tokens = tokens
        self._accepted_at: dict[str, Monotonic] = {}
        """By token that Zoho has not refused since: when the last request that it accepted left."""
        self._first: dict[str, str] = {}
        """By row key: the first token that Zoho refused for the row."""
        self._renewed: set[str] = set()
        """Keys of the rows for which it was replaced by another."""
        self._refusals: dict[str, _Refusal] = {}
        """By row key: the refusal of the new token too."""

    def __len__(self) -> int:
        """How many rows wait for a decision."""
        return len(self._refusals)

    def accepted(self, token: str, sent_at: Monotonic) -> None:
        """Note that Zoho answered about a row that was sent with the token at this time."""
        self._accepted_at[token] = sent_at

    async def refused(self, key: str, token: str, sent_at: Monotonic, response: Response) -> RunEnd | TokenWait | None:
        """Replace the token, in one request for all rows that were refused with it, so that the row is sent once more.

        Only the first refusal of a row does that; after a second one ``response`` is not None until the row is settled
        or sent again.
        """
        self._accepted_at.pop(token, None)
        if key in self._renewed or self._first.get(key, token) != token:
            self._refusals[key] = _Refusal(token, sent_at, response)
            return None
        self._first[key] = token
        new_token = await result_or_event(self._tokens.renew(token))
        if not isinstance(new_token, str):
            return new_token
        self._renewed.add(key)
        return None

    def response(self, key: str) -> Response | None:
        """The response that refused a renewed token for the row; None if none did."""
        refusal = self._refusals.get(key)
        return refusal.response if refusal else None

    async def cause(self, key: str) -> Cause | RunEnd | TokenWait:
        """Why the renewed token was refused for the row, or what keeps the tokens from being looked at."""
        refusal = self._refusals[key]
        if self._accepted_at.get(refusal.token, refusal.sent_at) > refusal.sent_at:
            return Cause.ROW
        current = await result_or_event(self._tokens.token())
        if not isinstance(current, str):
            return current
        return Cause.UNKNOWN if current == refusal.token else Cause.TOKEN

    def forget(self, key: str) -> None:
        """Forget the refusal of a row that is settled, or that is sent again."""
        self._refusals.pop(key, None)
