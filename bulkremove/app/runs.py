"""Runs: sending the pending rows of a job under the account's limit, and writing its report."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

from yarl import URL

from bulkremove.app import caps, sandbox_run
from bulkremove.app.accounts import Accounts
from bulkremove.app.canary import FIRST_ROW_ALONE, Canaries
from bulkremove.app.context import Context
from bulkremove.app.heartbeat import Heartbeat
from bulkremove.app.jobs import Jobs
from bulkremove.app.learner_counts import compare, counts_before
from bulkremove.app.protected_list import ProtectedList, protected_learners, shrunk_list_text
from bulkremove.app.reports import Reports
from bulkremove.app.results import RunResult
from bulkremove.app.review import check_reviewed
from bulkremove.app.sandbox_run import RunningSandbox, SandboxOptions, SharedByRuns
from bulkremove.app.stopping import Stopping
from bulkremove.config import Settings
from bulkremove.domain.clock import Epoch, seconds_between
from bulkremove.domain.errors import ConsentMissing, JobBusy, JournalFailed, SettingsError
from bulkremove.domain.http_date import parse_http_date
from bulkremove.domain.job import EndReason, FrontEnd, Job, JobState
from bulkremove.domain.ledger import EMPLOYEE_CALLS, Quota
from bulkremove.domain.operation import GET_BATCH, OPERATIONS, Operation
from bulkremove.domain.planner import PROTECTED
from bulkremove.domain.row import Removal
from bulkremove.engine.fair_queue import FairQueue
from bulkremove.engine.job_run import JobRun
from bulkremove.engine.progress import Progress, Stop
from bulkremove.engine.reads import ReadLimiter, Reads
from bulkremove.engine.slot_decisions import Wait
from bulkremove.platform.local_time import local
from bulkremove.report import reserve_both
from bulkremove.storage.interface.jobs import JobEnd
from bulkremove.zoho.accounts import Credentials
from bulkremove.zoho.client import ZohoClient, open_client
from bulkremove.zoho.oauth import AccessTokens


class Runs:
    """The runs of one context. ``sandbox``: they send to the bundled sandbox, not to Zoho People."""

    def __init__(
        self,
        context: Context,
        accounts: Accounts,
        jobs: Jobs,
        reports: Reports,
        canaries: Canaries,
        stopping: Stopping,
        sandbox: SandboxOptions | None,
        shared: SharedByRuns,
    ) -> None:
        self._context, self._accounts, self._jobs, self._sandbox = context, accounts, jobs, sandbox
        self._reports = reports
        self._canaries, self._stopping, self._shared = canaries, stopping, shared
        self.clock_skew: float | None = None
        """Seconds by which this machine's clock is ahead of Zoho's, by the last reply; None before the first."""

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

        ``expect_missing``: go on even if Zoho knows none of the first learners. While ``must_yield`` returns true, no
        new row is begun. ``claimed``: the caller holds the job's claim already. ``front_end``: what runs the job.
        ``rows_reviewed``: the number of rows left that a person saw, if the job needs review; a nightly run has looked
        at the job's age by its own rule. ``open_until``: when the time window of a nightly run ends.
        ``one_at_a_time``: no row is begun while another one waits for its answer.

        Raises ConsentMissing, JobBusy, ReportFailed and SettingsError before anything is sent; JournalFailed ends a run
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
                raise ConsentMissing(f"{shrunk} Nothing was sent.")  # since the nightly run looked at it
            calls = settings.quota.calls
            await storage.jobs.set_circumstances(job.id, protected=len(protected), calls=calls)
            if protected and not job.is_enrolment:
                await storage.rows.protect(job.id, protected, why=PROTECTED, at=self._context.clock.wall())
            is_canary = False
            if rows_left and await self._canaries.is_due(job.client, job.host, job.operation):
                await claims.enter_async_context(storage.claims.hold(f"canary-{job.client}"))
                is_canary = await self._canaries.check(job)
            tally = await storage.rows.tally(job.id)
            if not tally.total:
                raise JournalFailed(f"Job {job.id} has no rows in the journal, so nothing was sent.")
            await self._context.record(by, "run", job=job.id)
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
                        queue=self.queue(settings, credentials),
                        stop=stop,
                        on_progress=on_progress,
                        must_yield=must_yield,
                        expect_missing=expect_missing,
                        is_protected=is_protected,
                        first_row_alone=FIRST_ROW_ALONE.format(job.words.noun) if is_canary else "",
                        open_until=open_until,
                    )
                    counts = counts_before(job)
                    operations = (OPERATIONS[job.operation], *([GET_BATCH] if counts else []))
                    connected = self.connected(settings, credentials, operations)
                    async with connected as (client, tokens), heartbeat.recorded():
                        async with self._stopping.watch_requests(job.id, stop):
                            job = await run.run(client, tokens)
                            if counts and job.state is JobState.FINISHED:
                                reads = self.reads(settings, credentials, client, tokens)
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
        """Check that something is left to do that this version can do. Raises ConsentMissing or JournalFailed."""
        if job.state.is_approvable:
            day = f" for {local(job.due_at):%Y-%m-%d %H:%M}" if job.due_at else ""
            raise ConsentMissing(
                f"Job {job.id} is {job.state.value}{day}. {job.reason}".strip(),
                hint=f"To let it run: `bulkremove approve {job.id}`, or the page.",
                page_hint="Approve it first.",
            )
        if not await self._jobs.resumable(job):
            raise ConsentMissing(
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
    async def connected(
        self, settings: Settings, credentials: Credentials, operations: tuple[Operation, ...]
    ) -> AsyncIterator[tuple[ZohoClient, AccessTokens]]:
        """A client for calls of these operations, and the access tokens of its account.

        Raises NotAuthorized or SettingsError.
        """
        async with self.in_sandbox() as sandbox:
            client = open_client(
                settings,
                base=URL(sandbox.url) if sandbox else None,
                operations=operations,
                speed=self._context.clock.speed,
                on_date=self._note_date,
            )
            async with client as open_one:
                yield (
                    open_one,
                    AccessTokens(
                        credentials,
                        accounts_url=sandbox.url if sandbox else settings.token_url,
                        home=sandbox.tokens if sandbox else settings.home,
                        clock=self._context.clock,
                        post=open_one.post_form,
                    ),
                )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Hold the claim of the page's server in this home folder. Raises SettingsError when another one holds it."""
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._context.storage.claims.hold("serve"))
            except JobBusy as busy:
                raise SettingsError(
                    f"Another `bulkremove serve` uses the home folder {self._context.settings.home}. {busy.message}",
                    hint="Use that one, end it, or give this one a home folder of its own (--home), also for "
                    "--sandbox: both would clear away each other's uploads.",
                ) from None
            yield

    @asynccontextmanager
    async def in_sandbox(self) -> AsyncIterator[RunningSandbox | None]:
        """Start the sandbox for all runs within the context; None when runs go to Zoho People."""
        if self._sandbox is None or self._shared.sandbox is not None:
            yield self._shared.sandbox
            return
        quota, clock = self._context.settings.quota, self._context.clock
        async with sandbox_run.sandbox(self._sandbox, quota=quota, clock=clock) as running:
            self._shared.sandbox = running
            try:
                yield running
            finally:
                self._shared.sandbox = None

    def reads(
        self,
        settings: Settings,
        credentials: Credentials,
        client: ZohoClient,
        tokens: AccessTokens,
        *,
        on_wait: Callable[[Wait], None] = lambda wait: None,
    ) -> Reads:
        """The reads of an account over an open client. ``on_wait``: called with what a read waits for."""
        ledger = self._accounts.ledger_key(settings, credentials)
        return self._reads(client, tokens, ledger, settings.quota, on_wait)

    def employee_reads(
        self, settings: Settings, credentials: Credentials, client: ZohoClient, tokens: AccessTokens
    ) -> Reads:
        """The same for the employee form, whose limit is one of its own: neither its calls nor its lock are others'."""
        quota = replace(settings.quota, calls=EMPLOYEE_CALLS, window=60.0, daily=None)
        ledger = f"{self._accounts.ledger_key(settings, credentials)}|employees"
        return self._reads(client, tokens, ledger, quota, lambda wait: None)

    def _reads(
        self, client: ZohoClient, tokens: AccessTokens, ledger: str, quota: Quota, on_wait: Callable[[Wait], None]
    ) -> Reads:
        storage, clock, queue = self._context.storage, self._context.clock, self._queue(ledger, quota)
        limiter = ReadLimiter(storage.reads, storage.rate_limit, ledger, quota, clock, queue=queue, on_wait=on_wait)
        return Reads(client, limiter, tokens, clock)

    def queue(self, settings: Settings, credentials: Credentials) -> FairQueue:
        """The queue that the account's jobs in this process share; each event loop has its own."""
        return self._queue(self._accounts.ledger_key(settings, credentials), settings.quota)

    def _queue(self, ledger: str, quota: Quota) -> FairQueue:
        loop = asyncio.get_running_loop()
        if (loop, ledger) not in self._shared.queues:
            queues = {key: queue for key, queue in self._shared.queues.items() if key[0] is loop}
            queue = FairQueue(quota, speed=self._context.clock.speed)
            self._shared.queues = {**queues, (loop, ledger): queue}
        return self._shared.queues[loop, ledger]

    def _note_date(self, date: str) -> None:
        """Compare this machine's clock with the Date header of a reply."""
        if (zoho := parse_http_date(date)) is not None:
            self.clock_skew = seconds_between(zoho, self._context.clock.wall())

    async def _finish(self, job: Job) -> Job:
        """End a job that has no rows to send."""
        at = self._context.clock.wall()
        return await self._context.storage.jobs.end(
            job.id, lambda tally: JobEnd(JobState.FINISHED, "", EndReason.NONE, at)
        )
