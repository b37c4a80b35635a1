"""Runs: sending the pending rows of a job under the account's limit, and writing its report."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

from bulkremove.app import caps
from bulkremove.app.accounts import Accounts
from bulkremove.app.canary import FIRST_ROW_ALONE, Canaries
from bulkremove.app.connections import Connections
from bulkremove.app.context import Context
from bulkremove.app.heartbeat import Heartbeat
from bulkremove.app.jobs import Jobs
from bulkremove.app.learner_counts import compare, counts_before
from bulkremove.app.protected_list import ProtectedList, protected_learners, shrunk_list_text
from bulkremove.app.reports import Reports
from bulkremove.app.results import RunResult
from bulkremove.app.review import check_reviewed
from bulkremove.app.stopping import Stopping
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import ConsentMissing, JobBusy, JobUnsuitable, JournalFailed, PlanOutdated, SettingsError
from bulkremove.domain.job import EndReason, FrontEnd, Job, JobState
from bulkremove.domain.operation import GET_BATCH, OPERATIONS
from bulkremove.domain.planner import PROTECTED
from bulkremove.domain.row import Removal
from bulkremove.engine.job_run import JobRun
from bulkremove.engine.progress import Progress, Stop
from bulkremove.platform.local_time import local
from bulkremove.report import reserve_both
from bulkremove.storage.interface.claims import ClaimKind
from bulkremove.storage.interface.jobs import JobEnd


class Runs:
    """The runs of one context."""

    def __init__(
        self,
        context: Context,
        accounts: Accounts,
        jobs: Jobs,
        reports: Reports,
        canaries: Canaries,
        stopping: Stopping,
        connections: Connections,
    ) -> None:
        self._context, self._accounts, self._jobs, self._reports = context, accounts, jobs, reports
        self._canaries, self._stopping, self.connections = canaries, stopping, connections

    async def run(
        self,
        job_id: str,
        *,
        stop: Stop,
        on_progress: Callable[[Progress], None],
        by: str,
        report: Path | None = None,
        expect_missing: bool = False,
        must_yield: Callable[[], bool] = lambda: False,
        claimed: bool = False,
        front_end: FrontEnd,
        rows_reviewed: int | None = None,
        open_until: Epoch | None = None,
        one_at_a_time: bool = False,
    ) -> RunResult:
        """Send the pending rows of a job and write its report, whose file is reserved before the first removal.

        ``expect_missing``: go on even if Zoho knows none of the first learners, as the job may say itself. While
        ``must_yield`` returns true, no new row is begun. ``claimed``: the caller holds the job's claim already.
        ``front_end``: what runs the job.
        ``rows_reviewed``: the number of rows left that a person saw, if the job needs review; a nightly run has looked
        at the job's age by its own rule. ``open_until``: when the time window of a nightly run ends.
        ``one_at_a_time``: no row is begun while another one waits for its answer.

        Raises ActionRefused, JobBusy, ReportFailed and SettingsError before anything is sent; JournalFailed ends a run
        at once.
        """
        storage = self._context.storage
        async with nullcontext() if claimed else storage.claims.hold(job_id), AsyncExitStack() as claims:
            job = await self._jobs.find(job_id)
            await self._check(job)
            settings = self._accounts.settings_of(job)
            rows_left = (await storage.rows.tally(job.id)).open
            credentials = None
            if rows_left:  # read once, since a login may give the account's name to another client at any moment
                credentials = self._accounts.job_credentials(job, settings)
                claims.enter_context(self._accounts.sole_home(settings, credentials))
            if front_end is not FrontEnd.NIGHTLY:
                check_reviewed(
                    job,
                    rows_left,
                    rows_reviewed=rows_reviewed,
                    by=by,
                    settings=self._context.settings,
                    now=self._context.clock.wall(),
                    front_end=front_end,
                )
            await self._accounts.record_organization(job)
            cap = settings.max_removals
            await caps.check_job(self._context, job, rows_left, cap=cap)  # before anything is written; again below
            protected = protected_learners(self._context.settings)
            if (
                front_end is FrontEnd.NIGHTLY
                and rows_left
                and (shrunk := shrunk_list_text(job, self._context.settings))
            ):
                raise PlanOutdated(f"{shrunk} Nothing was sent.")  # since the nightly run looked at it
            calls = settings.quota.calls
            await storage.jobs.set_circumstances(job.id, protected=len(protected), calls=calls)
            if protected and not job.is_enrolment:
                await storage.rows.settle_protected(job.id, protected, why=PROTECTED, at=self._context.clock.wall())
            is_canary = False
            if rows_left and await self._canaries.is_due(job.client, job.host, job.operation):
                await claims.enter_async_context(storage.claims.hold(ClaimKind.CANARY.of(job.client)))
                is_canary = await self._canaries.must_send_one_row(job)
            tally = await storage.rows.tally(job.id)
            if not tally.total:
                raise JournalFailed(f"Job {job.id} has no rows in the journal, so nothing was sent.")
            await self._context.record(by, AuditAct.RUN, job=job.id)
            files, difference = reserve_both(job, report, rows=tally.total), ""
            try:
                if tally.open and credentials:
                    async with self._jobs.claim_plan():  # no other job passes the cap before this one's rows count
                        await caps.check_job(self._context, job, tally.open, cap=cap)
                        await storage.jobs.record_run(job.id, by=front_end, at=self._context.clock.wall())
                    heartbeat = Heartbeat(storage.jobs, job, front_end, self._context.clock)
                    protected_list = ProtectedList(self._context.settings)

                    def is_protected(removal: Removal) -> bool:
                        heartbeat.check()
                        return not job.is_enrolment and protected_list.is_protected(removal)

                    run = JobRun(
                        storage,
                        job,
                        settings=replace(settings, concurrency=1) if one_at_a_time else settings,
                        clock=self._context.clock,
                        random=self._context.random.random,
                        ledger=self._accounts.ledger_key(settings, credentials),
                        queue=self.connections.queue(settings, credentials),
                        stop=stop,
                        on_progress=on_progress,
                        must_yield=must_yield,
                        expect_missing=expect_missing or job.expects_missing,
                        is_protected=is_protected,
                        first_row_alone=FIRST_ROW_ALONE.format(job.words.noun) if is_canary else "",
                        open_until=open_until,
                    )
                    counts = counts_before(job)
                    operations = (OPERATIONS[job.operation], *([GET_BATCH] if counts else []))
                    connected = self.connections.open(settings, credentials, operations)
                    async with connected as (client, tokens), heartbeat.recorded():
                        async with self._stopping.watch_requests(job.id, stop):
                            job = await run.run(client, tokens)
                            if counts and job.state is JobState.FINISHED:
                                reads = self.connections.reads(settings, credentials, client, tokens)
                                at, has_limit = self._context.clock.wall(), settings.daily_limit is not None
                                with suppress(JournalFailed):  # the report matters more
                                    difference = await compare(
                                        job, counts, reads, storage, at, stop=stop, has_daily_limit=has_limit
                                    )
                        job = await self._stopping.after_run(job)
                    with suppress(JournalFailed):  # the report matters more
                        await storage.reads.delete_listings()  # they tell who was in a batch before
                    if is_canary:
                        await self._canaries.add_event(job)
                elif job.state.is_resumable:
                    job = await self._finish(job)
                return await self._reports.publish(job, *files, warning=difference)
            finally:
                for file in files:
                    file.discard()

    async def _check(self, job: Job) -> None:
        """Check that something is left to do that this version can do. Raises ActionRefused or JournalFailed."""
        if job.state.is_approvable:
            day = f" for {local(job.due_at):%Y-%m-%d %H:%M}" if job.due_at else ""
            raise ConsentMissing(
                f"Job {job.id} is {job.state.value}{day}. {job.reason}".strip(),
                hint=f"To let it run: `bulkremove approve {job.id}`, or the page.",
                page_hint="Approve it first.",
            )
        if not await self._jobs.resumable(job):
            raise JobUnsuitable(
                f"Job {job.id} is {job.state.value}; nothing is left to resume.",
                hint=f"`bulkremove report {job.id}` writes its report again, `bulkremove retry {job.id}` makes a "
                "new job of the rows that were not sent.",
                page_hint="Its report can be downloaded, and what was not sent can be retried.",
            )
        if job.operation not in OPERATIONS:
            raise JournalFailed(
                f"Job {job.id} makes calls that this version does not know ({job.operation}). Nothing was sent.",
                hint="Update bulkremove.",
            )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Hold the claim of the page's server in this home folder. Raises SettingsError when another one holds it."""
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._context.storage.claims.hold(ClaimKind.SERVE))
            except JobBusy as busy:
                raise SettingsError(
                    f"Another server of the page uses the home folder {self._context.settings.home}. {busy.message}",
                    hint="Use that one, end it, or give this one a home folder of its own (--home), also for "
                    "--sandbox: both would clear away each other's uploads.",
                    page_hint="",
                ) from None
            yield

    async def _finish(self, job: Job) -> Job:
        """End a job that has no rows to send."""
        at = self._context.clock.wall()
        return await self._context.storage.jobs.end(
            job.id, lambda tally: JobEnd(JobState.FINISHED, "", EndReason.NONE, at)
        )
