"""Deletion of rows after their retention period, and erasure of the data of one learner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from bulkremove.storage.interface.records import Record


class ErasureStore(Protocol):
    """The store's operations that delete or erase rows."""

    async def delete_rows(self, job_id: str) -> None:
        """Delete the rows of a job that is over, in short transactions; its totals are kept."""
        ...

    async def resume_deletions(self) -> None:
        """Complete the deletions of rows that were interrupted by the end of their process."""
        ...

    async def jobs_with_open_removals_of(self, job_id: str) -> list[str]:
        """Ids of the client's jobs with rows, open or fit for a retry, which this job has settled since their plans."""
        ...

    async def open_rows_of(self, learner: str) -> int:
        """Number of rows of a learner that may still be sent."""
        ...

    async def rows_of(self, learner: str) -> Mapping[str, int]:
        """Number of rows of a learner, by job id."""
        ...

    async def texts_of(self, learner: str) -> int:
        """Number of texts about jobs, other rows and files that name a learner's id."""
        ...

    async def erase(self, learner: str, record: Callable[[int], Record]) -> bool:
        """Empty the cells and ids of a learner's rows, and take the id out of all texts, in one transaction.

        It begins a new generation of the storage.
        ``record`` makes what is written with it, from the number of rows. False, and nothing changes, if a row may
        still be sent.
        """
        ...
