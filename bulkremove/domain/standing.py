"""How a job or a plan stands, as people are told it: one table of words, tones and icons for page, API and commands.

``JobState`` is what the journal stores; what a person must know depends on its rows, its age and what waits, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import Job, JobState, Tally


class Standing(StrEnum):
    """How a job or a plan stands. The values are those of the HTTP API."""

    DRAFT = "draft"
    WAITING_FOR_APPROVAL = "waiting_for_approval"
    SCHEDULED = "scheduled"
    NOT_STARTED = "not_started"
    RUNNING = "running"
    WAITING = "waiting"
    LOCKED = "locked"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"
    NEEDS_REVIEW = "needs_review"
    FINISHED = "finished"
    FINISHED_WITH_PROBLEMS = "finished_with_problems"
    STOPPED = "stopped"
    CANCELLED = "cancelled"

    @property
    def label(self) -> str:
        """The standing in words."""
        return STANDINGS[self].label

    @property
    def tone(self) -> str:
        """The name of its color: ``idle``, ``busy``, ``wait``, ``good`` or ``bad``."""
        return STANDINGS[self].tone

    @property
    def icon(self) -> str:
        """The name of its icon."""
        return STANDINGS[self].icon

    @property
    def meaning(self) -> str:
        """What it means, and what to do, in a sentence."""
        return STANDINGS[self].meaning


@dataclass(frozen=True, slots=True)
class StandingWords:
    """How a standing is shown."""

    label: str
    tone: str
    icon: str
    meaning: str


STANDINGS: Mapping[Standing, StandingWords] = MappingProxyType(
    {
        Standing.DRAFT: StandingWords(
            "Draft", "idle", "file-pen", "A plan that nobody has confirmed. Nothing is sent before somebody does."
        ),
        Standing.WAITING_FOR_APPROVAL: StandingWords(
            "Waiting for approval", "wait", "user-check", "An approver must let it run. Nothing is sent before that."
        ),
        Standing.SCHEDULED: StandingWords("Scheduled", "idle", "calendar-clock", "It starts by itself at its time."),
        Standing.NOT_STARTED: StandingWords(
            "Not started", "wait", "circle", "It was confirmed, and no row has been sent. Resume or cancel it."
        ),
        Standing.RUNNING: StandingWords(
            "Running", "busy", "circle-play", "Rows are being sent. There is nothing to do."
        ),
        Standing.WAITING: StandingWords(
            "Waiting",
            "busy",
            "hourglass",
            "The calls that Zoho allows for now are used, or Zoho can't be reached. It goes on by itself.",
        ),
        Standing.LOCKED: StandingWords(
            "Locked by Zoho",
            "wait",
            "lock",
            "Zoho takes no calls of this account for some minutes. Nobody did anything wrong; it goes on by itself.",
        ),
        Standing.PAUSED: StandingWords(
            "Paused", "wait", "pause", "Rows are left, and none is sent before somebody resumes it."
        ),
        Standing.INTERRUPTED: StandingWords(
            "Interrupted", "wait", "pause", "Whatever ran it has ended, with rows left. Resume or cancel it."
        ),
        Standing.NEEDS_REVIEW: StandingWords(
            "Needs review",
            "wait",
            "eye",
            "It has not run for a while. Look at the rows that are left before you resume it: people may have been "
            "enrolled again since.",
        ),
        Standing.FINISHED: StandingWords("Finished", "good", "circle-check", "Every row has its result."),
        Standing.FINISHED_WITH_PROBLEMS: StandingWords(
            "Finished with problems",
            "bad",
            "triangle-alert",
            "Every row has its result, and somebody must look at some of them: they are unknown, refused, invalid, not "
            "sent or of another person.",
        ),
        Standing.STOPPED: StandingWords(
            "Stopped", "bad", "circle-stop", "It ended early. The rows that are left were not sent; retry sends them."
        ),
        Standing.CANCELLED: StandingWords(
            "Cancelled", "idle", "ban", "Somebody ended it, or nobody approved it in time. The rest was not sent."
        ),
    }
)
"""The table. A new standing needs a line here, and an icon of that name on the page."""

_OF_STATE = {
    JobState.HELD: Standing.WAITING_FOR_APPROVAL,
    JobState.SCHEDULED: Standing.SCHEDULED,
    JobState.STORING: Standing.NOT_STARTED,
    JobState.READY: Standing.NOT_STARTED,
    JobState.RUNNING: Standing.INTERRUPTED,
    JobState.PAUSED: Standing.PAUSED,
    JobState.STOPPED: Standing.STOPPED,
    JobState.CANCELLED: Standing.CANCELLED,
}
"""The standing of a job that no process runs."""


OF_STATE: Mapping[JobState, Standing] = MappingProxyType(
    {
        JobState.READY: Standing.NOT_STARTED,
        JobState.RUNNING: Standing.RUNNING,
        JobState.PAUSED: Standing.PAUSED,
        JobState.HELD: Standing.WAITING_FOR_APPROVAL,
        JobState.SCHEDULED: Standing.SCHEDULED,
        JobState.STOPPED: Standing.STOPPED,
        JobState.CANCELLED: Standing.CANCELLED,
        JobState.FINISHED: Standing.FINISHED,
    }
)
"""The words of a stored state, where nothing is known of the job's rows and age."""


def standing_of(
    job: Job, tally: Tally, *, now: Epoch, is_running: bool, is_waiting: bool = False, is_locked: bool = False
) -> Standing:
    """How a job stands. ``is_running``: a process runs it; ``is_waiting``: all its rows wait; ``is_locked``: for Zoho.

    A job of which nobody can say more is told as interrupted, never as finished.
    """
    if is_running and not job.state.is_over:
        if is_locked:
            return Standing.LOCKED
        return Standing.WAITING if is_waiting else Standing.RUNNING
    if job.state is JobState.FINISHED:
        return Standing.FINISHED_WITH_PROBLEMS if tally.needs_person or tally.open else Standing.FINISHED
    return Standing.NEEDS_REVIEW if job.needs_review(now) else _OF_STATE[job.state]
