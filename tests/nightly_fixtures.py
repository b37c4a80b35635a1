"""A folder that files are dropped into, and an application whose nightly runs take them, on a real sandbox."""

from __future__ import annotations

import io
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bulkremove.app import App, SandboxOptions, Stop
from bulkremove.app.nightly import NightlyResult
from bulkremove.config import Settings
from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import EndReason, FrontEnd, Job, JobState
from bulkremove.domain.planner import plan
from bulkremove.domain.row import Status
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.reader import read
from bulkremove.storage.interface.jobs import JobEnd
from tests.application_fixtures import LateClock
from tests.cli_fixtures import crowd
from tests.web_fixtures import CREDENTIALS, triples

OLD = 3600.0
"""Seconds: long enough at rest, and not stale."""


@dataclass
class NightlySite:
    """A folder that files are dropped into, and the app whose nightly runs take them."""

    app: App
    folder: Path
    clock: LateClock
    drops: int = 0

    def drop(self, name: str, content: str, *, age: float = OLD, ready: bool = False) -> Path:
        path = self.folder / name
        path.write_text(content)
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
        return await self.app.nightly_runs(self.app.supervisor()).run(stop=stop or Stop(), again=again)

    def where(self) -> dict[str, list[str]]:
        places = {"": self.folder, **{name: self.folder / name for name in ("working", "done", "held")}}
        return {
            name: sorted(path.name for path in place.iterdir() if path.is_file() and "-report" not in path.name)
            for name, place in places.items()
            if place.is_dir()
        }

    def notices(self) -> list[str]:
        """The subjects of the notices, in order."""
        with closing(sqlite3.connect(self.app.settings.home / "journal.db")) as db:
            found = [subject for (subject,) in db.execute("SELECT subject FROM notice ORDER BY at, key")]
        return [subject.removeprefix("bulkremove SANDBOX: ") for subject in found]

    async def jobs(self) -> list[Job]:
        return [job for job in await self.app.jobs.all() if job.id != EARLIER]

    async def job(self) -> Job:
        return (await self.jobs())[0]


@asynccontextmanager
async def nightly_site(
    tmp_path: Path, *, count: int = 30, has_past: bool = True, **settings: Any
) -> AsyncIterator[NightlySite]:
    """``has_past``: an earlier nightly run removed ``count`` learners."""
    world, _ = crowd(tmp_path, count)
    folder = tmp_path / "drop"
    folder.mkdir(exist_ok=True)
    play = SandboxOptions(world, 60.0)
    base = Settings(tmp_path / "home", nightly_source=str(folder))
    clock = LateClock(60.0)
    app = App(replace(base, **settings), environ=CREDENTIALS, sandbox=play, clock=clock)
    if has_past and not await app.jobs.all():
        await remember(app, count)
    async with app.runs.in_sandbox():
        yield NightlySite(app, folder, clock)
    app.close()


EARLIER = "earlier"
"""The id of the job that ``remember`` stores."""


async def remember(app: App, removals: int) -> None:
    """Store a job of a nightly run that is long over, so that the next one has something to compare with."""
    table = read(io.BytesIO(triples(removals).encode()), name="usual.csv", options=ReadOptions())
    client, host = app.accounts.client(app.settings), app.settings.host
    made = plan(table, account="earlier", client=client, host=host)
    storage, at = app.context.storage, Epoch(1.0)
    job = Job(
        EARLIER, "earlier", host, "usual.csv", "", None, table.header, table.roles, made.fingerprint, JobState.READY,
        created_at=at, confirmed_by="the nightly run", origin=FrontEnd.NIGHTLY, client=client,
    )  # fmt: skip
    await storage.jobs.create(job, made.rows())
    await storage.jobs.end(job.id, lambda tally: JobEnd(JobState.FINISHED, "", EndReason.NONE, at))
    await storage.erasure.delete_rows(job.id)
    with closing(sqlite3.connect(app.settings.home / "journal.db", isolation_level=None)) as journal:
        journal.execute("UPDATE job SET totals = ? WHERE id = ?", (f'{{"removed": {removals}}}', EARLIER))
