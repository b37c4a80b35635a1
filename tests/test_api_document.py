"""docs/api.md and docs/examples: each example runs, and what the page lists is what there is."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bulkremove
from bulkremove import BulkremoveError, Client, Job, Plan, Progress, Result, SyncClient
from bulkremove.sandbox import read_log
from tests.cli_fixtures import environment, sandbox

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
EXAMPLES = ROOT / "docs" / "examples"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
CALL = """
import sys; sys.path.insert(0, {folder!r})
import pandas as pd
from scheduled_task import remove_leavers
print(remove_leavers(pd.read_csv({file!r}, dtype="string"), run_id="night-1", max_removals={cap})["status"].to_json())
"""


def run(*command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A program of a stranger, which knows nothing but the installed package."""
    variables = environment(BULKREMOVE_HOME=str(cwd / "home"), **variables)
    return subprocess.run([sys.executable, *command], cwd=cwd, env=variables, capture_output=True, text=True)


def with_loop(code: str) -> str:
    """The code as a notebook runs it: within a running event loop."""
    return f"import asyncio\nasync def cell():\n    exec({code!r}, {{}})\nasyncio.run(cell())\n"


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_each_example_of_the_page_runs(number: int, tmp_path: Path) -> None:
    done = run("-W", "error", "-c", BLOCKS[number], cwd=tmp_path)
    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout
    assert [] == list(tmp_path.iterdir())  # nothing is left behind where the program runs


def test_the_cell_of_a_notebook_runs_in_its_event_loop(tmp_path: Path) -> None:
    done = run("-W", "error", "-c", with_loop((EXAMPLES / "notebook_cell.py").read_text()), cwd=tmp_path)
    assert (0, "") == (done.returncode, done.stderr)
    assert "60 of 60" in done.stdout


def test_the_script_for_cron_ends_with_the_codes_of_the_program(tmp_path: Path) -> None:
    world, file = ROOT / "sample_data" / "world.json", ROOT / "sample_data" / "leavers.csv"
    with sandbox(world, tmp_path / "log.jsonl", "--limit", "100000/60s") as variables:
        script, lifted = str(EXAMPLES / "cron_script.py"), {**variables, "BULKREMOVE_LIMIT": "100000/60s"}
        done = run(script, str(file), cwd=tmp_path, **lifted)
        assert (0, "") == (done.returncode, done.stderr)
        assert "60 of 60 rows are to be removed" in done.stdout
        assert "Removed 58" in done.stdout
        assert 4 == run(script, str(file), cwd=tmp_path, **lifted, BULKREMOVE_MAX_REMOVALS="5").returncode
        assert 2 == run(script, str(ROOT / "sample_data" / "damaged.xlsx"), cwd=tmp_path, **lifted).returncode
    assert 60 == len([entry for entry in read_log(tmp_path / "log.jsonl") if entry.removal])


def test_a_scheduler_that_repeats_its_task_removes_nobody_twice(tmp_path: Path) -> None:
    world, file = ROOT / "sample_data" / "world.json", ROOT / "sample_data" / "leavers.csv"
    with sandbox(world, tmp_path / "log.jsonl", "--limit", "100000/60s") as variables:
        lifted = {**variables, "BULKREMOVE_LIMIT": "100000/60s"}
        refused = run("-c", CALL.format(folder=str(EXAMPLES), file=str(file), cap=5), cwd=tmp_path, **lifted)
        assert "CapExceeded" in refused.stderr
        statuses = []
        for _ in range(2):
            done = run("-c", CALL.format(folder=str(EXAMPLES), file=str(file), cap=100), cwd=tmp_path, **lifted)
            assert (0, "") == (done.returncode, done.stderr)
            statuses.append(json.loads(done.stdout.splitlines()[-1]))
    assert statuses[0] == statuses[1]
    assert 60 == len(statuses[0])
    assert 60 == len([entry for entry in read_log(tmp_path / "log.jsonl") if entry.removal])


def test_the_tree_of_errors_is_that_of_the_code() -> None:
    tree = PAGE.partition("```\nBulkremoveError\n")[2].partition("```")[0]
    listed, parents = {}, ["BulkremoveError"]
    for line in tree.splitlines():
        match = re.match(r"([│ ]*)[├└]── (\w+) ", line)
        assert match, line
        depth = len(match[1]) // 4
        parents[depth + 1 :] = [match[2]]
        listed[match[2]] = parents[depth]
    exported = {name: getattr(bulkremove, name) for name in bulkremove.__all__}
    errors = {one for one in exported.values() if isinstance(one, type) and issubclass(one, BulkremoveError)}
    assert {one.__name__: one.__mro__[1].__name__ for one in errors - {BulkremoveError}} == listed


def test_every_exported_name_and_every_member_is_described() -> None:
    words = {*re.findall(r"\w+", PAGE)}
    assert {name for name in bulkremove.__all__ if not name.startswith("_")} <= words
    described = [field.name for one in (Plan, Job, Progress, Result) for field in dataclasses.fields(one) if field.repr]
    assert [] == [name for name in described if name not in words]


def test_both_clients_have_the_same_methods_and_the_page_has_their_parameters() -> None:
    names = [name for name in vars(Client) if not name.startswith("_")]
    assert names == [name for name in vars(SyncClient) if not name.startswith("_")]
    for name in names:
        one, other = (inspect.signature(getattr(client, name)).parameters for client in (Client, SyncClient))
        assert one == other
        assert f"`{name}(" in PAGE
        assert [] == [parameter for parameter in one if parameter not in ("self", "rows") and parameter not in PAGE]
