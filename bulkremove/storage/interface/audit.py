"""The audit log: who did what and when, as a chain of hashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bulkremove.domain.clock import Epoch
from bulkremove.domain.permissions import AccountSet
from bulkremove.storage.interface.records import Act


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One recorded act. ``hash`` covers the entry and the one before it."""

    id: int
    at: Epoch
    actor: str
    act: str
    facts: Mapping[str, object]
    hash: str


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """The result of verifying the chain. ``head``: the last valid hash; ``broken``: the first bad entry, and why.

    ``has_expected_hash``: whether a valid entry has the hash that was asked for; True if none was.
    """

    entries: int
    head: str
    broken: tuple[int, str] | None = None
    has_expected_hash: bool = True


class AuditLog(Protocol):
    """The audit log, in which each entry is bound to the one before it by a hash."""

    async def append(self, *acts: Act) -> None:
        """Add entries, in this order."""
        ...

    async def newest(
        self, limit: int, accounts: AccountSet, *, act: str = "", text: str = "", offset: int = 0
    ) -> list[AuditEntry]:
        """The newest entries about these accounts, the newest first; those about no account are for all accounts only.

        An entry is about the account that its facts name, or whose job they name. ``act``: only this one; ``text``:
        only those whose actor or facts hold it, ignoring case; ``offset``: how many of them to pass over.
        """
        ...

    async def verify(self, *, expected_hash: str = "") -> AuditCheck:
        """Recompute the whole chain, in short reads, and compare it. ``expected_hash``: one that was kept elsewhere."""
        ...
