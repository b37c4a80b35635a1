"""One nightly run: resume jobs that are due, take in files, run or hold their jobs, notify people, delete old data.

It may be killed at any moment: the next one finds each file in one folder of the inbox and each row in the journal.
What a person must decide is held, and no nightly run sends it before it is approved. A run against a sandbox does the
same with copies of the files, and touches nothing that a real one reads (docs/decisions/0007-nightly-runs.md).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from datetime import date, time
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from bulkremove.app.context import Context
from bulkremove.app.daily_cap import over_daily_cap
from bulkremove.app.job_supervisor import JobSupervisor
from bulkremove.app.jobs import Jobs
from bulkremove.app.nightly.intake import Intake
from bulkremove.app.nightly.result import NIGHTLY_RUN, NightlyResult
from bulkremove.app.notices import Outbox
from bulkremove.app.plans import Plans
from bulkremove.app.protected_list import protected_learners, shrunk_list
from bulkremove.app.retention import Retention
from bulkremove.app.review import review_text
from bulkremove.app.runs import Runs
from bulkremove.app.stopping import NIGHTLY_CLAIMS, Stopping
from bulkremove.config import Settings
from bulkremove.domain.clock import Epoch, seconds_between
from bulkremove.domain.errors import (
    BulkremoveError,
    FileRefused,
    JobBusy,
    JournalFailed,
    LocalFileFailed,
    SettingsError,
    SourceFailed,
)
from bulkremove.domain.hosts import lead_alike
from bulkremove.domain.job import APPROVAL_SECONDS, EndReason, FrontEnd, Job, JobState, is_recent
from bulkremove.domain.schedule import Missed, Schedule, Window
from bulkremove.engine.progress import Stop
from bulkremove.platform.local_time import local
from bulkremove.platform.secure_files import replace_content
from bulkremove.report import format_counts
from bulkremove.report.metrics import text as metrics_text
from bulkremove.sources.inbox import Inbox
from bulkremove.storage.interface.records import Act

DAY = 86_400.0
WINDOW_OVER = "The time window for nightly runs is over; the next one goes on."


class NightlyRuns:
    """The nightly runs of one context; ``supervisor`` runs their jobs."""

    def __init__(
        self,
        context: Context,
        jobs: Jobs,
        plans: Plans,
        runs: Runs,
        retention: Retention,
        stopping: Stopping,
        supervisor: JobSupervisor,
    ) -> None:
        """Raises SettingsError for an invalid address of notices."""
        self._context, self._storage, self._plans = context, context.storage, plans
        self._sandbox = context.settings.sandbox_host
        self._jobs, self._runs, self._retention, self._supervisor = jobs, runs, retention, supervisor
        self._stopping, self._claim = stopping, NIGHTLY_CLAIMS[bool(self._sandbox)]
        self.outbox = Outbox(context)
        self._intake = Intake(context, jobs, plans, self.outbox)

    @property
    def schedule(self) -> Schedule:
        """When nightly runs start and may send."""
        return schedule(self._context.settings)

    async def run(self, *, stop: Stop, again: str | None = None, day: date | None = None) -> NightlyResult:
        """Do one nightly run. Raises JobBusy while another one runs, SourceFailed when no source is set.

        ``again``: the name of a held file whose content was run before and is to be run once more; ``day``: the local
        date that the run belongs to, today without it.
        """
        _ = self._intake.inbox  # raises SourceFailed
        async with self._claimed(), self._stopping.obeyed(self._claim, stop):
            return await self._run(stop, again, day or local(self._context.clock.wall()).date())

    @asynccontextmanager
    async def _claimed(self) -> AsyncIterator[None]:
        """Hold the claim of nightly runs. The dead man's switch is pinged even when the journal can't be written."""
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._storage.claims.hold(self._claim))
            except JournalFailed:
                await self.outbox.notifier.ping("/fail")
                raise
            yield

    async def last_date(self) -> date | None:
        """The local date of the last nightly run that started or was left out."""
        last = await self._storage.nightly.last_date(sandbox=self._sandbox)
        return date.fromisoformat(last) if last else None

    async def skip(self, day: date, why: str) -> None:
        """Record that a nightly run does not take place, and notify people."""
        notices = self.outbox.notices(f"left_out:{day}", f"the nightly run of {day} was left out", why)
        at = self._context.clock.wall()
        await self._storage.nightly.skip(day.isoformat(), *notices, sandbox=self._sandbox, at=at)

    async def report_late(self, day: date) -> None:
        """Notify people that a nightly run starts long after its time, since something must have gone wrong."""
        text = f"The nightly run of {day} could not start in time and starts only now."
        await self.outbox.add(f"late:{day}", f"the nightly run of {day} is late", text)

    async def dry_run(self) -> NightlyResult:
        """Plan the files that a nightly run would take in now; moves, stores and sends nothing."""
        result = NightlyResult(sandbox=bool(self._sandbox), left=self._intake.obstacles())
        self._intake.begin()
        with TemporaryDirectory(prefix="bulkremove-") as scratch:
            async for file, is_whole in self._intake.look(Path(scratch)):
                if not is_whole:
                    result.unfinished.append(file.name)
                    continue
                try:
                    if repeated := await self._intake.why_repeated(file.path):
                        texts = result.unchanged if self._intake.finds_all_again else result.held
                        texts.append(f"{file.name}: {repeated}")
                        continue
                    preview = await self._intake.preview(file.path, file.name)
                    result.plans.append(preview)
                    if why := await self._intake.reasons_to_hold(preview, file.path):
                        result.held.append(f"{file.name}: {why}")
                except (FileRefused, SourceFailed) as refused:
                    result.held.append(f"{file.name}: {refused}")
        return result

    async def _run(self, stop: Stop, again: str | None, day: date) -> NightlyResult:
        clock, result = self._context.clock, NightlyResult(sandbox=bool(self._sandbox))
        self._runs.clock_skew = None  # the clock may have been changed since the last run
        self._intake.begin()
        run = await self._storage.nightly.begin(day.isoformat(), sandbox=self._sandbox, at=clock.wall())
        await self.outbox.notifier.ping("/start")
        try:
            await self._expire()
            inbox = await self._fill(result, again)
            until = self.schedule.open_until(clock.wall())
            if until is None:
                result.failures.append(
                    "It is outside the time window for nightly runs, so nothing was taken and nothing sent."
                )
                stop.ask(WINDOW_OVER, EndReason.WINDOW_CLOSED, auto_resumable=True)
            closing = asyncio.create_task(self._close_window(stop, until or clock.wall()))
            try:
                await self._resume_jobs(stop, result)
                if inbox is not None:
                    async with aclosing(self._intake.take_in(inbox, result, again, lambda: stop.asked)) as job_ids:
                        async for job_id in job_ids:
                            if not stop.asked:
                                await self._run_job(job_id, stop, result)
            finally:
                closing.cancel()
            await self._tidy(result)
        except (BulkremoveError, OSError) as error:  # the source's folder may vanish at any moment
            result.failures.append(str(error))
            await self.outbox.add(f"nightly:{run}", "the nightly run did not end well", str(error))
        await self._storage.nightly.end(run, at=clock.wall(), good=result.good)
        await self.outbox.send_due()
        await self.outbox.notifier.ping("" if result.good else "/fail")
        await self._write_metrics()
        return result

    async def _tidy(self, result: NightlyResult) -> None:
        """Delete old data, if a reply of Zoho's in this run has shown that this machine's clock is right."""
        skew = self._runs.clock_skew
        if skew is None or self._sandbox:
            return
        if abs(skew) >= DAY:
            text = f"This machine's clock and Zoho's differ by {abs(skew) / DAY:.0f} days, so nothing was deleted."
            result.failures.append(f"{text} Set the clock (NTP).")
            return
        deleted = await self._retention.tidy()
        if deleted.jobs or deleted.files:
            days = self._context.settings.retention_days
            result.deleted = f"Older than {days} days: rows of {deleted.jobs:,} job(s) and {deleted.files:,} file(s)."

    async def _write_metrics(self) -> None:
        if self._context.settings.metrics_file and not self._sandbox:
            _replace(Path(self._context.settings.metrics_file), metrics_text(await self._retention.figures()))

    async def _fill(self, result: NightlyResult, again: str | None) -> Inbox | None:
        """The inbox with its files; when the source is not there, notify people and return None."""
        try:
            return await self._intake.fill(result, again)
        except SourceFailed as failed:
            result.failures.append(str(failed))
            day = f"{local(self._context.clock.wall()):%Y-%m-%d}"
            await self.outbox.add(f"source:{day}", "the nightly run's source is not there", str(failed))
            return None

    async def _expire(self) -> None:
        """Cancel held jobs that nobody has approved in time."""
        now = self._context.clock.wall()
        for job in await self._own_jobs(JobState.HELD):
            if job.due_at is None and seconds_between(job.driven_at, now) > APPROVAL_SECONDS:
                if not await self._jobs.expire(job.id, by=NIGHTLY_RUN):
                    continue
                text = f"Nobody approved the plan of {job.source} ({job.id}) within 7 days, so it was cancelled."
                await self.outbox.add(f"expired:{job.id}", f"the plan of {job.source} has expired", text)

    async def _own_jobs(self, *states: JobState) -> list[Job]:
        """The jobs in these states that go where this run goes: to Zoho, or to the same sandbox."""
        host = self._context.settings.host
        return [job for job in await self._jobs.all(*states) if lead_alike(job.host, host)]

    async def _resume_jobs(self, stop: Stop, result: NightlyResult) -> None:
        """Run earlier nightly runs' jobs: approved, due after their delay, left by a kill, or auto-resumable."""
        states = (JobState.HELD, JobState.READY, JobState.RUNNING, JobState.PAUSED)
        for listed in reversed(await self._own_jobs(*states)):
            if stop.asked:
                return
            job = await self._jobs.find(listed.id)  # people may have acted while the jobs before it ran
            if job.state not in states:
                continue
            if job.origin is not FrontEnd.NIGHTLY or await self._jobs.is_running(job):
                continue
            now, is_due = self._context.clock.wall(), job.state is JobState.HELD
            if is_due and (job.due_at is None or job.due_at > now):
                continue
            if job.state is JobState.PAUSED and not job.auto_resumable and job.reason_code is not EndReason.STANDSTILL:
                continue  # for a person, who was notified
            if not is_due and job.driven_by is not FrontEnd.NIGHTLY and not job.needs_review(now):
                continue  # a person's run that ended or died: theirs to resume for an hour
            if why := await self._why_hold(job, now):
                await self._hold_for_review(job, why, result)
                continue
            if is_due:
                await self._storage.jobs.release(job.id, lambda job: None, by=NIGHTLY_RUN, at=now)
            await self._run_job(job.id, stop, result)

    async def _why_hold(self, job: Job, now: Epoch) -> str | None:
        """Why a person must look at an earlier job before it goes on; None if a nightly run may go on with it."""
        since = job.driven_at if job.due_at is None else max(job.driven_at, job.due_at)
        if shrunk := shrunk_list(job, self._context.settings):
            return shrunk
        is_theirs = job.state is not JobState.HELD and job.driven_by is not FrontEnd.NIGHTLY
        rows_left = (await self._jobs.tally(job)).open
        if not rows_left:
            return None  # it was killed before its report; nothing can be sent
        if is_theirs or job.reason_code is EndReason.STANDSTILL or not is_recent(since, now, APPROVAL_SECONDS):
            return f"It needs review. {review_text(job, rows_left, now)}"
        if job.state is JobState.HELD and self._context.settings.four_eyes:
            return "Two people must agree (four_eyes), so one has to approve it."
        return await over_daily_cap(self._context, job, rows_left) or None

    async def _hold_for_review(self, job: Job, why: str, result: NightlyResult) -> None:
        """Hold an earlier job that no nightly run may go on with by itself, and notify people."""
        now = self._context.clock.wall()
        text = (
            f"What is left of {job.source} ({job.id}) is held, and nothing of it was sent. {why} To run it all the "
            f"same: `bulkremove approve {job.id}`, or the page. It expires in 7 days."
        )
        key = f"review:{job.id}:{await self._run_count(job.id)}"
        notices = self.outbox.notices(key, f"needs review: {job.source}", text)
        with suppress(FileRefused, SettingsError):  # a list that can't be read holds the run itself
            entries = len(protected_learners(self._context.settings))
            await self._storage.jobs.set_protected(job.id, entries)  # who approves it is told of a shorter list
        if await self._storage.jobs.hold(job.id, why, *notices, Act(NIGHTLY_RUN, "held", {"job": job.id}, now), at=now):
            result.held.append(f"{job.source}: {why}")

    async def _run_job(self, job_id: str, stop: Stop, result: NightlyResult) -> None:
        try:
            ended = await self._supervisor.drive(job_id, stop=stop.part(), by=NIGHTLY_RUN)
        except JobBusy:
            return  # the page or another process runs it right now
        except BulkremoveError as error:
            result.failures.append(f"Job {job_id}: {error}")
            await self.outbox.add(
                f"failed:{job_id}:{await self._run_count(job_id)}", f"job {job_id} could not run", str(error)
            )
            return
        result.ended.append(ended)
        if ended.job.reason_code is EndReason.STANDSTILL:  # this process stood still, so this nightly run is over too
            stop.ask(ended.job.reason, EndReason.STANDSTILL)
        text = " ".join(filter(None, (ended.warning, ended.summary, ended.job.reason)))
        subject = f"{ended.job.state.value}: {ended.job.source}: {format_counts(ended.tally)}"
        await self.outbox.add(f"ended:{job_id}:{await self._run_count(job_id)}", subject, text, ended.report)

    async def _close_window(self, stop: Stop, until: Epoch) -> None:
        """Ask the run to stop at ``until``; the wall clock is checked every minute."""
        clock = self._context.clock
        while (remaining := seconds_between(clock.wall(), until)) > 0:
            await clock.sleep(min(remaining, 60.0))
        stop.ask(WINDOW_OVER, EndReason.WINDOW_CLOSED, auto_resumable=True)

    async def _run_count(self, job_id: str) -> int:
        """How many runs of the job have started; part of a notice's key, so that each run is reported once."""
        return sum(name == "started" for _, name, _ in await self._storage.jobs.events(job_id))


def schedule(settings: Settings) -> Schedule:
    """The schedule that the settings describe."""
    window = Window(*settings.nightly_window) if settings.nightly_window else None
    return Schedule(
        settings.nightly_at or time(0), ZoneInfo(settings.nightly_zone), Missed(settings.nightly_missed), window
    )


def _replace(path: Path, metrics: bytes) -> None:
    """Replace the metrics file, which a collector may read; a failure is only logged."""
    try:
        replace_content(path.expanduser(), metrics, mode=0o644)
    except LocalFileFailed as failed:
        logging.getLogger(__name__).warning("The metrics were not written: %s", failed)
