"""What the rest of the program may ask of the storage: one protocol for each consumer, and the values they exchange.

Every method is one durable transaction, or a series of short ones where it says so; none stays open while its caller
does something else. A method that returns has its writes on disk. All of them raise JournalFailed when the storage
can't be read or written; nothing may be sent after that. Rules come in as pure values, so that a slot is taken by the
same transaction that looked at the ledger. tests/test_storage_contract.py holds what every implementation must pass.

``sqlite`` implements them on one file of one machine.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from bulkremove.domain.model import (
    Attempt,
    EndReason,
    Job,
    JobState,
    Ledger,
    Note,
    Outcome,
    PendingRow,
    Permit,
    PlannedRow,
    ProtectedLearners,
    RowState,
    Status,
    Tally,
)
from bulkremove.domain.permissions import Role

R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")

# What is written together with something else, or neither


@dataclass(frozen=True, slots=True)
class Act:
    """An entry for the audit log. ``act``: a stable word; ``facts``: names, numbers and hashes, never a cell."""

    actor: str
    act: str
    facts: Mapping[str, object]
    at: float
    """Epoch seconds."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something about a job that a person will want to read later. ``name``: a stable word; ``at``: epoch seconds.

    ``locked`` also counts as a lockout of the job.
    """

    job: str
    name: str
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class Notice:
    """A message for people, kept in the outbox until it is sent; of two with one ``key`` the first alone is kept."""

    key: str
    subject: str
    body: str
    attachment: str | None
    """Path of a report."""
    at: float
    """Epoch seconds."""
    tries: int = 0


@dataclass(frozen=True, slots=True)
class IntakeResult:
    """What the content of a nightly file has become: a job, or nothing and why."""

    digest: str
    job: str | None
    held: str = ""


Record = Act | JobEvent | Notice | IntakeResult

# The rate limit


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
    """The ledger before and after the end of an attempt, and what its rule said."""

    before: Ledger
    after: Ledger
    said: R_co


class AttemptStore(Protocol):
    """Attempts and their slots: intent before, outcome after."""

    async def take(self, pending_row: PendingRow, rule: SlotRule[R]) -> Permit | R:
        """A slot and the attempt's intent, both on disk; or the rule's refusal, and nothing.

        A caller that is cancelled meanwhile leaves neither. Raises whatever the rule raises.
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


# Jobs

VISIBLE = tuple(state for state in JobState if state is not JobState.STORING)
"""The states of jobs that are stored whole."""


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a run of a job ended. ``seconds`` and ``peak`` (calls in one window) are this run's."""

    state: JobState
    reason: str
    code: EndReason
    exit_code: int
    at: float
    """Epoch seconds."""
    seconds: float = 0.0
    peak: int = 0
    auto_resumable: bool = False


class JobStore(Protocol):
    """Jobs, their rows, notes and events."""

    async def create(self, job: Job, rows: Iterable[PlannedRow], *records: Record) -> None:
        """Store a confirmed plan as a job, in short transactions; visible to others when it is whole.

        The caller holds the job's claim meanwhile. ``records`` are written when the job becomes visible.
        """
        ...

    async def abandoned(self) -> list[str]:
        """Jobs that are being stored, or were when their process died."""
        ...

    async def remove_abandoned(self, job_id: str) -> None:
        """Delete a job that was never stored whole, in short transactions; one that is whole by now stays.

        The caller holds its claim.
        """
        ...

    async def get(self, job_id: str) -> Job:
        """The job of that id. Raises JobNotFound."""
        ...

    async def exists(self, job_id: str) -> bool:
        """Whether the id is taken, also by a job that is being stored."""
        ...

    async def page(
        self, *, states: Collection[JobState] = VISIBLE, source: str = "", limit: int = -1, offset: int = 0
    ) -> list[Job]:
        """A page of the jobs in these states whose file's name contains ``source``, the newest first.

        Without a limit, all of them.
        """
        ...

    async def newest_unfinished(self) -> Job | None:
        """The newest job with rows left or without its report."""
        ...

    async def newest_of_plan(self, plan_hash: str) -> Job | None: ...
    async def newest_nightly(self) -> Job | None:
        """The newest job of a nightly run that was allowed to run."""
        ...

    async def retries(self, job_id: str) -> list[Job]: ...

    async def start(self, job_id: str, *records: Record) -> Job:
        """A process runs the job from now on."""
        ...

    async def end(self, job_id: str, decide: Callable[[Tally], JobEnd], *records: Record) -> Job:
        """The run is over, as ``decide`` (pure) says from the tally; its event is written with it."""
        ...

    async def cancel(self, job_id: str, check: Callable[[Job], None], end: JobEnd, *records: Record) -> Job:
        """End a job for good. Raises what ``check`` raises, and then nothing has changed."""
        ...

    async def release(self, job_id: str, check: Callable[[Job], None], *records: Record, by: str) -> Job | None:
        """Let a held job run; None when it is not held. Raises what ``check`` raises, and then nothing has changed."""
        ...

    async def protect(self, job_id: str, protected: ProtectedLearners, *, why: str, at: float) -> int:
        """Settle the open rows of protected learners, in short transactions; how many there were.

        They are ``not_sent``, or ``unknown`` after an attempt that may have had an effect.
        """
        ...

    async def tally(self, job_id: str, *, as_reported: bool = False) -> Tally:
        """How many rows have which status. ``as_reported``: open rows count as what a report calls them."""
        ...

    async def tallies(self, job_ids: Collection[str]) -> Mapping[str, Tally]:
        """The tallies of several jobs, by job."""
        ...

    async def export(self, job: Job, work: Callable[[Iterator[Outcome]], R]) -> R:
        """What ``work`` makes of all rows in file order. It runs in a thread of its own and may take long.

        In a job that is not over, an open row is given as ``not_sent``, or as ``unknown`` when an attempt may have had
        an effect.
        """
        ...

    async def search(self, job: Job, *, status: Status | None, text: str, offset: int, limit: int) -> list[Outcome]:
        """Rows that have a status and contain a text in some cell (ignoring case), in file order."""
        ...

    def open_rows(self, job_id: str) -> AsyncGenerator[PendingRow]:
        """The rows still to be sent: first those with an open attempt, whose time runs out, then in file order."""
        ...

    async def numbers(self, job_id: str) -> set[int]:
        """The rows' numbers as the spreadsheet shows them."""
        ...

    async def removal_times(self, job_id: str) -> list[float]:
        """When (epoch seconds) each removal was settled, in ascending order."""
        ...

    async def first_call_after(self, job_id: str, thens: Sequence[float]) -> list[float | None]:
        """For each moment (epoch seconds), when the job's first call after it left."""
        ...

    async def add_note(self, job_id: str, number: int, note: Note, *records: Record) -> bool:
        """Keep a person's note about the unknown row of that number; False if the job has none such."""
        ...

    async def unknown_without_note(self, job_id: str) -> int: ...

    async def events(self, job_id: str) -> list[tuple[float, str, str]]:
        """When (epoch seconds), the stable name, and the words, the oldest first."""
        ...

    async def is_reported(self, job_id: str) -> bool:
        """Whether the report of the last run was put into place; a kill may come before that."""
        ...

    async def counts(self) -> tuple[Mapping[str, int], Mapping[str, int], int]:
        """Rows by status, jobs by state, and lockouts, over all jobs."""
        ...

    async def delete_rows(self, job_id: str) -> None:
        """Delete the rows of a job that is over, in short transactions; its totals stay."""
        ...

    async def delete_rows_left(self) -> None:
        """Go on with deletions that a kill has cut short."""
        ...

    async def open_rows_of(self, learner: str) -> int:
        """How many rows of a learner may still be sent."""
        ...

    async def rows_of(self, learner: str) -> Mapping[str, int]:
        """How many rows of a learner there are, by job."""
        ...

    async def erase(self, learner: str) -> Mapping[str, int]:
        """Empty the cells and ids of a learner's rows that are not sent any more; how many, by job."""
        ...


# People


@dataclass(frozen=True, slots=True)
class User:
    """A person who signs in on the page. ``added_at``: epoch seconds."""

    name: str
    role: Role
    added_at: float


@dataclass(frozen=True, slots=True)
class Token:
    """A program's access, without its secret. Times are epoch seconds."""

    id: str
    name: str
    role: Role
    added_at: float
    revoked_at: float | None


class UserStore(Protocol):
    """Users and tokens; hashes only."""

    async def users(self) -> list[User]:
        """All users, by name."""
        ...

    async def credentials(self, name: str) -> tuple[Role, str] | None:
        """A user's role and password hash; None if there is none of that name."""
        ...

    async def add_user(self, user: User, password: str, *records: Record) -> bool:
        """Store a user; False, and nothing changes, when the name is taken. ``password``: its hash."""
        ...

    async def set_password(self, name: str, password: str, *records: Record) -> bool:
        """Replace a user's hash; False if there is none of that name."""
        ...

    async def remove_user(self, name: str, *records: Record) -> bool:
        """Delete a user; False if there is none of that name."""
        ...

    async def tokens(self) -> list[Token]:
        """All tokens, revoked ones too, the oldest first."""
        ...

    async def token_of(self, digest: str) -> Token | None:
        """The token of that SHA-256 (hex), unless it was revoked."""
        ...

    async def add_token(self, token: Token, digest: str, *records: Record) -> None: ...
    async def revoke_token(self, token_id: str, *records: Record, at: float) -> bool:
        """End a token; False if there is none of that id that is still valid."""
        ...


# The audit log


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act as it was recorded; ``hash`` covers it and the entry before it."""

    id: int
    at: float
    actor: str
    act: str
    facts: Mapping[str, object]
    hash: str


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """The result of verifying the chain. ``broken``: the first entry that does not fit, and why."""

    entries: int
    head: str
    broken: tuple[int, str] | None = None


class AuditLog(Protocol):
    """Who did what and when, each entry bound to the one before it by a hash."""

    async def append(self, *acts: Act) -> None: ...
    async def newest(self, limit: int) -> list[AuditEntry]:
        """The newest entries, the newest first."""
        ...

    async def verify(self) -> AuditCheck:
        """Compute the whole chain again, in short reads, and compare it."""
        ...


# Nightly runs


@dataclass(frozen=True, slots=True)
class Taken:
    """A content that a nightly run took: under which name, when (epoch seconds), and what became of it.

    ``place``: the file's name in ``working``.
    """

    digest: str
    name: str
    taken_at: float
    place: str
    job: str | None
    held: str


class NightlyStore(Protocol):
    """Nightly runs, the files they took, and the outbox."""

    async def begin(self, date: str, *, at: float) -> int:
        """A nightly run starts; its number."""
        ...

    async def end(self, night: int, *, at: float, good: bool) -> None: ...
    async def leave_out(self, date: str, *records: Record, at: float) -> None:
        """A nightly run does not take place."""
        ...

    async def last_date(self) -> str | None:
        """The local date of the last nightly run that started or was left out."""
        ...

    async def last_good(self) -> float | None:
        """When the last good nightly run ended (epoch seconds)."""
        ...

    async def sizes(self, count: int) -> list[int]:
        """How many rows each of the last nightly jobs that ran was to remove, the newest first."""
        ...

    async def taken(self, digest: str) -> Taken | None:
        """What became of that content, if it was taken before."""
        ...

    async def take(self, digest: str, name: str, place: str, *, at: float) -> None:
        """A content is taken, or taken again."""
        ...

    async def due_notices(self, now: float) -> list[Notice]:
        """The notices that wait and are due, the oldest first."""
        ...

    async def waiting_notices(self) -> int:
        """How many notices were not sent yet."""
        ...

    async def notice_sent(self, key: str, *, at: float) -> None: ...
    async def notice_failed(self, key: str, *, next_at: float) -> None:
        """It could not be sent; it is tried again at ``next_at`` (epoch seconds)."""
        ...


# A copy that was put back


@dataclass(frozen=True, slots=True)
class Restored:
    """Another journal, or an older copy, is in the place of the one that was used last.

    ``changes``: attempts and audit entries that are lost; None when that is not known. ``rows``: by job, open rows that
    may have been sent since; ``unfinished``: ids of the jobs that are not over in it; ``jobs``: ids of lost jobs.
    """

    changes: int | None
    rows: Mapping[str, int]
    unfinished: Sequence[str]
    jobs: Sequence[str]


class RestoreCheck(Protocol):
    """Whether the journal has lost what was done since a copy of it was made."""

    async def look(self) -> Restored | None:
        """What is lost; None when this is the journal that was used last."""
        ...

    async def put_back(self, copy: Path, *records: Record) -> None:
        """Replace the journal by a copy with these records, in one transaction; it waits to be accepted then.

        Raises JournalFailed for a copy that is damaged or no journal, and then nothing has changed.
        """
        ...

    async def accept(self, *records: Record, keys: Collection[str], slots: int, held_seconds: float, why: str) -> None:
        """Go on with this journal: rows that may have been sent since become ``unknown``, no others.

        Its jobs that are not over are paused, or wait for an approval: what was decided about them since is not known.
        Notices that it would still send are deleted. ``why``: for people, at each of the jobs. ``slots`` slots of each
        account are held for ``held_seconds``, since the calls that were made meanwhile are not known: of the ledgers
        ``keys``, and of all that the copy or its mark have.
        """
        ...


# Claims


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a claim (host and process), and since when (epoch seconds)."""

    name: str
    since: float


class Claims(Protocol):
    """Who may run a job, store a plan, serve the page: one process at a time, freed by its death."""

    def hold(self, name: str) -> AbstractAsyncContextManager[None]:
        """Hold a claim alone while the context lasts. Raises JobBusy when another holder has it."""
        ...

    async def holder(self, name: str) -> Holder | None:
        """Who holds the claim right now; asking disturbs nobody who wants to take it."""
        ...


class Storage(Protocol):
    """The storage of one home folder, by consumer."""

    @property
    def jobs(self) -> JobStore: ...
    @property
    def attempts(self) -> AttemptStore: ...
    @property
    def rate_limit(self) -> RateLimitStore: ...
    @property
    def claims(self) -> Claims: ...
    @property
    def users(self) -> UserStore: ...
    @property
    def audit(self) -> AuditLog: ...
    @property
    def nightly(self) -> NightlyStore: ...
    @property
    def restore(self) -> RestoreCheck: ...

    async def record(self, *records: Record) -> None:
        """Write these together."""
        ...

    async def backup(self, path: Path) -> None:
        """A consistent copy, also while it is written to. Raises JournalFailed when the file exists."""
        ...

    async def shrink(self) -> None:
        """Return the space of what was deleted to the file system, in short transactions."""
        ...

    async def overwrite_deleted(self) -> bool:
        """See to it that what was deleted or erased stands nowhere on the disk; False when that can't be yet."""
        ...

    async def damage(self) -> str:
        """What is wrong with the stored content, in a technical word; empty when nothing is."""
        ...

    def close(self) -> None:
        """End this use of the storage."""
        ...
