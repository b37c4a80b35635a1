"""Power cuts: the traced calls of a real run, replayed into the disks that a cut at any moment may leave.

What must hold of each: the journal can be read, and no DELETE had left whose attempt is not in it.
"""

from __future__ import annotations

import random
import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli_fixtures import PROGRAM, Bulkremove, crowd, environment, sandbox
from tests.conftest import Proving
from tests.proofs.power_loss import KEPT, cuts
from tests.proofs.system_calls import Call, read_trace, traced

ROWS = 20
CARELESS = (sys.executable, "-m", "tests.proofs.careless_program")
ROOT = Path(__file__).parent.parent.parent
_LEARNER = re.compile(rb"DELETE /api/v1/courses/\d+/batches/\d+/learners/(\d+) ")


@dataclass(frozen=True)
class Run:
    """What a traced run asked of the system below ``folder``, and what the sandbox saw of it."""

    folder: Path
    calls: Sequence[Call]

    def sent(self, before: int) -> Counter[str]:
        """How often each learner's DELETE had begun to leave."""
        found = [_LEARNER.match(b"".join(call.texts)) for call in self.calls[:before]]
        return Counter(one[1].decode() for one in found if one)


def _run(folder: Path, program: Sequence[str]) -> Run:
    folder.mkdir()
    world, file = crowd(folder, ROWS, {"rates": {"reset_after_effect": 0.1, "500": 0.1}, "seed": 3})
    there = folder / "disk"
    there.mkdir()
    file = file.rename(there / file.name)
    with sandbox(world, folder / "log.jsonl", "--limit", "100000/60s") as variables:
        words = ["--home", str(there / "home"), "run", str(file), "--yes", "--limit", "100000/60s"]
        env = environment(**variables, PYTHONPATH=str(ROOT))
        process = traced([*program, *words], trace=folder / "trace", env=env, cwd=there)
        _, said = process.communicate(timeout=120)
        assert process.returncode in (0, 3), said[-500:]
    return Run(there, read_trace(folder / "trace", under=there))


def _losses(run: Run, images: int, where: Path, seed: int) -> tuple[list[str], Counter[str]]:
    """What is wrong with so many images, in words; and what they were."""
    dice, wrong, kinds = random.Random(seed), [], Counter[str]()
    first = next(i for i, call in enumerate(run.calls) if call.name.startswith("mkdir"))
    moments = [dice.randint(first, len(run.calls)) for _ in range(images)]
    for number, (moment, disk) in enumerate(cuts(run.calls, run.folder, moments, dice)):
        kept = dice.choice(KEPT)
        home = where / f"{number}" / "home"
        for path, content in disk.after_a_cut(dice, kept).items():
            if path.suffix != ".db-shm":  # memory, made anew at each start
                (where / f"{number}" / path).parent.mkdir(parents=True, exist_ok=True)
                (where / f"{number}" / path).write_bytes(content)
        if complaint := _complaint(home, run.sent(moment)):
            wrong.append(f"image {number}, before call {moment}, kept {kept}: {complaint}")
        kinds["after a call had left" if run.sent(moment) else "before the first call"] += 1
    return wrong, kinds


def _complaint(home: Path, sent: Counter[str]) -> str:
    try:
        kept = Counter(_attempts(home)) if (home / "journal.db").exists() else Counter[str]()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return f"{sent - kept} left and is in no journal" if sent - kept else ""


def _attempts(home: Path) -> list[str]:
    if not (home / "journal.db").stat().st_size:
        return []
    done = Bulkremove(home, environment())("jobs")  # what a person starts next
    assert 0 == done.returncode, done.stderr
    with closing(sqlite3.connect(home / "journal.db")) as db:
        (sound,) = db.execute("PRAGMA integrity_check").fetchone()
        assert sound == "ok", sound
        return [one for (one,) in db.execute("SELECT r.learner FROM attempt JOIN row r USING (job, position)")]


def test_no_call_outlives_its_attempt_in_a_power_cut(tmp_path: Path, proving: Proving) -> None:
    images = proving.count(sample=30, deep=2500)
    run = _run(tmp_path / "careful", PROGRAM)
    assert sum(run.sent(len(run.calls)).values()) >= ROWS  # the trace really holds the calls
    wrong, kinds = _losses(run, images, tmp_path / "images", seed=1)
    assert not wrong, f"{len(wrong)} of {images}: {wrong[:3]}"
    assert min(kinds.values()) > images / 20
    proving.figure(
        "After a power cut no call lacks its attempt, and the journal can be read",
        f"{images} disk images of a run of {ROWS} rows, {kinds['after a call had left']} of them after a call: none",
    )


def test_the_same_images_show_what_is_lost_without_syncing(tmp_path: Path, proving: Proving) -> None:
    images = proving.count(sample=30, deep=500)
    wrong, _ = _losses(_run(tmp_path / "careless", CARELESS), images, tmp_path / "images", seed=1)
    assert len(wrong) > images / 20
    proving.figure("The power cuts find losses with synchronous=NORMAL", f"{len(wrong)} of {images} images")


@pytest.mark.parametrize("kept", KEPT)
def test_a_report_is_whole_or_not_there_after_a_power_cut(tmp_path: Path, kept: float) -> None:
    run, dice = _run(tmp_path / "careful", PROGRAM), random.Random(2)
    whole = {path.name: path.read_bytes() for path in run.folder.glob("*-report.csv")}
    assert whole
    first = next(i for i, call in enumerate(run.calls) if "partial" in str(call.place))
    for _, disk in cuts(run.calls, run.folder, range(first, len(run.calls) + 1), dice):
        for path, content in disk.after_a_cut(dice, kept).items():
            if path.name in whole:
                assert content in (b"", whole[path.name])
