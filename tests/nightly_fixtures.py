"""A folder that files are dropped into, and an application whose nightly runs take them.

It is set up for Zoho People's own host, so that its nightly runs are real ones; only its calls go to a sandbox.
"""

from __future__ import annotations

import io
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bulkremove.app import App, SandboxOptions, Stop
from bulkremove.app.connections import Connections
from bulkremove.app.nightly import NightlyResult
from bulkremove.app.sandbox_run import SharedByRuns
from bulkremove.config import DEFAULT_NIGHT, Night, Settings
from bulkremove.config.nights import OVERRIDES
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import EndReason, FrontEnd, Job, JobState
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.domain.planner import plan
from bulkremove.domain.row import Status
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.reader import read
from bulkremove.storage.interface.canaries import Canary
from bulkremove.storage.interface.jobs import JobEnd
from bulkremove.storage.interface.records import Act
from tests.application_fixtures import LateClock
from tests.cli_fixtures import crowd
from tests.virtual_time import VirtualClock
from tests.web_fixtures import CREDENTIALS, read_here, triples

OLD = 3600.0
"""Seconds: long enough at rest, and not stale."""
NIGHT_ONLY = {field.name for field in fields(Night)} - {*OVERRIDES}
"""Settings that a night has in its block alone."""


@dataclass
class NightlySite:
    """A folder that files are dropped into, and the app whose nightly runs take them."""

    app: App
    folder: Path
    clock: Any
    """A ``LateClock``, or a ``VirtualClock``."""
    drops: int = 0

    def drop(self, name: str, content: str | bytes, *, age: float = OLD, ready: bool = False) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.drops += 1
        at = self.clock.wall() - age + self.drops  # dropped one after the other
        os.utime(path, (at, at))
        if ready:
            path.with_name(f"{name}.ready").touch()
        return path

    async def removed(self) -> int:
        """How many learners the newest job has removed so far."""
        jobs = await self.jobs()
        return (await self.app.jobs.tally(jobs[0]))[Status.REMOVED] if jobs else 0

    async def run(self, again: str | None = None, stop: Stop | None = None) -> NightlyResult:
        return await self.app.nightly_runs(self.app.supervisor()).run(stop=stop or Stop(), rerun_name=again)

    def where(self) -> dict[str, list[str]]:
        places = {"": self.folder, **{name: self.folder / name for name in ("working", "done", "held")}}
        return {
            name: sorted(
                path.name
                for path in place.iterdir()
                if path.is_file() and "-report" not in path.name and path.name not in (".lock", ".holder")
            )
            for name, place in places.items()
            if place.is_dir()
        }

    def notices(self) -> list[str]:
        """The subjects of the notices, in order."""
        with closing(sqlite3.connect(self.app.settings.home / "journal.db")) as db:
            found = [subject for (subject,) in db.execute("SELECT subject FROM notice ORDER BY at, key")]
        return [subject.partition(": ")[2] for subject in found]

    async def jobs(self) -> list[Job]:
        return [job for job in await self.app.jobs.all() if not job.id.startswith(EARLIER)]

    async def job(self) -> Job:
        return (await self.jobs())[0]


@asynccontextmanager
async def nightly_site(
    tmp_path: Path,
    *,
    count: int = 30,
    has_past: bool = True,
    sandbox: bool = False,
    clock: LateClock | VirtualClock | None = None,
    faults: dict[str, object] | None = None,
    **settings: Any,
) -> AsyncIterator[NightlySite]:
    """``has_past``: an earlier nightly run removed ``count`` learners. ``sandbox``: as the option --sandbox.

    ``settings``: of the installation, or of its one night.
    """
    world, _ = crowd(tmp_path, count, faults, scope="ZOHOPEOPLE.training.ALL")
    folder = tmp_path / "drop"
    folder.mkdir(exist_ok=True)
    options = SandboxOptions(world, 60.0)
    of_night = {name: settings.pop(name) for name in tuple(settings) if name in NIGHT_ONLY}
    night = Night(**{"source": str(folder), **of_night})
    clock = clock or LateClock(60.0)
    base = Settings(tmp_path / "home", nights=(night,), **settings)
    app = App(base, environ=CREDENTIALS, sandbox=options if sandbox else None, clock=clock, read_untrusted=read_here)
    app = app.for_night(app.settings.nights[0])
    if not sandbox:  # the settings lead to Zoho's own host, and only the calls go to the sandbox
        send_to(app, options)
        if "canary" not in settings:
            await confirm_canary(app)
    if has_past and not await app.context.storage.jobs.newest_nightly(
        *account_of(app), night=DEFAULT_NIGHT, now=clock.wall()
    ):
        await remember(app, count)
    async with app.connections.in_sandbox():
        yield NightlySite(app, folder, clock)
    app.close()


def send_to(app: App, options: SandboxOptions) -> None:
    """Send the calls of an app, whose settings lead to Zoho's own host, to a bundled sandbox."""
    app.connections = Connections(app.context, app.accounts, options, SharedByRuns())


def account_of(app: App) -> tuple[str, str]:
    """The client and the host of the app's account."""
    return app.accounts.client(app.settings), app.settings.host


async def confirm_canary(app: App) -> None:
    """Record that a person has confirmed the first removal of the app's account."""
    client, host = account_of(app)
    if await app.context.storage.canaries.find(client, host, REMOVE_LEARNER.name) is None:
        at = Epoch(1.0)
        canary = Canary(client, host, REMOVE_LEARNER.name, at, "kim", EARLIER)
        await app.context.storage.canaries.add(canary, Act("kim", AuditAct.CANARY_CONFIRMED, {}, at))


EARLIER = "earlier"
"""What the ids of the jobs that ``remember`` stores begin with."""


async def remember(app: App, removals: int) -> None:
    """Store a job of a nightly run that is long over, so that the next one has something to compare with."""
    night = app.settings.night.name if app.settings.night else DEFAULT_NIGHT
    table = read(io.BytesIO(triples(removals).encode()), name="usual.csv", options=ReadOptions())
    client, host = account_of(app)
    made = plan(table, account="earlier", client=client, host=host)
    storage, at = app.context.storage, Epoch(1.0)
    job_id = f"{EARLIER}-{host}" if await app.jobs.is_known(EARLIER) else EARLIER
    job = Job(
        job_id, "earlier", host, "usual.csv", "", None, table.header, table.roles, made.hash, JobState.READY,
        created_at=at, confirmed_by="the nightly run", origin=FrontEnd.NIGHTLY, client=client, night=night,
    )  # fmt: skip
    await storage.jobs.create(job, made.rows())
    await storage.jobs.end(job.id, lambda tally: JobEnd(JobState.FINISHED, "", EndReason.NONE, at))
    await storage.erasure.delete_rows(job.id)
    with closing(sqlite3.connect(app.settings.home / "journal.db", isolation_level=None)) as journal:
        journal.execute("UPDATE job SET totals = ? WHERE id = ?", (f'{{"removed": {removals}}}', job_id))
