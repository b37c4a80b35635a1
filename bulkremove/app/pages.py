"""Reading a list of Zoho's page after page; how many records a page has is seldom documented."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from bulkremove.domain.errors import NotListed, ReadFailed
from bulkremove.domain.operation import Call
from bulkremove.zoho.read_response import Tree

MAX_PAGES = 1000
"""Answers of one list; one that goes on beyond them has no end."""
FULL_PAGE = 25
"""Records of a full page: documented for batches; a page of another list with as many may be full, too."""


class Record(Protocol):
    """A record of a list, which its id tells from the others."""

    @property
    def id(self) -> str:
        """Its id."""
        ...


@dataclass(frozen=True, slots=True)
class Paging:
    """How a list is asked for."""

    parameter: str = "startIndex"
    """The parameter with the place of the first record."""
    first: int | None = None
    """Its value for the first page; None: it is left out there, and counts from 0."""
    full: int = FULL_PAGE
    """How many records a full page has."""


LMS_PAGING = Paging()


T = TypeVar("T", bound=Record)


async def read_all(
    call: Call,
    read: Callable[[Call], Awaitable[Tree | None]],
    parse: Callable[[Tree], Sequence[T]],
    *,
    size: int | None = None,
    paging: Paging = LMS_PAGING,
) -> list[T]:
    """The records of all pages, until one brings nothing new.

    ``size``: how many records Zoho counts. Raises ReadFailed where it gives a full page again, so that the list may go
    on, and where records of one id differ.
    """
    found: dict[str, T] = {}
    received = 0
    for _ in range(MAX_PAGES):
        is_asked = received or paging.first is not None
        start = [(paging.parameter, str((paging.first or 0) + received))] if is_asked else []
        try:
            tree = await read(replace(call, query=(*call.query, *start)))
        except NotListed as refused:
            if not received:
                raise
            raise ReadFailed(f"A list of Zoho's broke off after {received:,} records. {refused.message}") from None
        records = [] if tree is None else parse(tree)
        by_id = {record.id: record for record in records}
        if any(record != by_id[record.id] or record != found.get(record.id, record) for record in records):
            raise ReadFailed("Two records in Zoho's answers have one id and differ, so nothing follows from it.")
        new = {key: record for key, record in by_id.items() if key not in found}
        if not new:
            if len(records) >= paging.full and len(found) != size:
                raise ReadFailed(
                    f"Zoho gives the same {len(records)} records again instead of the next ones, so the list may "
                    "be longer and nothing follows from it."
                )
            return list(found.values())
        found |= new
        received += len(records)
    raise ReadFailed(f"A list of Zoho's has no end ({MAX_PAGES:,} answers), so nothing follows from it.")
