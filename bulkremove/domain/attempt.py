"""Attempts: requests for a row, what came back, and the row's outcome."""

from __future__ import annotations

from dataclasses import dataclass

from bulkremove.domain.row import Removal, Status


@dataclass(frozen=True, slots=True)
class Reply:
    """The facts of one answer, without any type of the HTTP library."""

    status: int
    body: bytes
    retry_after: str | None = None
    """The header as sent: seconds or an HTTP date."""
    date: str | None = None
    """The server's own time, as sent."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One physical request for one row, as the journal keeps it. Times: epoch seconds and monotonic seconds."""

    number: int
    sent_at: float
    sent_mono: float
    boot: str
    """Which boot of the machine ``sent_mono`` belongs to; monotonic times of two boots can't be compared."""
    response_kind: str | None = None
    """How the answer was read (``zoho.response_kind.ResponseKind``); None while there is none, also after a crash."""
    http_status: int | None = None
    api_code: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class PendingRow:
    """One row of a job on its way: what to remove, and the attempts that were made before."""

    job: str
    position: int
    """Index of the row in the job, from 0."""
    number: int
    """The row's number as the spreadsheet shows it."""
    removal: Removal
    attempts: tuple[Attempt, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.job}:{self.position}"


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one request now: the journal holds its attempt and the ledger its slot."""

    pending_row: PendingRow
    attempt: Attempt
    slot: int
    taken_at: float
    """Monotonic seconds of the run's clock: the slot's own time."""
    committed_at: float = 0.0
    """Seconds of the event loop's clock (real time) when slot and attempt were on disk."""
    commit_seconds: float = 0.0
    """Real seconds that it took to bring them there."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a person found out about an unknown row. ``at``: epoch seconds."""

    at: float
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row, as the report tells it. Times are epoch seconds (UTC)."""

    position: int
    number: int
    cells: tuple[str, ...]
    status: Status
    detail: str
    http_status: int | None = None
    api_code: str | None = None
    attempts: int = 0
    first_sent_at: float | None = None
    finished_at: float | None = None
    notes: tuple[Note, ...] = ()
    """What people found out since; the status stays what this program knows."""
