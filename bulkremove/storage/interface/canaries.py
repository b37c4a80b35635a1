"""Canaries: the first call of each operation of a client, which a person confirms before any other row is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bulkremove.domain.attempt import LookupResult
from bulkremove.domain.clock import Epoch
from bulkremove.domain.listing import Learner
from bulkremove.domain.row import Removal
from bulkremove.storage.interface.records import Record


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A row that was removed or enrolled, or may have been, with the last response.

    ``number``: as the spreadsheet shows it; None once the rows of the job were deleted. ``removal``: None once they
    were, or once the learner's data were erased, so that nobody can look the learner up any more.
    """

    job: str
    account: str
    """That of the job; a client may have several names."""
    number: int | None
    removal: Removal | None
    http_status: int | None
    api_code: str | None
    text: str
    noted: LookupResult | None = None
    """What a person noted last about the row, if it is unknown."""
    person: Learner | None = None
    """Who the learner is; None where it is not known."""


@dataclass(frozen=True, slots=True)
class Canary:
    """A client whose first call of an operation was confirmed. ``by``: who looked it up; ``job``: that of the row."""

    client: str
    host: str
    operation: str
    passed_at: Epoch
    by: str
    job: str


class CanaryStore(Protocol):
    """The store of confirmed first calls."""

    async def find(self, client: str, host: str, operation: str) -> Canary | None:
        """The confirmation of this operation of the client on the host, if there is one."""
        ...

    async def add(self, canary: Canary, *records: Record) -> None:
        """Record that a person confirmed the first call; an earlier confirmation stays."""
        ...

    async def last_changed(self, client: str, host: str, operation: str) -> ChangedRow | None:
        """The row that the operation changed last for this client on this host, or may have, of all jobs.

        A person may have given up a canary (an event ``canary_given_up``): only jobs that were run since then count.
        """
        ...
