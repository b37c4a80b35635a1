"""An organisation with employees, and an application whose night asks Zoho who has left.

Its settings lead to Zoho People's own host, so that its nightly runs are real ones; only its calls go to a sandbox of
the test's own, whose employees, enrolments and faults a test may change between two nights.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, overload
from wsgiref.handlers import format_date_time

from aiohttp import web

from bulkremove.app import App, Stop
from bulkremove.app.nightly import NightlyResult
from bulkremove.app.sandbox_run import RunningSandbox
from bulkremove.config import Night, Settings
from bulkremove.config.source_kind import LEAVERS
from bulkremove.domain.job import Job
from bulkremove.domain.leavers_list import COLUMNS
from bulkremove.domain.row import Removal
from bulkremove.sandbox import Fault, Faults, Sandbox, Threshold, World, parse_world
from tests.nightly_fixtures import EARLIER, NIGHT_ONLY, account_of, confirm_canary, remember
from tests.virtual_time import VirtualClock
from tests.web_fixtures import CREDENTIALS, read_here

BATCHES = (
    ("478346000019501001", "478346000019502001"),
    ("478346000019501001", "478346000019502002"),
    ("478346000019501002", "478346000019502003"),
)
SCOPE = "ZOHOPEOPLE.training.ALL,ZOHOPEOPLE.forms.READ"


def number(person: int) -> str:
    """The record number of a person."""
    return f"4783460000002{person:05}"


def enrolment(person: int, batch: int, time: int = 0) -> Removal:
    """The enrolment of a person in a batch; ``time``: which one, since each has a learner id of its own."""
    return Removal(*BATCHES[batch], f"47834600001{time}{batch}{person:05}")


def organisation(people: int, times: int = 2) -> World:
    """A world in which everybody may be enrolled in each batch so many times, and nobody is at first."""

    def learners(batch: int) -> list[dict[str, str]]:
        return [
            {
                "learnerId": enrolment(person, batch, time).learner,
                "name": f"Learner {person:03}",
                "email": f"learner{person:03}@example.com",
                "employeeId": f"E{person:03}",
                "erecno": number(person),
            }
            for person in range(people)
            for time in range(times)
        ]

    client = {"client_id": "sandbox", "client_secret": "s", "refresh_token": "r", "scope": SCOPE}
    batches = [
        {"courseId": course, "batchId": batch, "name": f"Batch {place}", "learners": learners(place)}
        for place, (course, batch) in enumerate(BATCHES)
    ]
    return parse_world({"organisation": "Sandbox Ltd", "client": client, "batches": batches})


class Weather(Sequence[Fault]):
    """Faults that a test sets: ``coming``, one after the other; then none."""

    def __init__(self) -> None:
        self.coming: list[str] = []

    def __len__(self) -> int:
        return 10**9

    @overload
    def __getitem__(self, place: int) -> Fault: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Fault]: ...
    def __getitem__(self, place: int | slice) -> Fault | Sequence[Fault]:
        return Fault(self.coming.pop(0) if self.coming else "ok")


@dataclass
class LeaverSite:
    """The app, and the sandbox that its calls go to."""

    app: App
    sandbox: Sandbox
    clock: VirtualClock
    reads: Weather = field(default_factory=Weather)
    employees: Weather = field(default_factory=Weather)
    seen: int = 0
    """How many requests ``asked`` has looked at."""

    async def run(self, stop: Stop | None = None) -> NightlyResult:
        return await self.app.nightly_runs(self.app.supervisor()).run(stop=stop or Stop())

    async def jobs(self) -> list[Job]:
        return [job for job in await self.app.jobs.all() if not job.id.startswith(EARLIER)]

    def change(self, person: int, **facts: Any) -> None:
        """Change the record of an employee."""
        self.sandbox.employees[number(person)] = replace(self.sandbox.employees[number(person)], **facts)

    def leave(self, person: int, **facts: Any) -> None:
        self.change(person, **{"status": "Inactive", "status_type": 0, **facts})

    def enrol(self, person: int, *batches: int, time: int = 0) -> None:
        self.sandbox.enrolled.update(enrolment(person, batch, time) for batch in batches)

    def enrolments_of(self, person: int) -> set[Removal]:
        return {one for one in self.sandbox.enrolled if one.learner.endswith(f"{person:05}")}

    def asked(self) -> list[str]:
        """The record numbers whose courses were asked for since the last time that this was asked, in order."""
        paths = [entry.path.split("/") for entry in self.sandbox.requests[self.seen :]]
        self.seen = len(self.sandbox.requests)
        return list(dict.fromkeys(path[4] for path in paths if path[1:4] == ["api", "v1", "learners"]))


class _Dated(Sandbox):
    """A sandbox whose answers have the date of the clock in which days pass here."""

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await super()._handle(request)
        response.headers["Date"] = format_date_time(self._clock.wall())
        return response


@asynccontextmanager
async def leaver_site(
    tmp_path: Path,
    *,
    people: int = 10,
    is_looked_at: bool = True,
    has_past: bool = True,
    clock: VirtualClock | None = None,
    **settings: Any,
) -> AsyncIterator[LeaverSite]:
    """Everybody is enrolled in the first batch. ``is_looked_at``: ``doctor --read --leavers`` was run before.

    ``settings``: of the installation, or of its one night.
    """
    clock = clock or VirtualClock(epoch=1_772_323_200.0)
    reads, employees = Weather(), Weather()
    faults, threshold = Faults(reads=reads, employees=employees), Threshold()
    sandbox = _Dated(organisation(people), clock=clock, threshold=threshold, faults=faults)
    sandbox.enrolled.clear()
    options = {"leaver_statuses": ("Inactive",), **settings}
    of_night = {name: options.pop(name) for name in tuple(options) if name in NIGHT_ONLY}
    base = Settings(tmp_path / "home", nights=(Night(**{"source": LEAVERS, **of_night}),), **options)
    app = App(base, environ=CREDENTIALS, clock=clock, read_untrusted=read_here)
    app = app.for_night(app.settings.nights[0])
    tokens = tmp_path / "tokens"
    tokens.mkdir(mode=0o700, exist_ok=True)
    async with sandbox:
        app._shared.sandbox = RunningSandbox(sandbox.url, tokens)
        await confirm_canary(app)
        if has_past and not await app.context.storage.jobs.newest_nightly(
            *account_of(app), night="nightly", now=clock.wall()
        ):
            await remember(app, people)
            with closing(sqlite3.connect(app.settings.home / "journal.db", isolation_level=None)) as journal:
                journal.execute("UPDATE job SET header = ?", (json.dumps(COLUMNS),))
        one = LeaverSite(app, sandbox, clock, reads, employees)
        for person in range(people):
            one.enrol(person, 0)
        if is_looked_at:
            async with app.listings.open() as lists:
                await lists.fields(*BATCHES[0], for_leavers=True)
            one.asked()
        yield one
    app.close()
