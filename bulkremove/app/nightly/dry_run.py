"""The dry run of a nightly run: what it would do now, without taking, storing or sending anything."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bulkremove.app import caps
from bulkremove.app.canary import FIRST_ROW_ALONE
from bulkremove.app.context import Context
from bulkremove.app.jobs import Jobs
from bulkremove.app.nightly.earlier_jobs import EarlierJobs
from bulkremove.app.nightly.intake import Intake
from bulkremove.app.nightly.killed_runs import beginning
from bulkremove.app.nightly.leavers_source import SUPERSEDED
from bulkremove.app.nightly.result import NightlyResult, expired_text, killed_text, scheduled_text, waiting_text
from bulkremove.app.plans import Plans
from bulkremove.app.stopping import nightly_claim
from bulkremove.domain.clock import DAY_SECONDS, Epoch, later, seconds_between
from bulkremove.domain.errors import ActionRefused, BulkremoveError, FileRefused, SourceFailed
from bulkremove.domain.job import CONSENT_SECONDS, Job, JobState
from bulkremove.domain.schedule import Schedule
from bulkremove.engine.progress import Stop
from bulkremove.engine.rate_limit import pace
from bulkremove.engine.slot_waits import MAX_ALLOWANCE_WAIT_SECONDS
from bulkremove.platform.local_time import day_begin
from bulkremove.sources import SourceFile
from bulkremove.sources.inbox import Inbox, original_name

OUTSIDE_WINDOW = "It is outside the time window for nightly runs, so nothing was taken and nothing sent."


class Planned:
    """What the dry runs of several nights would send, for each organisation: they share its caps and its allowance."""

    def __init__(self) -> None:
        self.removals = Counter[str]()
        """Removals that would be sent, by the organisation's ledger."""
        self.of_day = Counter[tuple[str, Epoch]]()
        """Those of them that do not count for the cap yet, by the ledger and the beginning of their day."""


class DryRun:
    """One dry run; the removals of all its jobs and files are counted together, with those of the nights before it.

    ``ledger``: the key of its organisation's ledger.
    """

    def __init__(
        self,
        context: Context,
        jobs: Jobs,
        plans: Plans,
        intake: Intake,
        schedule: Schedule,
        *,
        ledger: str,
        planned: Planned,
    ) -> None:
        self._context, self._jobs, self._plans, self._intake = context, jobs, plans, intake
        self._earlier, self._schedule, self._night = EarlierJobs(context, jobs, plans), schedule, context.night
        self._result = NightlyResult(context.night.name, sandbox=context.settings.is_sandbox)
        self._expired: list[Job] = []
        self._removals = 0
        """Removals that would be sent."""
        self._planned, self._ledger, self._day = planned, ledger, (ledger, day_begin(context.clock.wall()))
        self._uncounted = planned.of_day[self._day]
        """Those of them, and of the nights before, that do not count for today's cap yet."""

    async def run(self) -> NightlyResult:
        """Return what the nightly run would do and say if it started at the time that the context's clock shows."""
        result, start = self._result, self._context.clock.wall()
        until = self._schedule.open_until(start)
        if until is None:
            result.failures.append(OUTSIDE_WINDOW)
            return result
        if self._context.storage.exists:
            self._expired = await self._earlier.expired()
            result.expired += map(expired_text, self._expired)
        try:
            with TemporaryDirectory(prefix="bulkremove-") as scratch:
                await self._files(Path(scratch), start)
        except BulkremoveError as error:
            result.failures.append(str(error))
        try:
            await self._limits(start, until)
        except BulkremoveError as error:  # no credentials
            result.failures.append(str(error))
        if self._context.storage.exists:
            expired = {job.id for job in self._expired}
            waiting = await self._earlier.waiting(result.held_jobs | expired)
            result.waiting += [waiting_text(job, self._context.settings) for job in waiting]
        return result

    async def _earlier_jobs(self, now: Epoch) -> None:
        async for job in self._earlier.due(self._result):
            rows_left = (await self._jobs.tally(job)).open
            why = await self._earlier.hold_reason(job, now, extra_removals=self._uncounted)
            if why := why or await self._intake.incoming.leavers.who_came_back(job):
                self._result.hold(job.source, why, job.id)
                continue
            try:
                self._plans.check_account(job)
                if await self._plans.is_canary(job):
                    rows_left = min(rows_left, 1)
                    self._result.remaining_text = FIRST_ROW_ALONE.format(job.words.noun)
            except ActionRefused as refused:
                self._result.waiting.append(f"Job {job.id}: {refused}")
                continue
            except BulkremoveError as error:
                self._result.failures.append(f"Job {job.id}: {error}")
                continue
            self._result.would_run.append((job, rows_left))
            self._removals += rows_left
            if job.state is not JobState.READY and job.last_run_at < later(
                caps.start_of_today(self._context), -CONSENT_SECONDS
            ):
                self._uncounted += rows_left

    async def _files(self, scratch: Path, start: Epoch) -> None:
        """Look at the source's files, then at earlier jobs, and plan the files. Raises SourceFailed."""
        result, digests, found = self._result, set[str](), list[tuple[SourceFile, bool]]()
        begun = await beginning(self._context)
        self._intake.begin(begun, Stop())
        if begun.killed_at is not None and not await self._is_under_way():
            result.killed = killed_text(begun.killed_at)
        try:
            result.obstacles += self._intake.incoming.obstacles()
            found = [one async for one in self._intake.incoming.look(scratch, result)]
        finally:
            if self._context.storage.exists and self._intake.incoming.can_compare:
                await self._earlier_jobs(start)
        inbox = self._intake.incoming.inbox
        result.waiting += await self._intake.held_files.waiting(inbox, now=self._context.clock.wall())
        for path in inbox.working_files() if inbox.working_folder.is_dir() else ():  # left there by a killed run
            taken = await self._intake.incoming.find_earlier(path)
            name = original_name(path)
            if taken is not None and (taken.job or taken.held):
                continue
            if self._intake.incoming.leavers.is_superseded(name):
                result.unchanged.append(f"{name}: {SUPERSEDED}")
            else:
                await self._plan(path, name)
        for file, is_complete in found:
            if not is_complete:
                result.unfinished.append(file.name)
                continue
            try:
                repeated = await self._intake.incoming.why_repeated(file.path)
                digest = Inbox(file.path.parent).digest(file.path)
                if not repeated and digest in digests:
                    repeated = "Its content is that of a file before it."
                if repeated:
                    if self._intake.incoming.finds_all_again:
                        result.unchanged.append(f"{file.name}: {repeated}")
                    else:
                        result.hold(file.name, repeated)
                    continue
                digests.add(digest)
                await self._plan(file.path, file.name)
            except SourceFailed as failed:
                result.failures.append(str(failed))
        self._intake.incoming.leavers.tell(result)

    async def _is_under_way(self) -> bool:
        claim = nightly_claim(self._night.name, sandbox=self._context.settings.is_sandbox)
        return await self._context.storage.claims.holder(claim) is not None

    async def _plan(self, path: Path, name: str) -> None:
        try:
            preview = await self._intake.preview(path, name)
        except FileRefused as refused:
            self._result.hold(name, str(refused))
            return
        if preview is None:
            return
        refusal = await caps.plan_error(
            self._context, preview.plan, self._context.settings, extra_removals=self._uncounted
        )
        preview = replace(preview, refusal=refusal or preview.refusal)
        self._result.plans.append(preview)
        earlier = await self._intake.incoming.find_earlier(path)
        preview = replace(preview, planned_at=await self._intake.incoming.planned_before(earlier) or preview.planned_at)
        if why := await self._intake.reasons_to_hold(preview, path, earlier=earlier):
            self._result.hold(name, why)
        elif days := self._night.delay_days:
            due_at = later(self._context.clock.wall(), days * DAY_SECONDS)
            self._result.scheduled.append(scheduled_text(name, due_at))
        else:
            self._removals += preview.plan.removals
            self._uncounted += preview.plan.removals

    async def _limits(self, start: Epoch, until: Epoch) -> None:
        """Say how many of all removals would be sent before the time window or the day's allowance ends."""
        quota = self._context.settings.quota
        max_removals = int(seconds_between(start, until) / pace(quota.calls, quota))
        if quota.daily is not None and self._removals:
            calls_until = until if self._schedule.window else later(start, MAX_ALLOWANCE_WAIT_SECONDS)
            made = (
                await self._plans.calls_since(later(calls_until, -DAY_SECONDS)) + self._planned.removals[self._ledger]
            )
            max_removals = min(max_removals, quota.daily - made)
        self._planned.removals[self._ledger] += min(self._removals, max(0, max_removals))
        self._planned.of_day[self._day] = self._uncounted
        if self._removals > max(0, max_removals):
            self._result.remaining_text = (
                f"About {max(0, max_removals):,} of {self._removals:,} removals are sent before the time window or the "
                "day's allowance ends; the next nightly run goes on with the rest."
            )
