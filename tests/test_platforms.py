"""What other systems lack or do otherwise, simulated: no signal handlers, no `resource`, no limits, files in use."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkremove.domain.command_text import joined
from bulkremove.domain.errors import FileRefused
from bulkremove.platform.open_folder import REFUSED_PAUSES, while_refused
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.subprocess_reader import read_in_subprocess
from tests.cli_fixtures import SAMPLES, environment

ROOT = Path(__file__).parent.parent
NO_HANDLERS = """
import asyncio
def add_signal_handler(*_):
    raise NotImplementedError
asyncio.SelectorEventLoop.add_signal_handler = add_signal_handler
"""
NO_RESOURCE = "import sys; sys.modules['resource'] = None\n"
NO_LIMITS = """
import resource
def setrlimit(*_):
    raise ValueError("current limit exceeds maximum limit")
resource.setrlimit = setrlimit
"""


def system(folder: Path, *simulations: str) -> dict[str, str]:
    """The environment of programs on a system that is simulated by this code, which runs before theirs."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("".join(simulations))
    return environment(PYTHONPATH=f"{folder}{os.pathsep}{ROOT}", PYTHONUNBUFFERED="1")


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:  # `yield from` would close the file with the generator  # noqa: UP028
        yield line


# Signals


@pytest.mark.parametrize(
    ("words", "ready"),
    [
        (["serve", "--demo", "--port", "0"], "http://127.0.0.1"),
        (["sandbox", "--world", str(SAMPLES / "world.json"), "--port", "0"], "BULKREMOVE_API_URL"),
    ],
)
@pytest.mark.parametrize("simulation", ["", NO_HANDLERS])
def test_a_server_ends_by_a_signal_where_the_loop_takes_no_handlers(
    tmp_path: Path, words: list[str], ready: str, simulation: str
) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        process = subprocess.Popen(
            [sys.executable, "-m", "bulkremove", "--home", str(tmp_path / "home"), *words],
            env=system(tmp_path / f"system-{number}", simulation),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert any(ready in line for line in lines(process))
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
            process.communicate()
        assert (0, "") == (process.returncode, re.sub(r"(?m)^(Files to upload|SANDBOX).*\n", "", errors))


@pytest.mark.parametrize("simulation", ["", NO_HANDLERS])
def test_ctrl_c_pauses_a_run_where_the_loop_takes_no_handlers(tmp_path: Path, simulation: str) -> None:
    file, home = SAMPLES / "leavers.csv", tmp_path / "home"
    words = ["run", str(file), "--sandbox", str(SAMPLES / "world.json"), "--no-check", "--yes", "-v"]
    report = tmp_path / "report.csv"
    process = subprocess.Popen(
        [sys.executable, "-m", "bulkremove", "--home", str(home), *words, "--report", str(report)],
        env=system(tmp_path / "system", simulation),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert any(re.search(r"\b[Rr]ow \d+: removed", line) for line in lines(process))
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()
        process.communicate()
    assert 130 == process.returncode, output
    assert "To resume: bulkremove" in output
    assert 61 == len(report.read_text(encoding="utf-8-sig").splitlines())


# Limits of a process


@pytest.mark.parametrize("simulation", [NO_RESOURCE, NO_LIMITS])
async def test_files_are_read_where_a_process_can_not_be_limited(
    tmp_path: Path, simulation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", system(tmp_path / "system", simulation)["PYTHONPATH"])
    table = await read_in_subprocess(SAMPLES / "leavers.xlsx", name="leavers.xlsx", options=ReadOptions())
    assert 60 == len(table)
    with pytest.raises(FileRefused, match="changed or computed"):
        await read_in_subprocess(SAMPLES / "damaged.xlsx", name="damaged.xlsx", options=ReadOptions())


def test_the_program_starts_where_a_process_can_not_be_limited(tmp_path: Path) -> None:
    for number, simulation in enumerate((NO_RESOURCE, NO_LIMITS)):
        done = subprocess.run(
            [sys.executable, "-m", "bulkremove", "--home", str(tmp_path / "home"), "jobs"],
            env=system(tmp_path / f"system-{number}", simulation),
            capture_output=True,
            text=True,
        )
        assert 0 == done.returncode, done.stderr


# Files that others have open


class InUse:
    """A file that another program has open for so many tries."""

    def __init__(self, tries: int) -> None:
        self.tries, self.calls = tries, 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls <= self.tries:
            raise PermissionError(13, "Permission denied")


def test_a_file_that_another_program_has_open_is_waited_for_on_windows_only() -> None:
    waits = list[float]()
    in_use = InUse(3)
    while_refused(in_use, system="nt", sleep=waits.append)
    assert (4, [*REFUSED_PAUSES[:3]]) == (in_use.calls, waits)
    with pytest.raises(PermissionError):
        while_refused(InUse(1000), system="nt", sleep=waits.append)
    assert [*REFUSED_PAUSES[:3], *REFUSED_PAUSES] == waits
    in_use = InUse(1)
    with pytest.raises(PermissionError):
        while_refused(in_use, system="posix", sleep=waits.append)
    assert 1 == in_use.calls


@pytest.mark.parametrize(
    ("words", "posix", "windows"),
    [
        (
            ["bulkremove", "resume", "20261123-k3f9"],
            "bulkremove resume 20261123-k3f9",
            "bulkremove resume 20261123-k3f9",
        ),
        (["--home", r"C:\HR data\home"], r"--home 'C:\HR data\home'", r'--home "C:\HR data\home"'),
        (["R&D.csv"], "'R&D.csv'", '"R&D.csv"'),
        (['a "b".csv'], "'a \"b\".csv'", r'"a \"b\".csv"'),
        ([""], "''", '""'),
    ],
)
def test_commands_to_copy_are_quoted_for_the_shells_of_the_system(words: list[str], posix: str, windows: str) -> None:
    assert (posix, windows) == (joined(words, system="linux"), joined(words, system="win32"))
    assert words == shlex.split(posix)
