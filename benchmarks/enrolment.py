"""What an enrolment check costs and saves: 3,000 rows in 12 batches, checked against the sandbox.

The minutes are those that so many calls take at the limit of 30 a minute.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from bulkremove.app import App, SandboxOptions
from bulkremove.config import Settings
from bulkremove.reading.options import ReadOptions

SUBJECT = ("bulkremove/app/enrolment_checks.py", "bulkremove/app/listings.py", "bulkremove/domain/enrolment_check.py")
"""The code that is measured."""
ABOUT = (
    "The batches hold nobody but the learners of the file, or three times as many. A learner who is gone costs a call "
    "without a check, and none with it; minutes below 0 are lost."
)
BATCHES, ROWS = 12, 3000
SPEED = 120.0
_COURSE = 478346000019501000


def measure() -> list[dict[str, object]]:
    """Measure plans of which nobody is gone, a few, and many."""
    return [_measured(gone, learners_for_a_row) for learners_for_a_row in (1, 3) for gone in (0.0, 0.05, 0.3)]


def _measured(gone: float, learners_for_a_row: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world, file = _world(folder, gone, learners_for_a_row)
        app = App(Settings(folder / "home"), environ={}, sandbox=SandboxOptions(world, SPEED))
        with closing(app):
            removals = asyncio.run(_check(app, file))
        with closing(sqlite3.connect(folder / "home" / "journal.db")) as journal:
            reads = int(journal.execute("SELECT count(*) FROM read").fetchone()[0])
    together = reads + removals
    return {
        "learners of the batches": ROWS * learners_for_a_row,
        "gone": f"{gone:.0%}",
        "reads": reads,
        "removals": removals,
        "calls together": together,
        "calls without a check": ROWS,
        "minutes saved": round((ROWS - together) / 30, 1),
    }


async def _check(app: App, file: Path) -> int:
    preview = await app.plans.preview(file, name=file.name, options=ReadOptions())
    return (await app.enrolment_checks.check(preview, is_asked=True)).plan.removals


def _world(folder: Path, gone: float, learners_for_a_row: int) -> tuple[Path, Path]:
    size, batches, lines = ROWS // BATCHES, [], ["course,batch,learner"]
    for number in range(BATCHES):
        batch, first = str(_COURSE + number + 1), 478346000019600000 + number * 10_000
        rows = [str(first + i) for i in range(size)]
        others = [str(first + i) for i in range(size, size * learners_for_a_row)]
        enrolled = rows[round(size * gone) :]
        batches.append({"courseId": str(_COURSE), "batchId": batch, "name": batch, "learners": [*enrolled, *others]})
        lines += [f"{_COURSE},{batch},{learner}" for learner in rows]
    client = {"client_id": "sandbox", "client_secret": "s", "refresh_token": "r"}
    world, file = folder / "world.json", folder / "leavers.csv"
    world.write_text(json.dumps({"organisation": "Bench", "client": client, "batches": batches}))
    file.write_text("\n".join([*lines, ""]))
    return world, file
