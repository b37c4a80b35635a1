"""What ``rate_limit`` decides about a row that asks for a slot, and the signal of a response that all must wait."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bulkremove.domain.clock import Epoch, Monotonic
from bulkremove.domain.ledger import Ledger, SuspensionReason
from bulkremove.storage.interface.attempts import DoneElsewhere


class Waiting(StrEnum):
    """What a row waits for."""

    PACE = "pace"
    WINDOW = "window"
    LOCKED = "locked"
    FAILING = "failing"
    UNREACHABLE = "unreachable"
    PROBE = "probe"
    ALLOWANCE = "allowance"


@dataclass(frozen=True, slots=True)
class SlotGranted:
    """The call may be sent now. ``free_at``: when its slot is released if no response ever comes."""

    ledger: Ledger
    free_at: Monotonic


@dataclass(frozen=True, slots=True)
class Wait:
    """The call may not be sent before ``until``; ask again then."""

    until: Monotonic
    reason: Waiting


@dataclass(frozen=True, slots=True)
class Postponed:
    """Another full wait has begun; ask again."""

    ledger: Ledger


@dataclass(frozen=True, slots=True)
class YieldToOtherRow:
    """The row's probe was refused: another row is tried before this one may ask again."""


@dataclass(frozen=True, slots=True)
class RowLimited:
    """A limit of this row alone caused the refusals, not the account's: another row got through meanwhile."""

    ledger: Ledger


@dataclass(frozen=True, slots=True)
class WaitsExhausted:
    """All full waits are over and every probe was refused: the run ends."""

    ledger: Ledger
    reason: SuspensionReason


@dataclass(frozen=True, slots=True)
class DayUsedUp:
    """The day's allowance is used up until ``until``."""

    until: Epoch


NoSlot = YieldToOtherRow | RowLimited | WaitsExhausted | DayUsedUp | DoneElsewhere
"""Why a call gets no slot, however long it waits."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What a response says about the account: all rows must wait. ``seconds``: what the server asked for, if it did."""

    reason: SuspensionReason
    seconds: float | None = None
