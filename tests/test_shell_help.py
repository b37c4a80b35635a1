"""Completion and manual page: generated, installed by one command, and read by the programs that they are for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click
import pytest

from bulkremove.cli.program import cli
from bulkremove.cli.shell_help import completion, manual
from tests.cli_fixtures import Bulkremove, crowd, environment


def test_one_command_installs_completion_and_manual(tmp_path: Path) -> None:
    folders = {"XDG_DATA_HOME": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    done = Bulkremove(tmp_path / "home", environment(**folders))("install-shell-help")
    assert 0 == done.returncode, done.stderr
    written = [Path(line.removeprefix("Written: ")) for line in done.stdout.splitlines()]
    assert 4 == len(written)
    assert all(path.read_text() and path.is_relative_to(tmp_path) for path in written)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_understands_the_completion() -> None:
    subprocess.run(["bash", "-n"], input=completion(cli, "bash"), text=True, check=True)


def test_a_word_is_completed(tmp_path: Path) -> None:
    words = {"_BULKREMOVE_COMPLETE": "bash_complete", "COMP_WORDS": "bulkremove pau", "COMP_CWORD": "1"}
    program = Bulkremove(tmp_path / "home", environment(**words))
    done = subprocess.run(program.program, env=program.env, capture_output=True, text=True, check=True)
    assert "plain,pause" == done.stdout.strip()


def test_the_manual_has_every_command_and_every_option() -> None:
    text = "\n".join(manual(cli, click.Context(cli, info_name="bulkremove"))).replace("\\-", "-")
    assert [] == [name for name in cli.commands if f".SS {name}" not in text]
    shown = [param for command in cli.commands.values() for param in command.params if isinstance(param, click.Option)]
    assert [] == [opt for param in shown if not param.hidden for opt in param.opts[:1] if opt not in text]


@pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff")
def test_groff_understands_the_manual() -> None:
    text = "\n".join(manual(cli, click.Context(cli, info_name="bulkremove")))
    done = subprocess.run(
        ["groff", "-man", "-Tascii", "-ww", "-P-cbou"], input=text + "\n", capture_output=True, text=True, check=True
    )
    assert "" == done.stderr
    assert "EXIT STATUS" in done.stdout


def test_a_report_can_be_piped(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 3)
    bulkremove = Bulkremove(tmp_path / "home", environment())
    assert 0 == bulkremove("run", str(file), "--yes", "--sandbox", str(world), "--speed", "50").returncode
    job = bulkremove("jobs").stdout.split()[0]
    piped = bulkremove("report", job, "-o", "-")
    assert 0 == piped.returncode, piped.stderr
    assert 4 == len(piped.stdout.strip().splitlines())
    assert 0 == bulkremove("report", job, "-o", str(tmp_path / "same.csv")).returncode
    assert (tmp_path / "same.csv").read_text().split() == piped.stdout.split()
    assert 4 == len(bulkremove("report", job, "-o", "-", "--rows", "undo").stdout.strip().splitlines())
