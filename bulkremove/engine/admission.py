"""Admission of a row to the wire: a slot and an access token, both usable at the moment when its request leaves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from bulkremove.domain.attempt import PendingRow, Permit
from bulkremove.domain.errors import LocalFileFailed, NotAuthorized, TokenDelayed
from bulkremove.domain.job import EndReason
from bulkremove.domain.ledger import SuspensionReason
from bulkremove.engine.events import RunEnd, TokenWait
from bulkremove.engine.rate_limit import OwnLimit, WaitsExhausted, YieldToOtherRow
from bulkremove.engine.rate_limiter import MAX_IDLE_SECONDS, DayUsedUp, RateLimiter
from bulkremove.platform.local_time import local
from bulkremove.zoho.client import Admission

T = TypeVar("T")

MAX_STALE_PERMITS = 3
"""After so many permits in a row that were too old to be used, the run pauses instead of taking slots for ever."""

NotAdmitted = YieldToOtherRow | OwnLimit | RunEnd | TokenWait | None
"""Why a row was not admitted; None: it may not be sent any more."""


class TokenProvider(Protocol):
    """Access tokens (``zoho.oauth.AccessTokens`` is the one that ships); raises what ``or_event`` knows."""

    async def ensure(self) -> None: ...
    async def token(self) -> str: ...
    async def renew(self, refused: str) -> str: ...


class Admissions:
    """The admissions of one run."""

    def __init__(self, limiter: RateLimiter, tokens: TokenProvider) -> None:
        self._limiter = limiter
        self._tokens = tokens
        self._stale_permits = 0

    async def admit(
        self, pending_row: PendingRow, *, alone: Callable[[], bool], in_time: Callable[[], bool]
    ) -> Admission | NotAdmitted:
        """Wait for a slot and a token. ``alone``: no other row could be sent now; ``in_time``: the row still may be.

        Raises JournalFailed.
        """
        while True:
            # Before the wait, so that an account that gives no tokens takes no slot.
            if no_token := await or_event(self._tokens.ensure()):
                return no_token
            permit = await self._limiter.acquire(pending_row, alone=alone, in_time=in_time)
            match permit:
                case WaitsExhausted():
                    return waits_exhausted(permit)
                case DayUsedUp():
                    return _day_used_up(permit)
                case Permit():
                    admission = await self._use(permit)
                    if admission is not None:
                        return admission
                case _:
                    return permit

    async def _use(self, permit: Permit) -> Admission | RunEnd | TokenWait | None:
        """The permit with a token, or None when both together took too long; an unused permit is cancelled."""
        admission: Admission | RunEnd | TokenWait | None = None
        try:
            token = await or_event(self._tokens.token())  # the wait may have outlived the first one
            if not isinstance(token, str):
                admission = token
            elif self._limiter.is_fresh(permit):
                self._stale_permits = 0
                admission = Admission(permit, token, partial(self._limiter.is_still_valid, permit))
            else:
                self._stale_permits += 1
                if self._stale_permits >= MAX_STALE_PERMITS:
                    self._stale_permits = 0
                    admission = _too_slow(permit.commit_seconds)
        finally:
            if not isinstance(admission, Admission):
                await self._limiter.cancel_slot(permit)
        return admission


async def or_event(call: Awaitable[T]) -> T | RunEnd | TokenWait:
    """The result of a call for an access token, or what its error means for the run."""
    try:
        return await call
    except NotAuthorized as refused:
        return RunEnd(str(refused), EndReason.NOT_AUTHORIZED)
    except LocalFileFailed as broken:  # the file with the token
        return RunEnd(str(broken), EndReason.SETTINGS)
    except TokenDelayed as delayed:
        if delayed.retry_in is None:
            return RunEnd(str(delayed), EndReason.NO_TOKEN, auto_resumable=True)
        return TokenWait(delayed.message, delayed.retry_in)


def waits_exhausted(exhausted: WaitsExhausted) -> RunEnd:
    """The end of a run for which all the full waits led nowhere."""
    reasons = {
        SuspensionReason.LOCKED: "Zoho's lock is still in force after three full waits: "
        "perhaps the day's allowance is used up.",
        SuspensionReason.FAILING: "Zoho People keeps failing; three waits did not help.",
        SuspensionReason.UNREACHABLE: "Zoho can't be reached. Check the network of this machine.",
    }
    return RunEnd(reasons[exhausted.reason], EndReason.WAITS_EXHAUSTED, auto_resumable=True)


def _too_slow(commit_seconds: float) -> RunEnd:
    """``commit_seconds``: real time that the last permit took to be written to the journal."""
    if commit_seconds > MAX_IDLE_SECONDS / 2:
        reason = (
            f"The disk is too slow: writing one attempt to the journal (fsync) takes {commit_seconds:.1f} s. "
            "Nothing more was sent. Move BULKREMOVE_HOME to a local disk, or resume when the disk is less busy."
        )
    else:
        reason = (
            "This computer is too busy to send within a second of being allowed to. Nothing more was sent. "
            "Resume when it is less busy."
        )
    return RunEnd(reason, EndReason.TOO_SLOW, auto_resumable=True)


def _day_used_up(used_up: DayUsedUp) -> RunEnd:
    until = local(used_up.until)
    reason = f"The day's allowance is used up; it goes on at {until:%Y-%m-%d %H:%M %Z}. Resume then."
    return RunEnd(reason, EndReason.DAY_USED_UP, auto_resumable=True)
