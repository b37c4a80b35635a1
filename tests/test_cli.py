"""The program as a person or a cron job meets it: what it prints, what it exits with, and what the sandbox saw."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

import pytest

from bulkremove.cli import EXIT_CODES
from bulkremove.sandbox import read_log
from tests.cli_fixtures import PROGRAM, SAMPLES, Bulkremove, crowd, environment, sandbox

DRY_RUN = "DRY RUN - nothing has been removed"


@pytest.fixture
def alone(tmp_path: Path) -> Bulkremove:
    """The program without any account."""
    return Bulkremove(tmp_path / "home", environment())


def samples(tmp_path: Path) -> Path:
    folder = tmp_path / "samples"
    shutil.copytree(SAMPLES, folder, ignore=shutil.ignore_patterns("*-report*", "*-retry*"))  # of an earlier `make run`
    return folder


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [
        (["--help"], {"pandas", "aiohttp", "aiolimiter", "asyncio", "rich"}),
        (["run", "--help"], {"pandas", "aiohttp", "aiolimiter", "asyncio", "rich"}),
        (["jobs"], {"pandas", "aiohttp", "aiolimiter"}),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)
def test_a_command_loads_no_heavy_package_that_it_does_not_need(
    arguments: list[str], unneeded: set[str], tmp_path: Path
) -> None:
    code = (
        f"import sys\nsys.argv = ['bulkremove', '--home', {str(tmp_path / 'home')!r}, *{arguments!r}]\n"
        "from bulkremove.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print(sorted({unneeded!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.splitlines()[-1]


def test_help_lists_every_exit_code(alone: Bulkremove) -> None:
    text = " ".join(alone("--help").stdout.split())
    assert all(f"{code} {words}" in text for code, words in EXIT_CODES.items())


@pytest.mark.parametrize("command", ["preview", "run", "resume", "retry", "jobs", "show", "cancel", "report", "login"])
def test_every_command_has_help_with_an_example(alone: Bulkremove, command: str) -> None:
    assert f"Example: bulkremove {command}" in alone(command, "--help").stdout


def test_a_preview_needs_no_credentials_and_says_first_and_last_that_nothing_is_removed(alone: Bulkremove) -> None:
    done = alone("preview", str(SAMPLES / "leavers.csv"))
    lines = done.stdout.splitlines()
    assert 0 == done.returncode
    assert [DRY_RUN, DRY_RUN] == [lines[0], lines[-1]]
    assert "Remove    60 learners from 5 batches" in lines
    assert lines[-2].strip().startswith("bulkremove --home")


def test_run_with_dry_run_is_the_same_as_preview(alone: Bulkremove) -> None:
    file = str(SAMPLES / "leavers.xlsx")
    hashes = [
        json.loads(alone(*words, "--json").stdout)["plan_hash"]
        for words in (["preview", file], ["run", file, "--dry-run"])
    ]
    assert hashes[0] == hashes[1]


def test_a_command_is_previewed_as_the_file_that_it_prints(alone: Bulkremove) -> None:
    file = SAMPLES / "leavers.csv"
    hashes = [json.loads(alone("preview", s, "--json").stdout)["plan_hash"] for s in (str(file), f"command cat {file}")]
    assert hashes[0] == hashes[1]


def test_a_folder_with_more_than_one_file_is_refused_before_anything_is_read(alone: Bulkremove) -> None:
    done = alone("preview", str(SAMPLES))
    assert (2, "Name one of them" in done.stderr) == (done.returncode, True)


def test_csv_and_xlsx_of_the_same_rows_hold_the_same_ids(alone: Bulkremove, tmp_path: Path) -> None:
    rows = []
    for name in ("leavers.csv", "leavers.xlsx"):
        plan = tmp_path / f"{name}.jsonl"
        assert 0 == alone("preview", str(SAMPLES / name), "-o", str(plan)).returncode
        rows.append([json.loads(line)["learner_id"] for line in plan.read_text().splitlines()])
    assert rows[0] == rows[1]
    assert 60 == len(set(rows[0]))


def test_damaged_ids_refuse_the_file_and_name_the_cells(alone: Bulkremove) -> None:
    done = alone("preview", str(SAMPLES / "damaged.xlsx"))
    assert 2 == done.returncode
    assert "A2" in done.stderr
    assert "Text" in done.stderr


def test_run_without_a_terminal_and_without_consent_is_refused(alone: Bulkremove) -> None:
    done = alone("run", str(SAMPLES / "leavers.csv"))
    assert 4 == done.returncode
    assert [] == json.loads(alone("jobs", "--json").stdout)


def test_more_than_500_removals_need_a_cap_that_allows_them(alone: Bulkremove, tmp_path: Path) -> None:
    _, file = crowd(tmp_path, 501)
    done = alone("run", str(file), "--yes")
    assert (4, "--max-removals 501" in done.stderr) == (done.returncode, True)


def test_a_plan_over_the_cap_is_refused(alone: Bulkremove) -> None:
    assert 4 == alone("run", str(SAMPLES / "leavers.csv"), "--yes", "--max-removals", "59").returncode


def test_a_preview_says_that_a_run_would_be_refused(alone: Bulkremove, tmp_path: Path) -> None:
    _, file = crowd(tmp_path, 600)
    refused = alone("preview", str(file))
    assert (4, True) == (refused.returncode, "the cap is 500" in refused.stdout)
    assert "Nothing of this plan can be run as it is." == refused.stdout.splitlines()[-2]
    assert "To run exactly this plan" not in refused.stdout
    as_json = alone("run", str(file), "--dry-run", "--json")
    assert (4, None) == (as_json.returncode, json.loads(as_json.stdout)["command"])
    allowed = alone("preview", str(file), "--max-removals", "600").stdout
    assert "cap" not in allowed
    assert "--max-removals 600 --plan" in allowed


def test_without_an_account_a_run_is_not_authorised_and_says_what_to_do(alone: Bulkremove, tmp_path: Path) -> None:
    done = alone("run", str(samples(tmp_path) / "leavers.csv"), "--yes")
    assert 7 == done.returncode
    assert " login" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--limit", "31/60s"],
        ["--limit", "30"],
        ["--lock", "60s"],
        ["--columns", "course=A"],
        ["--sheet", "x"],
        ["--speed", "2"],
    ],
)
def test_wrong_options_are_refused_before_anything_is_read_or_sent(alone: Bulkremove, words: list[str]) -> None:
    columns_only = words == ["--columns", "course=A"]
    done = alone("preview", str(SAMPLES / "leavers.csv"), *words)
    assert (0 if columns_only else 2) == done.returncode


def test_a_sandbox_run_removes_reports_and_balances(alone: Bulkremove, tmp_path: Path) -> None:
    folder = samples(tmp_path)
    words = ["--sandbox", str(folder / "world.json"), "--speed", "100", "--yes"]
    refused = alone("run", str(folder / "mixed.csv"), *words)
    assert (4, "--max-invalid" in refused.stderr) == (refused.returncode, True)
    done = alone("run", str(folder / "mixed.csv"), *words, "--max-invalid", "50")
    assert 3 == done.returncode
    assert done.stdout.startswith("SANDBOX: Removed 9 (0 inferred), not found 0, refused 0, unknown 0, not sent 0, ")
    assert "duplicate 2, invalid 7 of 18 rows" in done.stdout
    (report,) = folder.glob("*-report.csv")
    with report.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [str(number) for number in range(2, 20)] == [row["row"] for row in rows]


def test_a_report_given_back_sends_nothing_again(alone: Bulkremove, tmp_path: Path) -> None:
    folder = samples(tmp_path)
    sandbox_run = ["--sandbox", str(folder / "world.json"), "--speed", "100", "--yes"]
    assert 0 == alone("run", str(folder / "leavers.csv"), *sandbox_run).returncode
    (report,) = folder.glob("*-report.csv")
    plan = json.loads(alone("preview", str(report), "--json", *sandbox_run[:2]).stdout)
    assert (60, 0, 58, 2) == tuple(plan[name] for name in ("rows", "removals", "done_before", "not_enrolled"))
    assert ["Course ID", "Batch ID", "Learner ID", "Name", "E-mail", "Reason"] == plan["header"]


def test_the_plan_hash_runs_exactly_that_plan_and_no_other(alone: Bulkremove, tmp_path: Path) -> None:
    folder = samples(tmp_path)
    sandbox_run = ["--sandbox", str(folder / "world.json"), "--speed", "100"]
    plan = json.loads(alone("preview", str(folder / "europe.csv"), "--json", *sandbox_run).stdout)["plan_hash"]
    other = alone("run", str(folder / "leavers.csv"), *sandbox_run, "--plan", plan)
    assert 4 == other.returncode
    same = alone("run", str(folder / "europe.csv"), *sandbox_run, "--plan", plan)
    assert 0 == same.returncode, same.stderr


def test_ctrl_c_ends_resumable_and_resume_finishes(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 60, {"latency": 0.05})
    log = tmp_path / "log.jsonl"
    lifted = ["--limit", "1000/60s"]
    with sandbox(world, log, *lifted) as variables:
        bulkremove = Bulkremove(tmp_path / "home", environment(PYTHONUNBUFFERED="1", **variables))
        process = bulkremove.start("-v", "run", str(file), "--yes", "--concurrency", "1", "--limit", "20/60s")
        assert process.stderr is not None
        while "removed" not in (line := process.stderr.readline()):
            assert line
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert 130 == process.returncode
        assert "bulkremove --home" in said.splitlines()[-1]
        done = bulkremove("resume", *lifted)
        assert 0 == done.returncode, done.stderr
        (job,) = json.loads(bulkremove("jobs", "--json").stdout)
        assert "finished" == job["state"]
        shown = json.loads(bulkremove("show", job["job"], "--json").stdout)
        assert 60 == shown["counts"]["removed"]
        again = [tmp_path / "again.csv", tmp_path / "twice.csv"]
        for path in again:
            assert 0 == bulkremove("report", job["job"], "-o", str(path)).returncode
        assert again[0].read_bytes() == again[1].read_bytes()
        assert 2 == bulkremove("report", job["job"], "-o", str(again[0])).returncode
        assert 4 == bulkremove("resume", job["job"]).returncode
    wire = [entry for entry in read_log(log) if entry.removal]
    assert 60 == len(wire)
    assert not [entry for entry in read_log(log) if entry.alarm or entry.locked]


def test_a_cancelled_job_can_be_retried(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 12)
    with sandbox(world, tmp_path / "log.jsonl", "--speed", "60") as variables:
        bulkremove = Bulkremove(tmp_path / "home", environment(**variables))
        stopped = bulkremove("run", str(file), "--yes", "--daily-limit", "5")
        assert 5 == stopped.returncode
        assert "allowance" in stopped.stderr
        (job,) = json.loads(bulkremove("jobs", "--json").stdout)
        assert 4 == bulkremove("retry", job["job"], "--yes").returncode
        assert 0 == bulkremove("cancel", job["job"]).returncode
        done = bulkremove("retry", job["job"], "--yes")
        assert 0 == done.returncode, done.stderr
        assert "Removed 7" in done.stdout


def test_doctor_says_that_all_is_well_and_sends_no_removal(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 1)
    log = tmp_path / "log.jsonl"
    with sandbox(world, log) as variables:
        done = Bulkremove(tmp_path / "home", environment(**variables))("doctor")
    assert 0 == done.returncode, done.stdout
    assert all("DELETE" != entry.method for entry in read_log(log))


def test_no_secret_reaches_the_screen_even_with_debug(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 3, {"token": ["invalid_client"]})
    canary = "canary-secret-4711"
    world.write_text(world.read_text().replace('"client_secret": "s"', f'"client_secret": "{canary}"'))
    with sandbox(world, tmp_path / "log.jsonl") as variables:
        done = Bulkremove(tmp_path / "home", environment(**variables))("--debug", "run", str(file), "--yes")
    assert 7 == done.returncode
    assert canary not in done.stdout + done.stderr
    for kept in (tmp_path / "home").rglob("*"):
        assert not kept.is_file() or canary.encode() not in kept.read_bytes()


def test_a_run_killed_between_its_end_and_its_report_is_resumed_to_the_report(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 3)
    with sandbox(world, tmp_path / "log.jsonl") as variables:
        bulkremove = Bulkremove(tmp_path / "home", environment(**variables))
        code = (
            "import os, sys\nfrom bulkremove.report import ReportFile\n"
            "ReportFile.publish = lambda *_: os.kill(os.getpid(), 9)\n"
            "from bulkremove.cli import main\nmain()"
        )
        words = [sys.executable, "-c", code, "--home", str(bulkremove.home), "run", str(file), "--yes"]
        assert -signal.SIGKILL == subprocess.run(words, env=bulkremove.env, capture_output=True, check=False).returncode
        assert [] == list(tmp_path.glob("*-report.csv"))
        done = bulkremove("resume")
        assert 0 == done.returncode
        assert "Removed 3 (0 inferred)" in done.stdout
        assert 1 == len(list(tmp_path.glob("*-report.csv")))
        assert 3 == len([entry for entry in read_log(tmp_path / "log.jsonl") if entry.removal])
        again = bulkremove("resume")
        assert (2, "There is no unfinished job" in again.stderr) == (again.returncode, True)


FULL = Path("/dev/full")
on_a_full_disk = pytest.mark.skipif(not FULL.exists(), reason="a disk without space is Linux's /dev/full")
COMMANDS = [(0, "preview", str(SAMPLES / "leavers.csv")), (0, "--help"), (0, "-h"), (0, "--version"), (2, "prevew")]


def _said_to(
    folder: Path, words: list[str], out: int | IO[str] = subprocess.PIPE, err: int | IO[str] = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    where = [] if words == ["--help"] else ["--home", str(folder / "home")]  # `--help` alone is answered without click
    return subprocess.run([*PROGRAM, *where, *words], stdout=out, stderr=err, text=True, env=environment(), check=False)


@on_a_full_disk
@pytest.mark.parametrize("words", [words for code, *words in COMMANDS if not code])
def test_an_answer_that_can_not_be_written_is_told_and_is_no_success(words: list[str], tmp_path: Path) -> None:
    with FULL.open("w") as full:
        done = _said_to(tmp_path, words, out=full)
    assert (1, "Error: The answer can't be written: No space left on device.") == (
        done.returncode,
        done.stderr.strip().partition(" `")[0],
    )


@on_a_full_disk
@pytest.mark.parametrize(("code", "words"), [(code, words) for code, *words in COMMANDS])
@pytest.mark.parametrize("answers_too", [False, True])
def test_an_error_that_can_not_be_written_changes_no_exit_code(
    code: int, words: list[str], tmp_path: Path, *, answers_too: bool
) -> None:
    with FULL.open("w") as full:
        done = _said_to(tmp_path, words, out=full if answers_too else subprocess.PIPE, err=full)
    assert done.returncode == (code or 1 if answers_too else code)


def test_sandbox_runs_need_no_fixed_port_and_no_wait_for_tokens_of_earlier_ones(tmp_path: Path) -> None:
    """Each run has a sandbox of its own, on a free port, whose access tokens end with it."""
    world, file = crowd(tmp_path, 2)
    run = Bulkremove(tmp_path / "home", environment())
    words = ["run", str(file), "--sandbox", str(world), "--speed", "60", "--yes"]
    with ExitStack() as taken:
        with suppress(OSError):  # somebody else has it, which is as good
            taken.enter_context(socket.create_server(("127.0.0.1", 8030)))  # that of `bulkremove sandbox`
        together = [run.start(*words), Bulkremove(tmp_path / "other", environment()).start(*words)]
        assert [0, 0] == [process.wait(timeout=60) for process in together]
    for process in together:
        process.communicate()
    for _ in range(4):
        done = run("run", str(file), "--sandbox", str(world), "--speed", "60", "--yes", "--expect-missing")
        assert 0 == done.returncode, done.stderr
        assert "access token" not in done.stderr
    assert not list((tmp_path / "home").glob("tokens/*"))
