"""The machine's clock, or one that runs faster for runs against the sandbox.

It is the only place of the product that reads the time; everything else is given a ``Clock``.
"""

from __future__ import annotations

import asyncio
import platform
import time
from functools import cached_property
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class SystemClock:
    """Real time; with ``speed`` above 1 its monotonic seconds and its sleeps pass that many times faster.

    The wall clock is never made faster, so that a report's times are true in a sandbox run too.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed

    @cached_property
    def boot(self) -> str:
        """The kernel's id of this boot; elsewhere the ten minutes in which the monotonic clock began."""
        if _BOOT_ID.exists():
            return _BOOT_ID.read_text(encoding="ascii").strip()
        return f"{platform.node()}-{round((time.time() - time.monotonic()) / 600)}"

    def monotonic(self) -> float:
        return time.monotonic() * self.speed

    def wall(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)
