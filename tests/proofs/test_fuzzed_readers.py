"""libFuzzer searches each reader for an input that ends in anything but rows or a refusal."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Proving

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None and not os.environ.get("CI"), reason="atheris has no wheel here"
)


def search(kind: str, folder: Path, seconds: int, *more: str) -> subprocess.CompletedProcess[str]:
    words = [
        sys.executable,
        "-m",
        "tests.proofs.fuzz_readers",
        kind,
        "--seconds",
        str(seconds),
        "--folder",
        str(folder),
    ]
    root = Path(__file__).parent.parent.parent
    return subprocess.run(
        [*words, *more], cwd=root, capture_output=True, text=True, errors="replace", timeout=seconds + 120, check=False
    )


@pytest.mark.parametrize("kind", ["csv", "xlsx", "xls", "ods"])
def test_no_input_ends_in_anything_but_rows_or_a_refusal(kind: str, tmp_path: Path, proving: Proving) -> None:
    done = search(kind, tmp_path / "found", proving.count(sample=2, deep=600))
    assert 0 == done.returncode, done.stderr[-2000:]
    runs = re.search(r"Done (\d+) runs in (\d+) second", done.stderr)
    assert runs
    proving.figure(
        "Whatever a file holds, it is read or refused in words, within 10 s and 1,000 MB",
        f"{kind}: {int(runs[1]):,} inputs in {runs[2]} s",
    )


def test_the_search_finds_a_planted_fault(tmp_path: Path) -> None:
    done = search("csv", tmp_path / "found", 60, "--planted")
    assert "the planted fault" in done.stdout + done.stderr
    assert 0 != done.returncode
