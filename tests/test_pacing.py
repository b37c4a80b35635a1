"""The rule that keeps the limit: adversarial histories, the pace, the burst, the lock's ladder, foreign traffic."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkremove.domain.clock import Monotonic, later
from bulkremove.domain.ledger import Ledger, Quota, SuspensionReason
from bulkremove.engine import rate_limit
from bulkremove.engine.slot_decisions import (
    Postponed,
    RowLimited,
    Signal,
    SlotGranted,
    Wait,
    Waiting,
    WaitsExhausted,
    YieldToOtherRow,
)

QUOTA = Quota(calls=6, window=60.0, slack=1.0)
TRIALS = 300
LOCKED = Signal(SuspensionReason.LOCKED)
USED = Ledger(last_at=Monotonic(0.0))
"""A ledger after its first call."""
NEVER = Monotonic(float("inf"))


class History:
    """One process, or several on one ledger, against a server that counts a call somewhere before its answer."""

    def __init__(self, seed: int, *, margin: float, grace: float, from_answer: bool) -> None:
        self.dice = random.Random(seed)
        self.quota = replace(QUOTA, margin=margin, grace=grace)
        self.from_answer = from_answer
        self.slots: list[Monotonic] = []
        self.counted: list[float] = []

    def play(self, calls: int) -> int:
        """The most calls that the server counts in any window."""
        ledger, now, flying = USED, Monotonic(1000.0), list[tuple[Monotonic, int]]()
        for _ in range(calls):
            taken = sorted((free for free in self.slots if free > now), reverse=True)
            full = taken[self.quota.calls - 1] if len(taken) >= self.quota.calls else None
            asked = rate_limit.decide_slot(ledger, self.quota, now, key="k", is_only_row=False, full_until=full)
            if isinstance(asked, SlotGranted):
                ledger = asked.ledger
                self.slots.append(asked.free_at)
                flying.append((self._send(now), len(self.slots) - 1))
                now = later(now, self.dice.choice([0.0, 0.001, 0.3]))
            else:
                assert isinstance(asked, Wait)
                landed = min((at for at, _ in flying), default=asked.until)
                now = max(now, min(asked.until, landed))
            for at, slot in [one for one in flying if one[0] <= now]:
                flying.remove((at, slot))
                self.slots[slot] = min(self.slots[slot], rate_limit.released_at(self.quota, at))
                ledger, _ = rate_limit.after_response(
                    ledger, self.quota, at, key="k", signal=None, proves_reachable=True, recent=0
                )
        return rate_limit.peak_calls(sorted(self.counted), 60.0)

    def _send(self, now: Monotonic) -> Monotonic:
        """When the answer comes; never, for a call whose process dies. Counted late where that hurts most."""
        fate = self.dice.random()
        if fate < 0.1:
            self.counted.append(now + self.quota.exchange + self.dice.random() * 59.0)
            return NEVER
        latency = self.dice.choice([0.05, 0.3, 2.0, 8.0, 40.0])
        self.counted.append(now + latency * self.dice.choice([0.0, 0.5, 1.0]))
        if not self.from_answer:
            self.slots[-1] = later(now, self.quota.window)
            return NEVER
        return later(now, latency)


def test_no_window_ever_sees_more_than_the_limit() -> None:
    worst = [History(seed, margin=1.1, grace=60.0, from_answer=True).play(200) for seed in range(TRIALS)]
    assert QUOTA.calls >= max(worst)


@pytest.mark.parametrize("broken", [{"grace": 0.0, "from_answer": True}, {"grace": 60.0, "from_answer": False}])
def test_the_same_histories_catch_a_broken_rule(broken: dict[str, float]) -> None:
    worst = [
        History(seed, margin=1.1, grace=broken["grace"], from_answer=bool(broken["from_answer"])).play(200)
        for seed in range(TRIALS)
    ]
    assert QUOTA.calls < max(worst)


def go(ledger: Ledger, now: float, key: str = "a", *, alone: bool = False) -> Ledger:
    asked = ask(ledger, now, key, alone=alone)
    assert isinstance(asked, SlotGranted), asked
    return asked.ledger


def passed(ledger: Ledger, now: float, key: str = "a", *, took: float = 0.0) -> Ledger:
    """The ledger after an answer that shows that calls get through."""
    return rate_limit.after_response(
        ledger, Quota(), Monotonic(now), key=key, signal=None, proves_reachable=True, recent=1, took=took
    )[0]


def lock(
    ledger: Ledger, now: float, key: str, *, recent: int = 30, signal: Signal = LOCKED
) -> tuple[Ledger, WaitsExhausted | None]:
    return rate_limit.after_response(
        ledger, Quota(), Monotonic(now), key=key, signal=signal, proves_reachable=False, recent=recent
    )


def ask(ledger: Ledger, now: float, key: str, *, alone: bool = False) -> object:
    return rate_limit.decide_slot(ledger, Quota(), Monotonic(now), key=key, is_only_row=alone, full_until=None)


def test_the_first_thirty_go_at_once_and_the_rest_at_the_pace() -> None:
    ledger = USED
    for _ in range(30):
        ledger = go(ledger, 1000.0)
    asked = ask(ledger, 1000.0, "a")
    assert Wait(pytest.approx(1002.11), Waiting.PACE) == asked  # type: ignore[arg-type] # approx stands for a float


def test_a_ledger_that_was_never_used_starts_at_the_pace() -> None:
    ledger = go(Ledger(), 1000.0)
    assert Wait(pytest.approx(1002.11), Waiting.PACE) == ask(ledger, 1000.0, "a")  # type: ignore[arg-type] # approx stands for a float
    assert 0 == ledger.burst


@pytest.mark.parametrize(("took", "delay"), [(0.3, 0.0), (8.0, 0.2 * 2.11)])
def test_after_a_slow_answer_the_next_call_keeps_its_distance(took: float, delay: float) -> None:
    ledger = passed(Ledger(Monotonic(1001.0), last_at=Monotonic(1000.0)), 1000.5, took=took)
    assert 1001.0 + delay == pytest.approx(ledger.next_at)


@pytest.mark.parametrize(("idle", "burst"), [(119.0, 0), (120.0, 29)])
def test_only_two_idle_minutes_arm_the_burst_again(idle: float, burst: int) -> None:
    ledger = go(Ledger(last_at=Monotonic(1000.0)), 1000.0 + idle)
    assert burst == ledger.burst


def test_a_lock_is_everybodys_and_ends_with_one_probe() -> None:
    ledger, _ = lock(USED, 1000.0, "a")
    assert Wait(Monotonic(1301.1), Waiting.LOCKED) == ask(ledger, 1001.0, "b")
    assert Wait(Monotonic(1303.1), Waiting.PROBE) == ask(ledger, 1302.0, "b")
    ledger = go(ledger, 1302.0, "a")
    assert isinstance(ask(ledger, 1303.0, "b"), Wait)
    ledger = passed(ledger, 1304.0)
    assert ledger.suspension is None


@pytest.mark.parametrize("key", ["a", "b", "c"])
def test_after_a_lost_trial_of_another_row_there_is_a_full_wait_and_no_second_trial(key: str) -> None:
    """Its process died: it may have been answered inside the lock that the first row was told."""
    ledger, _ = lock(USED, 1000.0, "a")
    ledger, _ = lock(go(ledger, 1302.0, "a"), 1302.5, "a", recent=1)
    ledger = go(ledger, 1310.0, "b")
    assert Wait(Monotonic(1415.0), Waiting.PROBE) == ask(ledger, 1414.0, key)
    asked = ask(ledger, 1416.0, key)
    assert isinstance(asked, Postponed), asked
    assert Wait(Monotonic(1716.0 + 1.1), Waiting.LOCKED) == ask(asked.ledger, 1420.0, key)


def test_a_row_with_a_limit_of_its_own_is_told_from_the_accounts() -> None:
    ledger, _ = lock(USED, 1000.0, "a", recent=3)
    assert 15 == ledger.budget
    ledger, _ = lock(go(ledger, 1302.0, "a"), 1302.5, "a", recent=1)
    assert isinstance(ask(ledger, 1303.0, "a"), YieldToOtherRow)
    ledger = go(ledger, 1310.0, "b")
    ledger = passed(ledger, 1311.0, "b")
    assert (None, None) == (ledger.suspension, ledger.budget)
    assert isinstance(ask(ledger, 1312.0, "a"), RowLimited)


def test_three_full_waits_and_no_way_through_pause_the_job() -> None:
    ledger, _ = lock(USED, 1000.0, "a")
    now = 1000.0
    ends = []
    for _ in range(3):
        now += 310.0
        ledger, over = lock(go(ledger, now, "a"), now, "a")
        ledger, over = lock(go(ledger, now + 9.0, "b"), now + 9.0, "b")
        now += 9.0
        ends.append(over is not None)
    assert [False, False, True] == ends


def test_the_only_row_left_waits_in_full_instead_of_for_another() -> None:
    ledger, _ = lock(USED, 1000.0, "a")
    ledger, _ = lock(go(ledger, 1302.0, "a", alone=True), 1302.0, "a")
    assert isinstance(ask(ledger, 1303.0, "a", alone=True), Postponed)


def test_a_probe_whose_process_died_is_given_up() -> None:
    ledger, _ = lock(USED, 1000.0, "a")
    ledger = go(ledger, 1302.0, "a")
    assert isinstance(ask(ledger, 1302.0 + 104.0, "b"), Wait)
    assert isinstance(ask(ledger, 1302.0 + 106.0, "b"), SlotGranted)


@pytest.mark.parametrize(("asked", "until"), [(None, 1301.1), (120.0, 1301.1), (900.0, 1901.1), (9e9, 4601.1)])
def test_what_the_server_asks_for_lengthens_a_lock_up_to_an_hour(asked: float | None, until: float) -> None:
    ledger, _ = lock(Ledger(), 1000.0, "a", signal=Signal(SuspensionReason.LOCKED, asked))
    assert ledger.suspension is not None
    assert until == pytest.approx(ledger.suspension.until)


def test_foreign_traffic_halves_the_budget_down_to_eight_and_quiet_raises_it() -> None:
    budgets, ledger, now = [], USED, Monotonic(1000.0)
    for _ in range(3):
        ledger, _ = lock(ledger, now, "a", recent=3)
        budgets.append(ledger.budget)
        assert ledger.suspension is not None
        now = ledger.suspension.until
        ledger = replace(ledger, suspension=None)
    assert [15, 8, 8] == budgets
    assert [8, 9, 30] == [rate_limit.budget(ledger, Quota(), later(now, quiet)) for quiet in (119.0, 120.0, 9000.0)]


def test_a_lock_that_our_own_calls_explain_lowers_nothing() -> None:
    assert lock(Ledger(), 1000.0, "a", recent=30)[0].budget is None


@given(
    now=st.floats(0, 1e6).map(Monotonic),
    until=st.floats(0, 1e7).map(Monotonic),
    next_at=st.floats(0, 1e7).map(Monotonic),
)
def test_after_a_reboot_no_wait_is_longer_than_it_was_set_for(
    now: Monotonic, until: Monotonic, next_at: Monotonic
) -> None:
    ledger, _ = lock(Ledger(), until, "a")
    ledger = rate_limit.after_reboot(replace(ledger, next_at=next_at, last_at=until), Quota(), now)
    assert ledger.suspension is not None
    assert ledger.suspension.until <= now + 301.2
    assert ledger.next_at <= now + 2.2
    assert ledger.burst == 0


@given(st.lists(st.floats(0, 500), max_size=60))
def test_the_worst_window_is_the_one_that_counting_finds(times: list[float]) -> None:
    sent = sorted(times)
    counted = max((sum(start <= t and t - start < 60.0 for t in sent) for start in sent), default=0)
    assert counted == rate_limit.peak_calls(sent, 60.0)


@pytest.mark.parametrize(("calls", "seconds"), [(0, 0.0), (30, 0.0), (31, 61.1), (3000, 61.1 + 2969 * 2.11)])
def test_the_forecast_is_a_burst_then_the_pace(calls: int, seconds: float) -> None:
    assert seconds == pytest.approx(rate_limit.forecast(calls, Quota(), is_new=False))


def test_the_forecast_for_a_ledger_that_was_never_used_has_no_burst() -> None:
    assert [0.0, 0.0, pytest.approx(29 * 2.11)] == [
        rate_limit.forecast(calls, Quota(), is_new=True) for calls in (0, 1, 30)
    ]


def turns(lefts: list[int]) -> list[int]:
    """After how many calls each job ends when they take turns, one call each."""
    rest, ends, calls = list(lefts), [0] * len(lefts), 0
    while any(rest):
        for i in range(len(rest)):
            if rest[i]:
                calls += 1
                rest[i] -= 1
                ends[i] = calls if not rest[i] else 0
    return ends


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6))
def test_jobs_that_take_turns_end_when_counting_says_so(lefts: list[int]) -> None:
    step = rate_limit.pace(QUOTA.calls, QUOTA)
    for ends, counted in zip(rate_limit.shared_ends(lefts, QUOTA), turns(lefts), strict=True):
        assert abs(ends / step - counted) <= len(lefts), "within one turn of each"
