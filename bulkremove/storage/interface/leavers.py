"""What is remembered of employees between nightly runs that ask Zoho who has left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bulkremove.domain.clock import Epoch


@dataclass(frozen=True, slots=True)
class LeaverMemory:
    """How many employees Zoho listed last, and when; and when the courses of a leaver were read, by record number."""

    employees: int
    counted_at: Epoch
    asked: Mapping[str, Epoch]


class LeaverStore(Protocol):
    """The store of what is remembered of employees, for each client and host."""

    async def memory(self, client: str, host: str) -> LeaverMemory | None:
        """What is remembered; None before the first nightly run."""
        ...

    async def remember(self, client: str, host: str, memory: LeaverMemory) -> None:
        """Remember this in place of what was remembered."""
        ...

    async def forget_people(self, *, before: Epoch) -> None:
        """Forget whose courses were read by nightly runs before this time; how many employees there are stays."""
        ...
