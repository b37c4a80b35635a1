"""Whole runs by seed: 10,000 histories in ``make prove``, and the faults that they must find.

A seed that fails is replayed, with everything that happened in it, by
``python -m pytest tests/proofs/test_simulation.py --history SEED``.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import chain, count

import pytest

from tests.conftest import Proving
from tests.proofs.invariants import INVARIANTS
from tests.proofs.mutants import MUTANTS, Mutant
from tests.proofs.simulated_history import ROWS, Told, play
from tests.proofs.simulated_machine import Machine, Process, run

HISTORIES, PART = 10_000, 200
SAMPLE, SAMPLE_PART = 40, 4
MOST_SEEDS = 1_000
"""In which a planted fault must be found."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seeds" not in metafunc.fixturenames:
        return
    chosen = metafunc.config.getoption("--history")
    number, size = (HISTORIES, PART) if metafunc.config.getoption("--deep") else (SAMPLE, SAMPLE_PART)
    parts = [range(chosen, chosen + 1)] if chosen else [range(i, i + size) for i in range(1, number, size)]
    metafunc.parametrize("seeds", parts, ids=lambda part: f"{part.start}-{part.stop - 1}")


def test_no_history_breaks_an_invariant(seeds: Sequence[int], proving: Proving, request: pytest.FixtureRequest) -> None:
    ends = Counter[str]()
    for seed in seeds:
        told = play(seed)
        if request.config.getoption("--history"):
            sys.stderr.write("\n".join(["", *told.trace, ""]))
        assert told.violation is None, _words(told)
        assert len(told.statuses) == ROWS
        ends.update(told.statuses)
    # A simulation in which nothing goes wrong, or nothing goes well, would prove nothing.
    assert len(seeds) == 1 or (ends["removed"] > ROWS // 2 and ends["removed_inferred"] + ends["unknown"])
    proving.figure("A simulated history of 50 rows breaks none of the ten invariants", f"{len(seeds)} seeds")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: f"{one.breaks}-{one.mistake.replace(' ', '-')}")
def test_a_planted_fault_is_found(mutant: Mutant, proving: Proving) -> None:
    with mutant.plant():
        for seed in count(1) if proving.deep else chain([mutant.seed], count(1)):
            assert seed <= MOST_SEEDS, f"nobody noticed that {mutant.mistake}"
            told = play(seed)
            if told.violation and told.violation.invariant == mutant.breaks:
                break
    proving.figure("Each planted fault is found by the simulation", f"{mutant.breaks}, {mutant.mistake}: seed {seed}")


def test_every_invariant_has_a_planted_fault() -> None:
    assert set(INVARIANTS) == {mutant.breaks for mutant in MUTANTS}


def test_a_seed_is_one_history_in_whatever_process() -> None:
    digests = {_digest(hash_seed) for hash_seed in ("1", "2")}
    assert len(digests) == 1


def test_a_killed_process_never_goes_on_and_leaves_nothing_behind() -> None:
    ran: list[str] = []

    async def main() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ran.append("what only the living do")
            await asyncio.sleep(1000)  # closing it is an error that pytest would tell of

    async def history(machine: Machine) -> int:
        process = Process("killed")
        process.start(main)
        await asyncio.sleep(1)
        process.kill()
        del process
        await asyncio.sleep(2000)
        gc.collect()
        return len(ran)

    assert run(history) == 0
    gc.collect()


def _digest(hash_seed: str) -> str:
    program = "from tests.proofs.simulated_history import play; print([play(seed).digest for seed in (1, 9, 14)])"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    return done.stdout


def _words(told: Told) -> str:
    return (
        f"{told.violation}\nReplay it: python -m pytest tests/proofs/test_simulation.py --history {told.seed}\n"
        + "\n".join(told.trace[-40:])
    )
