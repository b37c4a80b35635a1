"""From a file to a job: read, plan, show, agree, store. Nothing here sends anything.

The journal is opened by whoever agrees; a dry run does without one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from bulkremove.app.accounts import Accounts
from bulkremove.app.consent import Consent, check_consent, check_eyes, over_a_cap
from bulkremove.app.context import Context
from bulkremove.app.jobs import Jobs
from bulkremove.app.results import PAGE, Preview
from bulkremove.config import Settings, protected_path
from bulkremove.domain.errors import ConsentMissing
from bulkremove.domain.job import Job, JobState
from bulkremove.domain.plan import Plan, PlannedRow, ProtectedLearners
from bulkremove.domain.row import Status
from bulkremove.domain.table import Table
from bulkremove.engine import rate_limit
from bulkremove.platform.local_time import local
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.subprocess_reader import read_apart
from bulkremove.storage.interface.records import Record

_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
"""For job names: nothing that can be misread."""


class Plans:
    """Plans for one context's account, and the jobs that are made of them."""

    def __init__(self, context: Context, accounts: Accounts, jobs: Jobs) -> None:
        self._context, self._accounts, self._jobs = context, accounts, jobs

    def preview(self, source: Path | BinaryIO, *, name: str, options: ReadOptions) -> Preview:
        """Read a file to its end and say what a run would do. Sends nothing. Raises FileRefused. It blocks."""
        from bulkremove.reading.reader import read

        return self._preview(read(source, name=name, options=options))

    async def preview_apart(self, path: Path, *, name: str, options: ReadOptions) -> Preview:
        """The same, read in a child process with limits on memory and time: for files that strangers may have made."""
        return await asyncio.to_thread(self._preview, await read_apart(path, name=name, options=options))

    async def some_rows(
        self, plan: Plan, *, status: Status | None, to_remove: bool, text: str, page: int
    ) -> tuple[list[PlannedRow], bool]:
        """A page (from 1) of a plan's rows, and whether there are more; see ``planner.some_rows``."""
        from bulkremove.domain.planner import some_rows

        offset = (page - 1) * PAGE
        found = await asyncio.to_thread(
            some_rows, plan, status=status, to_remove=to_remove, text=text, offset=offset, limit=PAGE + 1
        )
        return found[:PAGE], len(found) > PAGE

    async def retry(self, job_id: str, *, unknown_checked: bool) -> Preview:
        """What a new job would send of an ended one: ``not_sent``, and ``unknown`` once a person looked them up."""
        job = await self._jobs.find(job_id)
        if job.dropped:
            raise ConsentMissing(f"The rows of job {job.id} were deleted after their time; only its totals are left.")
        if not job.state.over:
            raise ConsentMissing(f"Job {job.id} is not over.", hint=f"`bulkremove resume {job.id}` goes on with it.")
        wanted = (Status.NOT_SENT, Status.UNKNOWN) if unknown_checked else (Status.NOT_SENT,)
        rows = await self._jobs.outcomes(job, *wanted)
        if not rows:
            raise ConsentMissing(
                f"Job {job.id} has no rows to send again, so nothing was made or sent.",
                hint="Look its unknown rows up first, if it has any; `bulkremove show` lists them.",
            )
        settings = self._accounts.settings_of(job)
        columns = tuple(zip(*(row.cells for row in rows), strict=True)) or tuple(() for _ in job.header)
        table = Table(job.source, "job", job.header, job.roles, [row.number for row in rows], columns, job.sheet)
        return replace(await asyncio.to_thread(self._preview, table, settings), retry_of=job.id)

    async def submit(
        self,
        preview: Preview,
        *,
        consent: Consent,
        folder: Path,
        prepared_by: Collection[str],
        by: str,
        claim: AsyncExitStack | None = None,
    ) -> Job:
        """Store an agreed plan as a job; ``folder`` is where its report goes. Raises ConsentMissing.

        ``prepared_by``: all who gave the file or said how it is to be read; ``by`` agrees to the plan. ``claim``: keeps
        the job's claim for ``Runs.run``, so that no server takes the job up in between.
        """
        if preview.refusal:
            raise preview.refusal
        check_eyes(prepared_by, by, self._context.settings)
        check_consent(preview.plan, consent)
        async with AsyncExitStack() as alone:
            if preview.retry_of is not None:  # from the look until the new job can be seen
                await alone.enter_async_context(self._jobs.retrying_alone(preview.retry_of))
                await self._check_retried(preview.retry_of, preview.plan)
            job = await self._new_job(preview, folder=folder, prepared_by=", ".join(prepared_by), confirmed_by=by)
            await self._jobs.add(job, preview.plan, "confirmed", by=by, claim=claim)
        return job

    async def submit_nightly(
        self,
        preview: Preview,
        records: Callable[[Job], Iterable[Record]],
        *,
        folder: Path,
        held: str | None,
        due_at: float | None,
        by: str,
    ) -> Job:
        """Store a nightly run's plan as a job. ``held``: why it must not run before somebody approves it; ``due_at``:
        before then neither (epoch seconds). ``records``: what is written together with the job.
        """
        state = JobState.HELD if held or due_at else JobState.READY
        job = await self._new_job(preview, folder=folder, prepared_by=by, confirmed_by="" if held else by)
        job = replace(job, state=state, reason=held or "", origin="nightly", due_at=due_at)
        act = "held" if held else "announced" if due_at else "confirmed"
        await self._jobs.add(job, preview.plan, act, *records(job), by=by)
        return job

    async def _check_retried(self, job_id: str, plan: Plan) -> None:
        """A row is in one retry only; who tries again after that retries the retry."""
        if other := await self._jobs.retrying(job_id, plan.table.numbers):
            raise ConsentMissing(
                f"These rows are in job {other.id} already, which is {other.state.value}. Nothing was sent.",
                hint="Go on with that one, or retry what it did not send.",
            )

    def _preview(self, table: Table, settings: Settings | None = None) -> Preview:
        """``settings``: those of a job's own account, where it is not the one in force."""
        from bulkremove.domain.planner import plan

        settings = settings or self._context.settings
        planned = plan(
            table, account=settings.account, host=settings.host, protected=protected_learners(self._context.settings)
        )
        quota = settings.quota
        seconds = rate_limit.forecast(planned.removals, quota)
        refusal = over_a_cap(planned, settings)
        ends_at = self._context.clock.wall() + seconds / self._context.clock.speed
        return Preview(planned, quota, seconds, ends_at, self._context.clock.speed, refusal=refusal)

    async def _new_job(self, preview: Preview, *, folder: Path, prepared_by: str, confirmed_by: str) -> Job:
        plan, quota = preview.plan, self._context.settings.quota
        return Job(
            await self._new_id(),
            plan.account,
            plan.host,
            plan.table.source,
            str(folder),
            plan.table.sheet,
            plan.table.header,
            plan.table.roles,
            plan.fingerprint,
            JobState.READY,
            created_at=self._context.clock.wall(),
            retry_of=preview.retry_of,
            options={"limit": self._context.settings.limit_text, "calls": str(quota.calls)},
            prepared_by=prepared_by,
            confirmed_by=confirmed_by,
            operation=plan.operation.name,
        )

    async def _new_id(self) -> str:
        day = local(self._context.clock.wall())
        while True:
            job_id = f"{day:%Y%m%d}-{''.join(self._context.random.choice(_LETTERS) for _ in range(4))}"
            if not await self._jobs.is_known(job_id):
                return job_id


def protected_learners(settings: Settings) -> ProtectedLearners:
    """Who is never removed. Raises FileRefused for a list that can't be read, SettingsError for two of them."""
    path = protected_path(settings)
    if not settings.protected_list and not path.exists():
        return ProtectedLearners()
    from bulkremove.reading.reader import read_protected_learners

    return read_protected_learners(path)
