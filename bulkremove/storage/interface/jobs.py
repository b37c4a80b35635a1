"""Jobs, their states and events."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from bulkremove.domain.job import EndReason, Job, JobState, Tally
from bulkremove.domain.plan import PlannedRow
from bulkremove.storage.interface.records import Record

R = TypeVar("R")

VISIBLE = tuple(state for state in JobState if state is not JobState.STORING)
"""The states of jobs that are stored whole."""


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a run of a job ended. ``seconds`` and ``peak`` (calls in one window) are this run's."""

    state: JobState
    reason: str
    code: EndReason
    at: float
    """Epoch seconds."""
    seconds: float = 0.0
    peak: int = 0
    auto_resumable: bool = False


class JobStore(Protocol):
    """Jobs and their events."""

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

    async def events(self, job_id: str) -> list[tuple[float, str, str]]:
        """When (epoch seconds), the stable name, and the words, the oldest first."""
        ...

    async def is_reported(self, job_id: str) -> bool:
        """Whether the report of the last run was put into place; a kill may come before that."""
        ...

    async def counts(self) -> tuple[Mapping[str, int], Mapping[str, int], int]:
        """Rows by status, jobs by state, and lockouts, over all jobs."""
        ...
