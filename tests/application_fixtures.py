"""An application on a sandbox process of its own, whose limit is lifted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from bulkremove.app import App, Consent, Preview, RunResult, Stop
from bulkremove.config import load
from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import FrontEnd, Job
from bulkremove.engine.progress import Progress
from bulkremove.platform.system_clock import SystemClock
from tests.cli_fixtures import crowd, sandbox

ROWS, JOBS = 40, 3


class LateClock(SystemClock):
    """The system's clock, with a wall clock that can be set forward."""

    ahead = 0.0

    def wall(self) -> Epoch:
        return Epoch(time.time() + self.ahead)


@contextmanager
def account(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of an account with a sandbox of its own, whose limit is lifted."""
    world, _ = crowd(folder, ROWS * JOBS)
    with sandbox(world, folder / "log.jsonl", "--limit", "100000/60s") as variables:
        yield {**variables, "BULKREMOVE_HOME": str(folder / "home"), "BULKREMOVE_LIMIT": "100000/60s"}


def application(environ: Mapping[str, str]) -> App:
    return App(load({}, environ), environ=environ)


async def stored(app: App, preview: Preview, folder: Path, *, claim: AsyncExitStack | None = None) -> Job:
    """The job of a plan that a command has confirmed."""
    return await app.confirmations.submit(
        preview,
        consent=Consent(yes=True),
        folder=folder,
        prepared_by=["jo"],
        by="jo",
        front_end=FrontEnd.COMMAND,
        claim=claim,
    )


async def run(
    app: App,
    job: Job,
    *,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    claimed: bool = False,
    rows_reviewed: int | None = None,
    stop: Stop | None = None,
) -> RunResult:
    """Run or resume a job as a command does."""
    return await app.runs.run(
        job.id,
        stop=stop or Stop(),
        on_progress=on_progress,
        by="jo",
        front_end=FrontEnd.COMMAND,
        claimed=claimed,
        rows_reviewed=rows_reviewed,
    )
