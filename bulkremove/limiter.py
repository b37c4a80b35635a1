"""The gate: a request waits here until the account's ledger gives it a slot, and nowhere else.

It asks ``pacing`` inside one transaction that also writes the attempt, so that a slot is never taken without
its intent, by whatever process of the machine. aiolimiter keeps this process's rows in line and apart; the
ledger is the guarantee. It never decides what an answer means and never sends anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from aiolimiter import AsyncLimiter

from bulkremove import pacing, policy
from bulkremove.model import Attempt, Clock, Errand, HoldReason, Ledger, Permit, Quota, RowState, Status
from bulkremove.pacing import Go, NoWayThrough, OwnLimit, Postponed, Signal, StandBack, Wait, Waiting
from bulkremove.policy import Finding

T = TypeVar("T")
Asked = Wait | Postponed | StandBack | OwnLimit | NoWayThrough
"""What the ledger says to a row that may not go now."""

POLL = 1.0
"""Seconds between two looks at the ledger while waiting: another process may have changed it."""

MAX_IDLE_SECONDS = 1.0
"""Real seconds after its commit in which a permit must be used."""

MAX_AGE_SECONDS = 20.0
"""Seconds of the run's clock from a slot's own time until the request leaves: the slot's release is counted from
then, so a commit that takes longer would use up the grace for late deliveries (docs/decisions/0001-limiter.md)."""

MAX_STALE_PERMITS = 3
"""After so many permits in a row that were too old to be used, the job pauses instead of taking slots for ever."""

DAY = 86_400.0


class Ledgers(Protocol):
    """The allowance on disk (``store.ledgers`` is the one that ships)."""

    def load(self, key: str, boot: str) -> tuple[Ledger, str]: ...
    def save(self, key: str, boot: str, ledger: Ledger) -> None: ...
    def full_until(self, key: str, now: float, calls: int) -> float | None: ...
    def take(self, key: str, now: float, free_at: float) -> int: ...
    def pull_forward(self, slot: int, free_at: float) -> None: ...
    def give_back(self, slot: int) -> None: ...
    def forget_before(self, key: str, then: float) -> None: ...
    def taken_since(self, key: str, then: float) -> int: ...
    def clamp(self, key: str, now: float, free_at: float) -> None: ...


class Attempts(Protocol):
    """The attempts on disk (``store.journal`` is the one that ships)."""

    @property
    def ledgers(self) -> Ledgers: ...
    async def durably(self, write: Callable[[], T]) -> T: ...
    def open_attempt(self, errand: Errand, attempt: Attempt, ledger: str) -> None: ...
    def close_attempt(
        self, errand: Errand, attempt: Attempt, *, at: float, learner: str | None, left: bool
    ) -> None: ...
    def mark(self, errand: Errand, state: RowState | Status, detail: str, *, at: float) -> None: ...
    def nth_last_call(self, ledger: str, n: int) -> float | None: ...


class Shut(Exception):
    """The gate will not open for this job: ``reason`` names the wait that led nowhere."""

    def __init__(self, reason: HoldReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class DayUsedUp(Exception):
    """The day's allowance is used up; it goes on at ``until`` (epoch seconds)."""

    def __init__(self, until: float) -> None:
        super().__init__("the day's allowance is used up")
        self.until = until


class TooSlow(Exception):
    """No permit can be used in time: ``commit_seconds`` (real) went into writing the last one to the journal."""

    def __init__(self, commit_seconds: float) -> None:
        super().__init__("permits are too old when they are used")
        self.commit_seconds = commit_seconds


class SteppedBack(Exception):
    """This row's probe was refused; another row is to be tried before it asks again."""


class OwnLimitMet(Exception):
    """Zoho refuses this one row with the words of a limit while others pass: the row is refused."""


@dataclass(frozen=True, slots=True)
class Closing:
    """How an attempt ended, for the journal and the ledger together.

    ``attempt`` holds the raw outcome. ``left``: a byte of the request may have left. ``state`` and ``detail``:
    where the row stands now.
    """

    attempt: Attempt
    state: RowState | Status
    detail: str = ""
    learner: str | None = None
    left: bool = True
    signal: Signal | None = None
    sound: bool = True


@dataclass(frozen=True, slots=True)
class Lockout:
    """A wait that has begun: until when (monotonic seconds), and whether somebody else shares the allowance."""

    reason: HoldReason
    until: float
    lowered_to: int | None


class Gate:
    """The one way to the wire for one account. ``on_wait`` hears what a row waits for."""

    def __init__(
        self,
        journal: Attempts,
        key: str,
        quota: Quota,
        clock: Clock,
        *,
        line: AsyncLimiter,
        on_wait: Callable[[Wait], None] = lambda wait: None,
    ) -> None:
        self._journal = journal
        self._key = key
        self._quota = quota
        self._clock = clock
        self._line = line
        self._on_wait = on_wait
        self._stale_permits = 0

    async def enter(self, errand: Errand, *, alone: Callable[[], bool], in_time: Callable[[], bool]) -> Permit | None:
        """Wait for a slot and take it, together with the attempt's intent. None when ``in_time`` turned false.

        Raises Shut, DayUsedUp, SteppedBack or OwnLimitMet. ``alone``: whether no other row of the job is left.
        """
        in_line = False
        while in_time():
            asked = await self._asked(errand, alone)
            if isinstance(asked, Permit):
                return asked
            match asked:
                case Postponed():
                    continue
                case NoWayThrough():
                    raise Shut(asked.reason)
                case StandBack():
                    raise SteppedBack
                case OwnLimit():
                    raise OwnLimitMet
            self._on_wait(asked)
            if asked.reason is Waiting.PACE and not in_line:
                # aiolimiter wakes its waiters in the order in which they came.
                await self._line.acquire()
                in_line = True
            else:
                await self._clock.sleep(max(0.0, min(asked.until - self._clock.monotonic(), POLL)))
        return None

    async def _asked(self, errand: Errand, alone: Callable[[], bool]) -> Permit | Asked:
        taken: list[Permit] = []
        loop = asyncio.get_running_loop()
        asked_at = loop.time()

        def ask() -> Permit | Asked:
            asked = self._ask(errand, alone())
            if isinstance(asked, Permit):
                taken.append(asked)
            return asked

        try:
            asked = await self._journal.durably(ask)
        except asyncio.CancelledError:
            for permit in taken:  # on disk by now or soon, and nobody will use it
                await self.give_back(permit)
            raise
        if isinstance(asked, Permit):
            return replace(asked, committed_at=loop.time(), commit_seconds=loop.time() - asked_at)
        return asked

    async def give_back(self, permit: Permit) -> None:
        """Undo a permit that was never used: no byte left, so slot and attempt are deleted."""
        unused = replace(permit.attempt, finding=Finding.NEVER_SENT.value)
        open_ = any(map(policy.is_open, permit.errand.attempts))
        state = RowState.SENDING if open_ else RowState.PENDING
        await asyncio.shield(self.leave(permit, Closing(unused, state, left=False, sound=False)))

    def is_fresh(self, permit: Permit) -> bool:
        """Whether the request may still leave on this permit. Raises TooSlow after too many that may not, in a row."""
        idle = asyncio.get_running_loop().time() - permit.committed_at
        if idle <= MAX_IDLE_SECONDS and self._clock.monotonic() - permit.taken_at <= MAX_AGE_SECONDS:
            self._stale_permits = 0
            return True
        self._stale_permits += 1
        if self._stale_permits >= MAX_STALE_PERMITS:
            self._stale_permits = 0
            raise TooSlow(permit.commit_seconds)
        return False

    def holds_good(self, permit: Permit) -> bool:
        """Whether nobody was told of a wait since: the last look before a byte leaves. Raises JournalFailed."""
        ledger, _ = self._journal.ledgers.load(self._key, self._clock.boot)
        return not pacing.overtaken(ledger, self._clock.monotonic(), key=permit.errand.key)

    async def leave(self, permit: Permit, closing: Closing) -> tuple[Lockout | None, Shut | None]:
        """Write how the attempt ended, then let its slot be reborn. Tells of a wait that this answer began."""
        before, after, shut = await self._journal.durably(lambda: self._close(permit, closing))
        return _lockout(before, after), Shut(shut.reason) if shut else None

    async def settle_without_sending(self, errand: Errand, status: Status, detail: str) -> None:
        """Give a row its status without another call."""
        await self._journal.durably(lambda: self._journal.mark(errand, status, detail, at=self._clock.wall()))

    def _close(self, permit: Permit, closing: Closing) -> tuple[Ledger, Ledger, NoWayThrough | None]:
        errand, now, wall = permit.errand, self._clock.monotonic(), self._clock.wall()
        self._journal.close_attempt(errand, closing.attempt, at=wall, learner=closing.learner, left=closing.left)
        self._journal.mark(errand, closing.state, closing.detail, at=wall)
        if closing.left:
            self._journal.ledgers.pull_forward(permit.slot, self._reborn(closing, now))
        else:
            self._journal.ledgers.give_back(permit.slot)
        before = self._load(now)
        window = permit.taken_at - self._quota.window
        after, shut = pacing.answered(
            before,
            self._quota,
            now,
            key=errand.key,
            signal=closing.signal,
            sound=closing.sound,
            recent=self._journal.ledgers.taken_since(self._key, window) if closing.signal else 0,
            took=now - permit.taken_at if closing.left else 0.0,
        )
        self._save(after)
        return before, after, shut

    def _reborn(self, closing: Closing, now: float) -> float:
        """Zoho's own answer proves that the call was counted; without one a proxy may still deliver it later."""
        return pacing.reborn_at(self._quota, now + self._quota.grace if policy.is_open(closing.attempt) else now)

    def _ask(self, errand: Errand, alone: bool) -> Permit | Asked:
        now = self._clock.monotonic()
        ledger, ledgers = self._load(now), self._journal.ledgers
        full_until = ledgers.full_until(self._key, now, pacing.budget(ledger, self._quota, now))
        asked = pacing.ask(ledger, self._quota, now, key=errand.key, alone=alone, full_until=full_until)
        if isinstance(asked, Wait | StandBack):
            return asked
        if isinstance(asked, Go):
            self._check_day()
        self._save(asked.ledger)
        return self._permit(errand, now, asked.free_at) if isinstance(asked, Go) else asked

    def _permit(self, errand: Errand, now: float, free_at: float) -> Permit:
        number = len(errand.attempts) + 1
        attempt = Attempt(number, self._clock.wall(), now, self._clock.boot)
        self._journal.ledgers.forget_before(self._key, now - self._quota.window)
        slot = self._journal.ledgers.take(self._key, now, free_at)
        self._journal.open_attempt(errand, attempt, self._key)
        return Permit(errand, attempt, slot, now)

    def _check_day(self) -> None:
        if self._quota.daily is None:
            return
        first = self._journal.nth_last_call(self._key, self._quota.daily)
        if first is not None and self._clock.wall() < first + DAY:
            raise DayUsedUp(first + DAY)

    def _load(self, now: float) -> Ledger:
        ledger, boot = self._journal.ledgers.load(self._key, self._clock.boot)
        if boot == self._clock.boot:
            return ledger
        self._journal.ledgers.clamp(self._key, now, pacing.reborn_unanswered(self._quota, now))
        ledger = pacing.after_reboot(ledger, self._quota, now)
        self._save(ledger)
        return ledger

    def _save(self, ledger: Ledger) -> None:
        self._journal.ledgers.save(self._key, self._clock.boot, ledger)


def _lockout(before: Ledger, after: Ledger) -> Lockout | None:
    """The wait that is new in ``after``, if any."""
    if after.hold is None:
        return None
    if before.hold is not None and before.hold.reason is after.hold.reason and after.hold.rounds <= before.hold.rounds:
        return None
    lowered = after.budget if after.budget != before.budget else None
    return Lockout(after.hold.reason, after.hold.until, lowered)
