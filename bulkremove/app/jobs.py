"""Use cases for stored jobs: finding them, notes, approval and cancellation."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, nullcontext, suppress

from bulkremove.app.approval import check_approval, check_rows_left
from bulkremove.app.cancellation import check_held, check_never_run, check_open
from bulkremove.app.consent import check_sandbox_match
from bulkremove.app.context import Context
from bulkremove.app.results import PAGE_SIZE
from bulkremove.domain.attempt import LookupResult, Note
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import AlreadyConfirmed, JobBusy, JobNotFound, JobUnsuitable, NoteRejected
from bulkremove.domain.event_names import EventName
from bulkremove.domain.job import OVER_CAP, EndReason, Job, JobState, Tally
from bulkremove.domain.operation import PlannedOperation
from bulkremove.domain.permissions import EVERY_ACCOUNT, AccountSet
from bulkremove.domain.plan import Plan
from bulkremove.domain.row import Roles
from bulkremove.report import utc
from bulkremove.storage.interface.claims import ClaimKind
from bulkremove.storage.interface.jobs import VISIBLE, JobEnd
from bulkremove.storage.interface.records import Act, JobEvent, Record, StoredEvent

MAX_NOTE_LENGTH = 500
"""Characters."""
PLAN_WAIT_SECONDS = 30.0
"""Seconds that a confirmation waits for another one, which may store a large plan."""


class Jobs:
    """The jobs of one context's storage."""

    def __init__(self, context: Context) -> None:
        self._context, self._storage = context, context.storage

    async def add(
        self, job: Job, plan: Plan, act: AuditAct, *records: Record, by: str, claim: AsyncExitStack | None = None
    ) -> None:
        """Store a confirmed plan as a job, in several transactions; the job is invisible until it is complete.

        Its entry in the audit log and ``records`` are written with the last one. ``claim``: keeps the job's claim for
        the caller, so that no other process can run the job first.
        """
        details = {"job": job.id, "plan": plan.hash, job.words.nouns: plan.removals, "source": job.source}
        if job.due_at is not None:
            details["starts_at"] = utc(job.due_at)
        if compared := job.options.get("compared"):
            details["compared"] = int(compared)
        if over_cap := job.options.get(OVER_CAP):
            details["reason"] = over_cap
        if plan.table.included:
            details["included_mismatched"] = len(plan.table.included)
        entry = Act(by, act, details, job.created_at)
        await self.remove_abandoned()
        try:
            async with AsyncExitStack() as stack:
                await (claim or stack).enter_async_context(self._storage.claims.hold(job.id))
                await self._storage.jobs.create(job, plan.rows(), entry, *records)
        except asyncio.CancelledError:  # by Ctrl-C: no job that could run may remain
            end = JobEnd(JobState.CANCELLED, "Stopped while it was stored.", EndReason.CANCELLED, job.created_at)
            with suppress(JobNotFound):  # it was not complete yet; remove_abandoned deletes it later
                await self._storage.jobs.cancel(
                    job.id, check_open, end, Act(by, AuditAct.CANCELLED, details, job.created_at)
                )
            raise

    async def remove_abandoned(self) -> None:
        """Delete incomplete jobs whose process died while it stored them."""
        for job_id in await self._storage.jobs.incomplete_jobs():
            with suppress(JobBusy):  # its process is alive and still stores it
                async with self._storage.claims.hold(job_id):
                    await self._storage.jobs.remove_incomplete(job_id)

    async def all(self, *states: JobState) -> list[Job]:
        """All jobs, or those in these states, of all accounts, the newest first."""
        return await self._storage.jobs.page(accounts=EVERY_ACCOUNT, states=states or VISIBLE)

    async def page(
        self,
        *,
        accounts: AccountSet,
        page: int = 1,
        limit: int = PAGE_SIZE,
        state: JobState | None = None,
        source: str = "",
        who: str = "",
        since: Epoch = Epoch(0.0),
        before: tuple[Epoch, str] | None = None,
    ) -> tuple[list[Job], Mapping[str, Tally], bool]:
        """A page (from 1) of jobs; their tallies by id; whether more follow. The filters are those of the store."""
        jobs = await self._storage.jobs.page(
            accounts=accounts,
            states=[state] if state else VISIBLE,
            source=source,
            who=who,
            since=since,
            before=before,
            limit=limit + 1,
            offset=(page - 1) * limit,
        )
        return jobs[:limit], await self.tallies(jobs[:limit]), len(jobs) > limit

    async def find(self, job_id: str) -> Job:
        """The job of that id. Raises JobNotFound."""
        return await self._storage.jobs.get(job_id)

    async def newest_unfinished(self, account: str, client: str, host: str) -> Job:
        """The newest job of an account that a command may go on with unasked. Raises JobNotFound.

        Another front end ran it last, or a person paused it: then it must be named.
        """
        if job := await self._storage.jobs.newest_unfinished(account, client, host):
            return job
        raise JobNotFound(
            f"There is no unfinished job of account {account!r} on {host} that a command ran and nobody paused.",
            hint="`bulkremove jobs` lists all of them; name the one that is meant.",
            page_hint="",
        )

    def claim_plan(self) -> AbstractAsyncContextManager[None]:
        """Hold the claim to confirm a plan, so that no two plans with the same rows or the same cap pass at once.

        Raises JobBusy while another process holds it for long.
        """
        return self._storage.claims.hold(ClaimKind.PLAN, wait=PLAN_WAIT_SECONDS)

    async def is_known(self, job_id: str) -> bool:
        """Whether a job of that id exists or is being stored."""
        return await self._storage.jobs.exists(job_id)

    async def of_plan(self, plan: Plan) -> Job | None:
        """The newest job of exactly this plan that may have sent a row; None if there is none."""
        return await self._storage.jobs.newest_job_of_plan(plan.hash)

    async def was_released(self, job: Job) -> bool:
        """Whether the job was approved before, or was ever run: its plan's hash no longer counts as consent."""
        return any(
            name in (EventName.STARTED, EventName.APPROVED) for _, name, _ in await self._storage.jobs.events(job.id)
        )

    async def by_idempotency_key(self, key: str, plan_hash: str, accounts: AccountSet) -> Job | None:
        """The job of these accounts that a program confirmed with this idempotency key; None if there is none.

        Raises AlreadyConfirmed when it was confirmed for another plan.
        """
        job = await self._storage.jobs.by_idempotency_key(key, plan_hash, accounts)
        if job is not None and job.plan_hash != plan_hash:
            raise AlreadyConfirmed(
                f"This Idempotency-Key was used for job {job.id}, of another plan. Nothing was sent."
            )
        return job

    async def by_upload(self, upload: str, accounts: AccountSet) -> Job | None:
        """The job of these accounts that a plan of the page became; None if there is none."""
        return await self._storage.jobs.by_upload(upload, accounts) if self._storage.exists else None

    async def roles_of(self, header: Sequence[str], accounts: AccountSet) -> Roles | None:
        """Which columns held the ids in the newest job of these accounts whose file had these headings, if any had."""
        return await self._storage.jobs.roles_of(header, accounts) if self._storage.exists else None

    async def retrying(self, job_id: str, numbers: Collection[int], operation: PlannedOperation) -> Job | None:
        """A retry of the job with any of these rows (their numbers in the file); None if there is none.

        ``operation``: that of the rows; a job that puts people back is no retry of the one that removed them.
        """
        if (await self._storage.jobs.get(job_id)).operation != operation.name:
            return None
        for job in await self._storage.jobs.retries(job_id):
            if job.operation == operation.name and not (await self._storage.rows.numbers(job.id)).isdisjoint(numbers):
                return job
        return None

    async def tally(self, job: Job) -> Tally:
        """How many rows have which status; rows not settled yet count as open."""
        return await self._storage.rows.tally(job.id)

    async def tallies(self, jobs: Sequence[Job]) -> Mapping[str, Tally]:
        """The tallies of several jobs, by their ids."""
        return await self._storage.rows.tallies([job.id for job in jobs])

    async def is_running(self, job: Job) -> bool:
        """Whether a process of this machine runs the job right now."""
        return not job.state.is_over and await self._storage.claims.holder(job.id) is not None

    async def rows_beside(self, job: Job) -> list[int]:
        """The rows left of each other job of the same client that a process runs right now."""
        running = await self._storage.jobs.page(accounts=EVERY_ACCOUNT, states=[JobState.RUNNING])
        beside = [
            other
            for other in running
            if other.id != job.id
            and (other.client, other.host) == (job.client, job.host)
            and await self.is_running(other)
        ]
        return [tally.open for tally in (await self.tallies(beside)).values()]

    async def events(self, job: Job) -> list[tuple[Epoch, str, str]]:
        """The job's events: time, stable name and text."""
        return await self._storage.jobs.events(job.id)

    async def events_after(self, job: Job, *, after: int, limit: int) -> list[StoredEvent]:
        """The job's events after the one with this number (0: from the first one on), ``limit`` at most."""
        return await self._storage.jobs.events_after(job.id, after=after, limit=limit)

    async def add_event(self, job_id: str, name: EventName, text: str) -> None:
        """Store an event of a job."""
        await self._storage.record(JobEvent(job_id, name, text, self._context.clock.wall()))

    async def unknown_without_note(self, job: Job) -> int:
        """How many unknown rows of the job have no note."""
        return await self._storage.rows.unknown_without_note(job.id)

    async def add_note(
        self, job_id: str, number: int, text: str, *, result: LookupResult | None = None, by: str
    ) -> None:
        """Add a note to an unknown row (its number in the file). Raises NoteRejected for no text or another row.

        ``result``: what a person saw, for which no text is needed. ``still_there`` withdraws an accepted wording that
        the row was answered with.
        """
        text, at = text.strip()[:MAX_NOTE_LENGTH], self._context.clock.wall()
        if not text and result is None:
            raise NoteRejected("Nothing was written, so nothing was noted.", hint="Say what you found in Zoho People.")
        job = await self._storage.jobs.get(job_id)
        check_sandbox_match(job, self._context.settings)
        entry = Act(by, AuditAct.NOTED, {"job": job.id, "row": number, "result": result or ""}, at)
        if not await self._storage.rows.add_note(job.id, number, Note(at, by, text, result), entry):
            raise NoteRejected(f"Row {number} of job {job.id} is not unknown, so there is nothing to find out.")

    async def open_batches(self, job: Job) -> Counter[tuple[str, str]]:
        """How many rows of each course and batch are still to be sent."""
        async with aclosing(self._storage.rows.open_rows(job.id)) as rows:
            return Counter([(row.removal.course, row.removal.batch) async for row in rows])

    async def approve(self, job_id: str, *, by: str, compared: int | None = None, rows_left: int | None = None) -> Job:
        """Let a held job run. ``compared``: the number of its doubtful ids, from a person who compared them with Zoho.

        ``rows_left``: the number of rows that the person saw, without which no consent is renewed.

        Raises ActionRefused when it is not held or has expired, without these numbers, or by ``check_four_eyes``.
        """
        at, job = self._context.clock.wall(), await self._storage.jobs.get(job_id)
        check_sandbox_match(job, self._context.settings)
        present = (await self._storage.rows.tally(job.id)).open
        was_released = rows_left is None and job.state.is_approvable and await self.was_released(job)
        check_rows_left(job, rows_left, present, was_released=was_released)
        records = (
            Act(by, AuditAct.APPROVED, {"job": job.id, "plan": job.plan_hash, "compared": compared or 0}, at),
            JobEvent(job.id, EventName.APPROVED, f"{by} approved it.", at),
        )

        def check(job: Job) -> None:
            check_approval(job, by=by, compared=compared, at=at, settings=self._context.settings)

        released = await self._storage.jobs.release(job.id, check, *records, by=by, at=at)
        if released is None:
            state = (await self._storage.jobs.get(job_id)).state.value
            raise JobUnsuitable(f"Job {job.id} is {state}; only a held one can be approved.")
        return released

    async def cancel(self, job_id: str, *, by: str, claimed: bool = False) -> Job:
        """End a job for good; its open rows are reported as ``not_sent`` or ``unknown``.

        ``claimed``: the caller holds the job's claim. Raises JobBusy while a process runs it, JobUnsuitable when it is
        over already.
        """
        check_sandbox_match(await self._storage.jobs.get(job_id), self._context.settings)
        at, why = self._context.clock.wall(), "A person cancelled the job."
        end = JobEnd(JobState.CANCELLED, why, EndReason.CANCELLED, at)
        async with nullcontext() if claimed else self._storage.claims.hold(job_id):
            return await self._storage.jobs.cancel(
                job_id, check_open, end, Act(by, AuditAct.CANCELLED, {"job": job_id}, at)
            )

    async def withdraw(self, job_id: str, *, by: str, why: str = "") -> bool:
        """Cancel a job that was refused before its first row, so that nothing can run it later; False if it has begun.

        ``why``: what refused it, in sentences.
        The caller holds the job's claim, or knows that no process runs it.
        """
        at, reason = self._context.clock.wall(), f"It was refused before its first row. {why}".strip()
        end = JobEnd(JobState.CANCELLED, reason, EndReason.CANCELLED, at)
        try:
            await self._storage.jobs.cancel(
                job_id, check_never_run, end, Act(by, AuditAct.CANCELLED, {"job": job_id}, at)
            )
        except JobUnsuitable:
            return False
        return True

    async def expire(self, job_id: str, *, by: str) -> bool:
        """Cancel a held job that nobody approved in time; False when it is not held any more."""
        at = self._context.clock.wall()
        end = JobEnd(JobState.CANCELLED, "Nobody approved it in time.", EndReason.EXPIRED, at)
        try:
            async with self._storage.claims.hold(job_id):
                await self._storage.jobs.cancel(
                    job_id, check_held, end, Act(by, AuditAct.CANCELLED, {"job": job_id}, at)
                )
        except (JobUnsuitable, JobBusy):
            return False
        return True

    async def resumable(self, job: Job) -> bool:
        """Whether rows are left, or the run was killed between its end and its report."""
        ended = job.state in (JobState.FINISHED, JobState.STOPPED)
        return job.state.is_resumable or (ended and not await self._storage.jobs.is_reported(job.id))
