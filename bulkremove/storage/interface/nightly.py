"""What nightly runs remember: when they ran, what they took, and the notices that wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bulkremove.storage.interface.records import Notice, Record


@dataclass(frozen=True, slots=True)
class Taken:
    """A content that a nightly run took: under which name, when (epoch seconds), and what became of it.

    ``place``: the file's name in ``working``.
    """

    digest: str
    name: str
    taken_at: float
    place: str
    job: str | None
    held: str


class NightlyStore(Protocol):
    """Nightly runs, the files they took, and the outbox."""

    async def begin(self, date: str, *, at: float) -> int:
        """A nightly run starts; its number."""
        ...

    async def end(self, run: int, *, at: float, good: bool) -> None: ...
    async def leave_out(self, date: str, *records: Record, at: float) -> None:
        """A nightly run does not take place."""
        ...

    async def last_date(self) -> str | None:
        """The local date of the last nightly run that started or was left out."""
        ...

    async def last_good(self) -> float | None:
        """When the last good nightly run ended (epoch seconds)."""
        ...

    async def sizes(self, count: int) -> list[int]:
        """How many rows each of the last nightly jobs that ran was to remove, the newest first."""
        ...

    async def taken(self, digest: str) -> Taken | None:
        """What became of that content, if it was taken before."""
        ...

    async def take(self, digest: str, name: str, place: str, *, at: float) -> None:
        """A content is taken, or taken again."""
        ...

    async def due_notices(self, now: float) -> list[Notice]:
        """The notices that wait and are due, the oldest first."""
        ...

    async def waiting_notices(self) -> int:
        """How many notices were not sent yet."""
        ...

    async def notice_sent(self, key: str, *, at: float) -> None: ...
    async def notice_failed(self, key: str, *, next_at: float) -> None:
        """It could not be sent; it is tried again at ``next_at`` (epoch seconds)."""
        ...
