"""Random sequences of people's steps over the real processes of the program, by seed, and the faults they must find.

A seed that fails is played again by ``python -m pytest tests/proofs/test_program_sequences.py --seed SEED``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conftest import Proving
from tests.proofs.faulty_program import FAULTS, Fault
from tests.proofs.full_disk import small_disk
from tests.proofs.program_facts import RULES, Violation
from tests.proofs.program_sequences import Played, play

SEQUENCES, SAMPLE = 40, 2
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
    assert played.calls  # a sequence in which nothing is sent would prove nothing
    without = f", without a full disk ({played.without})" if played.without else ""
    proving.figure(PROMISE, f"{steps} steps{without}")


def test_every_rule_has_a_planted_fault() -> None:
    assert set(RULES) - {"refused"} == {fault.rules[0] for fault in FAULTS}  # that is for whatever nobody thought of


def test_a_disk_that_is_full_takes_nothing_until_it_is_free_again(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        if disk.why_not:
            pytest.skip(f"no disk can be filled here: {disk.why_not}")
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (disk.path / "file").write_bytes(b"one byte is too many")
        disk.free()
        (disk.path / "file").write_bytes(b"now there is space")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found_by_the_sequences(fault: Fault, tmp_path: Path, proving: Proving) -> None:
    if fault.slow and not proving.deep:
        pytest.skip("some sequences may be needed to find it; `--deep` plays them")
    played, violation = _first_found(fault, tmp_path)
    assert violation.rule in fault.rules, played.words()
    proving.figure(PLANTED, f"{fault.mistake}: seed {played.seed}, step {len(played.kinds)}, {violation.rule}")


def _first_found(fault: Fault, folder: Path) -> tuple[Played, Violation]:
    """The first sequence that shows the fault, and the rule that it breaks."""
    for seed in range(1, MOST_SEEDS + 1):
        place = folder / str(seed)
        place.mkdir()
        played = play(seed, STEPS, place, fault.program, fault.often)
        if played.violation is not None:
            return played, played.violation
    raise AssertionError(f"nobody noticed that {fault.mistake}")
