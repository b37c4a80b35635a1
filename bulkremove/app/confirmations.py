"""Use cases from a plan to a job: a person or a nightly run confirms it, and it is stored. Nothing is sent here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path

from bulkremove.app import caps, learner_counts
from bulkremove.app.accounts import Accounts
from bulkremove.app.canary import Canaries
from bulkremove.app.consent import Consent, check_age, check_consent, check_four_eyes, check_start
from bulkremove.app.context import Context
from bulkremove.app.jobs import Jobs
from bulkremove.app.plans import Plans
from bulkremove.app.results import Preview
from bulkremove.app.wordings import Wordings
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import (
    ActionRefused,
    AlreadyConfirmed,
    BulkremoveError,
    CapExceeded,
    PlanNotReady,
    PlanOutdated,
)
from bulkremove.domain.event_names import EventName
from bulkremove.domain.ids import new_job_id, without_ids
from bulkremove.domain.job import BATCH_NAMES, EXPECT_MISSING, OVER_CAP, FrontEnd, Job, JobState
from bulkremove.domain.permissions import AccountSet
from bulkremove.domain.plan import OtherJob, Plan, in_words
from bulkremove.domain.row import Removal
from bulkremove.domain.table import SANDBOX_MARK
from bulkremove.platform.local_time import local
from bulkremove.report import reserve_both
from bulkremove.storage.interface.records import JobEvent, Record

MAX_NAMES = 200
"""Names of batches that are kept with a job."""


class Confirmations:
    """Confirmed plans of one context's account, which become jobs."""

    def __init__(
        self,
        context: Context,
        accounts: Accounts,
        jobs: Jobs,
        plans: Plans,
        canaries: Canaries,
        wordings: Wordings,
    ) -> None:
        self._context, self._accounts, self._jobs, self._plans = context, accounts, jobs, plans
        self._canaries, self._wordings = canaries, wordings

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
        upload: str = "",
        expect_missing: bool = False,
        start_at: Epoch | None = None,
    ) -> Job:
        """Store a confirmed plan as a job, whose report goes to ``folder`` or is the file ``report``.

        Raises ActionRefused, and what would make its run fail at once (no credentials, no place for the report):
        NotAuthorized, SettingsError or ReportFailed. A plan that is refused leaves nothing that can run. Under
        ``four_eyes`` a command's job is held until somebody else approves it.

        ``prepared_by``: everybody who uploaded the file or chose how it is read; ``by`` confirms the plan. ``claim``:
        keeps the job's claim for ``Runs.run``, so that no server resumes the job in between. ``idempotency_key``: kept
        with the job, so that a program that repeats its request finds it. ``upload``: the plan's id on the page, kept
        with it so that its address leads to the job. ``expect_missing``: its runs go on even if Zoho knows none of the
        first learners. ``start_at``: when the page's server starts it, within a day; None for a job that its caller
        starts.
        """
        if preview.refusal and not _may_exceed(preview.refusal, consent):
            raise preview.refusal
        if preview.retry_of:  # who prepared the job that is tried again has prepared this plan, too
            before = await self._jobs.find(preview.retry_of)
            if before.operation == preview.plan.operation.name:
                prepared_by = tuple(dict.fromkeys([*before.prepared_by, *prepared_by]))
        needs_second_person = front_end is FrontEnd.COMMAND and self._context.settings.four_eyes and by in prepared_by
        if not needs_second_person:
            check_four_eyes(prepared_by, by, self._context.settings)
        if self._context.settings.enrolment_check == "always" and preview.plan.removals and preview.check is None:
            raise PlanNotReady(
                "Zoho was not asked who these learners are, and the settings demand it (enrolment_check). Nothing was "
                "sent.",
                hint="Preview the file again.",
            )
        check_consent(preview.plan, consent)
        if front_end is FrontEnd.COMMAND and consent.by_hash_alone and preview.plan.removals:
            preview = await self._with_shown_state(preview)
        check_age(preview.made_at, self._context.clock.wall())
        check_start(start_at, self._context.clock.wall())
        job: Job | None = None
        try:
            async with self._jobs.claim_plan():  # held from the checks until the new job is visible
                if idempotency_key and (
                    existing_job := await self._jobs.by_idempotency_key(
                        idempotency_key, preview.plan.hash, AccountSet.only(preview.plan.account)
                    )
                ):
                    raise AlreadyConfirmed(
                        f"This Idempotency-Key was used for job {existing_job.id} just now. Nothing more was sent."
                    )
                if consent.by_hash_alone:
                    await self._check_never_run(preview.plan)
                job = await self._new_job(
                    preview, folder=folder, prepared_by=prepared_by, confirmed_by=by, origin=front_end
                )
                await self._accounts.record_organization(job)
                over_cap = await self._check_unclaimed(preview, consent)
                job = replace(
                    job,
                    options={**job.options}
                    | ({"idempotency_key": idempotency_key} if idempotency_key else {})
                    | ({EXPECT_MISSING: "yes"} if expect_missing else {})
                    | ({"upload": upload} if upload else {})
                    | ({"compared": str(consent.compared)} if consent.compared else {})
                    | ({OVER_CAP: consent.over_cap} if over_cap else {}),
                )
                if start_at is not None:
                    job = replace(job, state=JobState.SCHEDULED, due_at=start_at)
                if needs_second_person:
                    reasons = ["Two people must agree (four_eyes), so somebody else has to approve it."]
                    reasons += [doubt.text for doubt in preview.plan.doubts]
                    job = replace(job, state=JobState.HELD, reason=without_ids(" ".join(reasons)), confirmed_by="")
                self._check_can_run(job, preview.plan, report)
                await self._canaries.must_send_one_row(
                    job
                )  # a run would be refused while a first removal waits for an answer
                act, records = (
                    AuditAct.HELD if needs_second_person else AuditAct.CONFIRMED,
                    [*_of_removal(job, preview)],
                )
                if over_cap:  # an approval is what lets a run exceed the cap of its day
                    act, text = AuditAct.CONFIRMED_OVER_CAP, f"{by} confirmed it over the cap: {consent.over_cap}"
                    records.append(JobEvent(job.id, EventName.APPROVED, text, job.created_at))
                await self._jobs.add(job, preview.plan, act, *records, by=by, claim=claim)
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
        hold_reason: str | None,
        due_at: Epoch | None,
        by: str,
    ) -> Job:
        """Store a nightly run's plan as a job, together with the records that ``records`` makes for it.

        ``hold_reason``: why it must not run before somebody approves it; ``due_at``: when it may run at the earliest.
        """
        async with self._jobs.claim_plan():
            job = await self._new_job(
                preview, folder=folder, prepared_by=(by,), confirmed_by=by, origin=FrontEnd.NIGHTLY
            )
            await self._accounts.record_organization(job)
            try:
                if not hold_reason:
                    await self._check_unclaimed(preview)
            except ActionRefused as refused:  # something was confirmed since the preview
                hold_reason = refused.message
            if hold_reason:
                job = replace(job, state=JobState.HELD, reason=hold_reason, confirmed_by="")
            elif due_at:
                job = replace(job, state=JobState.SCHEDULED, due_at=due_at)
            act = AuditAct.HELD if hold_reason else AuditAct.ANNOUNCED if due_at else AuditAct.CONFIRMED
            await self._jobs.add(job, preview.plan, act, *records(job), by=by)
        return job

    def _check_can_run(self, job: Job, plan: Plan, report: Path | None) -> None:
        """Check what can be checked before the job is stored. Raises NotAuthorized, SettingsError or ReportFailed."""
        if plan.removals:
            self._accounts.job_credentials(job, self._accounts.settings_of(job))
        for file in reserve_both(job, report, rows=len(plan.table)):
            file.discard()

    async def _check_never_run(self, plan: Plan) -> None:
        """Check that a plan's hash was not used before, which would be consent for ever. Raises AlreadyConfirmed."""
        same = await self._jobs.of_plan(plan) if plan.removals else None
        if same is not None:
            act = plan.operation.words.act
            raise AlreadyConfirmed(
                f"This very plan was confirmed before, as job {same.id} ({same.state.value}). Nothing was sent.",
                hint=f"Look at `bulkremove show {same.id}`. To {act} the same learners once more, leave --plan out.",
                page_hint=f"Look at that job. To {act} the same learners once more, a program sends their number too: "
                f"removals = {plan.removals}.",
            )

    async def _check_unclaimed(self, preview: Preview, consent: Consent | None = None) -> bool:
        """Check what another plan or an erasure may have changed since the preview. Raises ActionRefused.

        Returns whether the plan exceeds a cap, as a person with that permission agreed to.
        """
        plan = preview.plan
        if preview.generation != await self._plans.generation():
            raise PlanOutdated(
                "The data of a learner were erased since this plan was made, or the journal was put back from a "
                "backup. Nothing was sent.",
                hint="Preview the file again.",
            )
        if preview.retry_of and (
            other := await self._jobs.retrying(preview.retry_of, plan.table.numbers, plan.operation)
        ):
            raise AlreadyConfirmed(
                f"These rows are in job {other.id} already, which is {other.state.value}. Nothing was sent.",
                hint="Go on with that one, or retry what it did not send.",
            )
        accepted = {entry.wording for entry in await self._wordings.accepted(plan.client, plan.host, plan.operation)}
        if accepted != {*plan.accepted_wordings}:
            raise PlanOutdated(
                "What counts as the proof of a removal was changed since this plan was made. Nothing was sent.",
                hint="Preview the file again.",
            )
        open_elsewhere: Mapping[Removal, OtherJob] = {}
        if not preview.include_open:
            open_elsewhere = await self._plans.open_elsewhere(plan.client, plan.host, plan.operation)
        if open_elsewhere:
            removals = [row.removal for row in plan.rows() if row.removal]
            if others := {open_elsewhere[removal] for removal in removals if removal in open_elsewhere}:
                words = in_words(others, plan.account)
                raise PlanOutdated(
                    f"Rows of this plan are still to be sent by {words}. Nothing was sent.",
                    hint="Preview the file again, which leaves these rows out, or cancel that job.",
                )
        refusal = await caps.plan_error(self._context, plan, self._context.settings)
        if refusal and not (consent and _may_exceed(refusal, consent)):
            raise refusal
        return refusal is not None

    async def _with_shown_state(self, preview: Preview) -> Preview:
        """The plan as it was when its hash was shown: what was done since then counts. Raises PlanOutdated."""
        storage = self._context.storage
        shown_plan = await storage.jobs.shown_plan(preview.plan.hash) if storage.exists else None
        if shown_plan is None:
            raise PlanOutdated(
                "This plan was not shown here within the last day, so its hash is no consent. Nothing was sent.",
                hint="Preview the file; then give the hash that the preview shows.",
            )
        at, generation = shown_plan
        planned_at = at if preview.planned_at is None else preview.planned_at
        return replace(preview, made_at=at, planned_at=planned_at, generation=generation)

    async def _new_job(
        self, preview: Preview, *, folder: Path, prepared_by: Iterable[str], confirmed_by: str, origin: FrontEnd
    ) -> Job:
        plan, quota = preview.plan, self._context.settings.quota
        return Job(
            await self._new_id(mark=f"{SANDBOX_MARK}-" if plan.is_sandbox else ""),
            plan.account,
            plan.host,
            plan.table.source,
            str(folder),
            plan.table.sheet,
            plan.table.header,
            plan.table.roles,
            plan.hash,
            JobState.READY,
            created_at=self._context.clock.wall(),
            planned_at=preview.made_at if preview.planned_at is None else preview.planned_at,
            retry_of=preview.retry_of,
            options={
                "limit": self._context.settings.limit_text,
                "calls": str(quota.calls),
                "protected": str(preview.protected),
                **({"doubtful_ids": str(plan.doubtful_ids)} if plan.doubts else {}),
                **_names_option(plan),
                **(learner_counts.as_option(preview.check.counts) if preview.check else {}),
            },
            prepared_by=tuple(prepared_by),
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
            job_id = new_job_id(day, self._context.random.choice, mark=mark)
            if not await self._jobs.is_known(job_id):
                return job_id


def _may_exceed(refusal: ActionRefused, consent: Consent) -> bool:
    """Whether a person agreed that the plan exceeds this very cap, with the numbers that it has now."""
    return isinstance(refusal, CapExceeded) and bool(consent.over_cap) and consent.exceeded == refusal.message


def _names_option(plan: Plan) -> dict[str, str]:
    """The option of a job that holds the names of its batches, those of the first ones if they are very many."""
    names = [[*batch, plan.batch_names[batch]] for batch in plan.batches if batch in plan.batch_names]
    return {BATCH_NAMES: json.dumps(names[:MAX_NAMES])} if names else {}


def _of_removal(job: Job, preview: Preview) -> list[JobEvent]:
    """The event of the job whose people a new one puts back; none for any other job."""
    if not job.is_enrolment or preview.retry_of is None:
        return []
    text = f"Job {job.id} was made to put {preview.plan.removals:,} of these people back."
    return [JobEvent(preview.retry_of, EventName.PUT_BACK, text, job.created_at)]
