"""Claims: named locks between processes, each held by one process at a time, and requests to their holders."""

from __future__ import annotations

import math
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bulkremove.domain.clock import Epoch
from bulkremove.platform.local_time import local
from bulkremove.storage.interface.records import Record


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a claim."""

    host: str
    pid: int
    since: Epoch

    def description(self, now: Epoch) -> str:
        """Since when and by which process the claim is held; with the date if that was on another day than ``now``."""
        since = local(self.since)
        day = "" if since.date() == local(now).date() else f"{since:%Y-%m-%d} "
        return f"since {day}{since:%H:%M} (pid {self.pid} on {self.host})"


class ClaimKind(StrEnum):
    """What a claim is for that is for no job: the whole name of the claim, or its part before a hyphen."""

    NIGHTLY = "nightly"
    """A nightly run; the night's name follows."""
    SERVE = "serve"
    """The page of a home folder."""
    RETENTION = "retention"
    """The deletion of old data."""
    PLAN = "plan"
    """The confirmation of a plan, or an erasure."""
    CANARY = "canary"
    """The first row of a client; the client follows."""
    NOTICES = "notices"
    """Sending the notices of a night; its name follows."""

    def of(self, subject: str) -> str:
        """The name of the claim for one night or client."""
        return f"{self}-{subject}"


class StopAction(StrEnum):
    """What the holder of a claim is asked to do. The values are stored in the journal."""

    PAUSE = "pause"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class StopRequest:
    """A request to the process that holds a claim to end what it does; another holder never sees it."""

    action: StopAction
    by: str
    at: Epoch


class Claims(Protocol):
    """The claims to run a job, store a plan or serve the page, which end when their process dies."""

    def hold(self, name: str, *, wait: float = 0.0) -> AbstractAsyncContextManager[None]:
        """Hold a claim until the context ends. Raises JobBusy when it is held already and for ``wait`` real seconds.

        Requests to an earlier holder are dropped.
        """
        ...

    async def holder(self, name: str) -> Holder | None:
        """The present holder of the claim, if any. Does not prevent anybody from taking it meanwhile."""
        ...

    async def holders(self) -> dict[str, Holder]:
        """The holders of all claims by name, those that have been held longest first."""
        ...

    async def request_stop(self, name: str, request: StopRequest, *records: Record, wait: float = math.inf) -> None:
        """Store a request to the present holder of the claim. A request to cancel is never weakened to a pause.

        Raises JournalBusy when another process, which may be the holder, has been writing for ``wait`` seconds.
        """
        ...

    async def stop_request(self, name: str) -> StopRequest | None:
        """The request to the present holder of the claim, if any."""
        ...
