"""Use cases from a file to a job: read it, plan it, preview the plan, confirm it, store it. Nothing is sent here.

The journal is opened when a plan is confirmed; a dry run does not need one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from bulkremove.app.accounts import Accounts
from bulkremove.app.canary import Canaries
from bulkremove.app.consent import Consent, check_age, check_consent, check_four_eyes, over_a_cap
from bulkremove.app.context import Context
from bulkremove.app.daily_cap import removals_today, today, why_over_cap
from bulkremove.app.jobs import Jobs
from bulkremove.app.protected_list import protected_learners
from bulkremove.app.report_states import with_present_states
from bulkremove.app.reports import Reports
from bulkremove.app.results import PAGE, Preview
from bulkremove.app.wordings import Wordings
from bulkremove.config import Settings
from bulkremove.domain import planner
from bulkremove.domain.clock import Epoch, later
from bulkremove.domain.errors import BulkremoveError, ConsentMissing, SettingsError
from bulkremove.domain.job import APPROVAL_SECONDS, PLAN_SECONDS, FrontEnd, Job, JobState
from bulkremove.domain.operation import OPERATIONS, REMOVE_LEARNER, Operation
from bulkremove.domain.plan import Plan, PlannedRow
from bulkremove.domain.row import Removal, Status
from bulkremove.domain.table import SANDBOX_MARK, Table
from bulkremove.engine import rate_limit
from bulkremove.platform.local_time import local
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.reader import read
from bulkremove.reading.subprocess_reader import read_in_subprocess
from bulkremove.report import reserve_both
from bulkremove.storage.interface.records import Record

_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
"""Characters of job ids, without those that look alike."""


class Plans:
    """Plans for one context's account, and the jobs made from them."""

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
        self, source: Path | BinaryIO, *, name: str, options: ReadOptions, include_open: bool = False
    ) -> Preview:
        """Read a file to its end and plan what a run would do. Blocks the event loop. Raises FileRefused.

        ``include_open``: plan rows too that another job of the account may still send.
        """
        generation = await self.generation()
        table = read(source, name=name, options=self._for_run(options))
        return await self._preview(table, generation=generation, include_open=include_open)

    async def preview_in_subprocess(
        self, source: Path | BinaryIO, *, name: str, options: ReadOptions, include_open: bool = False
    ) -> Preview:
        """Preview an untrusted file, which is read in a child process with limits on memory and time."""
        generation = await self.generation()
        table = await read_in_subprocess(source, name=name, options=self._for_run(options))
        return await self._preview(table, generation=generation, include_open=include_open)

    async def generation(self) -> str:
        """The generation of the storage, empty while there is none; a plan of another one can't be confirmed."""
        storage = self._context.storage
        return await storage.generation() if storage.exists else ""

    def _for_run(self, options: ReadOptions) -> ReadOptions:
        return replace(options, sandbox=self._context.settings.sandbox)

    async def record_shown(self, preview: Preview) -> None:
        """Keep that a plan was shown with its hash, which is consent to the plan as it was then."""
        storage, at = self._context.storage, preview.made_at
        generation = preview.generation or await storage.generation()
        forget_before = later(at, -PLAN_SECONDS)
        await storage.jobs.show_plan(
            preview.plan.fingerprint, at=at, generation=generation, forget_before=forget_before
        )

    async def _as_shown(self, preview: Preview) -> Preview:
        """The plan as it was when its hash was shown: what was done since then counts. Raises ConsentMissing."""
        storage = self._context.storage
        shown = await storage.jobs.shown_plan(preview.plan.fingerprint) if storage.exists else None
        if shown is None:
            raise ConsentMissing(
                "This plan was not shown here within the last day, so its hash is no consent. Nothing was sent.",
                hint="Preview the file; then give the hash that the preview shows.",
            )
        at, generation = shown
        planned_at = at if preview.planned_at is None else preview.planned_at
        return replace(preview, made_at=at, planned_at=planned_at, generation=generation)

    async def filter_rows(
        self, plan: Plan, *, status: Status | None, to_remove: bool, text: str, page: int
    ) -> tuple[list[PlannedRow], bool]:
        """A page (from 1) of a plan's rows, and whether more follow; see ``planner.filter_rows``."""
        offset = (page - 1) * PAGE
        rows = await asyncio.to_thread(
            planner.filter_rows, plan, status=status, to_remove=to_remove, text=text, offset=offset, limit=PAGE + 1
        )
        return rows[:PAGE], len(rows) > PAGE

    async def retry(self, job_id: str, *, unknown_checked: bool) -> Preview:
        """Preview a new job of an ended job's rows that are ``not_sent``. Raises ConsentMissing when there are none.

        ``unknown_checked``: a person has looked the ``unknown`` rows up, so that they are sent again too, but for those
        whose learner is gone.
        """
        generation = await self.generation()
        job = await self._jobs.find(job_id)
        if job.rows_deleted:
            raise ConsentMissing(f"The rows of job {job.id} were deleted after their time; only its totals are left.")
        if not job.state.over:
            command = "approve" if job.state.approvable else "resume"
            raise ConsentMissing(
                f"Job {job.id} is {job.state.value}, not over: its rows can still be sent. {job.reason}".rstrip(),
                hint=f"`bulkremove {command} {job.id}` goes on with it.",
                page_hint=f"It can still go on: {command} it.",
            )
        statuses = (Status.NOT_SENT, Status.UNKNOWN) if unknown_checked else (Status.NOT_SENT,)
        outcomes = await self._reports.outcomes(job, *statuses)
        rows = [row for row in outcomes if any(row.cells) and not row.was_found_gone]  # nor those erased since
        if not rows:
            raise ConsentMissing(
                f"Job {job.id} has no rows to send again, so nothing was made or sent.",
                hint="Look its unknown rows up first, if it has any; `bulkremove show` lists them.",
                page_hint="Look its unknown rows up first, if it has any.",
            )
        settings = self._accounts.settings_of(job)
        if job.operation not in OPERATIONS:
            raise ConsentMissing(f"Job {job.id} makes calls that this version does not know ({job.operation}).")
        columns = tuple(zip(*(row.cells for row in rows), strict=True)) or tuple(() for _ in job.header)
        table = Table(job.source, "job", job.header, job.roles, [row.number for row in rows], columns, job.sheet)
        preview = await self._preview(table, settings, OPERATIONS[job.operation], generation=generation)
        return replace(preview, retry_of=job.id, planned_at=job.planned_at)

    async def submit(
        self,
        preview: Preview,
        *,
        consent: Consent,
        folder: Path,
        prepared_by: Collection[str],
        by: str,
        front_end: FrontEnd,
        report: Path | None = None,
        claim: AsyncExitStack | None = None,
        idempotency_key: str = "",
    ) -> Job:
        """Store a confirmed plan as a job, whose report goes to ``folder`` or is the file ``report``.

        Raises ConsentMissing, and what would make its run fail at once (no credentials, no place for the report):
        NotAuthorized, SettingsError or ReportFailed. A plan that is refused leaves nothing that can run. Under
        ``four_eyes`` a command's job is held until somebody else approves it.

        ``prepared_by``: everybody who uploaded the file or chose how it is read; ``by`` confirms the plan. ``claim``:
        keeps the job's claim for ``Runs.run``, so that no server resumes the job in between. ``idempotency_key``: kept
        with the job, so that a program that repeats its request finds it.
        """
        if preview.refusal:
            raise preview.refusal
        if preview.retry_of:  # who prepared the job that is tried again has prepared this plan, too
            before = (await self._jobs.find(preview.retry_of)).prepared_by.split(", ")
            prepared_by = list(dict.fromkeys(filter(None, [*before, *prepared_by])))
        needs_other = front_end is FrontEnd.COMMAND and self._context.settings.four_eyes and by in prepared_by
        if not needs_other:
            check_four_eyes(prepared_by, by, self._context.settings)
        check_consent(preview.plan, consent)
        if front_end is FrontEnd.COMMAND and consent.by_hash_alone and preview.plan.removals:
            preview = await self._as_shown(preview)
        check_age(preview.made_at, self._context.clock.wall())
        job: Job | None = None
        try:
            async with self._jobs.claim_plan():  # held from the checks until the new job is visible
                if idempotency_key and (known := await self._jobs.of_key(idempotency_key, preview.plan.fingerprint)):
                    raise ConsentMissing(
                        f"This Idempotency-Key was used for job {known.id} just now. Nothing more was sent."
                    )
                if front_end is FrontEnd.COMMAND and consent.by_hash_alone:
                    await self._check_never_run(preview.plan)
                prepared = ", ".join(prepared_by)
                job = await self._new_job(
                    preview, folder=folder, prepared_by=prepared, confirmed_by=by, origin=front_end
                )
                await self._accounts.record_organization(job)
                await self._check_unclaimed(preview)
                if idempotency_key:
                    job = replace(job, options={**job.options, "idempotency_key": idempotency_key})
                if consent.compared:
                    job = replace(job, options={**job.options, "compared": str(consent.compared)})
                if needs_other:
                    reasons = ["Two people must agree (four_eyes), so somebody else has to approve it."]
                    reasons += [doubt.text for doubt in preview.plan.doubts]
                    job = replace(job, state=JobState.HELD, reason=" ".join(reasons), confirmed_by="")
                self._check_can_run(job, preview.plan, report)
                await self._canaries.check(job)  # a run would be refused while a first removal waits for an answer
                await self._jobs.add(job, preview.plan, "held" if needs_other else "confirmed", by=by, claim=claim)
        except asyncio.CancelledError:  # by Ctrl-C, perhaps just after it was stored: no job that could run may remain
            with suppress(BulkremoveError):
                if job is not None:
                    await self._jobs.withdraw(job.id, by=by)
            raise
        return job

    async def submit_nightly(
        self,
        preview: Preview,
        records: Callable[[Job], Iterable[Record]],
        *,
        folder: Path,
        held: str | None,
        due_at: Epoch | None,
        by: str,
    ) -> Job:
        """Store a nightly run's plan as a job, together with the records that ``records`` makes for it.

        ``held``: why it must not run before somebody approves it; ``due_at``: when it may run at the earliest.
        """
        async with self._jobs.claim_plan():
            job = await self._new_job(preview, folder=folder, prepared_by=by, confirmed_by=by, origin=FrontEnd.NIGHTLY)
            await self._accounts.record_organization(job)
            try:
                if not held:
                    await self._check_unclaimed(preview)
            except ConsentMissing as missing:  # something was confirmed since the preview
                held = missing.message
            if held:
                job = replace(job, state=JobState.HELD, reason=held, confirmed_by="")
            elif due_at:
                job = replace(job, state=JobState.SCHEDULED, due_at=due_at)
            act = "held" if held else "announced" if due_at else "confirmed"
            await self._jobs.add(job, preview.plan, act, *records(job), by=by)
        return job

    def _check_can_run(self, job: Job, plan: Plan, report: Path | None) -> None:
        """Check what can be checked before the job is stored. Raises NotAuthorized, SettingsError or ReportFailed."""
        if plan.removals:
            self._accounts.job_credentials(job, self._accounts.settings_of(job))
        for file in reserve_both(job, report, rows=len(plan.table)):
            file.discard()

    async def _check_never_run(self, plan: Plan) -> None:
        """Check that the hash of a plan was not used before, which would be consent for ever. Raises ConsentMissing."""
        same = await self._jobs.of_plan(plan) if plan.removals else None
        if same is not None:
            raise ConsentMissing(
                f"This very plan was confirmed before, as job {same.id} ({same.state.value}). Nothing was sent.",
                hint=f"Look at `bulkremove show {same.id}`. To remove the same learners once more, leave --plan out.",
            )

    async def _check_unclaimed(self, preview: Preview) -> None:
        """Check what another plan or an erasure may have changed since the preview. Raises ConsentMissing."""
        plan = preview.plan
        if preview.generation != await self.generation():
            raise ConsentMissing(
                "The data of a learner were erased since this plan was made, or the journal was put back from a "
                "backup. Nothing was sent.",
                hint="Preview the file again.",
            )
        if preview.retry_of and (other := await self._jobs.retrying(preview.retry_of, plan.table.numbers)):
            raise ConsentMissing(
                f"These rows are in job {other.id} already, which is {other.state.value}. Nothing was sent.",
                hint="Go on with that one, or retry what it did not send.",
            )
        accepted = {one.wording for one in await self._wordings.accepted(plan.client, plan.host)}
        if accepted != {*plan.accepted_wordings}:
            raise ConsentMissing(
                "What counts as the proof of a removal was changed since this plan was made. Nothing was sent.",
                hint="Preview the file again.",
            )
        if not preview.include_open and (open_elsewhere := await self._open_elsewhere(plan.client, plan.host)):
            jobs = {open_elsewhere.get(row.removal, "") for row in plan.rows() if row.removal} - {""}
            if jobs:
                raise ConsentMissing(
                    f"Rows of this plan are still to be sent by job {', '.join(sorted(jobs))}. Nothing was sent.",
                    hint="Preview the file again, which leaves these rows out, or cancel that job.",
                )
        if refusal := await self._over_a_cap(plan, self._context.settings):
            raise refusal

    async def _open_elsewhere(self, client: str, host: str) -> Mapping[Removal, str]:
        storage = self._context.storage
        if not client or not storage.exists:
            return {}
        held_since = later(self._context.clock.wall(), -APPROVAL_SECONDS)
        return await storage.rows.open_elsewhere(client, host, held_since=held_since)

    async def over_a_cap(self, plan: Plan, *, tonight: int) -> ConsentMissing | None:
        """Why the plan is over a cap, if ``tonight`` more removals counted for today."""
        counted = tonight + await removals_today(self._context, plan.client, plan.host)
        return over_a_cap(plan, self._context.settings, today=counted)

    async def why_over_cap(self, job: Job, rows_left: int) -> str:
        """Why a held job would exceed today's cap, which an approval goes over; empty if it would not."""
        try:
            settings = self._accounts.settings_of(job)
        except SettingsError:  # of another account than the settings name: its own are not known
            settings = self._context.settings
        return await why_over_cap(self._context, job, rows_left, cap=settings.max_removals)

    async def is_canary(self, job: Job) -> bool:
        """Whether a run of the job may send one row only. Raises ConsentMissing while a first removal waits."""
        return await self._canaries.check(job)

    def check_account(self, job: Job) -> None:
        """Check that the job's account is that of the settings. Raises NotAuthorized or SettingsError."""
        self._accounts.job_credentials(job, self._accounts.settings_of(job))

    async def calls_since(self, then: Epoch) -> int:
        """How many calls of the account were made since a time. Raises NotAuthorized or SettingsError."""
        key, storage = self._accounts.ledger_key(self._context.settings), self._context.storage
        if not storage.exists:
            return 0
        return (await storage.rate_limit.calls(key, since=self._context.clock.monotonic(), wall_since=then))[1]

    async def _over_a_cap(self, plan: Plan, settings: Settings) -> ConsentMissing | None:
        storage, removed = self._context.storage, await removals_today(self._context, plan.client, plan.host)
        lost = await storage.restore.lost_removals(today(self._context)) if removed else 0
        return over_a_cap(plan, settings, today=removed, lost=lost)

    async def _preview(
        self,
        table: Table,
        settings: Settings | None = None,
        operation: Operation = REMOVE_LEARNER,
        *,
        generation: str,
        include_open: bool = False,
    ) -> Preview:
        """Plan a table. ``settings``: those of a job's own account, where it is not the context's."""
        settings = settings or self._context.settings
        client, host, clock = self._accounts.client(settings), settings.host, self._context.clock
        protected = protected_learners(self._context.settings)
        planned = await asyncio.to_thread(
            planner.plan,
            await with_present_states(table, self._context.storage),
            account=settings.account,
            client=client,
            host=host,
            protected=protected,
            open_elsewhere={} if include_open else await self._open_elsewhere(client, host),
            operation=operation,
            accepted_wordings=[one.wording for one in await self._wordings.accepted(client, host)],
        )
        quota, now = settings.quota, clock.wall()
        seconds = rate_limit.forecast(planned.removals, quota, is_new=await self._accounts.is_new(settings))
        refusal = await self._over_a_cap(planned, settings)
        ends_at = later(now, seconds / clock.speed)
        return Preview(
            planned,
            quota,
            seconds,
            ends_at,
            clock.speed,
            made_at=now,
            protected=len(protected),
            is_canary=await self._canaries.is_due(client, host),
            include_open=include_open,
            refusal=refusal,
            generation=generation,
        )

    async def _new_job(
        self, preview: Preview, *, folder: Path, prepared_by: str, confirmed_by: str, origin: FrontEnd
    ) -> Job:
        plan, quota = preview.plan, self._context.settings.quota
        return Job(
            await self._new_id(mark=f"{SANDBOX_MARK}-" if plan.sandbox else ""),
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
            planned_at=preview.made_at if preview.planned_at is None else preview.planned_at,
            retry_of=preview.retry_of,
            options={
                "limit": self._context.settings.limit_text,
                "calls": str(quota.calls),
                "protected": str(preview.protected),
                **({"doubtful_ids": str(plan.doubtful_ids)} if plan.doubts else {}),
            },
            prepared_by=prepared_by,
            confirmed_by=confirmed_by,
            operation=plan.operation.name,
            client=plan.client,
            accepted_wordings=plan.accepted_wordings,
            origin=origin,
            night=self._context.night.name if origin is FrontEnd.NIGHTLY else "",
        )

    async def _new_id(self, *, mark: str) -> str:
        day = local(self._context.clock.wall())
        while True:
            job_id = f"{day:%Y%m%d}-{mark}{''.join(self._context.random.choice(_LETTERS) for _ in range(4))}"
            if not await self._jobs.is_known(job_id):
                return job_id
