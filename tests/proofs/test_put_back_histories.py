"""Whoever was put back is removed by no decision from before: random histories of jobs, undos, retries and reports."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bulkremove.storage.sqlite import attempts
from tests.conftest import Proving
from tests.proofs.put_back_histories import History, faults_of
from tests.test_reenrolment import home

PARTS, SAMPLE, DEEP = 5, 2, 100
FOUND_WITHIN = 40


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


async def played(seed: int, folder: Path) -> History:
    dice = random.Random(seed)
    async with home(folder, faults=faults_of(dice), max_removals=100_000) as one:
        history = History(one, dice)
        await history.play()
    return history


@pytest.mark.parametrize("part", range(PARTS))
async def test_no_older_decision_removes_whom_a_later_one_put_back(part: int, tmp_path: Path, proving: Proving) -> None:
    count = proving.count(sample=SAMPLE, deep=DEEP)
    runs = 0
    for seed in range(part * DEEP, part * DEEP + count):
        history = await played(seed, made(tmp_path / str(seed)))
        assert [] == history.violations, f"seed {seed}:\n" + "\n".join(history.trace)
        runs += sum(line.startswith("ran ") for line in history.trace)
    proving.figure(
        "Whoever a job was made to put back is removed by no decision from before it",
        f"{count} histories, {runs} runs in them",
    )


async def test_the_histories_find_a_program_that_forgets_whom_a_job_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "_is_undone", lambda opposite, settled: True)
    for seed in range(FOUND_WITHIN):
        if (await played(seed, made(tmp_path / str(seed)))).violations:
            return
    raise AssertionError(f"no history of {FOUND_WITHIN} shows it")
