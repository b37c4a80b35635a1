"""Deleting rows after their time, and erasing those of one learner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class ErasureStore(Protocol):
    """What ends the life of rows."""

    async def delete_rows(self, job_id: str) -> None:
        """Delete the rows of a job that is over, in short transactions; its totals stay."""
        ...

    async def delete_rows_left(self) -> None:
        """Go on with deletions that a kill has cut short."""
        ...

    async def open_rows_of(self, learner: str) -> int:
        """How many rows of a learner may still be sent."""
        ...

    async def rows_of(self, learner: str) -> Mapping[str, int]:
        """How many rows of a learner there are, by job."""
        ...

    async def erase(self, learner: str) -> Mapping[str, int]:
        """Empty the cells and ids of a learner's rows that are not sent any more; how many, by job."""
        ...
