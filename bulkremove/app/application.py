"""The one door to all use cases: runs, nights and accounts are here, plans and jobs beside it.

Late imports keep ``--help`` and ``jobs`` from paying for pandas and aiohttp (0.4 s and 0.25 s, measured).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import time
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bulkremove.app import accounts, doctor, sandbox_run
from bulkremove.app.backup import Backups
from bulkremove.app.doctor import Check
from bulkremove.app.jobs import Jobs
from bulkremove.app.plans import Plans
from bulkremove.app.results import Allowance, Ended
from bulkremove.app.retention import Retention
from bulkremove.app.sandbox_run import RunningSandbox, SandboxOptions
from bulkremove.app.users import Users
from bulkremove.config import Settings
from bulkremove.domain.errors import BulkremoveError, ConsentMissing, JobBusy, JournalFailed, SettingsError
from bulkremove.domain.model import SANDBOX_HOST, Clock, EndReason, Job, JobState
from bulkremove.domain.planner import KEPT
from bulkremove.engine import rate_limit
from bulkremove.engine.decision_table import exit_code
from bulkremove.platform.system_clock import SystemClock
from bulkremove.storage import SqliteStorage, Storage
from bulkremove.storage.base import Act, AuditCheck, AuditEntry, JobEnd
from bulkremove.zoho.accounts import Account, ledger_key

if TYPE_CHECKING:  # these pull pandas and aiohttp in, which most commands do without
    from bulkremove.app.nightly.nightly_run import Drive, Nights
    from bulkremove.domain.schedule import Schedule
    from bulkremove.engine.fair_queue import FairQueue
    from bulkremove.engine.progress import Progress, Stop

DAY = 86_400.0


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
        storage: Callable[[Path, Clock], Storage] = SqliteStorage,
    ) -> None:
        self.speed = sandbox.speed if sandbox else settings.speed
        if sandbox is not None:
            environ = {**environ, **sandbox_run.credentials(sandbox)}
            url = f"http://{SANDBOX_HOST}"
            settings = replace(settings, api_url=url, accounts_url=url, account=sandbox.account)
        self.settings = accounts.settled(settings)
        self.clock = clock or SystemClock(self.speed)
        self._environ = environ
        self._dice = dice or random.SystemRandom()
        self._sandbox = sandbox
        self._running_sandbox: RunningSandbox | None = None
        self.clock_skew: float | None = None
        """Seconds by which this machine's clock is ahead of Zoho's, by the last reply; None before the first."""
        self._storage = storage(self.settings.home, self.clock)
        self._queues: dict[tuple[asyncio.AbstractEventLoop, str], FairQueue] = {}

    def close(self) -> None:
        """End the use of the storage."""
        self._storage.close()

    @cached_property
    def plans(self) -> Plans:
        """From a file to a job."""
        return Plans(self, self._dice)

    @cached_property
    def jobs(self) -> Jobs:
        """The jobs that were made, their rows and reports."""
        return Jobs(self, self._storage)

    @cached_property
    def retention(self) -> Retention:
        """What is kept of people, for how long, and what is counted."""
        return Retention(self, self._storage)

    @cached_property
    def backups(self) -> Backups:
        """Copies of the journal, and what happens when one is put back."""
        return Backups(self, self._storage)

    @cached_property
    def users(self) -> Users:
        """Users, tokens and signing in."""
        return Users(self._storage, self.clock)

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
        claimed: bool = False,
    ) -> Ended:
        """Send what is left of a job and write its report, reserved before the first removal.

        While ``behind`` is true no new row is begun. ``claimed``: the caller holds the job's claim already.

        Raises JobBusy, ReportFailed and SettingsError before anything is sent; JournalFailed ends a run at once.
        """
        from yarl import URL

        from bulkremove import report as reports
        from bulkremove.engine.job_run import drive
        from bulkremove.zoho.oauth import Tokens

        async with nullcontext() if claimed else self._storage.claims.hold(job_id):
            job = await self.jobs.find(job_id)
            if not await self.jobs.resumable(job):
                raise ConsentMissing(
                    f"Job {job.id} is {job.state.value}; nothing is left to resume.",
                    hint=f"`bulkremove report {job.id}` writes its report again, `bulkremove retry {job.id}` makes a "
                    "new job of the rows that were not sent.",
                )
            settings = self.settings_of(job)
            if keep := self.plans.keep_list():
                await self._storage.jobs.protect(job.id, keep, why=KEPT, at=self.clock.wall())
            tally = await self._storage.jobs.tally(job.id)
            if not tally.total:
                raise JournalFailed(f"Job {job.id} has no rows in the journal, so nothing was sent.")
            await self.record(by, "run", job=job.id)
            path = report or reports.default_path(job, Path(job.folder))
            files = [reports.reserve(path, job=job, rows=tally.total)]
            try:
                files.append(reports.reserve(reports.retry_path(path, job), job=job, rows=tally.total))
                async with self.rehearsing():
                    if tally.open:
                        credentials = accounts.credentials(settings, self._environ)
                        sandbox = self._running_sandbox
                        job = await drive(
                            self._storage,
                            job,
                            settings=settings,
                            base=URL(sandbox.url if sandbox else settings.people_url),
                            ledger=self._ledger(settings),
                            clock=self.clock,
                            speed=self.speed,
                            queue=self._queue(settings),
                            tokens=lambda people: Tokens(
                                credentials,
                                accounts_url=sandbox.url if sandbox else settings.token_url,
                                home=sandbox.tokens if sandbox else settings.home,
                                clock=self.clock,
                                post=people.post_form,
                            ),
                            dice=self._dice.random,
                            stop=stop,
                            expect_missing=expect_missing,
                            behind=behind,
                            on_progress=on_progress,
                            on_date=self._note_date,
                        )
                    elif job.state.resumable:
                        job = await self._nothing_to_send(job)
                return await self.jobs.publish(job, *files)
            finally:
                for file in files:
                    file.discard()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """The page's server, as long as the context lasts. Raises SettingsError beside another one of the same home."""
        async with AsyncExitStack() as held:
            try:
                await held.enter_async_context(self._storage.claims.hold("serve"))
            except JobBusy:
                raise SettingsError(
                    f"Another `bulkremove serve` runs with the home folder {self.settings.home}.",
                    hint="Use that one, or end it.",
                ) from None
            yield

    @asynccontextmanager
    async def rehearsing(self) -> AsyncIterator[None]:
        """The sandbox, for all runs within the context; nothing when this is no rehearsal."""
        if self._sandbox is None or self._running_sandbox is not None:
            yield
            return
        async with sandbox_run.sandbox(self._sandbox, quota=self.settings.quota, clock=self.clock) as running:
            self._running_sandbox = running
            try:
                yield
            finally:
                self._running_sandbox = None

    # Nights

    def nights(self, drive: Drive) -> Nights:
        """Unattended runs. Raises SettingsError for addresses of notices that won't do."""
        from bulkremove.app.nightly.nightly_run import Nights
        from bulkremove.app.notifier import Notices

        return Nights(self, self._storage, Notices(self._notice_addresses(), self.settings.ping_url), drive)

    def schedule(self) -> Schedule:
        """When nights start and may send."""
        from zoneinfo import ZoneInfo

        from bulkremove.domain.schedule import Missed, Schedule, Window

        said = self.settings
        window = Window(*said.night_window) if said.night_window else None
        return Schedule(said.night_at or time(0), ZoneInfo(said.night_zone), Missed(said.night_missed), window)

    @property
    def source_token(self) -> str | None:
        """The bearer token for the nights' address, from the environment."""
        return self._environ.get("BULKREMOVE_SOURCE_TOKEN") or None

    def _notice_addresses(self) -> list[str]:
        """Where notices go: BULKREMOVE_NOTIFY, else the private file notify.txt in the home folder, one a line."""
        from bulkremove.platform.secure_files import read_private

        said = self._environ.get("BULKREMOVE_NOTIFY") or read_private(self.settings.home / "notify.txt") or ""
        return [line.strip() for line in said.split("\n") if line.strip() and not line.startswith("#")]

    # Who did what

    async def record(self, by: str, act: str, **facts: object) -> None:
        """Put an act into the audit log. ``facts``: names, numbers and hashes; never a cell of a file."""
        await self._storage.audit.append(Act(by, act, facts, self.clock.wall()))

    async def audit(self, *, newest: int) -> list[AuditEntry]:
        """The newest entries of the audit log, the newest first."""
        return await self._storage.audit.newest(newest)

    async def verify_audit(self) -> AuditCheck:
        """Whether the audit log's chain holds, and the first entry that does not fit."""
        return await self._storage.audit.verify()

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

    async def allowance(self) -> Allowance:
        """How much of the account's allowance is used. Raises NotAuthorised where there are no credentials."""
        key, quota, now = self._ledger(self.settings), self.settings.quota, self.clock.monotonic()
        limit = self._storage.rate_limit
        ledger, of_this_boot = await limit.ledger(key)
        recent, today = await limit.calls(key, since=now - quota.window, wall_since=self.clock.wall() - DAY)
        return Allowance(
            recent,
            rate_limit.budget(ledger, quota, now) if of_this_boot else quota.calls,
            today,
            quota.daily,
            max(0.0, ledger.hold.until - now if ledger.hold and of_this_boot else 0.0),
        )

    async def doctor(self) -> list[Check]:
        """Check settings, folder, journal, credentials, token and clock; removes nothing."""
        return await doctor.checks(self.settings, self._environ, self.clock, self._storage)

    def settings_of(self, job: Job) -> Settings:
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

    def ledger_keys(self) -> list[str]:
        """The keys of the ledgers of all accounts that this machine has credentials for."""
        keys = []
        for name in {self.settings.account, *(account.name for account in self.accounts())}:
            with suppress(BulkremoveError):
                keys.append(self._ledger(accounts.settled(replace(self.settings, account=name))))
        return keys

    # Inside

    def _ledger(self, settings: Settings) -> str:
        """The key of the account's ledger. Raises NotAuthorised or SettingsError where there are no credentials."""
        client = accounts.credentials(settings, self._environ).client_id
        return ledger_key(f"{settings.host}x{self.speed:g}", client)

    def _queue(self, settings: Settings) -> FairQueue:
        """The account's one queue within this process; each event loop has its own."""
        from bulkremove.engine.fair_queue import FairQueue

        loop, ledger = asyncio.get_running_loop(), self._ledger(settings)
        if (loop, ledger) not in self._queues:
            of_this_loop = {key: queue for key, queue in self._queues.items() if key[0] is loop}
            self._queues = {**of_this_loop, (loop, ledger): FairQueue(settings.quota, speed=self.speed)}
        return self._queues[loop, ledger]

    def _note_date(self, date: str) -> None:
        with suppress(ValueError):
            self.clock_skew = self.clock.wall() - parsedate_to_datetime(date).timestamp()

    async def _nothing_to_send(self, job: Job) -> Job:
        at = self.clock.wall()
        return await self._storage.jobs.end(
            job.id, lambda tally: JobEnd(JobState.FINISHED, "", EndReason.NONE, exit_code(tally), at)
        )
