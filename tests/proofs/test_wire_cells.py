"""One exchange breaks at each of 8 points in each of 4 ways, before the real program: 32 cells, each with its outcome.

The table is derived from the rules, not from what the program does: where no byte left the row is as it was; where
bytes may have left the attempt is open, the row is sent again, and whoever is gone by then is `removed_inferred`.
"""

from __future__ import annotations

import csv
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli_fixtures import Bulkremove, crowd, environment, sandbox
from tests.conftest import Proving
from tests.proofs.breaking_proxy import BreakingProxy, Point, Way
from tests.proofs.reconciled import Ends

ROWS = 3
PROMPT = {
    "BULKREMOVE_CONCURRENCY": "1",
    "BULKREMOVE_CONNECT_TIMEOUT": "1",
    "BULKREMOVE_READ_TIMEOUT": "1",
    "BULKREMOVE_SPEED": "4",
}
"""Short waits, so that silence is soon over."""


@dataclass(frozen=True)
class Becomes:
    """What the broken row comes to: its status, the DELETEs that reach Zoho, the attempts that may have left."""

    status: str
    calls: int
    attempts: int


UNTOUCHED = Becomes("removed", 1, 1)
"""No byte left: as if nothing had been."""
AGAIN = Becomes("removed", 1, 2)
"""Bytes may have left, but no effect was had: the second attempt has it."""
INFERRED = Becomes("removed_inferred", 2, 2)
"""The effect was had and not heard of: the second attempt finds nobody."""

TABLE: dict[Point, tuple[Becomes, Becomes]] = {
    Point.BEFORE_CONNECT: (UNTOUCHED, AGAIN),
    Point.AFTER_CONNECT: (AGAIN, AGAIN),
    Point.HALF_HEADER: (AGAIN, AGAIN),
    Point.BEFORE_EFFECT: (AGAIN, AGAIN),
    Point.AFTER_EFFECT: (INFERRED, INFERRED),
    Point.IN_ANSWERS_HEADER: (INFERRED, INFERRED),
    Point.IN_BODY: (INFERRED, INFERRED),
    Point.AFTER_BODY: (UNTOUCHED, INFERRED),
}
"""By point: broken from outside, and killed. Nobody knows whether a killed one had sent: its attempt is open."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "way" in metafunc.fixturenames:
        cells = [(point, way) for point in Point for way in Way]
        if not metafunc.config.getoption("--deep"):  # each point once, each way twice
            cells = [cell for number, cell in enumerate(cells) if number % 4 == (number // 4) % 4]
        metafunc.parametrize(("point", "way"), cells, ids=[f"{point.name}-{way.name}" for point, way in cells])


def test_each_way_an_exchange_can_break_ends_as_the_rules_say(
    point: Point, way: Way, tmp_path: Path, proving: Proving
) -> None:
    world, file = crowd(tmp_path, ROWS)
    ends = Ends(tmp_path, ROWS)
    with sandbox(world, tmp_path / "log.jsonl", "--limit", "100000/60s") as variables:
        upstream = int(variables["BULKREMOVE_API_URL"].rpartition(":")[2])
        with BreakingProxy(upstream, point, way, lambda: process.pid) as proxy:
            there = {"BULKREMOVE_API_URL": f"http://127.0.0.1:{proxy.port}"}
            bulkremove = Bulkremove(tmp_path / "home", environment(**{**variables, **PROMPT, **there}))
            process = bulkremove.start("run", str(file), "--yes", "--limit", "100000/60s")
            if point is Point.BEFORE_CONNECT:
                _wait_for_the_first_attempt(ends)
                if way is Way.KILLED:
                    process.kill()
                proxy.heal()
            _, said = process.communicate(timeout=60)
            assert proxy.broken.is_set()
            assert (process.returncode == -9) == (way is Way.KILLED), said
            if way is Way.KILLED:
                done = bulkremove("resume", "--limit", "100000/60s")
                assert done.returncode == 0, done.stderr
    (report,) = tmp_path.glob("*-report.csv")
    ends.check(report)
    with report.open(encoding="utf-8-sig", newline="") as rows:
        first, *others = csv.DictReader(rows)
    seen = Becomes(first["status"], ends.wire[first["learner"].strip()], int(first["attempts"]))
    expected = {TABLE[point][way is Way.KILLED]}
    if point is Point.AFTER_CONNECT and way is not Way.KILLED:  # the end may be heard of before the first byte leaves
        expected.add(UNTOUCHED)
    assert seen in expected
    assert all(other["status"] == "removed" for other in others)
    proving.figure("An exchange that breaks ends as the rules say: 8 points, 4 ways", "a cell as the table says")


def _wait_for_the_first_attempt(ends: Ends) -> None:
    """Until the program is about to connect: it has written that down."""
    for _ in range(2_000):
        time.sleep(0.02)
        # An attempt that never left is deleted at once; the counter that it raised stays.
        if ends.ask("SELECT 1 FROM counter WHERE name = 'changes' AND value > (SELECT count(*) FROM audit)"):
            time.sleep(0.1)
            return
    raise AssertionError("the program never came as far as its first attempt")
