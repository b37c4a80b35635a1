"""Time, as it is given to everything that needs it."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Time, passed in: so that tests run hours in milliseconds and a sandbox run is faster than life.

    Monotonic seconds and sleeps pass ``speed`` times faster than real ones; wall time never does.
    """

    @property
    def speed(self) -> float: ...

    @property
    def boot(self) -> str:
        """An id of this boot of the machine; monotonic times hold within one boot."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step; the same for all processes of one boot."""
        ...

    def wall(self) -> float:
        """Seconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None: ...
