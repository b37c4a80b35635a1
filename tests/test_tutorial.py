"""The tutorial: each of its commands does what the page says, in its order, on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd

from tests.cli_fixtures import environment

PAGE = (Path(__file__).parent.parent / "docs" / "tutorial.md").read_text(encoding="utf-8")


def test_the_commands_of_the_tutorial_run_as_it_says(tmp_path: Path) -> None:
    home, job, codes = tmp_path / "home", "", dict[str, int]()
    for line in re.findall(r"^(bulkremove .*)$", PAGE, re.MULTILINE):
        if "serve" in line:  # test_browser.py does what the page says about it
            continue
        folder = home / "demo" / "samples" if codes else tmp_path
        codes[line] = on_terminal(line.replace("JOB", job), typed="9\n", folder=folder, home=home)
        if line == "bulkremove jobs":
            job = newest_job(home)
    assert codes.pop("bulkremove preview mixed.csv --sandbox world.json") == 4
    assert codes.pop("bulkremove run mixed.csv --max-invalid 50 --sandbox world.json --speed 60") == 3
    assert codes == dict.fromkeys(codes, 0)
    assert len(codes) == 5
    removed = pd.read_csv(folder / "removed.csv", dtype="string")
    assert len(removed) == 9
    assert (folder / "result.xlsx").is_file()


def on_terminal(line: str, *, typed: str, folder: Path, home: Path) -> int:
    """Run a command of the page where standard input is a terminal, and return its exit code."""
    terminal, stdin = pty.openpty()
    os.write(terminal, typed.encode())
    words = [sys.executable, "-m", *line.split()]
    try:
        done = subprocess.run(
            words, stdin=stdin, cwd=folder, env=environment(BULKREMOVE_HOME=str(home)), capture_output=True, timeout=120
        )
    finally:
        os.close(stdin)
        os.close(terminal)
    return done.returncode


def newest_job(home: Path) -> str:
    listed = subprocess.run(
        [sys.executable, "-m", "bulkremove", "jobs", "--json"],
        env=environment(BULKREMOVE_HOME=str(home)),
        capture_output=True,
        check=True,
    )
    return str(json.loads(listed.stdout)[0]["job"])
