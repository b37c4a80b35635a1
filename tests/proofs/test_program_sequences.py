"""Random sequences of people's steps over the real processes of the program, by seed, and the faults they must find.

A seed that fails is played again by ``python -m pytest tests/proofs/test_program_sequences.py --seed SEED``.
"""

from __future__ import annotations

import sys
from collections import Counter
from itertools import count
from pathlib import Path

import pytest

from tests.conftest import Proving
from tests.proofs.faulty_program import FAULTS, Fault
from tests.proofs.program_sequences import play

SEQUENCES, SAMPLE = 40, 3
STEPS, SAMPLE_STEPS = 40, 25
PROMISE = "A random sequence of steps over the whole program loses nothing that it acknowledged"
MOST_SEEDS = 10
"""In which a planted fault must be found."""
PLANTED = "Each planted fault is found by the sequences of steps"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--seed")
        number = SEQUENCES if metafunc.config.getoption("--deep") else SAMPLE
        metafunc.parametrize("seed", [chosen] if chosen is not None else range(1, number + 1))


def test_no_sequence_of_steps_breaks_a_rule(
    seed: int, tmp_path: Path, proving: Proving, request: pytest.FixtureRequest
) -> None:
    steps = STEPS if request.config.getoption("--seed") is not None else proving.count(sample=SAMPLE_STEPS, deep=STEPS)
    played = play(seed, steps, tmp_path)
    if request.config.getoption("--seed") is not None:
        sys.stderr.write(played.words() + "\n")
    assert played.violation is None, played.words()
    without = f", without a full disk ({played.without})" if played.without else ""
    proving.figure(PROMISE, f"{steps} steps{without}")
    proving.show("\n".join(f"sequence {seed}: {count} times {kind}" for kind, count in Counter(played.kinds).items()))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found_by_the_sequences(fault: Fault, tmp_path: Path, proving: Proving) -> None:
    for seed in count(1):
        assert seed <= MOST_SEEDS, f"nobody noticed that {fault.mistake}"
        folder = tmp_path / str(seed)
        folder.mkdir()
        played = play(seed, STEPS, folder, fault.program)
        if (violation := played.violation) is not None:
            break
    assert violation.rule in fault.rules, played.words()
    proving.figure(PLANTED, f"{fault.mistake}: seed {seed}, step {len(played.kinds)}, {violation.rule}")
