"""A journal that was put back from a copy."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bulkremove.storage.interface.records import Record


@dataclass(frozen=True, slots=True)
class Restored:
    """Another journal, or an older copy, is in the place of the one that was used last.

    ``changes``: attempts and audit entries that are lost; None when that is not known. ``rows``: by job, open rows that
    may have been sent since; ``unfinished``: ids of the jobs that are not over in it; ``jobs``: ids of lost jobs.
    """

    changes: int | None
    rows: Mapping[str, int]
    unfinished: Sequence[str]
    jobs: Sequence[str]


class RestoreCheck(Protocol):
    """Whether the journal has lost what was done since a copy of it was made."""

    async def check(self) -> Restored | None:
        """What is lost; None when this is the journal that was used last."""
        ...

    async def put_back(self, copy: Path, *records: Record) -> None:
        """Replace the journal by a copy with these records, in one transaction; it waits to be accepted then.

        Raises JournalFailed for a copy that is damaged or no journal, and then nothing has changed.
        """
        ...

    async def accept(self, *records: Record, keys: Collection[str], slots: int, held_seconds: float, why: str) -> None:
        """Go on with this journal: rows that may have been sent since become ``unknown``, no others.

        Its jobs that are not over are paused, or wait for an approval: what was decided about them since is not known.
        Notices that it would still send are deleted. ``why``: for people, at each of the jobs. ``slots`` slots of each
        account are held for ``held_seconds``, since the calls that were made meanwhile are not known: of the ledgers
        ``keys``, and of all that the copy or its mark have.
        """
        ...
