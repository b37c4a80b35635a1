"""The result of a nightly run."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from bulkremove.app.results import Preview, RunResult
from bulkremove.config import Settings
from bulkremove.domain.clock import Epoch
from bulkremove.domain.command_text import joined
from bulkremove.domain.ids import without_ids
from bulkremove.domain.job import APPROVAL_DAYS, EndReason, Job, JobState
from bulkremove.domain.row import Status
from bulkremove.platform.local_time import local

NIGHTLY_RUN = "the nightly run"
"""The actor of nightly runs in the audit log."""


class NightlyRunEnd(StrEnum):
    """How a nightly run ended, from best to worst. The values are stored in the journal."""

    DONE = "done"
    """There was nothing to do, or every row has its status."""
    GOES_ON = "goes_on"
    """Rows are left, and the next nightly run goes on with them by itself."""
    ROWS_NEED_PERSON = "rows_need_person"
    """Finished, but some rows are refused, unknown, invalid or not sent."""
    NEEDS_PERSON = "needs_person"
    """A file, a plan or a job waits for a person."""
    FAILED = "failed"
    """Source, account, journal, clock or time window: what was to be done could not be done."""


@dataclass(slots=True)
class NightlyResult:
    """What a nightly run did. ``held`` and ``failures``: sentences about files and jobs."""

    night: str
    """The name of the night."""
    sandbox: bool = False
    """Whether it ran against a sandbox, on copies of the files."""
    ended: list[RunResult] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    """Sentences about jobs of earlier nightly runs that wait for a person."""
    scheduled: list[str] = field(default_factory=list)
    """Sentences about announced plans, each with its day."""
    unfinished: list[str] = field(default_factory=list)
    """Files that are still being written."""
    obstacles: list[str] = field(default_factory=list)
    """A sentence for each entry of the folder that can't be taken."""
    unchanged: list[str] = field(default_factory=list)
    """Sentences about contents that each run finds anew and that were taken before."""
    notes: list[str] = field(default_factory=list)
    """Sentences about what nobody need do anything about."""
    put_off: list[str] = field(default_factory=list)
    """Sentences about jobs that were not begun, since the account can't send now."""
    expired: list[str] = field(default_factory=list)
    """Sentences about held plans that were cancelled, since nobody approved them in time."""
    failures: list[str] = field(default_factory=list)
    killed: str = ""
    """That the run before it has not ended, in a sentence."""
    stopped: str = ""
    """Why it ended before it had looked at all files, in a sentence, unless a job of it says so."""
    evidence: str = ""
    """The newest entry of the audit log at its end, in a sentence."""
    unsent: str = ""
    """How many notices wait, and why, in sentences."""
    deleted: str = ""
    """What retention deleted, in a sentence."""
    plans: list[Preview] = field(default_factory=list)
    """Of a dry run only: the plans of the source's files."""
    would_run: list[tuple[Job, int]] = field(default_factory=list)
    """Of a dry run only: earlier jobs that would run, each with its rows left."""
    remaining_text: str = ""
    """Of a dry run only: how many rows would be left for the next nightly run, in a sentence; empty for none."""

    held_jobs: set[str] = field(default_factory=set)
    """The ids of the jobs that ``held`` names."""

    def hold(self, name: str, why: str, job_id: str = "") -> None:
        """Say why a file or a job is held."""
        self.held.append(f"{name}: {without_ids(why)}")
        self.held_jobs.add(job_id)

    @property
    def ran(self) -> list[Job]:
        """The jobs that were run, as they ended."""
        return [ended.job for ended in self.ended]

    @property
    def end(self) -> NightlyRunEnd:
        """How the nightly run ended: the worst of all that it met."""
        ends = [_end_of(ended) for ended in self.ended]
        if self.remaining_text or self.stopped or self.put_off:
            ends.append(NightlyRunEnd.GOES_ON)
        if self.held or self.waiting or self.expired:
            ends.append(NightlyRunEnd.NEEDS_PERSON)
        if self.failures:
            ends.append(NightlyRunEnd.FAILED)
        return max(ends, key=list(NightlyRunEnd).index, default=NightlyRunEnd.DONE)

    @property
    def is_good(self) -> bool:
        """Whether no person must do anything: all is done, or goes on by itself."""
        return self.end in (NightlyRunEnd.DONE, NightlyRunEnd.GOES_ON)


def _end_of(ended: RunResult) -> NightlyRunEnd:
    job, tally = ended.job, ended.tally
    if job.reason_code is EndReason.NOT_AUTHORIZED:
        return NightlyRunEnd.FAILED
    if job.state is JobState.PAUSED and job.auto_resumable:
        return NightlyRunEnd.NEEDS_PERSON if tally[Status.UNKNOWN] else NightlyRunEnd.GOES_ON
    if job.reason_code is not EndReason.NONE:
        return NightlyRunEnd.NEEDS_PERSON
    return NightlyRunEnd.ROWS_NEED_PERSON if tally.needs_person else NightlyRunEnd.DONE


def scheduled_text(name: str, due_at: Epoch) -> str:
    """Which plan runs from when on, in a sentence."""
    return f"{name} runs in the first nightly run after {local(due_at):%Y-%m-%d %H:%M}."


def expired_text(job: Job) -> str:
    """Which plan nobody has approved in time, and what to do, in sentences."""
    return (
        f"Nobody approved the plan of {job.source} ({job.id}) within {APPROVAL_DAYS} days, so it was cancelled. "
        f"`bulkremove nightly --night {job.night} --again {joined([job.source])}` plans the file anew."
    )


def killed_text(began_at: Epoch) -> str:
    """That an earlier run has not ended, in sentences."""
    return (
        f"The run that began on {local(began_at):%Y-%m-%d %H:%M} did not end: it was killed, the machine was switched "
        "off, or the journal could not be written. What it has left is gone on with."
    )


def is_orphaned(job: Job, settings: Settings) -> bool:
    """Whether no night goes on with the job: that which made it is not in the settings any more."""
    return bool(job.night) and job.night not in {night.name for night in settings.nights}


def waiting_text(job: Job, settings: Settings) -> str:
    """Which job waits for a person, why, and what to do, in sentences."""
    command = "approve" if job.state.is_approvable else "canary" if job.reason_code is EndReason.CANARY else "resume"
    lost = f"Night {job.night}, which made it, is not in the settings any more." if is_orphaned(job, settings) else ""
    why = " ".join(filter(None, (job.reason, lost)))
    act = f"`bulkremove {command} {job.id}`, or the page; `bulkremove cancel {job.id}` ends it."
    return f"{job.source} ({job.id}): {why} {act}"
