"""The audit log: who did what, as a chain of hashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bulkremove.storage.interface.records import Act


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act as it was recorded; ``hash`` covers it and the entry before it."""

    id: int
    at: float
    actor: str
    act: str
    facts: Mapping[str, object]
    hash: str


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """The result of verifying the chain. ``broken``: the first entry that does not fit, and why."""

    entries: int
    head: str
    broken: tuple[int, str] | None = None


class AuditLog(Protocol):
    """Who did what and when, each entry bound to the one before it by a hash."""

    async def append(self, *acts: Act) -> None: ...
    async def newest(self, limit: int) -> list[AuditEntry]:
        """The newest entries, the newest first."""
        ...

    async def verify(self) -> AuditCheck:
        """Compute the whole chain again, in short reads, and compare it."""
        ...
