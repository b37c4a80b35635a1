"""What the attempts for one row yield to the run that the row is part of."""

from __future__ import annotations

from dataclasses import dataclass

from bulkremove.domain.attempt import PendingRow
from bulkremove.domain.job import EndReason
from bulkremove.domain.ledger import SuspensionReason
from bulkremove.domain.row import Status


@dataclass(frozen=True, slots=True)
class Settled:
    """The row has its status, in the journal too."""

    status: Status


@dataclass(frozen=True, slots=True)
class Deferred:
    """The row, with its attempts so far, waits until another row got a response."""

    pending_row: PendingRow


@dataclass(frozen=True, slots=True)
class Lockout:
    """A wait of all rows has begun: until when (monotonic seconds), and whether somebody else shares the allowance."""

    reason: SuspensionReason
    until: float
    lowered_to: int | None


@dataclass(frozen=True, slots=True)
class TokenWait:
    """All rows wait ``seconds`` from now for an access token; ``message`` says why."""

    message: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RunEnd:
    """Why the run ends early. ``for_good``: the rows left are ``not_sent``; else ``resume`` goes on."""

    reason: str
    code: EndReason = EndReason.ANSWERS
    for_good: bool = False
    auto_resumable: bool = False
    """Whether time alone mends it, so that an unattended run may go on by itself; else a person must look."""


Event = Settled | Deferred | Lockout | TokenWait | RunEnd
