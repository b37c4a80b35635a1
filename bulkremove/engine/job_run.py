"""One run of one job: how the stages are nested, and the state of the run as a whole.

Only this module determines the order attempts(client(rate limiter)): retries are outside, and the slot is taken just
before a request is sent. Pure rules decide what becomes of a row; this module reports it to the journal and the caller.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from bulkremove.config import Settings
from bulkremove.domain.attempt import PendingRow
from bulkremove.domain.clock import Clock, Epoch, Monotonic, later, seconds_between
from bulkremove.domain.errors import JobUnsuitable
from bulkremove.domain.event_names import EventName
from bulkremove.domain.job import EndReason, Job, JobState, Tally
from bulkremove.domain.ledger import SuspensionReason
from bulkremove.domain.operation import OPERATIONS
from bulkremove.domain.plural import pluralize
from bulkremove.domain.row import Removal, Status
from bulkremove.domain.wording import Wording
from bulkremove.engine import circuit_breaker, rate_limit
from bulkremove.engine.admission import TokenProvider
from bulkremove.engine.attempts import Attempts, Sender
from bulkremove.engine.events import Deferred, Event, Lockout, RunEnd, Settled, TokenWait
from bulkremove.engine.fair_queue import FairQueue
from bulkremove.engine.progress import Progress, Stop
from bulkremove.engine.rate_limiter import RateLimiter
from bulkremove.engine.rows import settle_rows
from bulkremove.engine.slot_decisions import Wait
from bulkremove.platform.local_time import local
from bulkremove.storage import Storage
from bulkremove.storage.interface.jobs import JobEnd
from bulkremove.storage.interface.records import JobEvent


class JobRun:
    """One run of one job.

    The settings' times are seconds of ``clock``. ``random`` returns numbers in [0, 1) for the back-off; ``queue`` is
    shared by all jobs that this process runs on the account. While ``must_yield`` returns true no new row is begun,
    since another job goes first. ``first_row_alone``: why the run ends after one row; empty if it does not.
    ``open_until``: when the time window of a nightly run ends.
    """

    def __init__(
        self,
        storage: Storage,
        job: Job,
        *,
        settings: Settings,
        clock: Clock,
        random: Callable[[], float],
        ledger: str,
        queue: FairQueue,
        stop: Stop,
        on_progress: Callable[[Progress], None],
        must_yield: Callable[[], bool] = lambda: False,
        expect_missing: bool = False,
        is_protected: Callable[[Removal], bool] = lambda removal: False,
        first_row_alone: str = "",
        open_until: Epoch | None = None,
    ) -> None:
        self._storage, self._job = storage, job
        self._settings, self._quota, self._clock, self._random = settings, settings.quota, clock, random
        self._ledger, self._queue, self._must_yield = ledger, queue, must_yield
        self._stop, self._on_progress = stop.part(), on_progress
        self._expect_missing, self._is_protected = expect_missing, is_protected
        self._first_row_alone, self._open_until = first_row_alone, open_until
        self._run_end: RunEnd | None = None
        self._early_end: JobEvent | None = None
        self._counts = Counter[Status]()
        self._unsettled = 0
        self._wait: Wait | None = None
        self._rows_in_flight: list[int] = []
        self._token_at = Epoch(0.0)
        """Until when the rows wait for an access token, as last reported."""

    async def run(self, sender: Sender, tokens: TokenProvider) -> Job:
        """Send the unsettled rows of the job; return the job as it stands afterwards.

        Raises JournalFailed, and JobUnsuitable when the job has changed since it was looked at. Failures of Zoho or
        the network raise nothing: the job's state and reason report them.
        """
        tally = await self._storage.rows.tally(self._job.id)
        self._counts, self._unsettled = Counter(tally.counts), tally.open
        started = self._clock.monotonic()
        text = f"{pluralize(self._unsettled, 'row is', 'rows are')} to be sent."
        await self._storage.jobs.start(self._job.id, self._event(EventName.STARTED, text), check=self._check_unchanged)
        self._publish(text)
        limiter = RateLimiter(
            self._storage.attempts,
            self._storage.rate_limit,
            self._ledger,
            self._quota,
            self._clock,
            queue=self._queue,
            on_wait=self._on_wait,
            open_until=self._open_until,
            sleep=lambda seconds: self._stop.sleep(seconds, self._clock),
        )
        kinds = await self._storage.rows.response_kinds(self._job.id)
        operation = OPERATIONS[self._job.operation]
        breaker = circuit_breaker.resumed(kinds, expect_missing=self._expect_missing, operation=operation)
        attempts = Attempts(
            sender,
            limiter,
            tokens,
            breaker=breaker,
            stop=self._stop,
            # A row that is sent alone yields to no other one.
            count_unsettled=lambda: 1 if self._first_row_alone else self._unsettled,
            operation=operation,
            is_protected=self._is_protected,
            is_accepted=self._is_accepted,
            clock=self._clock,
            random=self._random,
        )

        async def settle(pending_row: PendingRow) -> Status | PendingRow | None:
            self._rows_in_flight.append(pending_row.number)
            try:
                while self._must_yield() and not self._stop.requested:
                    await self._stop.sleep(1.0, self._clock)
                async with aclosing(attempts.settle(pending_row)) as events:
                    return await self._follow(events)
            finally:
                self._rows_in_flight.remove(pending_row.number)

        rows = self._storage.rows.open_rows(self._job.id)
        concurrency = 1 if self._first_row_alone else self._settings.concurrency
        settled = settle_rows(rows, settle, concurrency=concurrency, stop=self._stop.requested_event)
        async with aclosing(rows), aclosing(settled):
            async for pending_row, status in settled:
                if status is not None:
                    self._counts[status] += 1
                    self._unsettled -= 1
                    self._wait = None
                    self._publish(settled=(pending_row.number, status))
                    if self._first_row_alone:  # asked before the next row is taken
                        self._stop.request(self._first_row_alone, EndReason.CANARY)
        return await self._end(started)

    def _check_unchanged(self, job: Job) -> None:
        """Check that the job is as when all else was checked: a restore of the journal may have been accepted since."""
        before = self._job
        if (job.state, job.reason_code, job.finished_at) != (before.state, before.reason_code, before.finished_at):
            raise JobUnsuitable(
                f"Job {job.id} has changed since this run looked at it: it is {job.state.value}. {job.reason} Nothing "
                "was sent.",
                hint=f"`bulkremove show {job.id}` says where it stands.",
                page_hint="",
            )

    async def _is_accepted(self, wording: Wording) -> bool:
        """Whether the job's plan held this wording, and nobody has withdrawn it since."""
        if wording not in self._job.accepted_wordings:
            return False
        accepted = await self._storage.wordings.accepted(self._job.client, self._job.host)
        return wording in (entry.wording for entry in accepted)

    # Events of a row's attempts

    async def _follow(self, events: AsyncGenerator[Event]) -> Status | PendingRow | None:
        """Handle the events of one row; its status, the row itself if it is deferred, or None if it stays unsettled."""
        async for event in events:
            match event:
                case Settled():
                    return event.status
                case Deferred():
                    return event.pending_row
                case RunEnd():
                    self._end_early(event)
                case Lockout():
                    await self._record_lockout(event)
                case TokenWait():
                    await self._wait_for_token(event)
        return None

    def _end_early(self, run_end: RunEnd) -> None:
        if self._run_end is None:
            self._run_end = run_end
            self._stop.request(run_end.reason, run_end.code, auto_resumable=run_end.auto_resumable)
            # Written with the end of the run, since the outcome of the response must be written first.
            self._early_end = self._event(EventName.HALTED, run_end.reason)
            self._publish(run_end.reason)

    async def _record_lockout(self, lockout: Lockout) -> None:
        text = _LOCKOUT_TEXTS[lockout.reason]
        if lockout.lowered_to is not None:
            text += (
                " Our own calls can't have used it up: another program, system user or machine "
                "uses the same organisation's allowance. "
                f"From now on at most {lockout.lowered_to} calls per window are made."
            )
        await self._record(EventName(lockout.reason.value), text)

    async def _wait_for_token(self, wait: TokenWait) -> None:
        until = later(self._clock.wall(), wait.seconds / self._clock.speed)
        if seconds_between(self._token_at, until) > 1.0:  # each row in flight reports the same wait
            self._token_at = until
            await self._record(EventName.NO_TOKEN, f"{wait.message} It is requested again at {local(until):%H:%M:%S}.")

    # Progress and events for people

    def _on_wait(self, wait: Wait) -> None:
        if self._wait != wait:
            self._wait = wait
            self._publish()

    async def _record(self, name: EventName, text: str) -> None:
        await self._storage.record(self._event(name, text))
        self._publish(text)

    def _event(self, name: EventName, text: str) -> JobEvent:
        return JobEvent(self._job.id, name, text, self._clock.wall())

    def _publish(self, message: str = "", settled: tuple[int, Status] | None = None) -> None:
        wait = self._wait
        if wait is not None and wait.until <= self._clock.monotonic():
            wait = None
        eta = self._unsettled * rate_limit.pace(self._quota.calls, self._quota)
        tally = Tally(dict(self._counts), self._unsettled)
        reason, until = (wait.reason, wait.until) if wait else (None, None)
        self._on_progress(Progress(self._job, tally, reason, until, eta, message, settled, tuple(self._rows_in_flight)))

    async def _end(self, started: Monotonic) -> Job:
        """Record how the run ended: finished, or early with rows left."""
        at, seconds = self._clock.wall(), seconds_between(started, self._clock.monotonic())
        sent = await self._storage.rate_limit.send_times(self._ledger, since=started)
        peak = rate_limit.peak_calls(sent, self._quota.window)
        stop = self._stop
        run_end = self._run_end or RunEnd(stop.reason, stop.code, auto_resumable=stop.auto_resumable)

        def decide(tally: Tally) -> JobEnd:
            if tally.open == 0:
                # The response that ended the run early may also have settled the last row.
                return JobEnd(JobState.FINISHED, "", EndReason.NONE, at, seconds, peak)
            if run_end.is_final:
                return JobEnd(JobState.STOPPED, run_end.reason, run_end.code, at, seconds, peak)
            return JobEnd(JobState.PAUSED, run_end.reason, run_end.code, at, seconds, peak, run_end.auto_resumable)

        return await self._storage.jobs.end(self._job.id, decide, *filter(None, [self._early_end]))


_LOCKOUT_TEXTS = {
    SuspensionReason.LOCKED: "Zoho says that the allowance is used up and has locked the account for a while.",
    SuspensionReason.FAILING: "Zoho People reports errors or does not answer, so nothing is sent for a while.",
    SuspensionReason.UNREACHABLE: "Zoho can't be reached; the connection is tried again soon.",
}
