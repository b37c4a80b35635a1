"""Reads, which change nothing at Zoho, and the listings that they brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from bulkremove.domain.attempt import ReadPermit
from bulkremove.domain.clock import Epoch
from bulkremove.storage.interface.attempts import AnswerRule, LedgerChange, SlotRule

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ReadOutcome:
    """How a read ended, raw. ``was_sent``: whether a byte of it may have been sent; if not, it is deleted."""

    response_kind: str
    http_status: int | None = None
    api_code: str | None = None
    was_sent: bool = True


@dataclass(frozen=True, slots=True)
class ListingName:
    """Which listing of an account: ``name`` tells the operation, its ids and what was searched for."""

    client: str
    host: str
    name: str


@dataclass(frozen=True, slots=True)
class SeenField:
    """A field of an answer: its path, such as ``learners[].learnerId``, its types, and when it was seen last."""

    path: str
    types: str
    seen_at: Epoch


class ReadStore(Protocol):
    """The store of reads and their slots, of listings, and of the fields that answers have.

    A read is written before its request, as an attempt is.
    """

    async def take(self, key: str, operation: str, rule: SlotRule[R]) -> ReadPermit | R:
        """Take a slot and write a read of this operation, or return the rule's refusal. ``key``: see ``ReadPermit``.

        If the caller is cancelled meanwhile, neither is left.
        """
        ...

    async def close(self, permit: ReadPermit, outcome: ReadOutcome, rule: AnswerRule[R]) -> LedgerChange[R]:
        """Write the outcome of a read and the new ledger."""
        ...

    async def listing(self, name: ListingName, *, since: Epoch, until: Epoch) -> tuple[Epoch, str] | None:
        """When a listing was made, and its records, if it was made in this period."""
        ...

    async def save_listing(self, name: ListingName, records: str, *, at: Epoch, since: Epoch) -> None:
        """Keep a listing that was made now, and delete all that were made before ``since``, or after ``at``."""
        ...

    async def delete_listings(self) -> None:
        """Delete all listings."""
        ...

    async def delete_old(self, *, reads_before: Epoch, listings_before: Epoch) -> None:
        """Delete reads and listings that were made before these times."""
        ...

    async def save_fields(self, client: str, host: str, operation: str, fields: Sequence[SeenField]) -> None:
        """Keep which fields an answer to a read of a client was seen to have, beside those of earlier answers."""
        ...

    async def fields(self, client: str, host: str, operation: str) -> list[SeenField]:
        """The fields that answers to a read of a client were seen to have; those of ``operation``, by its name."""
        ...
