"""The context that every use case is built with: settings, environment, clock, random numbers and storage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from bulkremove.config import Settings
from bulkremove.domain.clock import Clock, Epoch
from bulkremove.storage import Storage
from bulkremove.storage.interface.records import Act


@dataclass(frozen=True, slots=True)
class Context:
    """Values that all use cases share. ``environ``: environment variables; ``random``: for job ids and back-offs."""

    settings: Settings
    environ: Mapping[str, str]
    clock: Clock
    random: Random
    storage: Storage
    counted_from: Epoch = Epoch(0.0)
    """Removals before this time are not counted against the cap of a day: a bundled sandbox begins anew each time."""

    async def record(self, by: str, act: str, **details: object) -> None:
        """Append an act to the audit log. ``details``: names, numbers and hashes; never a cell of a file."""
        await self.storage.audit.append(Act(by, act, details, self.clock.wall()))
