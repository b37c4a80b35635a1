"""The machine's clock, or one that runs faster for runs against the sandbox.

Use cases and engine are given a ``Clock``; they never read the system's time themselves.
"""

from __future__ import annotations

import asyncio
import platform
import time
from functools import cached_property
from pathlib import Path

from bulkremove.domain.clock import Clock, Epoch, Monotonic, later, seconds_between

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class LaterClock:
    """A clock whose wall time is ahead of another one's: what is asked by it is what would be decided then."""

    def __init__(self, clock: Clock, wall: Epoch) -> None:
        self._clock, self._ahead = clock, seconds_between(clock.wall(), wall)
        self.speed, self.boot = clock.speed, clock.boot

    def monotonic(self) -> Monotonic:
        """As the other clock's."""
        return self._clock.monotonic()

    def wall(self) -> Epoch:
        """Epoch seconds, ahead of the other clock's."""
        return later(self._clock.wall(), self._ahead)

    async def sleep(self, seconds: float) -> None:
        """As the other clock's."""
        await self._clock.sleep(seconds)


class SystemClock:
    """Real time; monotonic seconds and sleeps pass ``speed`` times faster.

    Wall time is never made faster, so that a report's times are true in a sandbox run too.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed

    @cached_property
    def boot(self) -> str:
        """The kernel's id of this boot; without one, host name and start of the monotonic clock (in ten minutes)."""
        if _BOOT_ID.exists():
            return _BOOT_ID.read_text(encoding="ascii").strip()
        return f"{platform.node()}-{round((time.time() - time.monotonic()) / 600)}"

    def monotonic(self) -> Monotonic:
        """Monotonic seconds times ``speed``."""
        return Monotonic(time.monotonic() * self.speed)

    def wall(self) -> Epoch:
        """Epoch seconds."""
        return Epoch(time.time())

    async def sleep(self, seconds: float) -> None:
        """Sleep for seconds of this clock, which are ``speed`` times shorter than real ones."""
        await asyncio.sleep(seconds / self.speed)
