"""Claims: only one process at a time may do something."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a claim (host and process), and since when (epoch seconds)."""

    name: str
    since: float


class Claims(Protocol):
    """Who may run a job, store a plan, serve the page: one process at a time, freed by its death."""

    def hold(self, name: str) -> AbstractAsyncContextManager[None]:
        """Hold a claim alone while the context lasts. Raises JobBusy when another holder has it."""
        ...

    async def holder(self, name: str) -> Holder | None:
        """Who holds the claim right now; asking disturbs nobody who wants to take it."""
        ...
