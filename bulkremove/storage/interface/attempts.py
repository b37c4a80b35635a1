"""Attempts and the rate limit: one transaction takes a slot and opens an attempt, one closes it and frees the slot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from bulkremove.domain.attempt import Attempt, PendingRow, Permit
from bulkremove.domain.ledger import Ledger
from bulkremove.domain.row import RowState, Status

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class SlotDecision(Generic[R_co]):
    """What a rule decides about a row that asks for a slot.

    ``free_at``: the row gets a slot, which is released then if no answer ever comes; None: it gets ``refusal``.
    ``ledger``: to be written; None: nothing has changed.
    """

    refusal: R_co | None
    ledger: Ledger | None
    free_at: float | None = None


class RestartRule(Protocol):
    """What becomes of an account's ledger after a reboot, when its monotonic times mean nothing any more."""

    def restarted(self, ledger: Ledger, now: float) -> tuple[Ledger, float]:
        """The ledger for this boot, and when at the latest each of its slots is released. Pure."""
        ...


class SlotRule(RestartRule, Protocol[R_co]):
    """Whether a row gets a slot. Pure: the storage asks it within the transaction that takes the slot."""

    @property
    def key(self) -> str:
        """The account's ledger."""
        ...

    @property
    def window(self) -> float:
        """Seconds; slots that were released longer ago are deleted."""
        ...

    @property
    def daily(self) -> int | None:
        """Calls in 24 hours; None for no cap."""
        ...

    def slots(self, ledger: Ledger, now: float) -> int:
        """How many slots may be taken at the same time."""
        ...

    def decide(
        self, ledger: Ledger, now: float, *, full_until: float | None, wall: float, nth_last_call: float | None
    ) -> SlotDecision[R_co]:
        """Decide. ``full_until``: when a slot is released, if none is free; ``nth_last_call``: when (epoch seconds)
        the ``daily``-th last call of the account left, if there were so many."""
        ...


class AnswerRule(RestartRule, Protocol[R_co]):
    """What the end of an attempt does to the ledger. Pure."""

    @property
    def key(self) -> str:
        """The account's ledger."""
        ...

    def released_at(self, now: float) -> float:
        """When the attempt's slot is released."""
        ...

    def recent_since(self) -> float | None:
        """Calls that left after this moment (monotonic seconds) are counted for ``answered``; None: none are."""
        ...

    def answered(self, ledger: Ledger, now: float, *, recent: int) -> tuple[Ledger, R_co]:
        """The ledger afterwards, and what the caller wants to know."""
        ...


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """How an attempt ended: the raw outcome, and where its row stands now.

    ``left``: a byte of the request may have left. One that never left is deleted, and its slot cancelled.
    """

    attempt: Attempt
    state: RowState | Status
    detail: str = ""
    learner: str | None = None
    """The learner whom the answer names."""
    left: bool = True


@dataclass(frozen=True, slots=True)
class LedgerChange(Generic[R_co]):
    """The ledger before and after the end of an attempt, and what its rule found."""

    before: Ledger
    after: Ledger
    result: R_co


class AttemptStore(Protocol):
    """Attempts and their slots: intent before, outcome after."""

    async def take(self, pending_row: PendingRow, rule: SlotRule[R]) -> Permit | R:
        """A slot and the attempt's intent, both on disk; or the rule's refusal, and nothing.

        A caller that is cancelled meanwhile leaves neither.
        """
        ...

    async def close(self, permit: Permit, outcome: AttemptOutcome, rule: AnswerRule[R]) -> LedgerChange[R]:
        """The outcome of an attempt, the state of its row and the ledger afterwards."""
        ...

    async def settle(self, pending_row: PendingRow, status: Status, detail: str) -> None:
        """Give a row its status without another attempt. A settled row never changes."""
        ...


class RateLimitStore(Protocol):
    """What all processes share about an account's rate limit, to look at."""

    async def ledger(self, key: str) -> tuple[Ledger, bool]:
        """The ledger as it is on disk, and whether its times belong to this boot.

        Raises JournalFailed too after a failed commit, and when another journal took the place of the one that was
        written to last, so that nothing is sent then.
        """
        ...

    async def calls(self, key: str, *, since: float, wall_since: float) -> tuple[int, int]:
        """Slots taken since ``since`` (monotonic seconds), and calls that left since ``wall_since`` (epoch seconds)."""
        ...

    async def send_times(self, key: str, *, since: float) -> list[float]:
        """When the account's calls left (monotonic seconds of this boot), in ascending order."""
        ...
