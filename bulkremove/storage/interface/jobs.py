"""Jobs, their states and events."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import EndReason, FrontEnd, Job, JobState, Tally
from bulkremove.domain.permissions import AccountSet
from bulkremove.domain.plan import PlannedRow
from bulkremove.domain.row import Roles
from bulkremove.storage.interface.records import Record, StoredEvent

VISIBLE = tuple(state for state in JobState if state is not JobState.STORING)
"""The states of jobs that are stored completely."""


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a run of a job ended. ``seconds`` and ``peak`` (calls in one window) are this run's."""

    state: JobState
    reason: str
    code: EndReason
    at: Epoch
    seconds: float = 0.0
    peak: int = 0
    auto_resumable: bool = False


class JobStore(Protocol):
    """The store of jobs and their events."""

    async def create(self, job: Job, rows: Iterable[PlannedRow], *records: Record) -> None:
        """Store a confirmed plan as a job, in short transactions; it becomes visible when it is complete.

        The caller holds the job's claim meanwhile. ``records`` are written when the job becomes visible.
        """
        ...

    async def incomplete_jobs(self) -> list[str]:
        """Ids of the jobs that are being stored, or were when their process died."""
        ...

    async def remove_incomplete(self, job_id: str) -> None:
        """Delete a job that was not stored completely, in short transactions; a complete one stays.

        The caller holds the job's claim.
        """
        ...

    async def get(self, job_id: str) -> Job:
        """The job with this id. Raises JobNotFound."""
        ...

    async def exists(self, job_id: str) -> bool:
        """Whether the id is taken, also by a job that is being stored."""
        ...

    async def page(
        self,
        *,
        accounts: AccountSet,
        states: Collection[JobState] = VISIBLE,
        source: str = "",
        who: str = "",
        since: Epoch = Epoch(0.0),
        before: tuple[Epoch, str] | None = None,
        limit: int = -1,
        offset: int = 0,
    ) -> list[Job]:
        """A page of the jobs of these accounts in these states whose file's name contains ``source``, the newest first.

        ``who``: only jobs that this person or program prepared or confirmed; empty for all. ``since``: only jobs made
        at that time or later. ``before``: only those that come after the job with this time and id in the list.
        ``limit``: -1 for all of them.
        """
        ...

    async def newest_unfinished(self, account: str, client: str, host: str) -> Job | None:
        """The newest job of an account that a command ran last and nobody paused, or that lacks its report."""
        ...

    async def newest_job_of_plan(self, plan_hash: str) -> Job | None:
        """The newest job made from the plan with this hash, except jobs that were cancelled before they ever ran."""
        ...

    async def record_plan_shown(self, plan_hash: str, *, at: Epoch, generation: str, forget_before: Epoch) -> None:
        """Record that a plan was shown, and delete the records of plans shown before ``forget_before``."""
        ...

    async def shown_plan(self, plan_hash: str) -> tuple[Epoch, str] | None:
        """When a plan was shown last, and in which generation of the storage; None if that is not known."""
        ...

    async def by_idempotency_key(self, key: str, plan_hash: str, accounts: AccountSet) -> Job | None:
        """The job of these accounts that a program confirmed with this idempotency key, if there is one.

        Each account has keys of its own; of several jobs it is the one of this plan.
        """
        ...

    async def by_upload(self, upload: str, accounts: AccountSet) -> Job | None:
        """The job of these accounts that the page's plan with this id became, if there is one."""
        ...

    async def roles_of(self, header: Sequence[str], accounts: AccountSet) -> Roles | None:
        """Which columns held the ids in the newest job of these accounts whose file had these headings, if any had."""
        ...

    async def naming(self, text: str, accounts: AccountSet, *, limit: int) -> list[Job]:
        """Return the jobs of some accounts with a row that the text may be about, the newest first.

        ``RowStore.search`` finds the rows. Jobs whose rows were deleted are not among them.
        """
        ...

    async def newest_nightly(self, client: str, host: str, *, night: str, now: Epoch) -> Job | None:
        """The newest job of a client that this night made and that was confirmed.

        A job later than ``now`` was made while a clock was wrong.
        """
        ...

    async def retries(self, job_id: str) -> list[Job]:
        """The jobs that retry this one, also those that are being stored."""
        ...

    async def start(self, job_id: str, *records: Record, check: Callable[[Job], None] = lambda job: None) -> Job:
        """Put a job into the state ``running``. Raises what ``check`` raises, and then nothing has changed."""
        ...

    async def end(self, job_id: str, decide: Callable[[Tally], JobEnd], *records: Record) -> Job:
        """Record the end of a run, and its event. ``decide`` (pure) gives the new state from the tally."""
        ...

    async def cancel(self, job_id: str, check: Callable[[Job], None], end: JobEnd, *records: Record) -> Job:
        """End a job for good. Raises what ``check`` raises, and then nothing has changed."""
        ...

    async def record_run(self, job_id: str, *, by: FrontEnd, at: Epoch) -> None:
        """Record that a process runs the job."""
        ...

    async def set_organization(self, client: str, host: str, organization: str) -> None:
        """Keep which organisation a client belongs to; jobs of its clients know of each other's rows.

        ``organization``: a text that is equal for equal organisations.
        """
        ...

    async def set_circumstances(self, job_id: str, *, protected: int, calls: int = 0) -> None:
        """Keep how many entries the protected list has when a job starts, and the calls of the limit of its run."""
        ...

    async def change_option(self, job_id: str, name: str, change: Callable[[str], str]) -> None:
        """Change an option of a job. ``change`` (pure): gives the new text for the present one, which may be empty."""
        ...

    async def release(
        self, job_id: str, check: Callable[[Job], None], *records: Record, by: str, at: Epoch
    ) -> Job | None:
        """Make a held job ready; None if it is not held. Raises what ``check`` raises, and then nothing has changed."""
        ...

    async def hold(self, job_id: str, reason: str, *records: Record, check: Callable[[Job], None], at: Epoch) -> bool:
        """Hold a job until a person approves what is left of it. ``reason``: a sentence. False if it is over.

        Raises what ``check`` raises, and then nothing has changed.
        """
        ...

    async def events(self, job_id: str) -> list[tuple[Epoch, str, str]]:
        """The events of a job as time, name and text, the oldest first."""
        ...

    async def events_after(self, job_id: str, *, after: int, limit: int) -> list[StoredEvent]:
        """The events of a job after the one with this number, the oldest first. ``after``: 0 for the first ones."""
        ...

    async def is_reported(self, job_id: str) -> bool:
        """Whether the report of the last run was written; a process may be killed before that."""
        ...

    async def accounts(self) -> list[str]:
        """The names of the accounts that jobs were made for."""
        ...

    async def counts(self, host: str, accounts: AccountSet) -> tuple[Mapping[str, int], Mapping[str, int], int]:
        """Totals over the accounts' jobs for Zoho, or for one sandbox: rows by status, jobs by state, and lockouts.

        ``host``: one of Zoho's, or the sandbox's.
        """
        ...
