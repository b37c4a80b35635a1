"""What is remembered of employees between nightly runs that ask Zoho who has left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bulkremove.domain.clock import Epoch


@dataclass(frozen=True, slots=True)
class LeaverMemory:
    """How many employees Zoho listed last, and when; and when the courses of a leaver were read, by record number.

    ``tried``: when they could not be read; ``listed``: when an employee was listed last; both by record number.
    ``most``: the most employees of the last weeks, at ``most_at``. ``uncounted``: how many more Zoho counted than it
    listed when a person accepted that. ``known_at``: when Zoho last knew a leaver by a course; 0 for never.
    """

    employees: int
    counted_at: Epoch
    asked: Mapping[str, Epoch]
    tried: Mapping[str, Epoch] = field(default_factory=dict)
    listed: Mapping[str, Epoch] = field(default_factory=dict)
    most: int = 0
    most_at: Epoch = Epoch(0.0)
    uncounted: int = 0
    known_at: Epoch = Epoch(0.0)


class LeaverStore(Protocol):
    """The store of what is remembered of employees, for each client and host."""

    async def memory(self, client: str, host: str) -> LeaverMemory | None:
        """What is remembered; None before the first nightly run."""
        ...

    async def remember(self, client: str, host: str, memory: LeaverMemory) -> None:
        """Remember this in place of what was remembered."""
        ...

    async def forget_people(self, *, before: Epoch) -> None:
        """Forget who was listed and whose courses were read by nightly runs before this time; the numbers stay."""
        ...
