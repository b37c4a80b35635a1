"""The clock: the interface through which all code reads the time and sleeps."""

from __future__ import annotations

from typing import Protocol


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

    def monotonic(self) -> float:
        """Monotonic seconds, the same for all processes of one boot."""
        ...

    def wall(self) -> float:
        """Seconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleep for seconds of this clock."""
        ...
