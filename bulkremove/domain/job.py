"""Jobs: a plan that was agreed to and stored; where it stands and why its last run ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bulkremove.domain.hosts import is_sandbox
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.domain.row import Roles, Status


class JobState(StrEnum):
    """Where a job stands."""

    STORING = "storing"
    """Its rows are being written; nobody sees it yet."""
    READY = "ready"
    """Stored, never run."""
    RUNNING = "running"
    """A process drives it, or did when it died."""
    PAUSED = "paused"
    """Ended early with rows left; ``resume`` goes on."""
    STOPPED = "stopped"
    """Ended for good with rows left (``not_sent``); ``retry`` makes a new job of them."""
    CANCELLED = "cancelled"
    """A person ended it; the rows left are ``not_sent``."""
    FINISHED = "finished"
    """Every row has its status."""
    HELD = "held"
    """Stored by a nightly run, and not to be run before somebody approves it or its announced day comes."""

    @property
    def resumable(self) -> bool:
        return self in (JobState.READY, JobState.RUNNING, JobState.PAUSED)

    @property
    def over(self) -> bool:
        """Nothing will be sent for it any more."""
        return self in (JobState.STOPPED, JobState.CANCELLED, JobState.FINISHED)


class EndReason(StrEnum):
    """Why a job's last run ended early; the job's ``reason`` says it in a sentence, which is never compared."""

    NONE = ""
    """It has not ended, or every row has its status."""
    INTERRUPTED = "interrupted"
    """A person stopped the process with Ctrl-C."""
    TERMINATED = "terminated"
    """The system stopped the process, or its terminal was closed."""
    SERVER_STOPPED = "server_stopped"
    """The server that ran it was stopped."""
    PAUSED = "paused"
    """A person paused it."""
    CANCELLED = "cancelled"
    """A person cancelled it, or nobody approved it in time."""
    WINDOW_CLOSED = "window_closed"
    """The time window for nightly runs was over."""
    ANSWERS = "answers"
    """Zoho's answers say that something about file, account or network is wrong."""
    NOT_AUTHORIZED = "not_authorized"
    """Zoho refuses the credentials, or a permission is missing."""
    NO_TOKEN = "no_token"  # noqa: S105 - a reason, not a secret
    """Zoho gave no access token."""
    WAITS_EXHAUSTED = "waits_exhausted"
    """A lock, failures or a broken connection outlasted all waits."""
    DAY_USED_UP = "day_used_up"
    """The day's allowance is used up."""
    TOO_SLOW = "too_slow"
    """Disk or computer are too slow to use a slot in time."""
    RESTORED = "restored"
    """The journal was put back from a backup; what was decided about the job since is not known."""
    SETTINGS = "settings"
    """A file or a setting of this machine can't be used."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows have which status. ``total`` is the number of rows in the file; the sum is checked."""

    counts: Mapping[Status, int] = field(default_factory=dict)
    open: int = 0
    """Rows that are not settled yet; 0 in a finished job."""

    @classmethod
    def of(cls, statuses: Iterable[Status]) -> Tally:
        return cls(Counter(statuses))

    def __getitem__(self, status: Status) -> int:
        return self.counts.get(status, 0)

    @property
    def total(self) -> int:
        return sum(self.counts.values()) + self.open

    @property
    def needs_person(self) -> bool:
        """Whether any row is neither removed, nor known to be gone, nor done before, nor a repetition of such a row."""
        return any(self[status] for status in (Status.REFUSED, Status.UNKNOWN, Status.INVALID, Status.NOT_SENT))


@dataclass(frozen=True, slots=True)
class Job:
    """A plan that was confirmed and stored, and how far it came. Times are epoch seconds (UTC)."""

    id: str
    account: str
    host: str
    source: str
    """The input file's name as shown to people."""
    folder: str
    """Where the report goes unless told otherwise: beside the input, or the folder the job was started in."""
    sheet: str | None
    header: tuple[str, ...]
    roles: Roles
    plan_hash: str
    state: JobState
    reason: str = ""
    """Why it ended early, in a sentence for an HR admin; empty otherwise."""
    reason_code: EndReason = EndReason.NONE
    """The same as a code."""
    created_at: float = 0.0
    finished_at: float | None = None
    seconds: float = 0.0
    """How long it has been driven, in all runs together, in seconds of the run's clock."""
    peak_calls: int = 0
    """Most calls of the account in any one window, as far as this job's runs saw."""
    lockouts: int = 0
    mismatched: int = 0
    """Rows where Zoho named another learner than the one that was sent."""
    retry_of: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    prepared_by: str = ""
    """Who gave the file."""
    confirmed_by: str = ""
    """Who agreed to its plan."""
    origin: str = "person"
    """``person``, or ``nightly run`` for an unattended run."""
    due_at: float | None = None
    """When a held job runs by itself; None when it waits for an approval."""
    auto_resumable: bool = False
    """Paused by something that time alone mends, so that the next nightly run may go on with it."""
    operation: str = REMOVE_LEARNER.name
    """The name of the call that it makes for its rows."""
    dropped: bool = False
    """Its rows were deleted after their time; only the totals are left."""

    @property
    def sandbox(self) -> bool:
        return is_sandbox(self.host)
