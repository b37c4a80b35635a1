"""The admission of a call: a slot and an access token, both still valid when its request leaves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, Protocol, TypeVar

from bulkremove.domain.attempt import Permit, ReadPermit
from bulkremove.domain.errors import ExchangeFailed, LocalFileFailed, NotAuthorized, TokenDelayed
from bulkremove.domain.job import EndReason
from bulkremove.domain.ledger import SuspensionReason
from bulkremove.engine.events import RunEnd, TokenWait
from bulkremove.engine.slot_decisions import (
    DayUsedUp,
    NoSlot,
    RowLimited,
    WaitsExhausted,
    YieldToOtherRow,
)
from bulkremove.engine.slot_waits import MAX_IDLE_SECONDS, SlotWaits
from bulkremove.platform.local_time import local
from bulkremove.storage.interface.attempts import DoneElsewhere
from bulkremove.zoho.client import Admission

P = TypeVar("P", Permit, ReadPermit)
T = TypeVar("T")

MAX_STALE_PERMITS = 3
"""After so many consecutive permits that were too old to be used, the run ends instead of taking slots for ever.

At 300 times real time, a permit is too old after milliseconds, which any computer takes now and then, so that there
it is so many times the speed.
"""

NotAdmitted = YieldToOtherRow | RowLimited | DoneElsewhere | RunEnd | TokenWait | None
"""Why a call was not admitted; None: it was too late to send it."""


class TokenProvider(Protocol):
    """A source of access tokens, implemented by ``zoho.oauth.AccessTokens``.

    All methods raise NotAuthorized, LocalFileFailed or TokenDelayed when there is no token.
    """

    async def ensure(self) -> None:
        """Get a first token, unless there was one already; it may have expired since."""
        ...

    async def token(self) -> str:
        """A valid access token."""
        ...

    async def renew(self, refused: str) -> str:
        """A valid access token other than ``refused``, which Zoho did not accept."""
        ...


class Admissions(Generic[P]):
    """The admissions of one run. ``speed``: that of its clock."""

    def __init__(self, limiter: SlotWaits[P], tokens: TokenProvider, *, speed: float) -> None:
        self._max_stale_permits = max(1.0, speed) * MAX_STALE_PERMITS
        self._limiter: SlotWaits[P] = limiter
        self._tokens = tokens
        self._stale_permits = 0

    async def admit(self, acquire: Callable[[], Awaitable[P | NoSlot | None]]) -> Admission[P] | NotAdmitted:
        """Wait for a slot, with the limiter's ``acquire``, and a token. Raises JournalFailed."""
        while True:
            # Before the wait, so that an account that gives no tokens takes no slot.
            if event := await result_or_event(self._tokens.ensure()):
                return event
            permit = await acquire()
            match permit:
                case WaitsExhausted():
                    return waits_exhausted(permit)
                case DayUsedUp():
                    return _day_used_up(permit)
                case Permit() | ReadPermit():
                    admission = await self._use(permit)
                    if admission is not None:
                        return admission
                case _:
                    return permit

    async def _use(self, permit: P) -> Admission[P] | RunEnd | TokenWait | None:
        """Add a token to the permit; None when the permit is too old by then. An unused permit is cancelled."""
        admission: Admission[P] | RunEnd | TokenWait | None = None
        try:
            token = await result_or_event(self._tokens.token())  # the one before the wait may have expired
            if not isinstance(token, str):
                admission = token
            elif self._limiter.is_fresh(permit):
                self._stale_permits = 0
                admission = Admission(permit, token, partial(self._limiter.is_still_valid, permit))
            else:
                self._stale_permits += 1
                if self._stale_permits >= self._max_stale_permits:
                    self._stale_permits = 0
                    admission = _too_slow(permit.commit_seconds)
        finally:
            if not isinstance(admission, Admission):
                await self._limiter.cancel_slot(permit)
        return admission


async def result_or_event(call: Awaitable[T]) -> T | RunEnd | TokenWait:
    """The result of a call to the token provider, or the event that its error means for the run."""
    try:
        return await call
    except NotAuthorized as error:
        return RunEnd(error.page_text, EndReason.NOT_AUTHORIZED)
    except LocalFileFailed as error:  # the file with the token
        return RunEnd(error.page_text, EndReason.SETTINGS)
    except TokenDelayed as error:
        if error.retry_in is None:
            return RunEnd(error.page_text, EndReason.NO_TOKEN, auto_resumable=True)
        return TokenWait(error.message, error.retry_in)


def waits_exhausted(exhausted: WaitsExhausted, failure: ExchangeFailed | None = None) -> RunEnd:
    """The end of a run whose calls still did not get through after all full waits. ``failure``: that of the last."""
    reasons = {
        SuspensionReason.LOCKED: "Zoho's lock is still in force after three full waits: "
        "perhaps the day's allowance is used up.",
        SuspensionReason.FAILING: "Zoho People keeps failing or does not answer; three waits did not help.",
        SuspensionReason.UNREACHABLE: f"Zoho can't be reached. {failure or 'Check the network of this machine.'}",
    }
    return RunEnd(reasons[exhausted.reason], EndReason.WAITS_EXHAUSTED, auto_resumable=True)


def _too_slow(commit_seconds: float) -> RunEnd:
    """The end of a run that can't use its slots in time. ``commit_seconds``: real time of the last permit's commit."""
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
    reason = f"The day's allowance is used up until {until:%Y-%m-%d %H:%M %Z}. Resume then."
    return RunEnd(reason, EndReason.DAY_USED_UP, auto_resumable=True)
