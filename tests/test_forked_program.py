"""Forked commands are as started ones, and what starts a program is known by its code: the rest relies on both."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli_fixtures import PROGRAM, SAMPLES, Bulkremove, crowd, environment, sandbox
from tests.forked_program import same_start
from tests.starters import starts
from tests.web_fixtures import running_site, triples


@pytest.mark.parametrize(
    "words",
    [["--version"], ["jobs"], ["jobs", "--json"], ["nonsense"], ["preview", str(SAMPLES / "leavers.csv")], ["doctor"]],
    ids=" ".join,
)
def test_a_forked_command_says_what_a_started_one_says(words: list[str], tmp_path: Path) -> None:
    home, env = tmp_path / "home", environment(COLUMNS="60", TZ="Asia/Kolkata")
    Bulkremove(home, env)("jobs")
    forked = Bulkremove(home, env)(*words)
    started = subprocess.run(
        [*PROGRAM, "--home", str(home), *words],
        env=env,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == forked.returncode
    assert (_lasting(started.stdout), started.stderr) == (_lasting(forked.stdout), forked.stderr)


def _lasting(text: str) -> str:
    """Without what changes in between: the disk's free space, and the minute at which a plan would end."""
    kept = "\n".join(line for line in text.splitlines() if "are free on the disk" not in line)
    return re.sub(r"until [0-9-]{10} [0-9:]{5}", "until then", kept)


@pytest.mark.parametrize("name", ["PYTHONUTF8", "LC_ALL", "LANG", "SSL_CERT_FILE"])
def test_what_is_read_at_a_start_is_not_left_to_a_fork(name: str) -> None:
    assert same_start(environment(BULKREMOVE_LIMIT="1/60s"))
    assert not same_start(environment(**{name: "another"}))


@pytest.fixture
def sandboxed(tmp_path: Path) -> Iterator[None]:
    with sandbox(crowd(tmp_path, 1)[0], tmp_path / "log.jsonl"):
        yield


async def _by_a_helper(folder: Path) -> str:
    async with running_site(folder) as site:
        return site.url


def test_what_starts_a_program_or_a_server_is_found_in_its_code() -> None:
    assert starts(Bulkremove)
    assert starts(sandbox)
    assert starts(lambda folder: _by_a_helper(folder))
    assert not starts(triples)
    assert not starts(crowd)


@pytest.mark.usefixtures("sandboxed")
def test_a_fixture_that_starts_a_program_makes_its_test_slow(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("slow")
