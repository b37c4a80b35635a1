"""Deletion of rows after their retention period, and erasure of the data of one learner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class ErasureStore(Protocol):
    """The store's operations that delete or erase rows."""

    async def delete_rows(self, job_id: str) -> None:
        """Delete the rows of a job that is over, in short transactions; its totals are kept."""
        ...

    async def resume_deletions(self) -> None:
        """Complete the deletions of rows that were interrupted by the end of their process."""
        ...

    async def open_rows_of(self, learner: str) -> int:
        """Number of rows of a learner that may still be sent."""
        ...

    async def rows_of(self, learner: str) -> Mapping[str, int]:
        """Number of rows of a learner, by job id."""
        ...

    async def erase(self, learner: str) -> Mapping[str, int]:
        """Empty the cells and ids of a learner's rows that are not sent any more; their number, by job id."""
        ...
