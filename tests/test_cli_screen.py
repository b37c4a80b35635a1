"""What the command line does when people interrupt, pipe, redirect, or feed it text that wants to act."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bulkremove.app import Progress
from bulkremove.cli.console import Screen, printable
from bulkremove.cli.progress_line import ProgressDisplay
from bulkremove.domain.clock import later
from bulkremove.domain.job import Job, JobState, Tally
from bulkremove.domain.row import Roles, Status
from bulkremove.engine.slot_decisions import Waiting
from tests import virtual_time
from tests.cli_fixtures import PROGRAM, Bulkremove, crowd, environment, sandbox

SLOW: dict[str, object] = {"latency": 0.3}
NUMBER = "20261123-k3f9"


def words(done: subprocess.CompletedProcess[str]) -> list[str]:
    return done.stderr.strip().splitlines()


def job(host: str = "people.zoho.com") -> Job:
    return Job(NUMBER, "default", host, "f.csv", ".", None, ("a", "b", "c"), Roles(0, 1, 2), "0" * 64, JobState.RUNNING)


def test_the_written_help_is_what_click_says() -> None:
    texts = [
        subprocess.run(
            [*PROGRAM, flag], env=environment(COLUMNS="80"), capture_output=True, text=True, check=True
        ).stdout
        for flag in ("-h", "--help")
    ]
    assert texts[0] == texts[1], "write it anew: COLUMNS=80 bulkremove -h > bulkremove/cli/help.txt"


@pytest.mark.parametrize("text", ["a\nDRY RUN", "a\x1b[2J", "\u202eb", "\u200b", "\ud800", "a\rb", "\x9b1m"])
def test_no_text_of_a_file_acts_on_the_terminal_or_makes_a_line(text: str) -> None:
    assert printable(text).isprintable()


def test_a_command_keeps_a_nought_and_leaves_out_what_was_not_said() -> None:
    said = {"max_removals": 0, "sheet": None, "visible_only": False, "include_hidden": True, "plan": "h"}
    screen = Screen({"home": "a home", "account": None}, quiet=False, verbose=False, color=False)
    wanted = "bulkremove --home 'a home' run 'a b.csv' --max-removals 0 --include-hidden --plan h"
    assert wanted == screen.command("run", "a b.csv", values=said)


@pytest.mark.parametrize(
    "words", [["jobs", "--home"], ["accounts", "--home"], ["--home", "elsewhere", "jobs", "--home"]]
)
def test_the_common_options_are_taken_after_the_command_too(tmp_path: Path, words: list[str]) -> None:
    done = subprocess.run(
        [*PROGRAM, *words, str(tmp_path / "other"), "-q", "--no-color"],
        env=environment(BULKREMOVE_HOME=str(tmp_path / "home")),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "bulkremove" in done.stdout
    assert (tmp_path / "other").exists() or "accounts" in words
    assert not (tmp_path / "home").exists()


def _reading_until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stderr is not None
    while word not in (line := process.stderr.readline()):
        assert line


def test_a_second_ctrl_c_ends_at_once_without_a_traceback_and_says_how_to_go_on(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 30, {"latency": 4.0})
    with sandbox(world, tmp_path / "log.jsonl") as variables:
        bulkremove = Bulkremove(tmp_path / "home", environment(**variables))
        process = bulkremove.start("run", str(file), "--yes")
        _reading_until(process, "rows are to be sent")
        process.send_signal(signal.SIGINT)
        _reading_until(process, "Stopping")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert 130 == process.returncode
        assert "Traceback" not in said
        assert "bulkremove --home" in said.splitlines()[-1]


def test_the_command_that_goes_on_is_the_last_line_after_an_error_too(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 3, {"token": ["invalid_client"]})
    with sandbox(world, tmp_path / "log.jsonl") as variables:
        done = Bulkremove(tmp_path / "home", environment(**variables))("run", str(file), "--yes", "--expect-missing")
    assert 7 == done.returncode
    assert " resume " in words(done)[-1]
    assert "--expect-missing" in words(done)[-1]


def test_a_run_goes_on_when_whoever_read_its_errors_is_gone(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 8, SLOW)
    with sandbox(world, tmp_path / "log.jsonl", "--speed", "10") as variables:
        reading, writing = os.pipe()
        process = subprocess.Popen(
            [*PROGRAM, "--home", str(tmp_path / "home"), "-v", "run", str(file), "--yes"],
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=writing,
            text=True,
        )
        os.close(writing)
        os.read(reading, 1)
        os.close(reading)
        said, _ = process.communicate(timeout=60)
    assert 0 == process.returncode
    assert said.startswith("SANDBOX: Removed 8 ")


def test_whoever_reads_the_answers_may_leave_without_a_word(tmp_path: Path) -> None:
    _, file = crowd(tmp_path, 3)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*PROGRAM, "--home", str(tmp_path), "preview", str(file)],
        env=environment(),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert "" == done.stderr


def test_the_sandbox_s_variables_are_quoted_for_a_shell(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 1)
    world.write_text(world.read_text().replace('"client_secret": "s"', '"client_secret": "$(id)"'))
    with sandbox(world, tmp_path / "log.jsonl") as variables:
        assert "'$(id)'" == variables["BULKREMOVE_CLIENT_SECRET"]


def test_the_sandbox_reads_the_settings_of_the_home_folder_that_it_is_given(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 1)
    own, given = tmp_path / "data" / "bulkremove", tmp_path / "given"
    for folder, line in ((own, "nonsense = 1"), (given, "retention_days = 1")):
        folder.mkdir(parents=True)
        (folder / "bulkremove.toml").write_text(line)
    process = subprocess.Popen(
        [*PROGRAM, "--home", str(given), "sandbox", "--world", str(world), "--port", "0"],
        env=environment(XDG_DATA_HOME=str(tmp_path / "data"), PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.terminate()
    _, said = process.communicate(timeout=20)
    assert first.startswith("export BULKREMOVE_API_URL="), said


def test_login_stores_the_account_that_the_options_name(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 1)
    tree = world.read_text().replace('"client": {', '"client": {"grant_codes": ["g"], ')
    world.write_text(tree)
    with sandbox(world, tmp_path / "log.jsonl") as variables:
        addresses = {name: value for name, value in variables.items() if name.endswith("_URL")}
        bulkremove = Bulkremove(tmp_path / "home", environment(**addresses))
        done = bulkremove("--account", "other", "login", stdin="us\nAcme\nsandbox\ns\ng\n")
    assert 0 == done.returncode, done.stderr
    assert "'other'" in done.stdout


def _said_in(
    capsys: pytest.CaptureFixture[str], act: Callable[[ProgressDisplay, virtual_time.VirtualClock], None]
) -> list[str]:
    async def main() -> None:
        clock = virtual_time.VirtualClock()
        live = ProgressDisplay(Screen({}, quiet=False, verbose=False, color=False), clock=clock)
        ticking = asyncio.create_task(live.tick())
        act(live, clock)
        await clock.sleep(150)
        ticking.cancel()

    virtual_time.run(main)
    return capsys.readouterr().err.splitlines()


def test_without_a_terminal_a_line_a_minute_is_said_also_while_the_run_waits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def act(live: ProgressDisplay, clock: virtual_time.VirtualClock) -> None:
        until = later(clock.monotonic(), 300)
        live.show(Progress(job(), Tally({Status.REMOVED: 2}, 3), Waiting.LOCKED, until, 6.3))

    lines = _said_in(capsys, act)
    assert 3 == len(lines)
    assert all("2/5 | 2 removed | waiting (locked) until " in line for line in lines)
    assert 1 == len({line.partition(" until ")[2].partition(" | ")[0] for line in lines})
    assert ["5 min 6 s", "4 min 6 s", "3 min 6 s"] == [
        line.partition("about ")[2].removesuffix(" left") for line in lines
    ]


def test_the_time_left_includes_the_turns_of_other_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    def act(live: ProgressDisplay, _: virtual_time.VirtualClock) -> None:
        live.other_rows = [30]
        live.show(Progress(job(), Tally({}, 30), None, None, 63.3))

    assert all(line.endswith("about 2 min 7 s left, in turn with 1 other job") for line in _said_in(capsys, act))


def test_the_sandbox_stands_in_every_line_of_a_sandbox_run(capsys: pytest.CaptureFixture[str]) -> None:
    lines = _said_in(capsys, lambda live, _: live.show(Progress(job("127.0.0.1:8030"), Tally({}, 1), None, None, 2.0)))
    assert all("SANDBOX 0/1" in line for line in lines)


def _on_a_terminal(words: list[str], *, columns: int, folder: Path) -> str:
    """What the program writes to a terminal so wide, with all its control sequences."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [*PROGRAM, "--home", str(folder / "home"), *words],
        env=environment(TERM="xterm", COLUMNS=str(columns)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=side,
    )
    os.close(side)
    written = b""
    with suppress(OSError):  # the terminal is closed
        while part := os.read(main, 4096):
            written += part
    os.close(main)
    assert 0 == process.wait(20)
    return written.decode()


def test_the_live_line_stays_one_line_and_leaves_nothing_behind(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 40)
    words = ["run", str(file), "--yes", "--sandbox", str(world), "--speed", "30"]
    written = _on_a_terminal(words, columns=24, folder=tmp_path)
    frames = written.partition("SANDBOX ")[2]
    assert frames.count("\x1b[2K") > 2, "it was drawn and erased"
    assert re.search(r"(\n|\x1b\[2K)\d\d:\d\d:\d\d 40 rows", written), "what is told stands behind a frame"
    assert "\x1b[1A\x1b[2K\x1b[1A" not in frames, "a frame of more than one line"
    _, _, end = written.rpartition("\x1b[2K")
    assert "left" not in end
