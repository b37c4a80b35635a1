"""Faults on demand: which call goes wrong, how, and how long it takes; the same for the same seed.

A learner's turn depends on the seed, the learner and how often it was asked for, never on the order of other calls,
so a sandbox run repeats exactly. Pure; carrying a fault out is the server's part.
"""

from __future__ import annotations

import math
import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bulkremove.domain.errors import SandboxError
from bulkremove.sandbox.replies import CANNED, REDIRECTS, SERVER_ERRORS

HONEST = ("ok", "slow", "number_code", "other_learner")
"""Kinds that do what was asked: at once, after some seconds, or with an unusual word in the success."""
BROKEN = ("reset", "silence", "truncated", "endless", "drip")
"""Kinds whose answer never arrives whole."""
KINDS = frozenset({*HONEST, *BROKEN, "429", "contradictory", *REDIRECTS, *SERVER_ERRORS, *CANNED})
TOKEN_KINDS = frozenset(
    {"ok", "slow", "throttled", "no_token", "invalid_code", "invalid_client", "invalid_grant", "html_200", "empty_200"}
    | {"reset", "silence", "truncated", "429", *SERVER_ERRORS}
)
"""Kinds that the token endpoint knows."""

_FORM = re.compile(
    r"(?P<kind>[a-z0-9_]+?)(?P<effect>_(?:after|before)_effect)?(?::(?P<seconds>\d{1,6}(?:\.\d{1,6})?))?"
)
_TAIL_Z = 3.09
"""Standard deviations that one call in a thousand exceeds."""


@dataclass(frozen=True, slots=True)
class Fault:
    """How one call goes. ``effect``: the learner is gone although the answer does not say so.

    ``seconds``: the delay of ``slow``, the Retry-After of a 429 or 5xx.
    """

    kind: str = "ok"
    effect: bool = False
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str, known: frozenset[str] = KINDS) -> Fault:
        """From ``kind[_after_effect|_before_effect][:seconds]``; without a suffix the fault has no effect.

        Examples: ``reset_after_effect``, ``503:120`` (Retry-After), ``slow:8``. Raises SandboxError.
        """
        found = _FORM.fullmatch(text)
        if found is None or found["kind"] not in known:
            raise SandboxError(f"{text!r} is no fault of the sandbox.", hint=f"There are: {', '.join(sorted(known))}.")
        kind, seconds = found["kind"], found["seconds"]
        if found["effect"] and (kind in HONEST or known is TOKEN_KINDS):
            raise SandboxError(f"{text!r}: `{kind}` takes neither `_after_effect` nor `_before_effect`.")
        if seconds and kind not in ("slow", "429", *SERVER_ERRORS):
            raise SandboxError(f"{text!r}: `{kind}` takes no seconds.")
        if kind == "slow" and not seconds:
            raise SandboxError(f"{text!r} says no time.", hint="Write for example `slow:8` for 8 seconds.")
        return cls(kind, found["effect"] == "_after_effect", float(seconds) if seconds else None)


OK = Fault()


@dataclass(frozen=True, slots=True)
class Latency:
    """How long an answer takes, in seconds: always ``median``, or spread so that 1 in 1,000 takes ``tail``."""

    median: float = 0.0
    tail: float | None = None

    def draw(self, dice: random.Random) -> float:
        if not self.tail or self.median <= 0:
            return self.median
        spread = math.log(self.tail / self.median) / _TAIL_Z
        return min(self.tail, self.median * math.exp(spread * dice.gauss(0.0, 1.0)))


@dataclass(frozen=True, slots=True)
class Faults:
    """What is to go wrong. The first that names a call decides: its learner, its number, every n-th, the rates.

    A sequence that is used up goes on with its last member, so ``("403",)`` means always.
    """

    learners: Mapping[str, Sequence[Fault]] = field(default_factory=dict)
    """By learner id: what the first, second, … call for it meets."""
    calls: Mapping[int, Fault] = field(default_factory=dict)
    """By number of the call, from 1. Only calls that pass the threshold and the token check have a number."""
    every: Mapping[int, Fault] = field(default_factory=dict)
    """``{5: …}`` is each fifth call."""
    rates: Mapping[Fault, float] = field(default_factory=dict)
    """Share of the calls, 0 to 1; together at most 1."""
    token: Sequence[Fault] = ()
    """What the first, second, … call of the token endpoint meets."""
    latency: Latency = Latency()
    foreign_per_minute: float = 0.0
    """Calls of others that count, a minute."""
    seed: int = 0


class Turns:
    """Deals the faults out, call by call."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._calls = 0
        self._asked: defaultdict[str, int] = defaultdict(int)
        self._tokens = 0

    def removal(self, learner: str) -> Fault:
        """How the next call for ``learner`` goes."""
        self._calls += 1
        self._asked[learner] += 1
        faults = self._faults
        if sequence := faults.learners.get(learner):
            return sequence[min(self._asked[learner], len(sequence)) - 1]
        if fault := faults.calls.get(self._calls):
            return fault
        for every, fault in faults.every.items():
            if self._calls % every == 0:
                return fault
        if faults.rates:
            left = self._dice(learner, "fault").random()
            for fault, rate in faults.rates.items():
                left -= rate
                if left < 0:
                    return fault
        return OK

    def token(self) -> Fault:
        """How the next call of the token endpoint goes."""
        self._tokens += 1
        sequence = self._faults.token
        return sequence[min(self._tokens, len(sequence)) - 1] if sequence else OK

    def latency(self, learner: str) -> float:
        """Seconds that the answer takes."""
        latency = self._faults.latency
        return latency.draw(self._dice(learner, "latency")) if latency.tail else latency.median

    def _dice(self, learner: str, use: str) -> random.Random:
        seed = f"{self._faults.seed}:{use}:{learner}:{self._asked[learner]}"
        return random.Random(seed)  # noqa: S311 - dice for faults, repeatable on purpose
