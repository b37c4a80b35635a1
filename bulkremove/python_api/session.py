"""The use cases of ``bulkremove.app`` for one client, in its worker's event loop. No rule is decided here.

The client is a program of its user, as a command is: its jobs are those of a command, by the operating system's user,
with the same caps, the same protected list and the same need for a second person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bulkremove.app import App, Consent, Preview, Progress, RunResult, SandboxOptions, Stop, this_person
from bulkremove.config import load
from bulkremove.config.values import PARSERS
from bulkremove.domain.errors import ActionRefused, JournalFailed, LocalFileFailed, ReportFailed, SettingsError
from bulkremove.domain.job import MAX_KEY_LENGTH, FrontEnd, JobState
from bulkremove.domain.permissions import EVERY_ACCOUNT, AccountSet
from bulkremove.platform.secure_files import private_folder
from bulkremove.platform.service_credentials import with_credentials
from bulkremove.python_api import values
from bulkremove.python_api.rows_in import default_name, read_rows
from bulkremove.python_api.run import FollowedRun
from bulkremove.python_api.values import Job, Plan, Result
from bulkremove.reading.options import ROLES, Hidden, Match, ReadOptions
from bulkremove.report import warning_text

if TYPE_CHECKING:
    from bulkremove.python_api.rows_in import RowsIn


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How a client is opened; see ``Client``. ``demo_speed``: of a client of the bundled sandbox, else None."""

    account: str | None
    home: Path | None
    config: Path | None
    settings: Mapping[str, object]
    environ: Mapping[str, str]
    demo_speed: float | None = None


@dataclass(slots=True)
class Session:
    """An open client: its application, its runs under way, and what is undone at its end."""

    app: App
    samples: Path | None
    resources: AsyncExitStack
    runs: list[FollowedRun] = field(default_factory=list)
    ended: dict[str, RunResult] = field(default_factory=dict)
    """The last run of each job, for its report's path."""

    @classmethod
    async def open(cls, options: ClientOptions) -> Session:
        """Open a client. Raises SettingsError and LocalFileFailed."""
        if unknown := sorted(set(options.settings) - set(PARSERS)):
            raise SettingsError(f"There is no setting {unknown[0]!r}.", hint=f"There are: {', '.join(PARSERS)}.")
        flags = {**options.settings, "account": options.account, "home": options.home, "config": options.config}
        async with AsyncExitStack() as resources:
            sandbox = None
            if options.demo_speed is not None:
                flags["home"] = home = options.home or _temporary_folder(resources)
                sandbox = SandboxOptions(_samples(home) / "world.json", options.demo_speed)
                flags |= sandbox.flags
            environ = with_credentials(options.environ)
            app = App(load(flags, environ), environ=environ, sandbox=sandbox)
            resources.callback(app.close)
            if sandbox:
                await resources.enter_async_context(app.connections.in_sandbox())
            return cls(app, sandbox.world.parent if sandbox else None, resources.pop_all())

    async def close(self) -> None:
        """Stop the runs under way, and close what was opened."""
        async with self.resources:
            for run in self.runs:
                await run.stop()

    async def plan(
        self,
        rows: RowsIn,
        *,
        name: str | None,
        columns: Mapping[str, str | int] | None,
        sheet: str | None,
        only: str | Sequence[str],
        header_row: int | None,
        hidden: str,
        match: str | None,
        include_open: bool,
        check: bool | None,
        include_mismatched: bool,
    ) -> Plan:
        """Plan the removal of the people in ``rows``. Raises TypeError, ValueError, FileRefused and others."""
        if unknown := sorted(set(columns or {}) - set(ROLES)):
            raise ValueError(f"There is no role {unknown[0]!r} of a column; there are {', '.join(ROLES)}.")
        app, generation = self.app, await self.app.plans.generation()
        by, chosen = None if match is None else Match(match), (only,) if isinstance(only, str) else tuple(only)
        options = ReadOptions(sheet, columns or {}, Hidden(hidden), chosen, header_row, match=by)
        options = app.plans.for_reading(options)
        name, read_file = default_name(rows) if name is None else name, app.context.read_untrusted
        table = await read_rows(rows, name=name, options=options, read_file=read_file)
        if by is not None:
            from bulkremove.app.matching import resolve

            async with app.listings.open() as lists:
                table = await resolve(table, by, lists)
        preview = await app.plans.preview_table(
            table, seen=EVERY_ACCOUNT, include_open=include_open, generation=generation
        )
        return await self._shown(preview, check, include_mismatched, is_matched=by is not None)

    async def retry(self, job: str, *, unknown_checked: bool, check: bool | None, include_mismatched: bool) -> Plan:
        """Plan what a job that is over did not send. Raises ActionRefused and others."""
        preview = await self.app.plans.retry(job, unknown_checked=unknown_checked)
        return await self._shown(preview, check, include_mismatched)

    async def submit(
        self, plan: Plan, *, confirm: str, removals: int | None, compared: int | None, key: str | None
    ) -> Job:
        """Store a plan as a job, or return the one that was stored with this key. Raises ActionRefused and others."""
        if key is not None and not 0 < len(key) <= MAX_KEY_LENGTH:
            raise ValueError(f"A key has 1 to {MAX_KEY_LENGTH} characters.")
        app, by = self.app, this_person()
        accounts = AccountSet.only(plan.account)
        if key and (stored := await app.jobs.by_idempotency_key(key, confirm, accounts)):
            return await self.job(stored.id)
        try:
            submitted = await app.confirmations.submit(
                plan.preview,
                consent=Consent(confirm, removals, compared=compared),
                folder=private_folder(app.settings.home / "reports"),
                prepared_by=(by,),
                by=by,
                front_end=FrontEnd.COMMAND,
                idempotency_key=key or "",
            )
        except ActionRefused:
            if key and (
                stored := await app.jobs.by_idempotency_key(key, confirm, accounts)
            ):  # another thread was faster
                return await self.job(stored.id)
            raise
        try:
            return await self.job(submitted.id)
        except asyncio.CancelledError:  # nobody would know of it
            await app.jobs.withdraw(submitted.id, by=by)
            raise

    def follow(self, job: str, *, report: Path | None, rows_reviewed: int | None, expect_missing: bool) -> FollowedRun:
        """A run of a job, which begins when it is first asked for its progress, and ends with the client at the latest.

        It may be made in any thread.
        """

        async def run_to_end(stop: Stop, on_progress: Callable[[Progress], None]) -> RunResult:
            self.runs = [*(other for other in self.runs if other.is_under_way), run]
            self.ended[job] = ended = await self.app.runs.run(
                job,
                stop=stop,
                on_progress=on_progress,
                by=this_person(),
                report=report,
                expect_missing=expect_missing,
                front_end=FrontEnd.COMMAND,
                rows_reviewed=rows_reviewed,
            )
            return ended

        run = FollowedRun(run_to_end)
        return run

    async def next_progress(self, run: FollowedRun) -> values.Progress | None:
        """The newest progress of a run; None at its end. Raises what ended it."""
        progress = await run.next()
        return None if progress is None else values.Progress.of(progress, speed=self.app.clock.speed)

    async def find(self, key: str) -> Job | None:
        """The account's job that was stored with this key; None if there is none."""
        accounts = AccountSet.only(self.app.settings.account)
        stored = await self.app.context.storage.jobs.by_idempotency_key(key, "", accounts)
        return None if stored is None else await self.job(stored.id)

    async def job(self, job: str) -> Job:
        """A job as it stands now. Raises JobNotFound."""
        stored = await self.app.jobs.find(job)
        return Job.of(stored, await self.app.jobs.tally(stored))

    async def jobs(self, state: JobState | None, page: int) -> list[Job]:
        """A page of the account's jobs, the newest first."""
        accounts = AccountSet.only(self.app.settings.account)
        jobs, tallies, _ = await self.app.jobs.page(accounts=accounts, state=state, page=page)
        return [Job.of(job, tallies[job.id]) for job in jobs]

    async def result(self, job: str) -> Result:
        """The rows of a job as they stand now. Raises JobNotFound, and ReportFailed where they were deleted."""
        app, stored = self.app, await self.app.jobs.find(job)
        if stored.rows_deleted:
            raise ReportFailed(f"The rows of job {job} were deleted after their time; only its totals are left.")
        tally, outcomes = await app.jobs.tally(stored), await app.reports.outcomes(stored)
        ended, warning = self.ended.get(job), warning_text(stored, tally)
        return Result(
            Job.of(stored, tally),
            await app.reports.summary(stored),
            ended.warning if ended else warning,
            ended.report if ended else None,
            tuple(outcomes),
            stored,
        )

    async def report(self, job: str, path: Path) -> Path:
        """Write a job's report as it stands now; the path. Raises JobNotFound and ReportFailed."""
        await self.app.reports.write(job, path, by=this_person())
        return path

    async def pause(self, job: str) -> Job:
        """Stop a job, whichever process runs it. Raises JobBusy and JobUnsuitable."""
        await self.app.stopping.pause(job, by=this_person())
        return await self.job(job)

    async def cancel(self, job: str) -> Job:
        """End a job for good, whichever process runs it. Raises JobBusy and JobUnsuitable."""
        await self.app.stopping.cancel(job, by=this_person())
        return await self.job(job)

    async def _shown(
        self, preview: Preview, check: bool | None, include_mismatched: bool, *, is_matched: bool = False
    ) -> Plan:
        """The plan of a preview after its enrolment check, kept as shown, so that its hash can be given."""
        own = self.app.for_account(preview.plan.account)
        if check is not False:
            preview = await own.enrolment_checks.check(
                preview,
                include_mismatched=include_mismatched,
                is_asked=check is True or (is_matched and own.settings.enrolment_check != "never"),
            )
        if preview.plan.client:
            with suppress(JournalFailed):  # it can be looked at all the same
                await own.plans.record_shown(preview)
        return Plan.of(preview)


def _temporary_folder(resources: AsyncExitStack) -> Path:
    return Path(resources.enter_context(TemporaryDirectory(prefix="bulkremove-", ignore_cleanup_errors=True)))


def _samples(home: Path) -> Path:
    from bulkremove.sandbox.samples import copy_samples

    try:
        return copy_samples(home / "samples").parent
    except OSError as error:
        raise LocalFileFailed(f"The sample files can't be written to {home}: {error.strerror or error}.") from None
