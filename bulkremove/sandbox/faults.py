"""Faults on demand: which call fails, how, and how long its answer takes; the same seed gives the same faults.

What is drawn for a call depends on the seed, the learner and the number of calls for that learner, never on the order
of other calls, so that a sandbox run can be repeated exactly. Pure: the server carries the faults out.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from bulkremove.domain.errors import SandboxError
from bulkremove.sandbox.replies import CANNED, REDIRECTS, SERVER_ERRORS

HONEST = ("ok", "slow", "number_code", "other_learner")
"""Kinds that remove the learner: at once, after some seconds, or with an unusual success body."""
BROKEN = ("reset", "silence", "truncated", "endless", "drip")
"""Kinds whose answer never arrives completely."""
KINDS = frozenset({*HONEST, *BROKEN, "429", "contradictory", *REDIRECTS, *SERVER_ERRORS, *CANNED})
READ_SHAPES = frozenset(
    {"bare_list", "cut", "empty", "empty_object", "failed", "few", "ignored_index", "nested", "no_count", "no_records"}
    | {
        "learner_ids",
        "numbers",
        "record_numbers",
        "scope_403",
        "short",
        "two_lists",
        "without_inactive",
        "without_records",
        "wrapped",
    }
)
"""Kinds of an answer to a read beside those of removals: other shapes of its list (``reads``)."""
_OF_REMOVALS = frozenset(
    {"number_code", "other_learner", "contradictory", "failed_learners", "from_cache", "other_wording"}
)
READ_KINDS = KINDS - _OF_REMOVALS | READ_SHAPES
TOKEN_KINDS = frozenset(
    {"ok", "slow", "throttled", "no_token", "invalid_code", "invalid_client", "invalid_grant", "html_200", "empty_200"}
    | {"reset", "silence", "truncated", "429", *SERVER_ERRORS}
)
"""Kinds of the token endpoint."""

_FORM = re.compile(
    r"(?P<kind>[a-z0-9_]+?)(?P<effect>_(?:after|before)_effect)?(?::(?P<seconds>\d{1,6}(?:\.\d{1,6})?))?"
)
_TAIL_Z = 3.09
"""Standard deviations of a normal distribution that 1 value in 1,000 exceeds."""


@dataclass(frozen=True, slots=True)
class Fault:
    """How one call goes. ``effect``: the learner is removed although the answer does not say so.

    ``seconds``: the delay of ``slow``, the Retry-After of a 429 or 5xx.
    """

    kind: str = "ok"
    effect: bool = False
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str, kinds: frozenset[str] = KINDS) -> Fault:
        """Parse ``kind[_after_effect|_before_effect][:seconds]``; only ``_after_effect`` sets ``effect``.

        Examples: ``reset_after_effect``, ``503:120`` (Retry-After), ``slow:8``. Raises SandboxError.
        """
        match = _FORM.fullmatch(text)
        if match is None or match["kind"] not in kinds:
            raise SandboxError(
                f"{text!r} is not a fault of the sandbox.", hint=f"There are: {', '.join(sorted(kinds))}."
            )
        kind, seconds = match["kind"], match["seconds"]
        if match["effect"] and (kind in HONEST or kinds is TOKEN_KINDS):
            raise SandboxError(f"{text!r}: `{kind}` takes neither `_after_effect` nor `_before_effect`.")
        if seconds and kind not in ("slow", "429", *SERVER_ERRORS):
            raise SandboxError(f"{text!r}: `{kind}` takes no seconds.")
        if kind == "slow" and not seconds:
            raise SandboxError(f"{text!r} needs a number of seconds.", hint="Write for example `slow:8` for 8 seconds.")
        return cls(kind, match["effect"] == "_after_effect", float(seconds) if seconds else None)


OK = Fault()


@dataclass(frozen=True, slots=True)
class Latency:
    """How long an answer takes, in seconds: always ``median``, or log-normal so that 1 in 1,000 takes ``tail``."""

    median: float = 0.0
    tail: float | None = None

    def draw(self, random: Random) -> float:
        """Draw the seconds of one answer, at most ``tail``."""
        if not self.tail or self.median <= 0:
            return self.median
        spread = math.log(self.tail / self.median) / _TAIL_Z
        return min(self.tail, self.median * math.exp(spread * random.gauss(0.0, 1.0)))


@dataclass(frozen=True, slots=True)
class Faults:
    """Which calls fail, and how. The first that names a call decides: ``learners``, ``calls``, ``every``, ``rates``.

    A sequence that is used up repeats its last member, so ``("403",)`` means always.
    """

    learners: Mapping[str, Sequence[Fault]] = field(default_factory=dict)
    """By learner id or record number: the faults of the first, second, … call that removes or enrols by it."""
    calls: Mapping[int, Fault] = field(default_factory=dict)
    """By number of the call, from 1, of the removals and enrolments that pass the threshold and the token check."""
    every: Mapping[int, Fault] = field(default_factory=dict)
    """By interval: ``{5: …}`` is each fifth call."""
    rates: Mapping[Fault, float] = field(default_factory=dict)
    """The share of the calls that get each fault, 0 to 1; together at most 1."""
    reads: Sequence[Fault] = ()
    """The faults of the first, second, … read but for those of the employee form."""
    employees: Sequence[Fault] = ()
    """The same for reads of the employee form."""
    token: Sequence[Fault] = ()
    """The faults of the first, second, … call of the token endpoint."""
    latency: Latency = Latency()
    foreign_per_minute: float = 0.0
    """Calls a minute of other clients of the account, which count towards the same limit."""
    seed: int = 0


class FaultSelector:
    """Counts the calls and picks the fault of each."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._calls = 0
        self._calls_for: defaultdict[str, int] = defaultdict(int)
        self._tokens = self._reads = self._employees = 0

    def row(self, learner: str) -> Fault:
        """The fault of the next removal or enrolment of ``learner``: a learner id or a record number."""
        self._calls += 1
        self._calls_for[learner] += 1
        faults = self._faults
        if sequence := faults.learners.get(learner):
            return sequence[min(self._calls_for[learner], len(sequence)) - 1]
        if fault := faults.calls.get(self._calls):
            return fault
        for interval, fault in faults.every.items():
            if self._calls % interval == 0:
                return fault
        if faults.rates:
            share = self._random(learner, "fault").random()
            for fault, rate in faults.rates.items():
                share -= rate
                if share < 0:
                    return fault
        return OK

    def token(self) -> Fault:
        """The fault of the next call of the token endpoint."""
        self._tokens += 1
        return _in_turn(self._faults.token, self._tokens)

    def read(self) -> Fault:
        """The fault of the next read."""
        self._reads += 1
        return _in_turn(self._faults.reads, self._reads)

    def employees(self) -> Fault:
        """The fault of the next read of the employee form."""
        self._employees += 1
        return _in_turn(self._faults.employees, self._employees)

    def latency(self, learner: str) -> float:
        """Seconds that the answer to the latest call for ``learner`` takes."""
        latency = self._faults.latency
        return latency.draw(self._random(learner, "latency")) if latency.tail else latency.median

    def _random(self, learner: str, use: str) -> Random:
        seed = f"{self._faults.seed}:{use}:{learner}:{self._calls_for[learner]}"
        return Random(seed)  # noqa: S311 - faults must be reproducible, not unpredictable


def _in_turn(sequence: Sequence[Fault], number: int) -> Fault:
    return sequence[min(number, len(sequence)) - 1] if sequence else OK
