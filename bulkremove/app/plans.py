"""Use cases from a file to a plan: read it, plan it, preview the plan. Nothing is stored as a job and nothing is sent.

A journal is not needed, but a plan whose hash may be given as consent is noted in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from bulkremove.app import caps
from bulkremove.app.accounts import Accounts
from bulkremove.app.canary import Canaries
from bulkremove.app.context import Context
from bulkremove.app.jobs import Jobs
from bulkremove.app.protected_list import protected_learners
from bulkremove.app.report_states import first_planned_at, with_present_states
from bulkremove.app.reports import Reports
from bulkremove.app.results import Preview
from bulkremove.app.unsent_rows import UnsentRows
from bulkremove.app.wordings import Wordings
from bulkremove.config import Settings
from bulkremove.domain import planner
from bulkremove.domain.clock import Epoch, later
from bulkremove.domain.enrolment_check import EnrolmentCheck
from bulkremove.domain.errors import JobUnsuitable, SettingsError
from bulkremove.domain.job import APPROVAL_SECONDS, PLAN_SECONDS, Job
from bulkremove.domain.listing import Learner
from bulkremove.domain.operation import ENROLL_LEARNER, OPERATIONS, REMOVE_LEARNER, PlannedOperation
from bulkremove.domain.permissions import EVERY_ACCOUNT, AccountSet
from bulkremove.domain.plan import OtherJob
from bulkremove.domain.row import Removal, Status
from bulkremove.domain.table import Table
from bulkremove.engine import rate_limit
from bulkremove.platform.local_time import day_of
from bulkremove.reading.columns import compared_columns
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.reader import read


class Plans:
    """Plans for one context's account."""

    def __init__(
        self,
        context: Context,
        accounts: Accounts,
        jobs: Jobs,
        reports: Reports,
        canaries: Canaries,
        wordings: Wordings,
    ) -> None:
        self._context, self._accounts, self._jobs, self._reports = context, accounts, jobs, reports
        self._canaries, self._wordings = canaries, wordings

    async def preview(
        self,
        source: Path | BinaryIO,
        *,
        name: str,
        options: ReadOptions,
        include_open: bool = False,
        resolve: Callable[[Table], Awaitable[Table]] | None = None,
    ) -> Preview:
        """Read a file to its end and plan what a run would do. Blocks the event loop. Raises FileRefused.

        ``include_open``: plan rows too that another job of the account may still send. ``resolve`` finds the ids of a
        table of which ``options.match`` says that it has none.
        """
        generation = await self.generation()
        table = read(source, name=name, options=self.for_reading(options))
        if resolve is not None:
            table = await resolve(table)
        return await self._preview(table, generation=generation, include_open=include_open)

    async def preview_in_subprocess(
        self,
        source: Path | BinaryIO,
        *,
        name: str,
        options: ReadOptions,
        seen: AccountSet,
        include_open: bool = False,
    ) -> Preview:
        """Preview an untrusted file, which is read in a child process with limits on memory and time.

        ``seen``: the accounts that whoever gave it may see; if it is a report, what the journal knows of jobs of other
        accounts is not told.
        """
        generation = await self.generation()
        table = await self._context.read_untrusted(source, name=name, options=self.for_reading(options))
        return await self._preview(table, generation=generation, include_open=include_open, seen=seen)

    async def preview_table(
        self, table: Table, *, seen: AccountSet, include_open: bool = False, generation: str | None = None
    ) -> Preview:
        """Plan a table, such as that of people chosen from Zoho's lists.

        ``generation``: that of the storage before the table was made; None if it was made just now.
        """
        generation = await self.generation() if generation is None else generation
        return await self._preview(table, generation=generation, include_open=include_open, seen=seen)

    async def checked(self, preview: Preview, check: EnrolmentCheck, *, seen: AccountSet = EVERY_ACCOUNT) -> Preview:
        """The plan of a preview after its enrolment check, which leaves rows out. ``seen``: as it was made with."""
        plan, table = preview.plan, preview.plan.table
        table = replace(
            table,
            settled={**check.exclusions, **table.settled},
            included=check.included,
            reading_notes=(*table.reading_notes, *check.notes),
        )
        include_open, generation = preview.include_open, preview.generation
        new = await self._preview(
            table,
            None,
            plan.operation,
            generation=generation,
            include_open=include_open,
            seen=seen,
            people={**plan.people, **check.people},  # whom a retry knows of, and Zoho may list no more
            check=check,
        )
        return replace(new, made_at=preview.made_at, planned_at=preview.planned_at, retry_of=preview.retry_of)

    async def generation(self) -> str:
        """The generation of the storage, empty while there is none; a plan of another one can't be confirmed."""
        storage = self._context.storage
        return await storage.generation() if storage.exists else ""

    def for_reading(self, options: ReadOptions) -> ReadOptions:
        """What a user has chosen, with what the user can't choose: today's date, and whether this is a sandbox."""
        today = day_of(self._context.clock.wall())
        return replace(options, sandbox=self._context.settings.is_sandbox, today=today)

    async def record_shown(self, preview: Preview) -> None:
        """Keep that a plan was shown with its hash, which is consent to the plan as it was then."""
        storage, at = self._context.storage, preview.made_at
        generation = preview.generation or await storage.generation()
        forget_before = later(at, -PLAN_SECONDS)
        await storage.jobs.record_plan_shown(
            preview.plan.hash, at=at, generation=generation, forget_before=forget_before
        )

    async def retry(self, job_id: str, *, unknown_checked: bool) -> Preview:
        """Preview a new job of an ended job's rows that are ``not_sent``. Raises JobUnsuitable when there are none.

        ``unknown_checked``: a person has looked the ``unknown`` rows up, so that they are sent again too, but for those
        of which somebody saw that it worked.
        """
        generation = await self.generation()
        job = await self._jobs.find(job_id)
        check_has_rows(job)
        if not job.state.is_over:
            command = "approve" if job.state.is_approvable else "resume"
            raise JobUnsuitable(
                f"Job {job.id} is {job.state.value}, not over: its rows can still be sent. {job.reason}".rstrip(),
                hint=f"`bulkremove {command} {job.id}` goes on with it.",
                page_hint=f"It can still go on: {command} it.",
            )
        statuses = (Status.NOT_SENT, Status.UNKNOWN) if unknown_checked else (Status.NOT_SENT,)
        outcomes = await self._reports.outcomes(job, *statuses)
        rows = [row for row in outcomes if any(row.cells) and row.last_seen is not job.proving]  # nor erased ones
        if not rows:
            raise JobUnsuitable(
                f"Job {job.id} has no rows to send again, so nothing was made or sent.",
                hint="Look its unknown rows up first, if it has any; `bulkremove show` lists them.",
                page_hint="Look its unknown rows up first, if it has any.",
            )
        settings = self._accounts.settings_of(job)
        columns = tuple(zip(*(row.cells for row in rows), strict=True)) or tuple(() for _ in job.header)
        numbers = [row.number for row in rows]
        unsent = await UnsentRows.of(job, self._context.storage)
        settled = {
            index: exclusion
            for index, row in enumerate(rows)
            if not job.is_enrolment and (exclusion := unsent.why_not(row)) is not None
        }
        table = Table(job.source, "job", job.header, job.roles, numbers, columns, job.sheet, settled=settled)
        people = {index: row.person for index, row in enumerate(rows) if row.person is not None}
        operation = OPERATIONS[job.operation]
        preview = await self._preview(table, settings, operation, generation=generation, people=people)
        return replace(preview, retry_of=job.id, planned_at=job.planned_at)

    async def enrolments(self, table: Table, job: Job, people: Mapping[int, Learner]) -> Preview:
        """Plan enrolments of people whom a job removed. ``people``: who they are, by index in the table."""
        settings = self._accounts.settings_of(job)
        generation = await self.generation()
        preview = await self._preview(table, settings, ENROLL_LEARNER, generation=generation, people=people)
        return replace(preview, retry_of=job.id)

    async def open_elsewhere(self, client: str, host: str, operation: PlannedOperation) -> Mapping[Removal, OtherJob]:
        """The rows that other jobs of an operation may still send in the client's organisation, each with the job."""
        storage = self._context.storage
        if not client or not storage.exists:
            return {}
        held_since = later(self._context.clock.wall(), -APPROVAL_SECONDS)
        return await storage.rows.open_elsewhere(client, host, operation.name, held_since=held_since)

    async def removals_to_send(self) -> Collection[Removal]:
        """The removals that jobs may still send in the organisation of the settings' account."""
        settings = self._context.settings
        return await self.open_elsewhere(self._accounts.client(settings), settings.host, REMOVE_LEARNER)

    async def cap_problem(self, job: Job, rows_left: int) -> str:
        """Why a held job would exceed today's cap, which an approval goes over; empty if it would not."""
        try:
            settings = self._accounts.settings_of(job)
        except SettingsError:  # of another account than the settings name: its own are not known
            settings = self._context.settings
        return await caps.rows_left_problem(self._context, job, rows_left, cap=settings.max_removals)

    async def is_canary(self, job: Job) -> bool:
        """Whether a run of the job must send only one row. Raises CanaryPending while a first removal waits."""
        return await self._canaries.must_send_one_row(job)

    def check_account(self, job: Job) -> None:
        """Check that the job's account is that of the settings. Raises NotAuthorized or SettingsError."""
        self._accounts.job_credentials(job, self._accounts.settings_of(job))

    async def calls_since(self, since: Epoch) -> int:
        """How many calls of the account were made since a time. Raises NotAuthorized or SettingsError."""
        key, storage = self._accounts.ledger_key(self._context.settings), self._context.storage
        if not storage.exists:
            return 0
        return (await storage.rate_limit.calls(key, since=self._context.clock.monotonic(), wall_since=since))[1]

    async def _preview(
        self,
        table: Table,
        settings: Settings | None = None,
        operation: PlannedOperation = REMOVE_LEARNER,
        *,
        generation: str,
        include_open: bool = False,
        seen: AccountSet = EVERY_ACCOUNT,
        people: Mapping[int, Learner] | None = None,
        check: EnrolmentCheck | None = None,
    ) -> Preview:
        """Plan a table. ``settings``: those of a job's own account, where it is not the context's."""
        settings = settings or self._context.settings
        client, host, clock = self._accounts.client(settings), settings.host, self._context.clock
        protected = protected_learners(self._context.settings)
        planned = await asyncio.to_thread(
            planner.plan,
            await with_present_states(table, self._context.storage, seen),
            account=settings.account,
            client=client,
            host=host,
            protected=None if operation == ENROLL_LEARNER else protected,
            open_elsewhere={} if include_open else await self.open_elsewhere(client, host, operation),
            operation=operation,
            accepted_wordings=[one.wording for one in await self._wordings.accepted(client, host, operation)],
            people=people,
            email_column=compared_columns(table.header, table.roles).email,
            doubts=check.doubts if check else (),
            batch_names=check.batch_names if check else {},
        )
        quota, now = settings.quota, clock.wall()
        seconds = rate_limit.forecast(planned.removals, quota, is_new=await self._accounts.is_new(settings))
        refusal = await caps.plan_error(self._context, planned, settings)
        ends_at = later(now, seconds / clock.speed)
        return Preview(
            planned,
            quota,
            seconds,
            ends_at,
            clock.speed,
            made_at=now,
            planned_at=await first_planned_at(table, self._context.storage, seen),
            protected=len(protected),
            is_canary=await self._canaries.is_due(client, host, operation.name),
            include_open=include_open,
            refusal=refusal,
            generation=generation,
            check=check,
        )


def check_has_rows(job: Job) -> None:
    """Check that a plan can be made of a job's rows. Raises JobUnsuitable."""
    if job.rows_deleted:
        raise JobUnsuitable(f"The rows of job {job.id} were deleted after their time; only its totals are left.")
    if job.operation not in OPERATIONS:
        raise JobUnsuitable(f"Job {job.id} makes calls that this version does not know ({job.operation}).")
