"""The nouns: what a row, a removal, a plan, an attempt, an outcome and a job are.

Frozen values of the standard library only. Nothing here reads a clock, a file or a socket, so every stage
can speak in these words without knowing another stage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

REPORT_COLUMNS = (
    "row",
    "status",
    "detail",
    "http_status",
    "api_code",
    "attempts",
    "first_sent_at",
    "finished_at",
    "job",
    "plan_hash",
)
"""What a report adds behind the file's own columns, in this order."""


class Status(StrEnum):
    """What became of a row. The words are the report's ``status`` column."""

    REMOVED = "removed"
    REMOVED_INFERRED = "removed_inferred"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    DUPLICATE = "duplicate"
    INVALID = "invalid"
    NOT_SENT = "not_sent"
    DONE_BEFORE = "done_before"
    """A report was given back as the input and says that this row was settled; nothing was sent."""


UNPLANNED = (Status.DUPLICATE, Status.INVALID, Status.DONE_BEFORE, Status.NOT_SENT)
"""What a row of a file can be before anything is sent, other than to be removed."""


class RowState(StrEnum):
    """The two states that only a running job's journal knows; neither stands in a finished report."""

    PENDING = "pending"
    """No attempt so far can have had an effect."""
    SENDING = "sending"
    """An attempt may have had an effect, and nothing has settled it yet."""


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
    """Stored by a night, and not to be run before somebody approves it or its announced day comes."""

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
    """A person or the system stopped the process."""
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


UNSETTLED = "Not known whether the learner was removed: an attempt got no answer. Look the learner up in Zoho People."
"""The detail of a row whose last attempt was unanswered when its job ended for good."""


@dataclass(frozen=True, slots=True)
class Removal:
    """One learner to be taken off one batch: three ids as text, never as numbers.

    Equality is identity: two rows with equal removals are duplicates.
    """

    course: str
    batch: str
    learner: str

    @property
    def path(self) -> str:
        """The documented path (Zoho People, LMS, "Remove learner from batch")."""
        return f"/api/v1/courses/{self.course}/batches/{self.batch}/learners/{self.learner}"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file: its number as the spreadsheet shows it, and its cells as text, unchanged."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Roles:
    """Which columns (0-based) hold the three ids."""

    course: int
    batch: int
    learner: int

    def __iter__(self) -> Iterator[int]:
        return iter((self.course, self.batch, self.learner))


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Why a row of the file is not sent, in plain words: ``duplicate``, ``invalid``, ``done_before``, or
    ``not_sent`` for somebody who is on the list of those who are never removed."""

    status: Status
    detail: str


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person can decide about a file that leaves a choice: its sheets, or its columns."""

    sheets: tuple[str, ...] = ()
    """Names of the sheets with data, when one must be chosen."""
    header: tuple[str, ...] = ()
    """Headings of all columns, when the ids' columns must be chosen."""
    rows: tuple[tuple[str, ...], ...] = ()
    """The first rows below the headings, as seen."""
    guesses: Mapping[str, int] = field(default_factory=dict)
    """Role (course, batch, learner) -> the one column (from 0) whose heading says so."""
    hidden: bool = False
    """Whether hidden rows, hidden sheets or merged cells must be decided on."""


@dataclass(frozen=True, slots=True)
class Table:
    """A file that was read to its end and found undamaged, column by column.

    ``columns[c][i]`` is the text of column ``c`` in data row ``i``, unchanged; ``numbers[i]`` is that row's
    number as the spreadsheet shows it. Columns rather than rows, because a million rows of small objects
    do not fit into the memory that a preview may take.
    """

    source: str
    """The file's name as shown to people."""
    kind: str
    """``csv``, ``tsv``, ``xlsx``, ``xls`` or ``ods``, told by content."""
    header: tuple[str, ...]
    roles: Roles
    numbers: Sequence[int]
    columns: tuple[Sequence[str], ...]
    sheet: str | None = None
    notes: tuple[str, ...] = ()
    """What the preview must say about the reading, in sentences."""
    empty_rows: int = 0
    hidden_rows: int = 0
    """Hidden or filtered rows that were left out at the person's wish."""
    settled: Mapping[int, Exclusion] = field(default_factory=dict)
    """Rows (by index) that a report of ours, given back as the input, tells as settled before."""

    def __len__(self) -> int:
        return len(self.numbers)

    def row(self, index: int) -> Row:
        return Row(self.numbers[index], tuple(column[index] for column in self.columns))

    def rows(self) -> Iterator[Row]:
        for number, *cells in zip(self.numbers, *self.columns, strict=True):
            yield Row(number, tuple(cells))


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One row of a plan: to be sent (``removal``), or not (``exclusion``); exactly one of the two is set."""

    row: Row
    removal: Removal | None
    exclusion: Exclusion | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do, row by row; the same object is previewed, confirmed, stored and run.

    ``ids`` are the trimmed course, batch and learner columns, as long as the table; ``excluded`` names the rows
    (by index in the table) that are not sent. ``fingerprint`` is the SHA-256 (hex) over account, host and the
    ordered rows: one changed byte makes another plan.
    """

    account: str
    host: str
    table: Table
    ids: tuple[Sequence[str], Sequence[str], Sequence[str]]
    excluded: Mapping[int, Exclusion]
    batches: Mapping[tuple[str, str], int]
    """Removals by (course, batch), in order of first appearance."""
    fingerprint: str

    @property
    def removals(self) -> int:
        """How many calls the plan makes when each row is answered at once."""
        return len(self.table) - len(self.excluded)

    @property
    def sandbox(self) -> bool:
        return is_sandbox(self.host)

    def removal(self, index: int) -> Removal:
        course, batch, learner = self.ids
        return Removal(course[index], batch[index], learner[index])

    def row(self, index: int) -> PlannedRow:
        """The row at that place of the table, from 0."""
        exclusion = self.excluded.get(index)
        return PlannedRow(self.table.row(index), None if exclusion else self.removal(index), exclusion)

    def not_sent(self) -> Mapping[Status, int]:
        """How many rows are not sent, by the reason."""
        return Counter(exclusion.status for exclusion in self.excluded.values())

    def rows(self) -> Iterator[PlannedRow]:
        """Every row of the file, in file order."""
        for index, row in enumerate(self.table.rows()):
            exclusion = self.excluded.get(index)
            yield PlannedRow(row, None if exclusion else self.removal(index), exclusion)


@dataclass(frozen=True, slots=True)
class Quota:
    """The account's allowance and how carefully it is kept. All times in seconds.

    ``calls`` in ``window``, then ``lock``: Zoho People's LMS pages ("threshold 30 requests, lock period
    5 minutes"). The other figures are measured; docs/decisions/ has the reasons.
    """

    calls: int = 30
    window: float = 60.0
    lock: float = 300.0
    daily: int | None = None
    """Calls in any 24 hours; None for no cap."""
    margin: float = 1.1
    """Covers whole-second time stamps, nodes 250 ms apart and clocks that drift by 500 ppm."""
    grace: float = 60.0
    """How much later than our giving up a proxy may still deliver a request."""
    slack: float = 1.055
    """The pace is ``window / calls * slack``: a little slower than the limit."""
    exchange: float = 45.0
    """Longest time from taking a slot to giving the exchange up."""


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
    """How the answer was read (``policy.ResponseKind``); None while there is none, also after a crash."""
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


class HoldReason(StrEnum):
    """Why nobody may send for a while."""

    LOCKED = "locked"
    """Zoho said that the allowance is used up."""
    FAILING = "failing"
    """Zoho's own errors pile up, or it asked for a wait."""
    UNREACHABLE = "unreachable"
    """No connection can be made."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A wait for everybody on the account; after it one row goes as the probe. Monotonic seconds."""

    reason: HoldReason
    until: float
    seconds: float
    """How long it was set for; after a reboot it lasts that long at most."""
    rounds: int = 1
    """Full waits so far, this one included."""
    limited_row: str | None = None
    """Key of the row whose answer began it; that row is the first probe."""
    retesting_row: str | None = None
    """Key of a row whose probe was refused; one other row is tried before the next full wait."""
    probe: str | None = None
    """Key of the row that is on its way as the probe."""
    probe_until: float = 0.0
    """When a probe whose process died is given up."""
    budget_before: int | None = None
    """The budget to go back to, should the retesting row turn out to have a limit of its own."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What all processes of the machine share about one account's allowance. Monotonic seconds."""

    next_at: float = 0.0
    """The pace: no paced call before this."""
    burst: int = 0
    """Calls that may still go at once."""
    last_at: float | None = None
    """When a call last left or was answered; None before the first."""
    hold: Hold | None = None
    individually_limited_row: str | None = None
    """Key of a row that hit a limit of its own, not the account's."""
    budget: int | None = None
    """Lowered number of calls a window while somebody else uses the allowance too; None when full."""
    budget_at: float = 0.0
    """When the quiet time began that raises the budget again."""


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
    exit_code: int = 0
    """What a run that ends in this state exits with."""
    created_at: float = 0.0
    finished_at: float | None = None
    seconds: float = 0.0
    """How long it has been driven, in all runs together, in seconds of the run's clock."""
    worst_minute: int = 0
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
    """``person``, or ``night`` for an unattended run."""
    due_at: float | None = None
    """When a held job runs by itself; None when it waits for an approval."""
    auto_resumable: bool = False
    """Paused by something that time alone mends, so that the next night may go on with it."""
    dropped: bool = False
    """Its rows were deleted after their time; only the totals are left."""

    @property
    def sandbox(self) -> bool:
        return is_sandbox(self.host)


@dataclass(frozen=True, slots=True)
class ProtectedLearners:
    """Who is never removed: learners wherever they are, and learners in one batch."""

    learners: frozenset[str] = frozenset()
    removals: frozenset[Removal] = frozenset()

    def __contains__(self, removal: Removal) -> bool:
        return removal.learner in self.learners or removal in self.removals

    def __bool__(self) -> bool:
        return bool(self.learners or self.removals)


class Clock(Protocol):
    """Time, passed in: so that tests run hours in milliseconds and a sandbox run is faster than life.

    Monotonic seconds and sleeps pass ``speed`` times faster than real ones; wall time never does.
    """

    @property
    def speed(self) -> float: ...

    @property
    def boot(self) -> str:
        """An id of this boot of the machine; monotonic times hold within one boot."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step; the same for all processes of one boot."""
        ...

    def wall(self) -> float:
        """Seconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None: ...


def column_letter(column: int) -> str:
    """A spreadsheet's name of a column (0-based): ``A`` for 0, ``AA`` for 26."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name


SANDBOX_HOST = "sandbox"
"""The host of a plan that is made for the bundled sandbox, which takes a free port at each start."""


def is_sandbox(host: str) -> bool:
    """Whether a plan for ``host`` (``name`` or ``name:port``) can reach nothing but a sandbox on this machine."""
    return host == SANDBOX_HOST or is_loopback(host)


def is_loopback(host: str) -> bool:
    """Whether ``host`` (``name`` or ``name:port``) is this machine."""
    name = host.rpartition(":")[0] if host.count(":") == 1 or host.startswith("[") else host
    return name.strip("[]") in ("127.0.0.1", "::1", "localhost")
