"""The wire and the journal tell the same story: every request that left has its attempt, and no attempt is repeated."""

from __future__ import annotations

import socket
from collections import Counter
from pathlib import Path

import pytest

from bulkremove.domain.job import JobState
from bulkremove.domain.row import Status
from bulkremove.engine import rate_limit
from bulkremove.sandbox import Fault, Faults, read_log
from tests.cli_fixtures import Bulkremove, crowd, environment, sandbox
from tests.run_scenario import Stage, learner


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("fault", ["reset", "reset_after_effect", "truncated_after_effect"])
def test_requests_on_the_wire_are_attempts_when_every_fifth_connection_is_dropped(
    tmp_path: Path, fault: str, concurrency: int
) -> None:
    drops = Faults(every={5: Fault.parse(fault)})
    played = Stage(tmp_path, rows=60, faults=drops, concurrency=concurrency).play()
    wire = Counter(played.calls)
    assert wire == {learner(i): outcome.attempts for i, outcome in enumerate(played.outcomes)}
    assert wire.total() >= 72  # every fifth was dropped, so 60 rows took a fifth more
    assert JobState.FINISHED == played.job.state
    unlucky = [outcome for outcome in played.outcomes if outcome.status is Status.UNKNOWN]
    assert all(outcome.attempts == 3 for outcome in unlucky)
    assert {Status.REMOVED, Status.REMOVED_INFERRED, Status.UNKNOWN} >= set(played.statuses)
    assert len(unlucky) <= 1
    assert 30 >= rate_limit.peak_calls([entry.time for entry in played.sandbox.requests if entry.removal], 60.0)


def test_no_connection_at_all_pauses_after_three_tries_and_takes_no_slot(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 5)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with sandbox(world, tmp_path / "log.jsonl", "--speed", "60") as variables:
        # The token endpoint answers; the host of the removals does not.
        lost = {**variables, "BULKREMOVE_API_URL": f"http://127.0.0.1:{port}"}
        bulkremove = Bulkremove(tmp_path / "home", environment(**lost))
        done = bulkremove("run", str(file), "--yes", "--json")
    assert 5 == done.returncode
    assert "Zoho can't be reached" in done.stderr
    assert '"not_sent": 5' in done.stdout
    assert "at most 0 of" in bulkremove("show", done.stdout.split('"job": "')[1].split('"')[0]).stdout


def test_two_processes_on_one_account_share_the_allowance_and_both_progress(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 80)
    lines = file.read_text().splitlines(keepends=True)
    halves = [tmp_path / "first.csv", tmp_path / "second.csv"]
    halves[0].write_text("".join(lines[:41]))
    halves[1].write_text("".join([lines[0], *lines[41:]]))
    log = tmp_path / "log.jsonl"
    with sandbox(world, log, "--speed", "30") as variables:
        bulkremove = Bulkremove(tmp_path / "home", environment(**variables))
        both = [bulkremove.start("run", str(half), "--yes") for half in halves]
        ends = [process.communicate(timeout=100) for process in both]
    assert [0, 0] == [process.returncode for process in both], ends
    entries = [entry for entry in read_log(log) if entry.removal]
    assert (80, 0) == (len(entries), sum(entry.locked for entry in entries))
    assert 30 >= rate_limit.peak_calls([entry.time for entry in entries], 60.0)
    places = [int(entry.removal.learner) - 478346000019558000 < 40 for entry in entries if entry.removal]
    starts = {half: places.index(half) for half in (True, False)}
    ends_at = {half: len(places) - places[::-1].index(half) for half in (True, False)}
    assert max(starts.values()) < min(ends_at.values())  # neither waited for the other to end
    assert all("Removed 40 (0 inferred)" in out for out, _ in ends)


def test_dead_credentials_send_nothing_and_every_row_says_why(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 3, {"token": ["invalid_code"]})
    log = tmp_path / "log.jsonl"
    with sandbox(world, log) as variables:
        done = Bulkremove(tmp_path / "home", environment(**variables))("run", str(file), "--yes")
    assert 7 == done.returncode
    assert "not sent 3" in done.stdout
    assert " login" in done.stderr
    assert [] == [entry for entry in read_log(log) if entry.removal]
    (report,) = tmp_path.glob("*-report.csv")
    assert 3 == report.read_text(encoding="utf-8-sig").count("invalid_code")
