"""Restoring the journal from a copy, noticing that it was replaced, and accepting it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bulkremove.domain.clock import Epoch
from bulkremove.storage.interface.records import Record


@dataclass(frozen=True, slots=True)
class LostCalls:
    """How many ``removals`` of lost jobs, and ``calls`` of any job, may be missing in a restored journal, at most.

    They count as made when the journal is accepted: when they were made is not known.
    """

    removals: int
    calls: int


@dataclass(frozen=True, slots=True)
class RestoreLosses:
    """What was lost because another journal, or an older copy, replaced the one that was used last.

    ``changes``: number of lost calls and audit entries, ``calls``: what of them counts; None when it is not known.
    ``rows``: by job id, the number of unsettled rows that may have been sent since the copy was made; ``unfinished``:
    ids of the jobs that are not over; ``jobs``: ids of the lost jobs.
    """

    changes: int | None
    calls: LostCalls | None
    rows: Mapping[str, int]
    unfinished: Sequence[str]
    jobs: Sequence[str]


class RestoreStore(Protocol):
    """A journal that was, or is to be, replaced by a copy."""

    async def check(self) -> RestoreLosses | None:
        """What was lost; None when this is the journal that was used last."""
        ...

    async def put_back(self, copy: Path, *records: Record, before: Callable[[], None] = lambda: None) -> None:
        """Replace the journal by a copy and write these records, in one transaction; nothing is sent before ``accept``.

        ``before`` is called once the copy is known to be sound, in another thread; what it raises is raised. Raises
        JournalFailed for a copy that is damaged or no journal, and then ``before`` was not called. The journal has not
        changed after either.
        """
        ...

    async def accept(
        self,
        losses: RestoreLosses,
        *records: Record,
        keys: Collection[str],
        slots: int,
        held_seconds: float,
        why: str,
        if_unknown: LostCalls,
    ) -> None:
        """Accept a replaced journal: rows that may have been sent since the copy was made become ``unknown``.

        Jobs that are not over are paused, or stay held, with the reason ``why``: what was decided about them
        meanwhile is not known. A new generation of the storage begins, unsent notices are deleted, and accepted
        wordings withdrawn. In each ledger of ``keys``, and in each that the copy or the storage remembers, ``slots``
        slots are taken for ``held_seconds``: the calls made meanwhile are not known. What was lost counts for the cap
        of the day and the daily limit; ``if_unknown``: as how much, where that is not known. ``losses``: what a person
        was shown; raises JournalFailed, and changes nothing, when that is not what was lost by now.
        """
        ...

    async def lost_removals(self, since: Epoch) -> int:
        """How many removals journals may have lost that were accepted since then."""
        ...
