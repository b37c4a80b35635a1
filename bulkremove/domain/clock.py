"""The clock: the interface through which all code reads the time and sleeps, and the types of the times.

A time is seconds after a zero, and its type says which zero; a duration is a plain float in seconds.
"""

from __future__ import annotations

from typing import NewType, Protocol, TypeVar, cast

Epoch = NewType("Epoch", float)
"""A time of the wall clock, in seconds since the Unix epoch; the clock may be set, so it can go back."""
Monotonic = NewType("Monotonic", float)
"""A time of ``Clock.monotonic``, in seconds of the run's clock; comparable only within one boot of one machine."""
LoopTime = NewType("LoopTime", float)
"""A time of an event loop, in real seconds; comparable only within its process."""

DAY_SECONDS = 86_400.0

Time = TypeVar("Time", Epoch, Monotonic, LoopTime)
"""Any of the three; a function that uses it more than once takes and returns times of one kind."""


def later(at: Time, seconds: float) -> Time:
    """Return the time ``seconds`` after ``at``; before it, if they are negative."""
    return cast(Time, at + seconds)


def seconds_between(earlier: Time, later: Time) -> float:
    """Return the seconds from ``earlier`` to ``later``; negative, if they are the other way round."""
    return later - earlier


class Clock(Protocol):
    """A clock, passed as a parameter so that tests can use virtual time and a sandbox run can be accelerated.

    Monotonic seconds and sleeps pass ``speed`` times faster than real ones; wall time never does.
    """

    @property
    def speed(self) -> float:
        """How many times faster than real time the clock runs; 1 except in sandbox runs."""
        ...

    @property
    def boot(self) -> str:
        """An id of this boot of the machine; monotonic times are comparable only within one boot."""
        ...

    def monotonic(self) -> Monotonic:
        """Monotonic seconds, the same for all processes of one boot."""
        ...

    def wall(self) -> Epoch:
        """Seconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleep for seconds of this clock."""
        ...
