"""The oldest versions that pyproject.toml allows do all the work: the dependency floors are true."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from tests.conftest import Proving

ROOT = Path(__file__).parent.parent.parent
TESTERS = (
    *("pytest", "pytest-asyncio", "pytest-timeout", "hypothesis", "aioresponses", "openpyxl", "xlwt", "aiosmtpd"),
    "schemathesis",
)
CHOSEN = (
    *("reading", "workbooks", "doubtful_sheets", "responses", "client", "wire", "limiter", "outcomes", "database"),
    *("storage_contract", "restore", "applications"),
    *("report", "cli", "people", "web_pages", "web_api", "auth", "notices", "nightly"),
)
TESTS = [Path("tests") / f"test_{name}.py" for name in CHOSEN]
"""Tests that meet every dependency."""


def floors() -> Iterator[str]:
    """Each dependency, of the extras too, in its oldest version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for wanted in chain(project["dependencies"], *project["optional-dependencies"].values()):
        found = re.fullmatch(r"([a-z0-9-]+)>=([0-9.]+)(,<\d+)?", wanted)
        assert found, f"{wanted} has no floor, or more than that"
        yield f"{found[1]}=={found[2]}"


def test_every_dependency_has_a_floor() -> None:
    assert len(list(floors())) > 15


def test_the_tests_that_meet_every_dependency_are_there() -> None:
    assert [] == [path for path in TESTS if not (ROOT / path).is_file()]


def test_the_oldest_allowed_dependencies_do_all_the_work(tmp_path: Path, proving: Proving) -> None:
    if not proving.deep:
        pytest.skip("it installs packages; see `make prove`")
    python = str(tmp_path / "bin" / "python")
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path)], check=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *floors(), *TESTERS], check=True, timeout=600)
    subprocess.run([*install, "--no-deps", str(ROOT)], check=True, timeout=300)
    done = subprocess.run(
        [python, "-m", "pytest", "-p", "no:cacheprovider", *map(str, TESTS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    proving.figure("The oldest dependencies that are allowed do the work", f"{passed[1]} tests pass with them")
