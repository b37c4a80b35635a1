"""The threshold's counters: what each way of counting a minute lets through, and what a lock costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkremove.domain.errors import SandboxError
from bulkremove.sandbox import CountingRule, ForeignCalls, Threshold

T0 = 1200.0
"""A full minute of the server's clock."""
gaps = st.lists(st.floats(0, 30), max_size=120)


def times(gaps: list[float], start: float = T0) -> list[float]:
    found = []
    for gap in gaps:
        start += gap
        found.append(start)
    return found


@pytest.mark.parametrize("rule", CountingRule)
def test_the_31st_call_of_a_burst_is_refused_and_locks_for_five_minutes(rule: CountingRule) -> None:
    """Thirty at once pass whatever the rule, the next is refused until the lock has run out."""
    threshold = Threshold(rule=rule)
    assert [True] * 30 + [False] == [threshold.arrive(T0 + i / 100) for i in range(31)]
    assert not threshold.arrive(T0 + 0.3 + 299.9)
    assert threshold.arrive(T0 + 0.3 + 300.0)
    assert (1, 2, 31) == (threshold.lockouts, threshold.refused, threshold.peak_calls)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (CountingRule.ROLLING, 1),
        (CountingRule.FIXED, 0),
        (CountingRule.FIRST_CALL, 1),
        (CountingRule.TWO_BUCKET, 1),
        (CountingRule.TOKEN_BUCKET, 1),
    ],
)
def test_only_a_fixed_minute_lets_two_bursts_pass_its_border(rule: CountingRule, expected: int) -> None:
    """Thirty calls just before the full minute and thirty just after are sixty in a second."""
    threshold = Threshold(rule=rule)
    for i in range(60):
        threshold.arrive(T0 - 0.3 + i / 100 + (i >= 30) * 0.1)
    assert expected == threshold.lockouts


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (CountingRule.ROLLING, 0),
        (CountingRule.FIXED, 0),
        (CountingRule.FIRST_CALL, 0),
        (CountingRule.TWO_BUCKET, 1),
        (CountingRule.TOKEN_BUCKET, 0),
    ],
)
def test_only_two_buckets_refuse_a_second_burst_after_a_minute_and_a_second(rule: CountingRule, expected: int) -> None:
    """Two bursts 61 s apart never share a minute, but the guess from two counts still sees most of the first."""
    threshold = Threshold(rule=rule)
    for i in range(60):
        threshold.arrive(T0 + 50 + i / 1000 + (i >= 30) * 61)
    assert expected == threshold.lockouts


@pytest.mark.parametrize(
    ("rule", "pace"), [(rule, 2.1 if rule is CountingRule.TWO_BUCKET else 2.0) for rule in CountingRule]
)
def test_an_even_pace_of_the_limit_is_never_locked(rule: CountingRule, pace: float) -> None:
    """18,000 calls, one each two seconds, pass every rule; two buckets want it slower, since they guess too high."""
    threshold = Threshold(rule=rule)
    assert all(threshold.arrive(T0 + pace * i) for i in range(18_000))
    assert (0, 0) == (threshold.lockouts, threshold.refused)
    assert threshold.peak_calls in (29, 30)


def test_two_buckets_refuse_an_even_pace_of_exactly_the_limit() -> None:
    """At the full minute the last one's thirty still count whole, so its first call is the 31st."""
    threshold = Threshold(rule=CountingRule.TWO_BUCKET)
    assert [True] * 30 + [False] == [threshold.arrive(T0 + 2 * i) for i in range(31)]


def test_a_window_from_the_first_call_begins_with_the_first_call_after_the_last_one_ended() -> None:
    """One call, then 29 and 30 around the end of its minute: the 30 belong to a new one."""
    threshold = Threshold(rule=CountingRule.FIRST_CALL)
    arrivals = [T0, *(T0 + 59 + i / 100 for i in range(29)), *(T0 + 60 + i / 100 for i in range(30))]
    assert all(map(threshold.arrive, arrivals))
    assert not threshold.arrive(T0 + 119.9)


def test_a_token_comes_back_each_two_seconds() -> None:
    """After a burst of thirty, one call passes two seconds later and a second one does not."""
    threshold = Threshold(rule=CountingRule.TOKEN_BUCKET, lock=0)
    assert all(threshold.arrive(T0) for _ in range(30))
    assert [True, False] == [threshold.arrive(T0 + 2), threshold.arrive(T0 + 2.1)]


@given(gaps, st.integers(1, 5))
def test_a_rolling_window_refuses_exactly_the_calls_that_are_one_too_many(gaps: list[float], calls: int) -> None:
    """Compared with counting by hand: a call is refused when `calls` others since the last lock are in its window."""
    threshold = Threshold(calls, 60, 0)
    counted: list[float] = []
    for now in times(gaps):
        expected = sum(now - 60 < earlier for earlier in counted) < calls
        counted = [*counted, now] if expected else []
        assert expected == threshold.arrive(now)


@given(gaps, st.sampled_from(CountingRule), st.integers(1, 5))
def test_what_the_record_says_is_what_arrived(gaps: list[float], rule: CountingRule, calls: int) -> None:
    """The peak is the largest number of arrivals in 60 s, and every call is let through or refused."""
    threshold = Threshold(calls, 60, 30, rule)
    arrivals = times(gaps)
    passed = sum(map(threshold.arrive, arrivals))
    worst = max(
        (sum(now - 60 < earlier <= now for earlier in arrivals[: i + 1]) for i, now in enumerate(arrivals)), default=0
    )
    assert (worst, len(arrivals)) == (threshold.peak_calls, passed + threshold.refused)
    assert threshold.lockouts <= threshold.refused


@pytest.mark.parametrize(("extend", "expected"), [(False, True), (True, False)])
def test_a_call_during_a_lock_lengthens_it_only_where_that_is_asked_for(extend: bool, expected: bool) -> None:
    """A call 200 s into the lock: 301 s after its beginning the account is open, or locked for 199 s more."""
    threshold = Threshold(1, extend=extend)
    threshold.arrive(T0)
    threshold.arrive(T0 + 1)
    threshold.arrive(T0 + 201)
    assert expected == threshold.arrive(T0 + 301)


def test_calls_of_others_fill_the_window_but_are_not_counted_as_our_refusals() -> None:
    """29 foreign calls and two of ours lock the account; foreign calls during the lock never lengthen it."""
    threshold = Threshold(extend=True)
    for i in range(29):
        assert threshold.arrive(T0 + i / 10, foreign=True)
    assert [True, False] == [threshold.arrive(T0 + 3), threshold.arrive(T0 + 4)]
    assert not threshold.arrive(T0 + 250, foreign=True)
    assert threshold.arrive(T0 + 304)
    assert (1, 1, 31) == (threshold.lockouts, threshold.refused, threshold.peak_calls)


@given(st.integers(1, 60), st.lists(st.floats(0, 90), max_size=20))
def test_foreign_calls_come_evenly_however_often_one_looks(per_minute: int, gaps: list[float]) -> None:
    """All looks together find the calls since the first look, each once, as many a minute as asked for."""
    foreign = ForeignCalls(per_minute)
    assert [] == foreign.until(T0)
    looks = times(gaps)
    found = [time for look in looks for time in foreign.until(look)]
    ends = looks[-1] if looks else T0
    assert sorted(found) == found
    assert pytest.approx((ends - T0) * per_minute / 60, abs=1.001) == len(found)
    assert [] == ForeignCalls(0).until(T0 + 1e6)


@pytest.mark.parametrize("figures", [(0, 60, 300), (30, 0, 300), (30, 60, -1), (30, float("nan"), 300)])
def test_figures_that_make_no_sense_are_refused(figures: tuple[int, float, float]) -> None:
    """No calls, no window, a negative lock: told before anything starts."""
    with pytest.raises(SandboxError, match="can't keep a limit"):
        Threshold(*figures)


def test_an_unknown_rule_is_refused_with_the_known_ones() -> None:
    """A misspelt rule names those that there are."""
    with pytest.raises(SandboxError, match="rolling, fixed, first-call, two-bucket, token-bucket"):
        Threshold(rule="rollin")
