"""Attempts and the rate limit: one transaction takes a slot and opens an attempt, another closes both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from bulkremove.domain.attempt import Attempt, PendingRow, Permit
from bulkremove.domain.clock import Epoch, Monotonic
from bulkremove.domain.ledger import Ledger
from bulkremove.domain.row import RowState, Status

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class SlotDecision(Generic[R_co]):
    """The decision of a rule about a row that asks for a slot.

    ``free_at``: the row gets a slot, which is released then if no response ever comes; None: it
    gets ``refusal`` instead. ``ledger``: the new ledger to be written; None: it has not changed.
    """

    refusal: R_co | None
    ledger: Ledger | None
    free_at: Monotonic | None = None


class RestartRule(Protocol):
    """The rule that adapts a ledger after a reboot, when its monotonic times mean nothing any more. Pure."""

    def restarted(self, ledger: Ledger, now: Monotonic) -> tuple[Ledger, Monotonic]:
        """Return the ledger for this boot, and the latest time at which each of its slots is released."""
        ...


class SlotRule(RestartRule, Protocol[R_co]):
    """The rule that decides whether a row gets a slot, within the transaction that takes it. Pure."""

    @property
    def key(self) -> str:
        """Key of the account's ledger."""
        ...

    @property
    def window(self) -> float:
        """Seconds after its release in which a slot is kept; older ones are deleted."""
        ...

    @property
    def daily(self) -> int | None:
        """Maximum calls in 24 hours; None for no limit."""
        ...

    def slots(self, ledger: Ledger, now: Monotonic) -> int:
        """The number of slots that may be taken at the same time."""
        ...

    def decide(
        self,
        ledger: Ledger,
        now: Monotonic,
        *,
        full_until: Monotonic | None,
        wall: Epoch,
        nth_last_call: Epoch | None,
    ) -> SlotDecision[R_co]:
        """Decide whether the row gets a slot.

        ``full_until``: when the next slot is released, if none is free. ``nth_last_call``: when the ``daily``-th
        last call of the account was made, if there were so many.
        """
        ...


class AnswerRule(RestartRule, Protocol[R_co]):
    """The rule that updates the ledger at the end of an attempt. Pure."""

    @property
    def key(self) -> str:
        """Key of the account's ledger."""
        ...

    def released_at(self, now: Monotonic) -> Monotonic:
        """When the attempt's slot is released."""
        ...

    def recent_since(self) -> Monotonic | None:
        """Time since which calls are counted for ``answered``; None: they are not counted."""
        ...

    def answered(self, ledger: Ledger, now: Monotonic, *, recent: int) -> tuple[Ledger, R_co]:
        """Return the new ledger, and a result for the caller. ``recent``: the calls since ``recent_since``, or 0."""
        ...


@dataclass(frozen=True, slots=True)
class DoneElsewhere:
    """Another job of the client has done the same for a row since the row's job was planned, or may have.

    ``is_opposite``: that job was made since then to do the opposite; ``status`` is the one that it aims at.
    """

    job: str
    """Its id; empty for one of another account, of which those of this account learn no more."""
    number: int
    """The number of its row there, as the spreadsheet shows it."""
    status: Status
    was_seen: bool = False
    """That row is unknown, and a person saw in Zoho People that it had its effect."""
    is_opposite: bool = False


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """How an attempt ended: its raw outcome, and the new state of its row.

    ``was_sent``: whether a byte of the request may have been sent; if not, the attempt is deleted and its slot
    cancelled.
    """

    attempt: Attempt
    state: RowState | Status
    detail: str = ""
    learner: str | None = None
    """The learner id in the response."""
    was_sent: bool = True


@dataclass(frozen=True, slots=True)
class LedgerChange(Generic[R_co]):
    """The ledger before and after the end of an attempt, and the result of the ``AnswerRule``."""

    before: Ledger
    after: Ledger
    result: R_co


class AttemptStore(Protocol):
    """The store of attempts and their slots: an attempt is written before its request and closed after it."""

    async def take(self, pending_row: PendingRow, rule: SlotRule[R]) -> Permit | DoneElsewhere | R:
        """Take a slot and write the attempt, or return why not, or the rule's refusal, and write neither.

        If the caller is cancelled meanwhile, neither is left. Raises JournalFailed for a job that does not run: another
        process may have accepted a restored journal, which pauses it.
        """
        ...

    async def close(self, permit: Permit, outcome: AttemptOutcome, rule: AnswerRule[R]) -> LedgerChange[R]:
        """Write the outcome of an attempt, the state of its row and the new ledger."""
        ...

    async def settle(self, pending_row: PendingRow, status: Status, detail: str) -> None:
        """Give a row its status without another attempt. Raises JournalFailed for a row that is settled already."""
        ...


class RateLimitStore(Protocol):
    """Read access to the rate limits of accounts, which all processes share. Calls are attempts and reads."""

    async def ledger(self, key: str) -> tuple[Ledger, bool]:
        """The ledger on disk, and whether its times belong to this boot.

        Also raises JournalFailed after a failed commit, and when the journal was replaced since the last write, so
        that nothing is sent then.
        """
        ...

    async def calls(self, key: str, *, since: Monotonic, wall_since: Epoch) -> tuple[int, int]:
        """Slots taken since ``since``, and calls made since ``wall_since``.

        Those that a journal may have lost count as made when it was accepted.
        """
        ...

    async def send_times(self, key: str, *, since: Monotonic) -> list[Monotonic]:
        """When the account's calls of this boot were made, in ascending order."""
        ...
