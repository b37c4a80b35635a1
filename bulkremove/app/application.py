"""The application object: it builds the use cases and does nothing else.

Late imports keep pandas and aiohttp out of the start of ``--help`` and ``jobs`` (0.4 s and 0.25 s, measured).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from random import Random, SystemRandom
from typing import TYPE_CHECKING

from bulkremove.app import sandbox_run
from bulkremove.app.accounts import Accounts
from bulkremove.app.canary import Canaries
from bulkremove.app.context import Context
from bulkremove.app.jobs import Jobs
from bulkremove.app.reports import Reports
from bulkremove.app.sandbox_run import SandboxOptions, SharedByRuns
from bulkremove.app.stopping import Stopping
from bulkremove.app.wordings import Wordings
from bulkremove.config import Night, Settings
from bulkremove.domain.clock import Clock, Epoch
from bulkremove.domain.hosts import SANDBOX_HOST
from bulkremove.platform.secure_files import check_not_shared
from bulkremove.platform.system_clock import LaterClock, SystemClock
from bulkremove.reading.subprocess_reader import ReadUntrusted, read_in_subprocess
from bulkremove.storage import Storage, open_storage
from bulkremove.storage.interface.audit import AuditLog
from bulkremove.zoho.accounts import with_data_center

if TYPE_CHECKING:  # they import what most commands do not need
    from bulkremove.app.backup import Backups
    from bulkremove.app.confirmations import Confirmations
    from bulkremove.app.connections import Connections
    from bulkremove.app.enrolment_checks import EnrolmentChecks
    from bulkremove.app.job_supervisor import JobSupervisor
    from bulkremove.app.leavers import LeaverSearch
    from bulkremove.app.listings import Listings
    from bulkremove.app.nightly import NightlyRuns, Scheduler
    from bulkremove.app.notices.people_mail import PeopleMail
    from bulkremove.app.plans import Plans
    from bulkremove.app.reenrolments import Reenrolments
    from bulkremove.app.retention import Retention
    from bulkremove.app.runs import Runs
    from bulkremove.app.scheduled_starts import ScheduledStarts
    from bulkremove.app.tokens import Tokens
    from bulkremove.app.users import Users
    from bulkremove.engine.progress import Progress, Stop


class App:
    """All use cases for one set of settings. ``sandbox``: runs go to the bundled sandbox, not to Zoho People.

    Raises LocalFileFailed when others may write to the home folder.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        environ: Mapping[str, str],
        clock: Clock | None = None,
        random: Random | None = None,
        sandbox: SandboxOptions | None = None,
        storage: Callable[[Settings, Clock], Storage] = open_storage,
        read_untrusted: ReadUntrusted = read_in_subprocess,
    ) -> None:
        check_not_shared(settings.home)
        clock = clock or SystemClock(sandbox.speed if sandbox else settings.speed)
        if sandbox is not None:
            environ = {**environ, **sandbox_run.credentials(sandbox)}
            url = f"http://{SANDBOX_HOST}"
            settings = replace(settings, api_url=url, accounts_url=url, account=sandbox.account)
            nights = tuple(night.for_bundled_sandbox() for night in settings.nights)
            settings = replace(settings, nights=nights)
        settings = with_data_center(settings, environ)
        counted_from = clock.wall() if sandbox else Epoch(0.0)
        context = Context(
            settings,
            environ,
            clock,
            random or SystemRandom(),
            storage(settings, clock),
            counted_from,
            read_untrusted,
        )
        self._use(context, sandbox, SharedByRuns())

    def _use(self, context: Context, sandbox: SandboxOptions | None, shared: SharedByRuns) -> None:
        self.context, self.settings, self.clock, self.record = context, context.settings, context.clock, context.record
        self._sandbox, self._shared = sandbox, shared

    def for_night(self, night: Night) -> App:
        """The use cases of one night: those of its account, by its settings, on the same storage.

        Raises SettingsError when flags or variables name another account.
        """
        return self._on(self.context.for_night(night))

    def for_account(self, name: str) -> App:
        """The use cases of one account, on the same storage; these for their own."""
        if name == self.settings.account:
            return self
        settings = with_data_center(self.settings.with_account(name), self.context.environ)
        return self._on(replace(self.context, settings=settings))

    def at(self, wall: Epoch) -> App:
        """The same use cases by a clock whose wall time is ahead: what they would decide then."""
        return self._on(replace(self.context, clock=LaterClock(self.clock, wall)))

    def _on(self, context: Context) -> App:
        app = App.__new__(App)
        app._use(context, self._sandbox, self._shared)
        return app

    def close(self) -> None:
        """Close the storage."""
        self.context.storage.close()

    @cached_property
    def accounts(self) -> Accounts:
        """The accounts of this machine, and how much of a quota is used."""
        return Accounts(self.context)

    @cached_property
    def plans(self) -> Plans:
        """Plans made from files."""
        from bulkremove.app.plans import Plans

        return Plans(self.context, self.accounts, self.jobs, self.reports, self.canaries, self.wordings)

    @cached_property
    def reenrolments(self) -> Reenrolments:
        """Plans that put people back whom a job removed."""
        from bulkremove.app.reenrolments import Reenrolments

        return Reenrolments(self.context, self.jobs, self.reports, self.plans)

    @cached_property
    def confirmations(self) -> Confirmations:
        """Plans that were confirmed, and become jobs."""
        from bulkremove.app.confirmations import Confirmations

        use_cases = (self.accounts, self.jobs, self.plans, self.canaries, self.wordings)
        return Confirmations(self.context, *use_cases)

    @cached_property
    def jobs(self) -> Jobs:
        """Stored jobs."""
        return Jobs(self.context)

    @cached_property
    def reports(self) -> Reports:
        """The rows of jobs, and their reports."""
        return Reports(self.context)

    @cached_property
    def stopping(self) -> Stopping:
        """Pausing and cancelling jobs, whichever process runs them."""
        return Stopping(self.context, self.jobs)

    @cached_property
    def canaries(self) -> Canaries:
        """First removals of accounts, which a person confirms."""
        return Canaries(self.context)

    @cached_property
    def wordings(self) -> Wordings:
        """Answers that people accepted as the proof of a removal."""
        return Wordings(self.context)

    @cached_property
    def runs(self) -> Runs:
        """Runs, which send the pending rows of jobs."""
        from bulkremove.app.runs import Runs

        use_cases = (self.accounts, self.jobs, self.reports, self.canaries, self.stopping)
        return Runs(self.context, *use_cases, self.connections)

    @cached_property
    def connections(self) -> Connections:
        """Connections to Zoho People or to the bundled sandbox."""
        from bulkremove.app.connections import Connections

        return Connections(self.context, self.accounts, self._sandbox, self._shared)

    @cached_property
    def listings(self) -> Listings:
        """Courses, batches and learners, read from Zoho."""
        from bulkremove.app.listings import Listings

        return Listings(self.context, self.accounts, self.connections)

    @cached_property
    def leavers(self) -> LeaverSearch:
        """Who has left, by Zoho's employees."""
        from bulkremove.app.leavers import LeaverSearch

        return LeaverSearch(self.context, self.listings)

    @cached_property
    def enrolment_checks(self) -> EnrolmentChecks:
        """Checks of plans with Zoho's lists."""
        from bulkremove.app.enrolment_checks import EnrolmentChecks

        return EnrolmentChecks(self.context, self.accounts, self.plans, self.listings)

    @cached_property
    def retention(self) -> Retention:
        """Deletion of old data, and erasure of one learner's data."""
        from bulkremove.app.retention import Retention

        return Retention(self.context, self.jobs, self.canaries)

    @cached_property
    def backups(self) -> Backups:
        """Backups of the journal, and restoring one."""
        from bulkremove.app.backup import Backups

        return Backups(self.context, self.accounts)

    @cached_property
    def users(self) -> Users:
        """Users and signing in."""
        from bulkremove.app.users import Users

        return Users(self.context, self.accounts)

    @cached_property
    def tokens(self) -> Tokens:
        """Tokens of programs."""
        from bulkremove.app.tokens import Tokens

        return Tokens(self.context, self.accounts)

    @cached_property
    def people_mail(self) -> PeopleMail:
        """Mails to people of the page."""
        from bulkremove.app.notices.people_mail import PeopleMail

        return PeopleMail(self.context, self.jobs)

    @property
    def audit(self) -> AuditLog:
        """The audit log: who did what."""
        return self.context.storage.audit

    def supervisor(self, watch: Callable[[Progress], None] = lambda progress: None) -> JobSupervisor:
        """A new supervisor, which runs several jobs concurrently in a long-lived process. ``watch``: see there."""
        from bulkremove.app.job_supervisor import JobSupervisor

        return JobSupervisor(self.context, self.jobs, self.runs, self.stopping, self.people_mail, watch)

    def scheduled_starts(self, supervisor: JobSupervisor) -> ScheduledStarts:
        """What starts the jobs that people scheduled on the page. ``supervisor`` runs them."""
        from bulkremove.app.scheduled_starts import ScheduledStarts

        return ScheduledStarts(self.context, self.accounts, self.jobs, supervisor, self.people_mail)

    def nightly_runs(self, supervisor: JobSupervisor) -> NightlyRuns:
        """The unattended runs of the night that this is for. Raises SettingsError when it is for none."""
        from bulkremove.app.nightly import NightlyRuns

        plans = (self.plans, self.enrolment_checks, self.confirmations)
        use_cases = (self.accounts, self.jobs, *plans, self.runs, self.retention, self.stopping, self.leavers)
        return NightlyRuns(self.context, *use_cases, supervisor, at=lambda wall: self.at(wall).nightly_runs(supervisor))

    def schedulers(self, supervisor: JobSupervisor, stop: Stop) -> list[Scheduler]:
        """The schedulers of the nights that have a time. ``supervisor`` runs their jobs; ``stop`` ends all of them.

        Raises SettingsError when flags or variables name another account than a night.
        """
        from bulkremove.app.nightly import Scheduler

        nights = [self.for_night(night) for night in self.settings.nights if night.at is not None]
        return [Scheduler(own.context, own.nightly_runs(supervisor), stop) for own in nights]
