"""Attempts: requests for a row, what came back, and the row's outcome."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bulkremove.domain.clock import Epoch, LoopTime, Monotonic
from bulkremove.domain.listing import Learner
from bulkremove.domain.row import Removal, RowState, Status


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response as received, without types of the HTTP library."""

    status: int
    body: bytes
    retry_after: str | None = None
    """The header as sent: seconds or an HTTP date; if it was sent several times, each on a line."""
    date: str | None = None
    """The Date header as sent."""
    age: int = 0
    """Seconds for which a cache has kept it, by its Age header; 0 for an answer to this very request."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One physical request for one row, as stored in the journal."""

    number: int
    sent_at: Epoch
    sent_mono: Monotonic
    boot: str
    """The boot of the machine that ``sent_mono`` belongs to; monotonic times of two boots can't be compared."""
    response_kind: str | None = None
    """A ``zoho.response_kind.ResponseKind``; None until a response is recorded, also after a crash."""
    http_status: int | None = None
    api_code: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class PendingRow:
    """A row of a job that is not settled yet: its removal, and the attempts made so far."""

    job: str
    position: int
    """Index of the row in the job, from 0."""
    number: int
    """The row's number as the spreadsheet shows it."""
    removal: Removal
    attempts: tuple[Attempt, ...] = ()

    @property
    def key(self) -> str:
        """The row's identity across jobs: ``job:position``."""
        return f"{self.job}:{self.position}"


@dataclass(frozen=True, slots=True)
class Permit:
    """Permission to make one request for a row now: its attempt and its slot are stored."""

    pending_row: PendingRow
    attempt: Attempt
    slot: int
    taken_at: Monotonic
    """When the slot was taken."""
    committed_at: LoopTime = LoopTime(0.0)
    """When slot and attempt were on disk."""
    commit_seconds: float = 0.0
    """Real seconds that it took to write them."""

    @property
    def key(self) -> str:
        """The request's key in the ledger."""
        return self.pending_row.key


@dataclass(frozen=True, slots=True)
class ReadPermit:
    """Permission to make one read now: it and its slot are stored. The other members are those of ``Permit``."""

    key: str
    number: int
    """The read's number in the journal."""
    slot: int
    taken_at: Monotonic
    committed_at: LoopTime = LoopTime(0.0)
    commit_seconds: float = 0.0


class LookupResult(StrEnum):
    """What a person saw who looked a learner up in Zoho People. The values are stored in the journal."""

    GONE = "gone"
    """The learner is not in the batch any more."""
    STILL_THERE = "still_there"
    """The learner is still in the batch."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a person found out about an unknown row. ``result``: None if only the text says it."""

    at: Epoch
    author: str
    text: str
    result: LookupResult | None = None

    @property
    def full_text(self) -> str:
        """Result and text, as report and page show them."""
        return ": ".join(filter(None, [self.result.value.replace("_", " ") if self.result else "", self.text]))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one row, as the report shows it."""

    position: int
    number: int
    cells: tuple[str, ...]
    status: Status
    detail: str
    http_status: int | None = None
    api_code: str | None = None
    attempts: int = 0
    first_sent_at: Epoch | None = None
    finished_at: Epoch | None = None
    notes: tuple[Note, ...] = ()
    """What people found out later; the status does not change with them."""
    person: Learner | None = None
    """Who the learner was when the plan was made, by Zoho's list; None where it is not known."""
    undone: str = ""
    """Which job did the opposite since, as the last change that is known of this person; empty if none did."""
    open: RowState | None = None
    """Where it stands while the job can still send it; None once it is settled, or the job is over."""

    @property
    def last_seen(self) -> LookupResult | None:
        """What a person saw last who looked the learner up; None if nobody did."""
        return next((note.result for note in reversed(self.notes) if note.result), None)
