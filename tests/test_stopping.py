"""Pausing, cancelling and stopping what another process runs: real processes, and what the sandbox saw of them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bulkremove.app import App
from bulkremove.domain.errors import JobBusy
from bulkremove.sandbox import read_log
from tests.application_fixtures import application
from tests.cli_fixtures import Bulkremove, crowd, environment, sandbox

ROWS = 200


@contextmanager
def running(tmp_path: Path) -> Iterator[tuple[Bulkremove, subprocess.Popen[str], str]]:
    """The program, another process of it that has removed the first of many learners, and the id of its job."""
    world, file = crowd(tmp_path, ROWS, {"latency": 0.05})
    with sandbox(world, tmp_path / "log.jsonl", "--limit", "1000/60s") as variables:
        bulkremove = Bulkremove(tmp_path / "home", environment(PYTHONUNBUFFERED="1", **variables))
        process = bulkremove.start("-v", "run", str(file), "--yes", "--limit", "1000/60s", "--concurrency", "1")
        assert process.stderr is not None
        try:
            while ": removed" not in (line := process.stderr.readline()):
                assert line
            (job,) = json.loads(bulkremove("jobs", "--json").stdout)
            yield bulkremove, process, job["job"]
        finally:
            process.kill()
            process.communicate()


def removals(tmp_path: Path) -> int:
    return sum(entry.removal is not None for entry in read_log(tmp_path / "log.jsonl"))


def shown(bulkremove: Bulkremove, job: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(bulkremove("show", job, "--json").stdout)
    return document


@pytest.mark.parametrize(("command", "state"), [("pause", "paused"), ("cancel", "cancelled")])
def test_a_job_of_another_process_is_reached_and_told_who_runs_it(tmp_path: Path, command: str, state: str) -> None:
    with running(tmp_path) as (bulkremove, process, job):
        done = bulkremove(command, job)
        assert 0 == done.returncode, done.stderr
        assert f"(pid {process.pid} on " in done.stderr
        _, said = process.communicate(timeout=60)
        assert 5 == process.returncode, said
        sent, after = removals(tmp_path), shown(bulkremove, job)
        assert state == after["state"]
        assert sent == after["counts"]["removed"] < ROWS
        assert ("cancelled" if command == "cancel" else "paused") in {
            entry["act"] for entry in json.loads(bulkremove("audit", "--json").stdout)
        }


def test_a_dead_process_holds_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as (bulkremove, process, job):
        process.kill()
        process.communicate()
        done = bulkremove("pause", job)
        assert (0, "") == (done.returncode, done.stderr.replace(done.stderr.strip().splitlines()[-1], "").strip())
        assert "paused" == shown(bulkremove, job)["state"]
        assert 0 == bulkremove("cancel", job).returncode
        refused = bulkremove("pause", job)
        assert (4, "cancelled" in refused.stderr) == (refused.returncode, True)


async def test_a_process_that_stands_still_is_named_with_what_to_do(tmp_path: Path) -> None:
    with running(tmp_path) as (bulkremove, process, job):
        os.kill(process.pid, signal.SIGSTOP)
        app = application({**bulkremove.env, "BULKREMOVE_HOME": str(bulkremove.home)})
        try:
            with pytest.raises(JobBusy) as refused:
                await app.stopping.pause(job, by="jo", wait=0.5)
            assert f"end process {process.pid}" in str(refused.value)
            await _ended(app, job, process)
        finally:
            app.close()


async def test_a_run_is_reached_whatever_state_was_written_beside_it(tmp_path: Path) -> None:
    with running(tmp_path) as (bulkremove, process, job):
        held = "UPDATE job SET state = 'held', reason = 'Look at it.'"
        with closing(sqlite3.connect(bulkremove.home / "journal.db", isolation_level=None, timeout=60)) as journal:
            journal.execute("BEGIN IMMEDIATE")  # so that it does not stand still in the middle of a write
            os.kill(process.pid, signal.SIGSTOP)  # it would see that by itself, and end
            journal.execute(held)
            journal.execute("COMMIT")
        stop = bulkremove.start("stop")
        app = application({**bulkremove.env, "BULKREMOVE_HOME": str(bulkremove.home)})
        while await app.context.storage.claims.stop_request(job) is None:
            assert stop.poll() is None, stop.communicate()
            await asyncio.sleep(0.01)
        app.close()
        os.kill(process.pid, signal.SIGCONT)
        stdout, stderr = stop.communicate(timeout=60)
        assert (0, False) == (stop.returncode, "Nothing is running" in stdout), stderr
        process.communicate(timeout=60)
        assert removals(tmp_path) < ROWS


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
connection.execute("BEGIN IMMEDIATE")
print("holds", flush=True)
sys.stdin.read()
"""


@contextmanager
def writing(home: Path) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of a write, until it is told to end. No process may open the journal beside SQLite."""
    command = [sys.executable, "-c", HOLD, str(home / "journal.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "holds\n" == process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("act", ["pause", "cancel"])
async def test_a_process_that_stands_still_in_the_middle_of_a_write_is_named_too(tmp_path: Path, act: str) -> None:
    with running(tmp_path) as (bulkremove, process, job), writing(bulkremove.home) as writer:
        os.kill(process.pid, signal.SIGSTOP)
        app = application({**bulkremove.env, "BULKREMOVE_HOME": str(bulkremove.home)})
        try:
            with pytest.raises(JobBusy) as refused:
                await getattr(app.stopping, act)(job, by="jo", wait=0.5)
            assert f"end process {process.pid}" in str(refused.value)
            writer.communicate("")
            assert await app.context.storage.claims.stop_request(job) is None, "nothing is left of it"
        finally:
            app.close()


async def _ended(app: App, job: str, process: subprocess.Popen[str]) -> None:
    """After the advice was followed, the job is free."""
    process.kill()
    process.communicate()
    assert "paused" == (await app.stopping.pause(job, by="jo")).state.value


def test_a_second_nightly_run_says_which_one_runs_and_stop_ends_it(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, ROWS, {"latency": 0.05})
    (tmp_path / "source").mkdir()
    file.replace(tmp_path / "source" / "leavers.csv")
    os.utime(tmp_path / "source" / "leavers.csv", (1e9, 1e9))
    (tmp_path / "home").mkdir(mode=0o700)
    settings = f'[[nights]]\nsource = "{tmp_path / "source"}"\n'
    (tmp_path / "home" / "bulkremove.toml").write_text(settings)
    bulkremove = Bulkremove(tmp_path / "home", environment(PYTHONUNBUFFERED="1"))
    night = ("nightly", "--sandbox", str(world), "--speed", "10")
    held = bulkremove(*night)
    assert 4 == held.returncode, held.stderr
    (job,) = json.loads(bulkremove("jobs", "--json").stdout)
    assert 0 == bulkremove("approve", job["job"], "--yes").returncode
    process = bulkremove.start("-v", "--events", "text", *night)
    assert process.stderr is not None
    try:
        while " started " not in (line := process.stderr.readline()):
            assert line
        second = bulkremove(*night)
        assert 6 == second.returncode
        assert "The run of night nightly has been going on since " in second.stderr
        assert f"(pid {process.pid} on " in second.stderr
        done = bulkremove("stop")
        assert 0 == done.returncode, done.stderr
        assert "The run of night nightly has ended." in done.stdout
        process.communicate(timeout=60)
        assert "paused" == shown(bulkremove, job["job"])["state"]
        assert "Nothing is running." in bulkremove("stop").stdout
    finally:
        process.kill()
        process.communicate()
