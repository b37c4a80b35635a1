"""The fault that once destroyed a journal, as it was met: a report from the page, a command beside it, the next file.

The page's server had lost its locks on the journal, so that the command took itself for the journal's last user and
removed the write-ahead log; what the server wrote after that was lost, and the journal was damaged.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.cli_fixtures import Bulkremove, crowd, environment, sandbox
from tests.conftest import Proving
from tests.proofs.program_observer import look
from tests.proofs.reconciled import Ends
from tests.proofs.serve_process import ServeProcess
from tests.web_fixtures import triples

ROWS = 60
TRIALS, SAMPLE, PARTS = 500, 3, 10
LIMIT = "100000/60s"
LONGEST_PAUSE = 0.3
"""Seconds between two steps."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "trials" in metafunc.fixturenames:
        number = TRIALS if metafunc.config.getoption("--deep") else SAMPLE
        size = max(1, number // PARTS)
        parts = [range(first, min(first + size, number)) for first in range(0, number, size)]
        metafunc.parametrize("trials", parts, ids=lambda part: f"{part.start}-{part.stop - 1}")


def test_a_command_between_a_report_and_the_next_upload_leaves_a_sound_journal(
    trials: range, tmp_path: Path, proving: Proving
) -> None:
    for trial in trials:
        folder = tmp_path / str(trial)
        folder.mkdir()
        world, _ = crowd(folder, 2 * ROWS)
        # A sandbox for each, since each home folder asks for an access token, of which there are 10 in 10 minutes.
        with sandbox(world, folder / "log.jsonl", "--limit", LIMIT) as variables:
            env = environment(**variables, BULKREMOVE_LIMIT=LIMIT, BULKREMOVE_CONCURRENCY="8")
            _trial(Bulkremove(folder / "home", env), random.Random(trial))
        assert 2 * ROWS == sum(entry.effect for entry in Ends(folder, 0).removals)
    proving.figure(
        "A command between a report and the next upload leaves a sound journal with every fact", f"{len(trials)} trials"
    )


def _trial(bulkremove: Bulkremove, dice: random.Random) -> None:
    serve = ServeProcess(bulkremove)
    serve.token = bulkremove("tokens", "add", "a-test", "--role", "admin").stdout.strip()
    assert "" == serve.start()
    try:
        jobs = []
        for number in range(2):
            jobs.append(_confirmed(serve, triples(ROWS, first=number * ROWS), f"{number}.csv"))
            _pause(dice)
            _ended(serve, jobs[-1])
            report = serve.api("GET", f"/jobs/{jobs[-1]}/report.csv")
            assert (200, ROWS + 1) == (report.status, len(report.text.splitlines())), report.text
            _pause(dice)
            done = bulkremove("jobs")
            assert (0, number + 1) == (done.returncode, len(done.stdout.splitlines())), done.stderr
            _pause(dice)
        code, said = serve.stop()
        assert 0 == code, said
    finally:
        serve.kill()
    _check(bulkremove, jobs)


def _confirmed(serve: ServeProcess, rows: str, name: str) -> str:
    plan = serve.api("POST", f"/plans?name={name}", rows.encode())
    assert 201 == plan.status, plan.text
    job = serve.api("POST", f"/plans/{plan.json['id']}/confirm", {"plan_hash": plan.json["plan_hash"]})
    assert 201 == job.status, job.text
    return str(job.json["job"])


def _ended(serve: ServeProcess, job: str) -> None:
    for _ in range(1200):
        told = serve.api("GET", f"/jobs/{job}")
        assert 200 == told.status, told.text
        if not told.json["running"]:
            break
        time.sleep(0.05)
    assert "finished" == told.json["state"], told.text


def _check(bulkremove: Bulkremove, jobs: list[str]) -> None:
    """Every fact that somebody was told is in the journal."""
    commands = [("jobs", "--json"), ("tokens", "--json"), ("audit", "verify"), ("audit", "--json", "-n", "1000")]
    shows = [("show", job, "--json") for job in jobs]
    found = look(bulkremove, [*commands, *shows])
    assert "ok" == found.integrity
    assert not [one for one in found.said if one.code], found.said
    listed, tokens, _, audit, *shown = found.said
    assert {(job, "finished") for job in jobs} == {(one["job"], one["state"]) for one in listed.json}
    assert ["a-test"] == [one["name"] for one in tokens.json]
    acts = [(one["act"], one["facts"].get("job")) for one in audit.json]
    for job in jobs:
        assert {"confirmed", "run", "reported"} <= {act for act, of in acts if of == job}
    assert 2 == len([act for act, _ in acts if act == "uploaded"])
    for one in shown:
        assert ROWS == one.json["counts"]["removed"], one.out


def _pause(dice: random.Random) -> None:
    time.sleep(dice.uniform(0.0, LONGEST_PAUSE))
