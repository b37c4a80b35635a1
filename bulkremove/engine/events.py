"""Events that the attempts for one row yield to the run of its job."""

from __future__ import annotations

from dataclasses import dataclass

from bulkremove.domain.attempt import PendingRow
from bulkremove.domain.clock import Monotonic
from bulkremove.domain.job import EndReason
from bulkremove.domain.ledger import SuspensionReason
from bulkremove.domain.row import Status


@dataclass(frozen=True, slots=True)
class Settled:
    """The row has its status, in the journal too."""

    status: Status


@dataclass(frozen=True, slots=True)
class Deferred:
    """The row, with its attempts so far, waits until another row has got a response."""

    pending_row: PendingRow


@dataclass(frozen=True, slots=True)
class Lockout:
    """A wait of all rows of the account has begun."""

    reason: SuspensionReason
    until: Monotonic
    lowered_to: int | None
    """Calls per window from now on, if other traffic shares the allowance; None: the budget is unchanged."""


@dataclass(frozen=True, slots=True)
class TokenWait:
    """All rows wait ``seconds`` of the run's clock from now for an access token; ``message`` says why."""

    message: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RunEnd:
    """Why the run ends early. ``is_final``: the remaining rows are ``not_sent``; otherwise the job can be resumed."""

    reason: str
    code: EndReason = EndReason.ANSWERS
    is_final: bool = False
    auto_resumable: bool = False
    """Whether waiting solves the problem, so that a nightly run may resume the job; otherwise a person must act."""


Event = Settled | Deferred | Lockout | TokenWait | RunEnd
