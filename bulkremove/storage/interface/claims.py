"""Claims: named locks between processes, each held by one process at a time."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from bulkremove.domain.clock import Epoch


@dataclass(frozen=True, slots=True)
class Holder:
    """The holder of a claim. ``name``: host and process."""

    name: str
    since: Epoch


class Claims(Protocol):
    """The claims to run a job, store a plan or serve the page, which end when their process dies."""

    def hold(self, name: str, *, wait: float = 0.0) -> AbstractAsyncContextManager[None]:
        """Hold a claim until the context ends. Raises JobBusy when it is held already and for ``wait`` real seconds."""
        ...

    async def holder(self, name: str) -> Holder | None:
        """The present holder of the claim, if any. Does not prevent anybody from taking it meanwhile."""
        ...
