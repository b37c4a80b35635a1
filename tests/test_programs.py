"""What other programs read: JSON of every command, and logs of events."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click
import pytest

from bulkremove.cli.program import cli
from tests.cli_fixtures import SAMPLES, Bulkremove, crowd, environment
from tests.nightly_fixtures import OLD

RUNS = {
    "accounts": [],
    "audit": [],
    "audit verify": [],
    "backup": ["copy.zip"],
    "doctor": [],
    "jobs": [],
    "journal accept-restore": [],
    "preview": [str(SAMPLES / "leavers.csv")],
    "schedule cron": [],
    "schedule systemd": [],
    "stop": [],
    "tokens": [],
    "tokens add": ["hr", "--role", "preparer"],
    "users": [],
    "users add": ["jo", "--role", "approver"],
    "wordings": [],
}
"""The commands that are cheap to run in a new home folder, with their arguments."""


def _commands(group: click.Group, *names: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, *names, name)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join([*names, name]), command


TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
COMMANDS = dict(_commands(cli))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_json(name: str) -> None:
    assert "--json" in {option for param in COMMANDS[name].params for option in param.opts}


@pytest.mark.parametrize("name", RUNS)
def test_each_line_that_a_command_prints_for_programs_is_a_json_document(name: str, tmp_path: Path) -> None:
    bulkremove = Bulkremove(tmp_path / "home", environment())
    bulkremove.home.mkdir(mode=0o700)
    (bulkremove.home / "bulkremove.toml").write_text('[[nights]]\nsource = "/srv/leavers"\n')
    done = bulkremove(*name.split(), *RUNS[name], "--json", stdin="a long password of hers\n")
    assert "Error" not in done.stderr
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert documents
    assert all(isinstance(document, dict | list) for document in documents)


@pytest.fixture
def run(tmp_path: Path) -> Bulkremove:
    """The program, beside a world and a file of three learners."""
    crowd(tmp_path, 3)
    return Bulkremove(tmp_path / "home", environment())


def _words(tmp_path: Path) -> list[str]:
    return [str(tmp_path / "crowd.csv"), "--yes", "--sandbox", str(tmp_path / "world.json"), "--speed", "50"]


def test_the_jobs_for_programs_have_times_counts_reason_and_next_step(run: Bulkremove, tmp_path: Path) -> None:
    run("run", *_words(tmp_path), "--daily-limit", "2")
    (job,) = json.loads(run("jobs", "--json").stdout)
    assert ("paused", "day_used_up", 2, 1) == (job["state"], job["end_reason"], job["counts"]["removed"], job["open"])
    assert TIME.fullmatch(job["created_at"])
    assert job["finished_at"] >= job["created_at"]
    assert "allowance" in job["reason"]
    assert job["next_step"].endswith(f"resume {job['job']} --sandbox WORLD")
    assert job["running"] is None
    for words, found in ((["--account", "other"], 0), (["--account", "sandbox"], 1), (["--state", "held"], 0)):
        assert found == len(json.loads(run("jobs", "--json", "--limit", "5", *words).stdout)), words


def test_the_times_for_programs_are_those_of_rfc_3339(run: Bulkremove, tmp_path: Path) -> None:
    run("run", *_words(tmp_path))
    (job,) = json.loads(run("jobs", "--json").stdout)
    shown = json.loads(run("show", job["job"], "--json").stdout)
    assert ("finished", None, None) == (shown["standing"], shown["end_reason"], shown["due_at"])
    assert "exit_code" not in shown
    preview = json.loads(run("preview", *_words(tmp_path)[:1], *_words(tmp_path)[2:], "--json").stdout)
    entry = json.loads(run("audit", "--json").stdout)[0]
    times = [shown["created_at"], shown["finished_at"], preview["ends_at"], entry["at"]]
    times += [event["at"] for event in shown["events"]]
    assert [] == [time for time in times if not TIME.fullmatch(time)]
    assert datetime.fromisoformat(entry["at"]).timestamp() == pytest.approx(entry["hashed_at"], abs=0.001)


def test_events_that_are_asked_for_twice_are_logged_once(run: Bulkremove, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    words = ["--events", "text", "--log-file", str(log)]
    done = run(*words, "run", *_words(tmp_path), *words)
    started = [line for line in done.stderr.splitlines() if " started " in line]
    assert 1 == len(started), done.stderr
    assert 1 == sum(" started " in line for line in log.read_text().splitlines())
    assert 0o600 == log.stat().st_mode & 0o777


def test_a_log_that_can_not_be_written_is_refused_before_anything_is_done(run: Bulkremove, tmp_path: Path) -> None:
    done = run("--log-file", str(tmp_path / "missing" / "log"), "run", *_words(tmp_path))
    assert (2, "The log " in done.stderr) == (done.returncode, True)
    assert [] == json.loads(run("jobs", "--json").stdout)


def test_debug_messages_go_to_the_file_too(run: Bulkremove, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    done = run("--log-file", str(log), "--log-level", "debug", "--events", "json", "show", "nothing")
    assert 2 == done.returncode
    (line,) = [json.loads(line) for line in log.read_text().splitlines()]
    assert "Traceback" in line["text"]


def test_events_tell_of_nights_holds_notices_and_their_waits(run: Bulkremove, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    file = (tmp_path / "crowd.csv").replace(source / "leavers.csv")
    at = file.stat().st_mtime - OLD
    os.utime(file, (at, at))
    run.home.mkdir(mode=0o700)
    (run.home / "bulkremove.toml").write_text(f'[[nights]]\nsource = "{source}"\n')
    night = ("nightly", "--sandbox", str(tmp_path / "world.json"), "--speed", "50")
    held = run("--events", "json", *night, "--json")
    events = [json.loads(line) for line in held.stderr.splitlines() if line.startswith("{")]
    assert {"nightly_started", "audit.held", "nightly_ended"} <= {event["event"] for event in events}
    assert "held" in [json.loads(line)["kind"] for line in held.stdout.splitlines()]
    (job,) = json.loads(run("jobs", "--json").stdout)
    assert 0 == run("approve", job["job"], "--yes").returncode
    done = run(*night)
    assert 0 == done.returncode, done.stderr
    assert f"{job['job']} SANDBOX 0/3 | about " in done.stderr


def test_events_tell_of_users(run: Bulkremove) -> None:
    done = run("--events", "json", "users", "add", "jo", "--role", "approver", stdin="a long password of hers\n")
    (event,) = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert "audit.user_added" == event["event"]
    assert "password of hers" not in done.stderr
