"""The built packages: a wheel that runs without a checkout, and a source distribution from which the tests run."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from bulkremove.sandbox.samples import SAMPLES
from tests.cli_fixtures import environment

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent
NOT_DISTRIBUTED = (".ci/", ".git")


def build(kind: str, folder: Path) -> Path:
    """Build a package; its file."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=environment())
    (package,) = folder.iterdir()
    return package


def tracked_files() -> set[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return {name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}


def test_the_demo_runs_from_the_wheel_alone(tmp_path: Path) -> None:
    wheel = tmp_path / "wheel"
    shutil.unpack_archive(build("wheel", tmp_path / "built"), wheel, "zip")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    variables = environment(PYTHONPATH=str(wheel))
    where = [sys.executable, "-P", "-c", "import bulkremove; print(bulkremove.__file__)"]
    found = subprocess.run(where, cwd=elsewhere, env=variables, capture_output=True, text=True, check=True)
    assert str(wheel / "bulkremove" / "__init__.py") == found.stdout.strip()
    program = [sys.executable, "-P", "-m", "bulkremove", "--home", str(tmp_path / "home"), "demo"]
    done = subprocess.run(program, cwd=elsewhere, env=variables, capture_output=True, text=True)
    assert 0 == done.returncode, done.stderr
    assert "SANDBOX: Removed 58 (0 inferred), not found 0, " in done.stdout
    assert "not enrolled 2" in done.stdout
    assert [] == list(elsewhere.iterdir())
    assert set(SAMPLES) < {path.name for path in (tmp_path / "home" / "demo" / "samples").iterdir()}  # and the report


def test_the_wheel_holds_every_file_of_the_package_and_its_licence(tmp_path: Path) -> None:
    wanted = {name for name in tracked_files() if name.startswith("bulkremove/")}
    with zipfile.ZipFile(build("wheel", tmp_path)) as package:
        names = set(package.namelist())
    samples = {f"bulkremove/sample_data/{name}" for name in SAMPLES}
    assert wanted | samples == {name for name in names if name.startswith("bulkremove/")}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_source_distribution_holds_what_the_tests_need(tmp_path: Path) -> None:
    wanted = {name for name in tracked_files() if not name.startswith(NOT_DISTRIBUTED)}
    with tarfile.open(build("sdist", tmp_path)) as package:
        names = {name.partition("/")[2] for name in package.getnames()}
    assert set() == wanted - names
