"""Nightly runs, the files that they took, and the outbox of notices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bulkremove.domain.clock import Epoch
from bulkremove.storage.interface.records import Notice, Record


@dataclass(frozen=True, slots=True)
class TakenFile:
    """A file content that a nightly run took, and what became of it.

    ``digest``: its hash; ``name``: the file's name in the source; ``working_name``: the file's name in the folder
    ``working``; ``job``: id of the job made of it; ``held``: why it was held, or empty.
    """

    digest: str
    name: str
    taken_at: Epoch
    working_name: str
    job: str | None
    held: str


@dataclass(frozen=True, slots=True)
class NightlyRunRecord:
    """A nightly run. ``end``: how it ended, as a code; empty while it runs or if killed, ``skipped`` if left out.

    ``clock_skew``: seconds by which this machine's clock was ahead of Zoho's; None if no reply came.
    """

    started_at: Epoch
    ended_at: Epoch | None
    end: str
    clock_skew: float | None


class NightlyStore(Protocol):
    """The store of nightly runs, of the files that they took, and of the outbox.

    ``night``: its name; no night knows what another one records. ``sandbox``: the host of the sandbox that a run goes
    to, empty for Zoho's own. What runs against a sandbox record is known to runs against the same one alone.
    """

    async def begin(self, date: str, *, night: str, sandbox: str, at: Epoch) -> int:
        """Record the start of a nightly run; its number. ``date``: local date."""
        ...

    async def end(self, run: int, end: str, *, at: Epoch, is_good: bool, clock_skew: float | None) -> None:
        """Record the end of a nightly run: how it ended, as a code. ``is_good``: whether no person must do anything.

        ``clock_skew``: seconds by which this machine's clock was ahead of Zoho's; None if no reply came.
        """
        ...

    async def skip(self, date: str, *records: Record, night: str, sandbox: str, at: Epoch) -> None:
        """Record that the run of the night of this local date does not take place."""
        ...

    async def last_date(self, *, night: str, sandbox: str) -> str | None:
        """Local date of the last run of the night that was started or left out."""
        ...

    async def last(self, *, night: str, sandbox: str) -> NightlyRunRecord | None:
        """The run of the night that was started or left out last."""
        ...

    async def killed(self, *, night: str, sandbox: str) -> list[Epoch]:
        """When the runs of the night began, the oldest first, that were not ended since the last one that was."""
        ...

    async def planned(self, host: str, *, night: str, since: Epoch) -> int:
        """How many removals the jobs have that the night made since a time, without those that are held."""
        ...

    async def last_good(self, *, night: str, sandbox: str) -> Epoch | None:
        """When the last successful run of the night ended, by the clock that the machine had then."""
        ...

    async def sizes(self, client: str, host: str, *, night: str, before: Epoch, count: int) -> list[int]:
        """How many learners a client's files of each of the night's last ``count`` runs removed, newest first.

        ``before``: only jobs that were made earlier. Runs whose files removed nobody are left out.
        """
        ...

    async def taken(self, digest: str, *, night: str, sandbox: str) -> TakenFile | None:
        """The record of the content with this hash, if it was taken before."""
        ...

    async def newest_taken(self, *, night: str, sandbox: str, now: Epoch) -> str | None:
        """The hash of the content that was taken last. What is later than ``now`` was taken while a clock was wrong."""
        ...

    async def record_taken(
        self, digest: str, name: str, working_name: str, *, night: str, sandbox: str, at: Epoch
    ) -> None:
        """Record that a content is taken, perhaps not for the first time."""
        ...

    async def due_notices(self, now: Epoch, *, night: str) -> list[Notice]:
        """The unsent notices of the night that are due, the oldest first."""
        ...

    async def waiting_notices(self) -> Mapping[str, int]:
        """Number of unsent notices by night; nights without any are left out."""
        ...

    async def notice_sent(self, notice: Notice, *, at: Epoch) -> None:
        """Record that a notice was sent."""
        ...

    async def notice_failed(self, notice: Notice, *, had: str, next_at: Epoch) -> None:
        """Record that a notice could not be sent to all; it is due again at ``next_at``. ``had``: as in ``Notice``."""
        ...
