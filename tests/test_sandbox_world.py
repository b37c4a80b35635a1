"""The sandbox's world and its faults: what a file may say, and how mistakes in it are told."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkremove.domain.errors import SandboxError
from bulkremove.domain.row import Removal
from bulkremove.sandbox import Fault, Faults, Latency, load_world, parse_world
from bulkremove.sandbox.faults import KINDS, FaultSelector

COURSE, BATCH, LEARNER, OTHER = "478346000000645203", "478346000000645215", "478346000019558209", "478346000019558211"


def tree(**changes: Any) -> dict[str, Any]:
    """A small world as JSON has it."""
    return {
        "organisation": "Example",
        "client": {
            "client_id": "sandbox-client",
            "client_secret": "made-up secret",
            "refresh_token": "1000.made-up.refresh",
        },
        "batches": [{"courseId": COURSE, "batchId": BATCH, "name": "Batch 1", "learners": [LEARNER, OTHER]}],
        **changes,
    }


def test_a_world_is_read_from_its_file(tmp_path: Path) -> None:
    """Who is enrolled and what goes wrong stand in one JSON file."""
    path = tmp_path / "world.json"
    faults = {
        "learners": {LEARNER: ["reset_after_effect", "ok"]},
        "calls": {"3": "503:120"},
        "every": {"5": "reset"},
        "rates": {"html_502": 0.1},
        "token": ["throttled"],
        "latency": {"median": 0.3, "tail": 8},
        "foreign_per_minute": 10,
        "seed": 7,
    }
    path.write_text(json.dumps(tree(faults=faults)), "utf-8")
    world = load_world(path)
    assert {Removal(COURSE, BATCH, LEARNER), Removal(COURSE, BATCH, OTHER)} == world.enrolled()
    assert ("Example", "sandbox-client", "Batch 1") == (
        world.organization,
        world.client.client_id,
        world.batches[0].name,
    )
    expected = Faults(
        learners={LEARNER: (Fault("reset", effect=True), Fault())},
        calls={3: Fault("503", seconds=120)},
        every={5: Fault("reset")},
        rates={Fault("html_502"): 0.1},
        token=(Fault("throttled"),),
        latency=Latency(0.3, 8),
        foreign_per_minute=10,
        seed=7,
    )
    assert expected == world.faults


def test_no_secret_of_a_world_is_shown() -> None:
    """The world's text form names neither the client secret nor the refresh token nor a grant code."""
    world = tree()
    world["client"]["grant_codes"] = ["made-up code"]
    assert "made-up" not in repr(parse_world(world))


def _id_as_number(world: dict[str, Any]) -> None:
    world["batches"][0]["learners"][1] = 478346000019558211


def _id_misspelt(world: dict[str, Any]) -> None:
    world["batches"][0]["courseId"] = "47834600000064520X"


def _learner_twice(world: dict[str, Any]) -> None:
    world["batches"][0]["learners"].append(LEARNER)


def _batch_twice(world: dict[str, Any]) -> None:
    world["batches"] *= 2


def _no_secret(world: dict[str, Any]) -> None:
    del world["client"]["client_secret"]


def _empty_secret(world: dict[str, Any]) -> None:
    world["client"]["client_secret"] = ""


def _odd_throttle(world: dict[str, Any]) -> None:
    world["client"]["throttled_with"] = 429


def _odd_codes(world: dict[str, Any]) -> None:
    world["client"]["grant_codes"] = [7]


def _unknown_member(world: dict[str, Any]) -> None:
    world["learners"] = []


def _batches_no_list(world: dict[str, Any]) -> None:
    world["batches"] = {}


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_id_as_number, r"batches\[0\]\.learners\[1\] must be an id as text, not 478346000019558211.*quotes"),
        (_id_misspelt, r"batches\[0\]\.courseId must be 1 to 19 digits"),
        (_learner_twice, rf"batches\[0\]\.learners names {LEARNER} twice"),
        (_batch_twice, r"batches\[1\] is course .* further up"),
        (_no_secret, "client has no member 'client_secret'"),
        (_empty_secret, "client.client_secret must be a text"),
        (_odd_throttle, "throttled_with must be 200 or 400"),
        (_odd_codes, "grant_codes must be texts"),
        (_unknown_member, "a member 'learners' that the sandbox doesn't know.*batches, client"),
        (_batches_no_list, "batches must be a list"),
    ],
)
def test_a_mistake_is_told_with_its_place(spoil: Callable[[dict[str, Any]], None], told: str, tmp_path: Path) -> None:
    """The message names the file and the member, and says what would be right."""
    world = tree()
    spoil(world)
    path = tmp_path / "world.json"
    path.write_text(json.dumps(world), "utf-8")
    with pytest.raises(SandboxError, match=rf"world\.json: .*{told}"):
        load_world(path)


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        ({"learners": {"x": ["ok"]}}, "must be 1 to 19 digits"),
        ({"learners": {LEARNER: "ok"}}, "must be a list of faults"),
        ({"learners": {LEARNER: [1]}}, "must be the name of a fault"),
        ({"calls": {"0": "reset"}}, "numbers of calls from 1 on"),
        ({"every": {"five": "reset"}}, "numbers of calls from 1 on"),
        ({"every": []}, "must be an object"),
        ({"rates": {"reset": 0.6, "503": 0.6}}, "more than 1 together"),
        ({"rates": {"reset": "often"}}, "must be a number"),
        ({"rates": {"reset": -0.1}}, "must be a number of at least 0"),
        ({"token": ["reset", "403"]}, r"faults.token\[1\]: '403' is not a fault"),
        ({"latency": "slow"}, "faults.latency must be a number"),
        ({"latency": {"median": 8, "tail": 0.3}}, "a tail above the median"),
        ({"seed": True}, "must be a number"),
        ({"foreign": 10}, "a member 'foreign' that the sandbox doesn't know"),
        ([], "must be an object"),
    ],
)
def test_a_mistake_in_the_faults_is_told_too(faults: object, told: str) -> None:
    """A fault that is misspelt never passes as no fault."""
    with pytest.raises(SandboxError, match=told):
        parse_world(tree(faults=faults))


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00", b"[" * 100_000, b"[]", b""])
def test_a_file_that_is_no_world_is_refused_plainly(content: bytes, tmp_path: Path) -> None:
    """Broken JSON, other encodings, nesting without end: one sentence, no traceback."""
    path = tmp_path / "world.json"
    path.write_bytes(content)
    with pytest.raises(SandboxError, match=r"world\.json"):
        load_world(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(SandboxError, match=r"none\.json can't be read: No such file or directory\.$"):
        load_world(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ok", Fault()),
        ("reset", Fault("reset")),
        ("reset_before_effect", Fault("reset")),
        ("reset_after_effect", Fault("reset", effect=True)),
        ("empty_200_after_effect", Fault("empty_200", effect=True)),
        ("503_after_effect:120", Fault("503", effect=True, seconds=120)),
        ("429:1.5", Fault("429", seconds=1.5)),
        ("slow:8", Fault("slow", seconds=8)),
    ],
)
def test_a_fault_is_written_as_its_kind_its_effect_and_its_seconds(text: str, expected: Fault) -> None:
    """kind[_after_effect|_before_effect][:seconds]"""
    assert expected == Fault.parse(text)


@pytest.mark.parametrize("text", ["", "resett", "ok_after_effect", "slow", "reset:3", "503:", "503:-1", "after_effect"])
def test_a_misspelt_fault_is_refused(text: str) -> None:
    """So is one that says what its kind can't do."""
    with pytest.raises(SandboxError):
        Fault.parse(text)


@given(st.sampled_from(sorted(KINDS)))
def test_every_kind_can_be_written(kind: str) -> None:
    """Each kind of fault has a text form that is read back as itself."""
    assert kind == Fault.parse(f"{kind}:1" if kind == "slow" else kind).kind


def test_a_sequence_goes_on_with_its_last_member() -> None:
    """Two members for a learner: the first call meets the first, all later ones the second."""
    turns = FaultSelector(Faults(learners={LEARNER: (Fault("reset"), Fault("403"))}))
    assert ["reset", "403", "403"] == [turns.row(LEARNER).kind for _ in range(3)]
    assert "ok" == turns.row(OTHER).kind


def test_the_first_that_names_a_call_decides() -> None:
    """A learner's own sequence stands above the call's number, that above every n-th, that above the rates."""
    turns = FaultSelector(
        Faults(
            learners={LEARNER: (Fault(),)},
            calls={2: Fault("403")},
            every={2: Fault("reset")},
            rates={Fault("503"): 1.0},
        )
    )
    met = [turns.row(learner).kind for learner in (OTHER, OTHER, OTHER, OTHER, LEARNER, LEARNER)]
    assert ["503", "403", "503", "reset", "ok", "ok"] == met


@given(st.integers(), st.permutations([str(n) for n in range(30)]))
def test_rates_depend_on_the_seed_and_not_on_the_order_of_calls(seed: int, order: list[str]) -> None:
    """The same learners meet the same faults and latencies in whatever order they are asked for."""
    faults = Faults(rates={Fault("reset"): 0.3, Fault("503"): 0.3}, latency=Latency(0.3, 8), seed=seed)

    def met(learners: list[str]) -> dict[str, tuple[str, float]]:
        turns = FaultSelector(faults)
        return {learner: (turns.row(learner).kind, turns.latency(learner)) for learner in learners}

    assert met(sorted(order)) == met(order)


def test_rates_are_shares() -> None:
    """Of 5,000 calls about a tenth is reset and a fifth fails, and another seed picks others."""
    faults = Faults(rates={Fault("reset"): 0.1, Fault("503"): 0.2})
    kinds = [FaultSelector(faults).row(str(n)).kind for n in range(5_000)]
    assert pytest.approx(500, rel=0.15) == kinds.count("reset")
    assert pytest.approx(1_000, rel=0.15) == kinds.count("503")
    assert kinds != [FaultSelector(Faults(rates=faults.rates, seed=1)).row(str(n)).kind for n in range(5_000)]


def test_a_latency_has_its_median_and_its_tail() -> None:
    """300 ms with a tail to 8 s: half below 300 ms, hardly any near 8 s, none above; without a tail always the same."""
    dice = random.Random(1)
    drawn = sorted(Latency(0.3, 8).draw(dice) for _ in range(10_001))
    assert pytest.approx(0.3, rel=0.05) == drawn[5_000]
    assert drawn[-1] <= 8
    assert 1 <= sum(seconds > 7 for seconds in drawn) <= 40
    assert {0.05} == {Latency(0.05).draw(dice) for _ in range(10)}
