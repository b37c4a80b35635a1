"""Each use case in the shape gather, decide, apply; see the package's docstring.

Late imports keep ``--help`` and ``jobs`` from paying for pandas and aiohttp (0.4 s and 0.25 s, measured).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from bulkremove import pacing
from bulkremove.app import accounts, doctor, rehearsal, restored
from bulkremove.app.consent import Consent, check_consent, check_eyes, over_a_cap
from bulkremove.app.doctor import Check
from bulkremove.app.keeping import Keeping
from bulkremove.app.people import People
from bulkremove.app.rehearsal import SandboxOptions
from bulkremove.app.results import Allowance, Ended, Preview
from bulkremove.clock import SystemClock
from bulkremove.config import Settings
from bulkremove.credentials import Account, ledger_key
from bulkremove.errors import (
    ConsentMissing,
    JobBusy,
    JobNotFound,
    NotUnknown,
    ReportFailed,
    SettingsError,
)
from bulkremove.model import Clock, Finding, Job, JobState, KeepList, Outcome, Plan, PlannedRow, Status, Table, Tally
from bulkremove.planning import KEPT
from bulkremove.policy import exit_code, given_up
from bulkremove.store import Entry, Journal, Verified, driven, is_driven

if TYPE_CHECKING:  # these pull pandas and aiohttp in, which most commands do without
    from aiolimiter import AsyncLimiter

    from bulkremove.app.driving import Progress, Stop
    from bulkremove.app.night import Drive, Nights
    from bulkremove.reading import ReadOptions
    from bulkremove.report import ReportFile, Rows, Timeline
    from bulkremove.schedule import Schedule

T = TypeVar("T")

DAY = 86_400.0
PAGE = 50
"""Rows of one page of a table."""
LONGEST_FINDING = 500
"""Characters."""
WAITS = frozenset({"locked", "failing", "unreachable", "no_token"})
"""Events after which nobody sends for a while."""
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
"""For job names: nothing that can be misread."""


class App:
    """All use cases for one set of settings. ``sandbox`` makes every act a rehearsal."""

    def __init__(
        self,
        settings: Settings,
        *,
        environ: Mapping[str, str],
        clock: Clock | None = None,
        dice: random.Random | None = None,
        sandbox: SandboxOptions | None = None,
    ) -> None:
        self.speed = sandbox.speed if sandbox else settings.speed
        if sandbox is not None:
            environ = {**environ, **rehearsal.credentials(sandbox)}
            settings = replace(settings, api_url=sandbox.url, accounts_url=sandbox.url, account=sandbox.account)
        self.settings = accounts.settled(settings)
        self.clock = clock or SystemClock(self.speed)
        self._environ = environ
        self._dice = dice or random.SystemRandom()
        self._sandbox = sandbox
        self._playing = False
        self._lines: dict[tuple[asyncio.AbstractEventLoop, str], AsyncLimiter] = {}

    @cached_property
    def _journal(self) -> Journal:
        return Journal(self.settings.home)

    def close(self) -> None:
        """Close the journal, if it was opened."""
        if "_journal" in self.__dict__:
            self._journal.close()

    # Before a run

    def preview(self, source: Path | BinaryIO, *, name: str, options: ReadOptions) -> Preview:
        """Read a file to its end and say what a run would do. Sends nothing. Raises FileRefused."""
        from bulkremove.reading import read

        return self._preview(read(source, name=name, options=options))

    async def preview_apart(self, path: Path, *, name: str, options: ReadOptions) -> Preview:
        """The same, read in a child process with limits on memory and time: for files that strangers may have made."""
        from bulkremove.app.apart import read_apart

        return self._preview(await read_apart(path, name=name, options=options))

    def some_rows(
        self, plan: Plan, *, status: Status | None, to_remove: bool, text: str, page: int
    ) -> tuple[list[PlannedRow], bool]:
        """A page (from 1) of a plan's rows, and whether there are more; see ``planning.some_rows``."""
        from bulkremove.planning import some_rows

        skip = (page - 1) * PAGE
        found = some_rows(plan, status=status, to_remove=to_remove, text=text, skip=skip, most=PAGE + 1)
        return found[:PAGE], len(found) > PAGE

    def retry(self, job_id: str, *, unknown_checked: bool) -> Preview:
        """What a new job would send of an ended one: ``not_sent``, and ``unknown`` once a person looked them up."""
        job = self._journal.job(job_id)
        if not job.state.over:
            raise ConsentMissing(f"Job {job.id} is not over.", hint=f"`bulkremove resume {job.id}` goes on with it.")
        wanted = {Status.NOT_SENT, Status.UNKNOWN} if unknown_checked else {Status.NOT_SENT}
        rows = [outcome for outcome in self._journal.outcomes(job) if outcome.status in wanted]
        settings = self._match(job)
        columns = tuple(zip(*(row.cells for row in rows), strict=True)) or tuple(() for _ in job.header)
        table = Table(job.source, "job", job.header, job.roles, [row.number for row in rows], columns, job.sheet)
        return replace(self._preview(table, settings), retry_of=job.id)

    def submit(self, preview: Preview, *, consent: Consent, folder: Path, prepared_by: Collection[str], by: str) -> Job:
        """Store an agreed plan as a job; ``folder`` is where its report goes. Raises ConsentMissing.

        ``prepared_by``: all who gave the file or said how it is to be read; ``by`` agrees to the plan.
        """
        job = self._agreed(preview, consent, folder, prepared_by, by)
        _store(self._journal, job, preview.plan)
        return job

    async def submit_apart(
        self, preview: Preview, *, consent: Consent, folder: Path, prepared_by: Collection[str], by: str
    ) -> Job:
        """The same, written by a thread of its own, so that nobody else waits while many rows are stored."""
        job = self._agreed(preview, consent, folder, prepared_by, by)
        await self._in_thread(lambda journal: _store(journal, job, preview.plan))
        return job

    def _agreed(self, preview: Preview, consent: Consent, folder: Path, prepared_by: Collection[str], by: str) -> Job:
        if preview.refusal:
            raise preview.refusal
        check_eyes(prepared_by, by, self.settings)
        check_consent(preview.plan, consent)
        if preview.retry_of is not None:
            self._check_retried(preview.retry_of, preview.plan)
        return self._new_job(preview, folder=folder, prepared_by=", ".join(prepared_by), confirmed_by=by)

    def _check_retried(self, job_id: str, plan: Plan) -> None:
        """A row is in one retry only; who tries again after that retries the retry."""
        numbers = set(plan.table.numbers)
        for other in self._journal.jobs():
            if other.retry_of == job_id and numbers & self._journal.numbers(other.id):
                raise ConsentMissing(
                    f"These rows are in job {other.id} already, which is {other.state.value}. Nothing was sent.",
                    hint="Go on with that one, or retry what it did not send.",
                )

    def same_plan(self, plan: Plan) -> Job | None:
        """The newest job of exactly this plan, if it was confirmed before."""
        return next((job for job in self._journal.jobs() if job.plan_hash == plan.fingerprint), None)

    def submit_night(self, preview: Preview, *, folder: Path, held: str | None, due_at: float | None) -> Job:
        """Store a night's plan as a job. ``held``: why it must not run before somebody approves it; ``due_at``: before
        then neither (epoch seconds).
        """
        from bulkremove.app.night import NIGHT

        state = JobState.HELD if held or due_at else JobState.READY
        job = self._new_job(preview, folder=folder, prepared_by=NIGHT, confirmed_by="" if held else NIGHT)
        job = replace(job, state=state, reason=held or "", origin="night", due_at=due_at)
        with self._journal.transaction():
            self._journal.create(job, preview.plan.rows())
            act = "held" if held else "announced" if due_at else "confirmed"
            self.record(NIGHT, act, job=job.id, plan=job.plan_hash, removals=preview.plan.removals, source=job.source)
        return job

    # The run

    async def run(
        self,
        job_id: str,
        *,
        stop: Stop,
        on_progress: Callable[[Progress], None],
        by: str,
        report: Path | None = None,
        expect_missing: bool = False,
        behind: Callable[[], bool] = lambda: False,
    ) -> Ended:
        """Send what is left of a job and write its report, reserved before the first removal.

        While ``behind`` is true no new row is begun.

        Raises JobBusy, ReportFailed and SettingsError before anything is sent; JournalFailed ends a run at once.
        """
        from yarl import URL

        from bulkremove import report as reports
        from bulkremove.app.driving import drive
        from bulkremove.auth import Tokens

        with driven(self.settings.home, job_id):
            job = self._journal.job(job_id)
            if not self._resumable(job):
                raise ConsentMissing(
                    f"Job {job.id} is {job.state.value}; nothing is left to resume.",
                    hint=f"`bulkremove report {job.id}` writes its report again, `bulkremove retry {job.id}` makes a "
                    "new job of the rows that were not sent.",
                )
            settings = self._match(job)
            restored.check(self.settings.home, self._journal)
            if keep := self._keep():
                self._journal.keep(job.id, keep, why=KEPT, at=self.clock.wall())
            self.record(by, "run", job=job.id)
            restored.remember(self.settings.home, self._journal)
            tally = self._journal.tally(job.id)
            path = report or reports.default_path(job, Path(job.folder))
            files = [reports.reserve(path, job=job, rows=tally.total)]
            try:
                files.append(reports.reserve(reports.retry_path(path, job), job=job, rows=tally.total))
                async with self.rehearsing():
                    if tally.open:
                        credentials = accounts.credentials(settings, self._environ)
                        job = await drive(
                            self._journal,
                            job,
                            settings=settings,
                            base=URL(settings.people_url),
                            ledger=self._ledger(settings),
                            clock=self.clock,
                            speed=self.speed,
                            line=self._line(settings),
                            tokens=lambda people: Tokens(
                                credentials,
                                accounts_url=settings.token_url,
                                home=settings.home,
                                clock=self.clock,
                                post=people.post_form,
                            ),
                            dice=self._dice.random,
                            stop=stop,
                            expect_missing=expect_missing,
                            behind=behind,
                            on_progress=on_progress,
                        )
                    elif job.state.resumable:
                        job = self._nothing_to_send(job)
                return await self._report_on(job, *files)
            finally:
                for file in files:
                    file.discard()

    async def _report_on(self, job: Job, file: ReportFile, retry_file: ReportFile) -> Ended:
        from bulkremove.report import first_line, summary

        tally = self._journal.tally(job.id, as_reported=True)
        warnings = [first_line(job, tally)]
        report = retry = None
        try:
            report, retry = await self._in_thread(lambda journal: _publish(journal, job, file, retry_file))
        except ReportFailed as failed:
            warnings.append(str(failed))
        else:
            self._journal.note(job.id, "reported", f"The report is in {report}.", at=self.clock.wall())
        said = summary(job, tally, report=str(report) if report else None)
        return Ended(job, tally, report, retry, said, " ".join(filter(None, warnings)) or None)

    async def _in_thread(self, work: Callable[[Journal], T]) -> T:
        """What ``work`` gives, done beside the event loop with a journal of its own."""

        def apart() -> T:
            journal = Journal(self.settings.home)
            try:
                return work(journal)
            finally:
                journal.close()

        return await asyncio.to_thread(apart)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """The page's server, as long as the context lasts. Raises SettingsError beside another one of the same home."""
        with ExitStack() as held:
            try:
                held.enter_context(driven(self.settings.home, "serve"))
            except JobBusy:
                raise SettingsError(
                    f"Another `bulkremove serve` runs with the home folder {self.settings.home}.",
                    hint="Use that one, or end it.",
                ) from None
            yield

    @asynccontextmanager
    async def rehearsing(self) -> AsyncIterator[None]:
        """The sandbox, for all runs within the context; nothing when this is no rehearsal."""
        if self._sandbox is None or self._playing:
            yield
            return
        self._playing = True
        try:
            async with rehearsal.sandbox(self._sandbox, quota=self.settings.quota, clock=self.clock):
                yield
        finally:
            self._playing = False

    # Jobs that were made before

    def jobs(self) -> list[Job]:
        """All jobs, the newest first."""
        return self._journal.jobs()

    def job(self, job_id: str | None) -> Job:
        """The job of that id, or the latest with rows left or without its report. Raises JobNotFound."""
        if job_id is not None:
            return self._journal.job(job_id)
        for job in self._journal.jobs():
            if self._resumable(job):
                return job
        raise JobNotFound("There is no unfinished job.", hint="`bulkremove jobs` lists all of them.")

    def tally(self, job: Job) -> Tally:
        """How many rows have which status; those not settled yet are counted as open."""
        return self._journal.tally(job.id)

    def driven(self, job: Job) -> bool:
        """Whether some process of this machine drives the job right now."""
        return job.state is JobState.RUNNING and is_driven(self.settings.home, job.id)

    def events(self, job: Job) -> list[tuple[float, str, str]]:
        """What happened to the job: when (epoch seconds), a stable name, and words."""
        return self._journal.events(job.id)

    def tell(self, job_id: str, name: str, text: str) -> None:
        """Keep an event of a job: a stable name, and words."""
        self._journal.note(job_id, name, text, at=self.clock.wall())

    def outcomes(self, job: Job) -> Iterator[Outcome]:
        """Every row in file order, as a report would tell it now."""
        return self._journal.outcomes(job)

    def some_outcomes(self, job: Job, *, status: Status | None, text: str, page: int) -> tuple[list[Outcome], bool]:
        """A page (from 1) of the job's rows with a status and a text in some cell; whether there are more."""
        skip = (page - 1) * PAGE
        found = self._journal.some_outcomes(job, status=status, text=text, skip=skip, most=PAGE + 1)
        return found[:PAGE], len(found) > PAGE

    def timeline(self, job: Job) -> Timeline:
        """The job's removals over time, and when nobody could send."""
        from bulkremove.report import timeline

        waits = [
            (at, self._journal.first_call_after(job.id, at), name)
            for at, name, _ in self._journal.events(job.id)
            if name in WAITS
        ]
        return timeline(self._journal.removed_at(job.id), waits)

    def not_looked_up(self, job: Job) -> int:
        """How many unknown rows of the job nobody has noted anything about."""
        return sum(one.status is Status.UNKNOWN and not one.findings for one in self._journal.outcomes(job))

    def find_out(self, job_id: str, number: int, text: str, *, by: str) -> None:
        """Note what a person found out about an unknown row (its number in the file). Raises NotUnknown."""
        words = text.strip()[:LONGEST_FINDING]
        if not words:
            raise NotUnknown("Nothing was written, so nothing was noted.", hint="Say what you found in Zoho People.")
        with self._journal.transaction():
            job = self._journal.job(job_id)
            if not self._journal.find_out(job.id, number, Finding(self.clock.wall(), by, words)):
                raise NotUnknown(f"Row {number} of job {job.id} is not unknown, so there is nothing to find out.")
            self.record(by, "noted", job=job.id, row=number)

    def approve(self, job_id: str, *, by: str) -> Job:
        """Let a held job run. Raises ConsentMissing when it is not held."""
        with self._journal.transaction():
            job = self._journal.job(job_id)
            check_eyes(job.prepared_by.split(", "), by, self.settings)
            if not self._journal.release(job.id, by=by):
                raise ConsentMissing(f"Job {job.id} is {job.state.value}; only a held one can be approved.")
            self.record(by, "approved", job=job.id, plan=job.plan_hash)
            self.tell(job.id, "approved", f"{by} approved it.")
        return self._journal.job(job_id)

    def cancel(self, job_id: str, *, by: str) -> Job:
        """End a job for good; its rows left are ``not_sent``. Raises JobBusy while a process drives it."""
        with driven(self.settings.home, job_id), self._journal.transaction():
            job = self._journal.job(job_id)
            if job.state.over:
                raise ConsentMissing(f"Job {job.id} is {job.state.value} already.")
            self._end_early(job, JobState.CANCELLED, "A person cancelled the job.", exit_code=5)
            self.record(by, "cancelled", job=job.id)
        return self._journal.job(job_id)

    async def report(self, job_id: str, path: Path | None, *, rows: Rows | None = None, by: str) -> Path | None:
        """Write the job's report (again); the same bytes for the same state. Raises ReportFailed.

        ``rows``: the file's own columns of some rows instead, to be read in again; None, and no file, without any.
        """
        from bulkremove import report as reports

        job = self._journal.job(job_id)
        if job.dropped:
            raise ReportFailed(f"The rows of job {job.id} were deleted after their time; only its totals are left.")
        total = self._journal.tally(job.id).total
        file = reports.reserve(path or reports.default_path(job, Path(job.folder)), job=job, rows=total)
        try:

            def write(journal: Journal) -> Path | None:
                outcomes = journal.outcomes(job)
                return file.publish(job, outcomes) if rows is None else file.publish_input(job, outcomes, rows)

            written = await self._in_thread(write)
            if written:
                self.record(by, "reported", job=job.id, rows="report" if rows is None else rows.value)
            return written
        finally:
            file.discard()

    def summary(self, job: Job) -> str:
        """The line that sums the job up as it stands."""
        from bulkremove.report import summary

        return summary(job, self._journal.tally(job.id, as_reported=True))

    @cached_property
    def keeping(self) -> Keeping:
        """What is kept of people, for how long, and what is counted."""
        return Keeping(self, self._journal)

    # Who did what

    @cached_property
    def people(self) -> People:
        """Users, tokens and signing in."""
        return People(self._journal, self.clock)

    def nights(self, drive: Drive) -> Nights:
        """Unattended runs. Raises SettingsError for addresses of notices that won't do."""
        from bulkremove.app.night import Nights
        from bulkremove.notices import Notices

        return Nights(self, self._journal, Notices(self._notice_addresses(), self.settings.ping_url), drive)

    def schedule(self) -> Schedule:
        """When nights start and may send."""
        from zoneinfo import ZoneInfo

        from bulkremove.schedule import Missed, Schedule, Window

        said = self.settings
        window = Window(*said.night_window) if said.night_window else None
        return Schedule(said.night_at or time(0), ZoneInfo(said.night_zone), Missed(said.night_missed), window)

    @property
    def source_token(self) -> str | None:
        """The bearer token for the nights' address, from the environment."""
        return self._environ.get("BULKREMOVE_SOURCE_TOKEN") or None

    def _notice_addresses(self) -> list[str]:
        """Where notices go: BULKREMOVE_NOTIFY, else the private file notify.txt in the home folder, one a line."""
        from bulkremove.private_files import read_private

        said = self._environ.get("BULKREMOVE_NOTIFY") or read_private(self.settings.home / "notify.txt") or ""
        return [line.strip() for line in said.split("\n") if line.strip() and not line.startswith("#")]

    def record(self, by: str, act: str, **facts: object) -> None:
        """Put an act into the audit log. ``facts``: names, numbers and hashes; never a cell of a file."""
        self._journal.audit.append(by, act, facts, at=self.clock.wall())

    def audit(self, *, newest: int) -> list[Entry]:
        """The newest entries of the audit log, the newest first."""
        return self._journal.audit.entries(newest=newest)

    def verify_audit(self) -> Verified:
        """Whether the audit log's chain holds, and the first entry that does not fit."""
        return self._journal.audit.verify()

    # Accounts

    def accounts(self) -> list[Account]:
        """What may be shown of the accounts stored on this machine."""
        return accounts.stored(self.settings.home).all()

    async def login(self, *, name: str, dc: str, client_id: str, client_secret: str, code: str) -> list[str]:
        """Exchange a grant code and store the account; sentences to show. Raises NotAuthorised or TokenDelayed."""
        return await accounts.login(
            self.settings, name=name, dc=dc, client_id=client_id, client_secret=client_secret, code=code
        )

    async def forget_account(self, name: str) -> list[str]:
        """Revoke the account's token at Zoho and forget it here; sentences to show."""
        return await accounts.forget(self.settings, name)

    def allowance(self) -> Allowance:
        """How much of the account's allowance is used. Raises NotAuthorised where there are no credentials."""
        key, quota, now = self._ledger(self.settings), self.settings.quota, self.clock.monotonic()
        ledgers = self._journal.ledgers
        ledger, boot = ledgers.load(key, self.clock.boot)
        locked = ledger.hold.until - now if ledger.hold and boot == self.clock.boot else 0.0
        return Allowance(
            ledgers.taken_since(key, now - quota.window),
            pacing.budget(ledger, quota, now) if boot == self.clock.boot else quota.calls,
            self._journal.calls_since(key, self.clock.wall() - DAY),
            quota.daily,
            max(0.0, locked),
        )

    async def doctor(self) -> list[Check]:
        """Check settings, folder, journal, credentials, token and clock; removes nothing."""
        return await doctor.checks(self.settings, self._environ, self.clock)

    # Inside

    def _ledger(self, settings: Settings) -> str:
        """The key of the account's ledger. Raises NotAuthorised or SettingsError where there are no credentials."""
        client = accounts.credentials(settings, self._environ).client_id
        return ledger_key(f"{settings.host}x{self.speed:g}", client)

    def _line(self, settings: Settings) -> AsyncLimiter:
        """The account's one line within this process; each event loop has its own."""
        from bulkremove.app.driving import new_line

        place = asyncio.get_running_loop(), self._ledger(settings)
        if place not in self._lines:
            self._lines = {place: new_line(settings.quota, self.speed)}
        return self._lines[place]

    def _resumable(self, job: Job) -> bool:
        """Rows are left, or the run was killed between its end and its report."""
        ended = job.state in (JobState.FINISHED, JobState.STOPPED)
        return job.state.resumable or (ended and not self._journal.reported(job.id))

    def _preview(self, table: Table, settings: Settings | None = None) -> Preview:
        """``settings``: those of a job's own account, where it is not the one in force."""
        from bulkremove.planning import plan

        settings = settings or self.settings
        planned = plan(table, account=settings.account, host=settings.host, keep=self._keep())
        quota = settings.quota
        seconds = pacing.forecast(planned.removals, quota)
        refusal = over_a_cap(planned, settings)
        return Preview(planned, quota, seconds, self.clock.wall() + seconds / self.speed, self.speed, refusal=refusal)

    def _keep(self) -> KeepList:
        """Who is never removed. Raises FileRefused for a list that can't be read."""
        named = self.settings.keep_list
        path = Path(named) if named else self.settings.home / "keep.csv"
        if not named and not path.exists():
            return KeepList()
        from bulkremove.reading import read_keep

        return read_keep(path)

    def _match(self, job: Job) -> Settings:
        """The settings for a job's own account. Raises SettingsError when they lead to another host."""
        settings = self.settings
        if settings.account != job.account and "account" not in settings.sources:
            settings = accounts.settled(replace(settings, account=job.account))
        if (settings.account, settings.host) != (job.account, job.host):
            raise SettingsError(
                f"Job {job.id} belongs to account {job.account!r} on {job.host}, but the settings lead to account "
                f"{settings.account!r} on {settings.host}.",
                hint="Use the options of its first run (--account, --sandbox or the same environment).",
            )
        return settings

    def _nothing_to_send(self, job: Job) -> Job:
        tally = self._journal.tally(job.id)
        self._journal.end(
            job.id,
            JobState.FINISHED,
            reason="",
            exit_code=exit_code(tally),
            at=self.clock.wall(),
            seconds=0.0,
            worst_minute=0,
        )
        return self._journal.job(job.id)

    def _end_early(self, job: Job, state: JobState, why: str, *, exit_code: int) -> None:
        at = self.clock.wall()
        unknown = given_up("an attempt got no answer").detail
        self._journal.give_up_open_rows(job.id, why=why, unknown=unknown, at=at)
        self._journal.end(job.id, state, reason=why, exit_code=exit_code, at=at, seconds=0.0, worst_minute=0)
        self._journal.note(job.id, state.value, why, at=at)

    def _new_job(self, preview: Preview, *, folder: Path, prepared_by: str, confirmed_by: str) -> Job:
        plan = preview.plan
        return Job(
            self._new_id(),
            plan.account,
            plan.host,
            plan.table.source,
            str(folder),
            plan.table.sheet,
            plan.table.header,
            plan.table.roles,
            plan.fingerprint,
            JobState.READY,
            created_at=self.clock.wall(),
            retry_of=preview.retry_of,
            options={"limit": self.settings.limit_text},
            prepared_by=prepared_by,
            confirmed_by=confirmed_by,
        )

    def _new_id(self) -> str:
        day = datetime.fromtimestamp(self.clock.wall(), UTC).astimezone()
        taken = {job.id for job in self._journal.jobs()}
        while True:
            job_id = f"{day:%Y%m%d}-{''.join(self._dice.choice(_LETTERS) for _ in range(4))}"
            if job_id not in taken:
                return job_id


def _store(journal: Journal, job: Job, plan: Plan) -> None:
    """A confirmed plan and its entry in the audit log: both or neither."""
    facts = {"job": job.id, "plan": plan.fingerprint, "removals": plan.removals, "source": job.source}
    with journal.transaction():
        journal.create(job, plan.rows())
        journal.audit.append(job.confirmed_by, "confirmed", facts, at=job.created_at)


def _publish(journal: Journal, job: Job, file: ReportFile, retry_file: ReportFile) -> tuple[Path, Path | None]:
    from bulkremove.report import Rows

    report = file.publish(job, journal.outcomes(job))
    return report, retry_file.publish_input(job, journal.outcomes(job), Rows.RETRY)
