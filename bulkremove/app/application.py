"""The application: it builds the use cases, and does nothing itself.

Late imports keep ``--help`` and ``jobs`` from paying for pandas and aiohttp (0.4 s and 0.25 s, measured).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from random import Random, SystemRandom
from typing import TYPE_CHECKING

from bulkremove.app import sandbox_run
from bulkremove.app.accounts import Accounts, settled
from bulkremove.app.backup import Backups
from bulkremove.app.context import Context
from bulkremove.app.jobs import Jobs
from bulkremove.app.plans import Plans
from bulkremove.app.retention import Retention
from bulkremove.app.runs import Runs
from bulkremove.app.sandbox_run import SandboxOptions
from bulkremove.app.users import Users
from bulkremove.config import Settings
from bulkremove.domain.clock import Clock
from bulkremove.domain.hosts import SANDBOX_HOST
from bulkremove.platform.system_clock import SystemClock
from bulkremove.storage import SqliteStorage, Storage
from bulkremove.storage.interface.audit import AuditLog

if TYPE_CHECKING:  # they pull aiohttp in, which most commands do without
    from bulkremove.app.job_supervisor import JobSupervisor
    from bulkremove.app.nightly import NightlyRuns


class App:
    """All use cases for one set of settings. ``sandbox``: every run is one against the bundled sandbox."""

    def __init__(
        self,
        settings: Settings,
        *,
        environ: Mapping[str, str],
        clock: Clock | None = None,
        random: Random | None = None,
        sandbox: SandboxOptions | None = None,
        storage: Callable[[Path, Clock], Storage] = SqliteStorage,
    ) -> None:
        clock = clock or SystemClock(sandbox.speed if sandbox else settings.speed)
        if sandbox is not None:
            environ = {**environ, **sandbox_run.credentials(sandbox)}
            url = f"http://{SANDBOX_HOST}"
            settings = replace(settings, api_url=url, accounts_url=url, account=sandbox.account)
        settings = settled(settings)
        self.context = Context(settings, environ, clock, random or SystemRandom(), storage(settings.home, clock))
        self.settings, self.clock, self.record = settings, clock, self.context.record
        self._sandbox = sandbox

    def close(self) -> None:
        """End the use of the storage."""
        self.context.storage.close()

    @cached_property
    def accounts(self) -> Accounts:
        """The accounts of this machine, and what is used of their allowance."""
        return Accounts(self.context)

    @cached_property
    def plans(self) -> Plans:
        """From a file to a job."""
        return Plans(self.context, self.accounts, self.jobs)

    @cached_property
    def jobs(self) -> Jobs:
        """The jobs that were made, their rows and reports."""
        return Jobs(self.context)

    @cached_property
    def runs(self) -> Runs:
        """Sending what is left of a job."""
        return Runs(self.context, self.accounts, self.jobs, self._sandbox)

    @cached_property
    def retention(self) -> Retention:
        """What is kept of people, for how long, and what is counted."""
        return Retention(self.context, self.accounts)

    @cached_property
    def backups(self) -> Backups:
        """Copies of the journal, and what happens when one is put back."""
        return Backups(self.context, self.accounts)

    @cached_property
    def users(self) -> Users:
        """Users, tokens and signing in."""
        return Users(self.context)

    @property
    def audit(self) -> AuditLog:
        """Who did what."""
        return self.context.storage.audit

    def supervisor(self) -> JobSupervisor:
        """What runs several jobs side by side, for a process that lives long."""
        from bulkremove.app.job_supervisor import JobSupervisor

        return JobSupervisor(self.context, self.jobs, self.runs)

    def nightly_runs(self, supervisor: JobSupervisor) -> NightlyRuns:
        """Unattended runs. Raises SettingsError for addresses of notices that won't do."""
        from bulkremove.app.nightly import NightlyRuns

        return NightlyRuns(self.context, self.jobs, self.plans, self.runs, self.retention, supervisor)
