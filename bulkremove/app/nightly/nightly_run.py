"""One nightly run: resume jobs that are due, take in files, run or hold their jobs, notify people, delete old data.

It may be killed at any moment: the next one finds each file in one folder of the inbox and each row in the journal.
What a person must decide is held, and no nightly run sends it before it is approved. A run against a sandbox does the
same with copies of the files, and touches nothing that a real one reads (docs/decisions/0007-nightly-runs.md).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, aclosing, asynccontextmanager, suppress
from datetime import date
from pathlib import Path

from bulkremove.app.accounts import Accounts
from bulkremove.app.confirmations import Confirmations
from bulkremove.app.context import Context
from bulkremove.app.enrolment_checks import EnrolmentChecks
from bulkremove.app.job_supervisor import JobSupervisor
from bulkremove.app.jobs import Jobs
from bulkremove.app.leavers import LeaverSearch
from bulkremove.app.metrics import figures
from bulkremove.app.nightly.dry_run import OUTSIDE_WINDOW, DryRun, Planned
from bulkremove.app.nightly.earlier_jobs import EarlierJobs
from bulkremove.app.nightly.intake import Intake
from bulkremove.app.nightly.killed_runs import beginning
from bulkremove.app.nightly.night_jobs import NightlyJobs
from bulkremove.app.nightly.nightly_schedule import schedule
from bulkremove.app.nightly.result import NightlyResult, killed_text, waiting_text
from bulkremove.app.notices import Outbox
from bulkremove.app.plans import Plans
from bulkremove.app.retention import Retention
from bulkremove.app.runs import Runs
from bulkremove.app.stopping import Stopping, nightly_claim
from bulkremove.domain.clock import DAY_SECONDS, Epoch, seconds_between
from bulkremove.domain.errors import (
    BulkremoveError,
    JobBusy,
    LocalFileFailed,
    SourceFailed,
)
from bulkremove.domain.job import EndReason
from bulkremove.domain.permissions import EVERY_ACCOUNT
from bulkremove.domain.plural import pluralize
from bulkremove.domain.schedule import Schedule
from bulkremove.engine.progress import Stop
from bulkremove.platform.local_time import local
from bulkremove.platform.secure_files import replace_content
from bulkremove.report.metrics import prometheus_text as metrics_text
from bulkremove.sources.inbox import Inbox

JUST_ENDED_SECONDS = 600.0
"""Within so many seconds of a run's end, systemd tells of the failure of this run, and of no later one."""
WINDOW_OVER = "The time window for nightly runs is over; the next one goes on."


class NightlyRuns:
    """The runs of the night that a context is for; ``supervisor`` runs their jobs.

    ``at``: gives the same by a clock that shows a later time, for a dry run.
    """

    def __init__(
        self,
        context: Context,
        accounts: Accounts,
        jobs: Jobs,
        plans: Plans,
        enrolment_checks: EnrolmentChecks,
        confirmations: Confirmations,
        runs: Runs,
        retention: Retention,
        stopping: Stopping,
        leavers: LeaverSearch,
        supervisor: JobSupervisor,
        *,
        at: Callable[[Epoch], NightlyRuns],
    ) -> None:
        self._context, self._storage, self._plans = context, context.storage, plans
        self.night, self._accounts, self._at = context.night, accounts, at
        self._sandbox = context.settings.sandbox_host
        self._key = {"night": self.night.name, "sandbox": self._sandbox}
        self._jobs, self._runs, self._retention, self._supervisor = jobs, runs, retention, supervisor
        self._stopping, self._claim = stopping, nightly_claim(self.night.name, sandbox=bool(self._sandbox))
        self.outbox = Outbox(context)
        self._intake = Intake(context, jobs, plans, enrolment_checks, confirmations, self.outbox, leavers)
        self._earlier = EarlierJobs(context, jobs, plans)
        self._night_jobs = NightlyJobs(context, jobs, self._earlier, runs, supervisor, self.outbox)

    @property
    def schedule(self) -> Schedule:
        """When the night's runs start and may send."""
        return schedule(self.night)

    async def run(self, *, stop: Stop, rerun_name: str | None = None, day: date | None = None) -> NightlyResult:
        """Do one run of the night. Raises JobBusy while another one runs, SourceFailed for a source of no known kind.

        ``rerun_name``: the name of a held file whose content was run before and is to be run once more; ``day``: the
        local date that the run belongs to, today without it.
        """
        _ = self._intake.incoming.inbox  # raises SourceFailed
        async with self._failure_pinged():
            return await self._run_and_report(stop, rerun_name, day or self._night_of_now())

    async def _run_and_report(self, stop: Stop, again: str | None, day: date) -> NightlyResult:
        claim = self._storage.claims.hold(self._claim)
        async with claim, self._stopping.watch_requests(self._claim, stop):
            number, result = await self._run(stop, again, day)
        if failure := await self.outbox.send_due():  # after the claim, since a mail server may let us wait
            result.failures.append(failure)
        elif (waiting := (await self._storage.nightly.waiting_notices()).get(self.night.name)) and not self._sandbox:
            result.unsent = f"{pluralize(waiting, 'notice')}. {self.outbox.why_silent()}".strip()
        skew = self._runs.connections.clock_skew
        at = self._context.clock.wall()
        await self._storage.nightly.end(number, result.end, at=at, is_good=result.is_good, clock_skew=skew)
        await self.outbox.notifier.ping("" if result.is_good else "/fail")
        await self._write_metrics()
        return result

    @asynccontextmanager
    async def _failure_pinged(self) -> AsyncIterator[None]:
        """Tell the dead man's switch of an error that ends the run, as when the journal can't be written any more."""
        try:
            yield
        except JobBusy:
            raise  # another run of the night goes on, and will tell
        except Exception:
            await self.outbox.notifier.ping("/fail")
            raise

    def _night_of_now(self) -> date:
        """The local date of the night that was due last, so that a run by hand before its time is not in its place."""
        due = self.schedule.due(None, self._context.clock.wall())
        assert due is not None  # noqa: S101 - without a last one there is always one that is due
        return due

    async def last_date(self) -> date | None:
        """The local date of the last run of the night that started or was left out."""
        last = await self._storage.nightly.last_date(**self._key)
        return date.fromisoformat(last) if last else None

    async def has_told(self) -> bool:
        """Whether the last run has just ended, and all that it had to tell was sent; False if the journal can't say.

        A failure is always told: by ``failures`` of the result, each of which is in a notice.
        """
        try:
            last = await self._storage.nightly.last(**self._key)
            waiting = (await self._storage.nightly.waiting_notices()).get(self.night.name)
        except BulkremoveError:  # such as the one that has ended the run
            return False
        if last is None or last.ended_at is None or waiting or self.outbox.why_silent():
            return False
        return 0 <= seconds_between(last.ended_at, self._context.clock.wall()) < JUST_ENDED_SECONDS

    async def skip(self, day: date, why: str) -> None:
        """Record that a nightly run does not take place, and notify people."""
        notices = self.outbox.notices(f"left_out:{day}", f"the nightly run of {day} was left out. Find out why", why)
        at = self._context.clock.wall()
        await self._storage.nightly.skip(day.isoformat(), *notices, **self._key, at=at)

    async def report_late(self, day: date) -> None:
        """Notify people that a nightly run starts long after its time, since something must have gone wrong."""
        text = f"The nightly run of {day} could not start in time and starts only now."
        await self.outbox.add(f"late:{day}", f"the nightly run of {day} is late. Find out why", text)

    async def dry_run(self, planned: Planned | None = None) -> NightlyResult:
        """What the next run of the night would do; takes, stores and sends nothing.

        All is decided by the time at which it would start. ``planned``: what the nights before it would send; what this
        one would is added. Raises SettingsError as to its account.
        """
        self._accounts.check_night()
        start = now = self._context.clock.wall()
        if self.night.at is not None:
            ((_, start),) = self.schedule.next_starts(now, 1)
        then = self._at(start)
        ledger = ""
        with suppress(BulkremoveError):  # without credentials nothing is sent
            ledger = self._accounts.ledger_key(self._context.settings)
        use_cases = (then._jobs, then._plans, then._intake)
        return await DryRun(then._context, *use_cases, then.schedule, ledger=ledger, planned=planned or Planned()).run()

    async def _run(self, stop: Stop, rerun_name: str | None, day: date) -> tuple[int, NightlyResult]:
        """Do all that nobody else may do meanwhile; the number of the run, and its result."""
        clock, result = self._context.clock, NightlyResult(self.night.name, sandbox=bool(self._sandbox))
        self._runs.connections.clock_skew = None  # the clock may have been changed since the last run
        begun = await beginning(self._context)
        self._intake.begin(begun, stop)
        run = await self._storage.nightly.begin(day.isoformat(), **self._key, at=clock.wall())
        await self.outbox.notifier.ping("/start")
        inbox_lock = ExitStack()
        try:
            if begun.killed_at is not None:
                result.killed = killed_text(begun.killed_at)
                key, subject = f"killed:{begun.killed_at}", "the last nightly run was killed. Find out why"
                await self.outbox.add(key, subject, result.killed)
            self._accounts.check_night()
            await self._night_jobs.expire(result)
            inbox = await stop.cancelling(self._fill(result, rerun_name, inbox_lock))
            if inbox is not None:
                result.waiting += await self._intake.held_files.waiting(inbox, now=clock.wall())
            until = self.schedule.open_until(clock.wall())
            if until is None:
                result.failures.append(OUTSIDE_WINDOW)
                subject = "the nightly run started outside its time window. Correct one of the two"
                await self.outbox.add(f"window:{day}", subject, OUTSIDE_WINDOW)
                stop.request(WINDOW_OVER, EndReason.WINDOW_CLOSED, auto_resumable=True)
            closing = asyncio.create_task(self._close_window(stop, until or clock.wall()))
            try:
                if self._intake.incoming.can_compare:
                    await self._night_jobs.resume_earlier(stop, result, self._intake.incoming.leavers.who_came_back)
                if inbox is not None:
                    async with aclosing(self._intake.process_files(inbox, result, rerun_name)) as job_ids:
                        async for job_id in job_ids:
                            if not stop.requested:
                                await self._night_jobs.run(job_id, stop, result)
            finally:
                closing.cancel()
            if stop.requested and until is not None and stop.reason not in {job.reason for job in result.ran}:
                result.stopped = stop.reason
            if inbox is not None:
                await self._intake.held_files.put_away(inbox)
            await self._delete_expired(result)
            reported_job_ids = {job.id for job in result.ran} | result.held_jobs
            result.waiting += [
                waiting_text(job, self._context.settings) for job in await self._earlier.waiting(reported_job_ids)
            ]
        except (BulkremoveError, OSError) as error:  # the source's folder may vanish at any moment
            why = str(error)
            if isinstance(error, OSError):
                why = f"The folder of the nightly source can't be used: {error.strerror} ({error.filename})."
            result.failures.append(why)
            await self.outbox.add(f"nightly:{run}", "the nightly run did not end well. Look at its reason", why)
        finally:
            inbox_lock.close()
        return run, result

    async def _delete_expired(self, result: NightlyResult) -> None:
        """Delete old data, if a reply of Zoho's in this run has shown that this machine's clock is right."""
        skew = self._runs.connections.clock_skew
        if skew is None or self._sandbox:
            return
        if abs(skew) >= DAY_SECONDS:
            text = (
                f"This machine's clock and Zoho's differ by {abs(skew) / DAY_SECONDS:.0f} days, so nothing was deleted."
            )
            result.failures.append(f"{text} Set the clock (NTP).")
            day, subject = f"{local(self._context.clock.wall()):%Y-%m-%d}", "the clock is wrong. Set it"
            await self.outbox.add(f"clock:{day}", subject, result.failures[-1])
            return
        deleted = await self._retention.delete_expired()
        if deleted.jobs or deleted.files:
            days = self._context.settings.retention_days
            jobs, files = pluralize(deleted.jobs, "job"), pluralize(deleted.files, "file")
            result.deleted = f"Older than {days} days: rows of {jobs} and {files}."

    async def _write_metrics(self) -> None:
        if self._context.settings.metrics_file and not self._sandbox:
            _replace(
                Path(self._context.settings.metrics_file), metrics_text(await figures(self._context, EVERY_ACCOUNT))
            )

    async def _fill(self, result: NightlyResult, rerun_name: str | None, inbox_lock: ExitStack) -> Inbox | None:
        """The inbox with its files; when the source can't be read, or another host uses it, notify people; then None.

        ``inbox_lock``: keeps other hosts from the inbox until it is closed.
        """
        try:
            return await self._intake.incoming.fill(result, rerun_name, inbox_lock)
        except SourceFailed as failed:
            result.failures.append(str(failed))
            day = f"{local(self._context.clock.wall()):%Y-%m-%d}"
            await self.outbox.add(
                f"source:{day}", "the source of the nightly run could not be read. Find out why", str(failed)
            )
            return None

    async def _close_window(self, stop: Stop, until: Epoch) -> None:
        """Ask the run to stop at ``until``; the wall clock is checked every minute."""
        clock = self._context.clock
        while (remaining := seconds_between(clock.wall(), until)) > 0:
            await clock.sleep(min(remaining, 60.0))
        stop.request(WINDOW_OVER, EndReason.WINDOW_CLOSED, auto_resumable=True)


def _replace(path: Path, metrics: bytes) -> None:
    """Replace the metrics file, which a collector may read; a failure is only logged."""
    try:
        replace_content(path.expanduser(), metrics, mode=0o644)
    except LocalFileFailed as failed:
        logging.getLogger(__name__).warning("The metrics were not written: %s", failed)
