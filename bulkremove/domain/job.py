"""Jobs: a plan that was confirmed and stored, its state, and why its last run ended."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bulkremove.domain.attempt import LookupResult
from bulkremove.domain.clock import DAY_SECONDS, Epoch, seconds_between
from bulkremove.domain.hosts import is_sandbox
from bulkremove.domain.operation import ENROLL_LEARNER, OPERATIONS, REMOVE_LEARNER, Words
from bulkremove.domain.row import Roles, Status
from bulkremove.domain.wording import Wording

CONSENT_SECONDS = 3600.0
"""Seconds after which what is left of a job needs a person's review (an hour after its last run)."""
APPROVAL_DAYS = 7
APPROVAL_SECONDS = APPROVAL_DAYS * DAY_SECONDS
"""Seconds after which a plan that nobody approved has expired, and a job that no nightly run went on with is held."""
MAX_KEY_LENGTH = 255
"""Characters of the idempotency key with which a program confirms a plan."""
START_AHEAD_SECONDS = DAY_SECONDS
"""Seconds that a person's job may wait for its start: no longer than its plan may wait for being confirmed."""
PLAN_SECONDS = DAY_SECONDS
"""Seconds after which a plan that was shown can't be confirmed any more."""
ANNOUNCED_WAIT_SECONDS = DAY_SECONDS
"""Seconds that a wait for the daily quota or for the next window may last; the plan announced it."""
CLOCK_STEP_SECONDS = 60.0
"""Seconds that the wall clock may have been set back without making the age of a consent unknown."""

OVER_CAP = "over_cap"
"""The option of a job that holds why it may exceed a cap."""
EXPECT_MISSING = "expect_missing"
"""The option of a job whose learners may be gone already, so that it goes on if Zoho knows none of the first ones."""
BATCH_NAMES = "batch_names"
"""The option of a job that holds the names of its batches, as JSON: lists of course, batch and name."""


class FrontEnd(StrEnum):
    """What runs jobs. The values are stored in the journal."""

    COMMAND = "command"
    """A command that a person or a script runs, or a program that uses the Python API."""
    PAGE = "page"
    """The page or the HTTP API of a server."""
    NIGHTLY = "nightly"
    """A nightly run."""


class JobState(StrEnum):
    """The state of a job. The values are stored in the journal; it stores a scheduled job as a held one with a day."""

    STORING = "storing"
    """Its rows are being written; it is not listed yet."""
    READY = "ready"
    """Stored, never run."""
    RUNNING = "running"
    """A process runs it, or did so when it died."""
    PAUSED = "paused"
    """Ended early with rows left; ``resume`` continues it."""
    STOPPED = "stopped"
    """Ended for good with rows left (``not_sent``); ``retry`` makes a new job of them."""
    CANCELLED = "cancelled"
    """A person ended it, or nobody approved it in time; the rows left are ``not_sent``."""
    FINISHED = "finished"
    """Every row has a final status."""
    HELD = "held"
    """Stored by a nightly run, or under ``four_eyes``; not run before a person approves it."""
    SCHEDULED = "scheduled"
    """Stored by a nightly run and announced; it runs when its day comes, or when a person approves it before."""

    @property
    def is_resumable(self) -> bool:
        """Whether the job can be run or resumed; also while it is running, since its process may have died."""
        return self in (JobState.READY, JobState.RUNNING, JobState.PAUSED)

    @property
    def is_approvable(self) -> bool:
        """Whether a person may let the job run, which does not run by itself, or not yet."""
        return self in (JobState.HELD, JobState.SCHEDULED)

    @property
    def is_over(self) -> bool:
        """Whether nothing will be sent for the job any more."""
        return self in (JobState.STOPPED, JobState.CANCELLED, JobState.FINISHED)


class EndReason(StrEnum):
    """Why the last run of a job ended early. ``Job.reason`` has the sentence for it, which is never compared."""

    NONE = ""
    """The run has not ended, or every row has its status."""
    INTERRUPTED = "interrupted"
    """A person stopped the process with Ctrl-C."""
    TERMINATED = "terminated"
    """The operating system stopped the process, its terminal was closed, or the program that ran it stopped it."""
    SERVER_STOPPED = "server_stopped"
    """The server that ran it was stopped."""
    PAUSED = "paused"
    """A person paused it."""
    CANCELLED = "cancelled"
    """A person cancelled it."""
    EXPIRED = "expired"
    """Nobody approved it in time."""
    CANARY = "canary"
    """One row was sent alone, and a person must confirm it before the others are sent."""
    WINDOW_CLOSED = "window_closed"
    """The time window for nightly runs was over."""
    ANSWERS = "answers"
    """Zoho's responses show that something about the file, the account or the network is wrong."""
    WEB_PAGE = "web_page"
    """A web page came in place of Zoho's answer: a proxy, a sign-in page or maintenance."""
    NOT_AUTHORIZED = "not_authorized"
    """Zoho refuses the credentials, or a permission is missing."""
    NO_TOKEN = "no_token"  # noqa: S105 - a reason, not a secret
    """Zoho gave no access token."""
    WAITS_EXHAUSTED = "waits_exhausted"
    """A lock, failures or a broken connection lasted longer than all waits."""
    DAY_USED_UP = "day_used_up"
    """The daily quota is used up."""
    STANDSTILL = "standstill"
    """The process stood still, as on a machine that sleeps, for longer than consent lasts."""
    TOO_SLOW = "too_slow"
    """Disk or CPU are too slow to use a slot in time."""
    RESTORED = "restored"
    """The journal was restored from a backup; decisions made about the job after it are not known."""
    SETTINGS = "settings"
    """A file or a setting of this machine can't be used."""


_UNKNOWN = Words("change", "changes", "changed", "change", "in", "as they should be", "nothing has been changed")
_NEED_PERSON = (Status.REFUSED, Status.UNKNOWN, Status.INVALID, Status.NOT_SENT, Status.IDENTITY_MISMATCH)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows of a job have which status."""

    counts: Mapping[Status, int] = field(default_factory=dict)
    open: int = 0
    """Rows that are not settled yet; 0 in a finished job."""

    @classmethod
    def of(cls, statuses: Iterable[Status]) -> Tally:
        """Count the statuses of settled rows."""
        return cls(Counter(statuses))

    def __getitem__(self, status: Status) -> int:
        return self.counts.get(status, 0)

    @property
    def total(self) -> int:
        """The number of rows, settled or not."""
        return sum(self.counts.values()) + self.open

    @property
    def needs_person(self) -> bool:
        """Whether a person must look at any row: it was refused, invalid or not sent, or its outcome is unknown."""
        return any(self[status] for status in _NEED_PERSON)


@dataclass(frozen=True, slots=True)
class Job:
    """A plan that was confirmed and stored, with its progress."""

    id: str
    account: str
    host: str
    source: str
    """The input file's name as shown to people."""
    folder: str
    """The default folder of the report: that of the input file, or the working directory when the job was made."""
    sheet: str | None
    header: tuple[str, ...]
    roles: Roles
    plan_hash: str
    state: JobState
    reason: str = ""
    """Why it ended early, in a sentence for an HR admin; empty otherwise."""
    reason_code: EndReason = EndReason.NONE
    """The reason as a code."""
    created_at: Epoch = Epoch(0.0)
    planned_at: Epoch = Epoch(0.0)
    """When its plan was made, which a person may have confirmed much later."""
    finished_at: Epoch | None = None
    seconds: float = 0.0
    """Duration of all its runs together, in seconds of the run's clock."""
    peak_calls: int = 0
    """Largest number of calls of the account in any window, as observed by the runs of this job."""
    lockouts: int = 0
    """How often Zoho locked the account during its runs."""
    mismatched: int = 0
    """Rows where Zoho's response named another learner than the one that was sent."""
    retry_of: str | None = None
    """The id of the job whose rows it is made of: it sends them again, or puts the people back."""
    options: Mapping[str, str] = field(default_factory=dict)
    prepared_by: tuple[str, ...] = ()
    """Who provided the file, and who decided how it is read."""
    confirmed_by: str = ""
    """The user who confirmed its plan."""
    origin: FrontEnd = FrontEnd.COMMAND
    """The front end that made it."""
    last_run_at: Epoch = Epoch(0.0)
    """When a process last ran it, to the minute; at first when it was made or approved."""
    last_run_by: FrontEnd = FrontEnd.COMMAND
    """The front end that last ran it; at first the one that made it."""
    due_at: Epoch | None = None
    """When a scheduled job may start: one of a night in its next run, one of the page by itself."""
    auto_resumable: bool = False
    """Paused for a reason that passes by itself, so that the next nightly run may resume it."""
    client: str = ""
    """The identity of the client at Zoho that its plan was made for."""
    accepted_wordings: tuple[Wording, ...] = ()
    """The wordings that its plan counts as a proven removal."""
    operation: str = REMOVE_LEARNER.name
    """The name of its ``Operation``."""
    night: str = ""
    """The name of the night that made it; empty for a job of another front end."""
    rows_deleted: bool = False
    """Its rows were deleted after the retention period; only the totals are left."""

    @property
    def is_enrolment(self) -> bool:
        """Whether it enrols people whom another job removed."""
        return self.operation == ENROLL_LEARNER.name

    @property
    def proving(self) -> LookupResult:
        """What a person notes who sees that a row of it had its effect: sent again, it might hit somebody else."""
        return LookupResult.STILL_THERE if self.is_enrolment else LookupResult.GONE

    @property
    def refuting(self) -> LookupResult:
        """What a person notes who sees that a row of it had none."""
        return LookupResult.GONE if self.is_enrolment else LookupResult.STILL_THERE

    @property
    def words(self) -> Words:
        """How texts speak of what it does. A newer version's operation, which can't be run here, is not a removal."""
        return OPERATIONS[self.operation].words if self.operation in OPERATIONS else _UNKNOWN

    @property
    def is_sandbox(self) -> bool:
        """Whether its host can only be a sandbox on this machine."""
        return is_sandbox(self.host)

    @property
    def batch_names(self) -> Mapping[tuple[str, str], str]:
        """The names of its batches by (course, batch), as far as they were known when it was planned."""
        return {(course, batch): name for course, batch, name in json.loads(self.options.get(BATCH_NAMES, "[]"))}

    @property
    def expects_missing(self) -> bool:
        """Whether a person said that its learners may be gone already."""
        return EXPECT_MISSING in self.options

    @property
    def doubtful_ids(self) -> int:
        """How many ids of its plan are doubtful and were compared by nobody yet; who approves it must do so."""
        return 0 if "compared" in self.options else int(self.options.get("doubtful_ids", 0))

    @property
    def belongs_to_others(self) -> bool:
        """Whether a person paused it, or another front end than the command line ran it last: somebody may know why."""
        is_theirs = self.last_run_by is not FrontEnd.COMMAND or self.reason_code is EndReason.PAUSED
        return is_theirs and self.state in (JobState.RUNNING, JobState.PAUSED)

    @property
    def is_in_announced_wait(self) -> bool:
        """Whether it is paused for a wait that its plan announced: for the time window or the day's allowance."""
        return self.state is JobState.PAUSED and self.reason_code in (EndReason.DAY_USED_UP, EndReason.WINDOW_CLOSED)

    def needs_review(self, now: Epoch) -> bool:
        """Whether a person must look at what is left before it goes on: learners may have been enrolled anew since.

        Consent lasts for ``CONSENT_SECONDS`` from the end of its last run, and an announced wait belongs to the run.
        """
        if self.reason_code is EndReason.RESTORED:
            return self.state.is_resumable  # what was decided about it since the backup is not known
        lasts = CONSENT_SECONDS + self.is_in_announced_wait * ANNOUNCED_WAIT_SECONDS
        return self.state.is_resumable and not is_recent(self.last_run_at, now, lasts)


def is_recent(at: Epoch, now: Epoch, seconds: float) -> bool:
    """Whether ``at`` is at most so many seconds ago; not if it is in the future, since a clock was wrong then."""
    return -CLOCK_STEP_SECONDS <= seconds_between(at, now) <= seconds
