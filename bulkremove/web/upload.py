"""One uploaded file, or rows of a job, from its arrival to the job that its plan becomes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bulkremove.domain.clock import Epoch
from bulkremove.domain.enrolment_check import EnrolmentCheck
from bulkremove.domain.errors import BulkremoveError, FileRefused
from bulkremove.domain.listing import Roster
from bulkremove.domain.operation import REMOVE_LEARNER, Words
from bulkremove.domain.permissions import AccountSet
from bulkremove.domain.table import Table
from bulkremove.reading.options import ReadOptions

MAX_UPLOADS_OF_PERSON = 20
"""Uploads of one person that are stored; one more deletes their oldest, never that of somebody else."""


class DraftState(StrEnum):
    """What a draft waits for. The values are those of the HTTP API."""

    LOOKED_UP = "looked_up"
    """Zoho is being asked about its learners."""
    NEEDS_CHOICE = "needs_choice"
    """Somebody must choose how its file is read."""
    PLANNED = "planned"
    """Its plan is made, and can be confirmed."""
    NOT_READ = "not_read"
    """It is read when somebody looks at it; or its plan sends nothing before somebody decides about its rows."""


@dataclass(slots=True)
class Lookup:
    """A lookup in Zoho, under way or ended."""

    task: asyncio.Task[None] | None = None
    """None once it has ended."""
    batches: int = 0
    """How many batches have to be read; 0 while that is not known."""
    done: int = 0
    error: BulkremoveError | None = None
    is_left_out: bool = False
    """Whether a person ended it."""

    waits_for: int = 0
    """How many others of the person are under way, where it can't begin before one of them has ended."""
    calls: int = 0
    """How many calls were made for it, as far as they are counted."""

    @property
    def is_under_way(self) -> bool:
        """Whether it has not ended, or not begun."""
        return self.task is not None or bool(self.waits_for)

    def count(self, done: int) -> None:
        """Note how many batches were read."""
        self.done = done

    def count_call(self) -> None:
        """Note that another call was made."""
        self.calls += 1

    def end(self) -> None:
        """End it if it is under way; nothing of it is used."""
        if self.task is not None:
            self.task.cancel()


@dataclass(slots=True)
class RosterLookup(Lookup):
    """A lookup of the learners of batches, for a person to choose from."""

    rosters: tuple[Roster, ...] = ()
    generation: str = ""
    """The generation of the storage in which it began; in another one it is void."""


@dataclass(slots=True)
class Upload:
    """An uploaded file, people chosen from Zoho's lists, or rows of a job: to retry, or people to put back."""

    id: str
    name: str
    account: str
    """The account that its plan is for."""
    seen: AccountSet
    """The accounts that whoever uploaded it could see then; a report among them may tell of their jobs."""
    prepared_by: list[str]
    """Who uploaded it and who chose its sheet or columns; with ``four_eyes`` none of them may confirm its plan."""
    uploaded_at: Epoch
    path: Path | None = None
    retry: tuple[str, bool] | None = None
    """The id of the job to retry, and whether its unknown rows are included; None for a file."""
    put_back: tuple[str, frozenset[int] | None] | None = None
    """The id of the job whose people are put back, and the numbers of their rows or None for all; None for a file."""
    options: ReadOptions = field(default_factory=ReadOptions)
    include_open: bool = False
    """Whether rows are planned too that another job may still send."""
    refusal: FileRefused | None = None
    """Why the file could not be read with ``options``."""
    table: Table | None = None
    """Its rows with the ids that Zoho gave, where its file has none or there is no file."""
    check: EnrolmentCheck | None = None
    check_note: str = ""
    """Why there is no enrolment check, for a person; may be empty."""
    looked_up_in: str = ""
    """The generation of the storage in which ``table`` and ``check`` were read; in another one they are void."""
    lookup: Lookup | None = None
    removals: int = 0
    """The calls of its plan, as it was shown last."""
    words: Words = REMOVE_LEARNER.words
    """How texts speak of them."""
    generation: str = ""
    """The generation of the storage in which its plan was shown."""
    is_restored: bool = False
    """Whether it is a draft of an earlier server that was not read again yet."""
    was_checked: bool = False
    """Whether the earlier server had made an enrolment check of it, which is to be made again."""
    asked: tuple[str, str] | None = None
    """Who asks for its approval, and a comment; None if nobody does."""
    returned: tuple[str, str] | None = None
    """Who returned its plan, and why, so that nobody can confirm it; None if nobody did."""
    idempotency_key: str = ""
    """The key with which a program asked for it; empty without one."""
    fingerprint: str = ""
    """What that program asked for (``idempotency.fingerprint``)."""
    job: str | None = None
    """The id of the job that its plan became; None before it is confirmed. A second confirmation returns it again."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while it is read or confirmed, so that a slow earlier read never replaces the result of a later one."""

    @property
    def is_chosen(self) -> bool:
        """Whether its people were chosen from Zoho's lists, without a file."""
        return self.path is None and self.retry is None and self.put_back is None

    @property
    def lacks_ids(self) -> bool:
        """Whether its rows have no ids before Zoho is asked for them."""
        return self.options.match is not None and self.table is None

    @property
    def may_ask_again(self) -> bool:
        """Whether it was refused only since Zoho did not say its ids: somebody ended that, or it failed."""
        lookup = self.lookup
        return self.refusal is not None and lookup is not None and (lookup.is_left_out or lookup.error is not None)

    @property
    def is_looked_up(self) -> bool:
        """Whether a lookup for it is under way."""
        return self.lookup is not None and self.lookup.is_under_way

    @property
    def needs_choice(self) -> bool:
        """Whether its file can be read once a person has chosen how."""
        return self.refusal is not None and self.refusal.choices is not None

    @property
    def is_draft(self) -> bool:
        """Whether it waits for a person: its plan sends something, or may do so after a lookup or a choice."""
        if self.job is not None or (self.refusal is not None and not self.needs_choice):
            return False
        is_mismatched = self.check is not None and bool(self.check.mismatched)
        return bool(self.removals or self.is_restored or self.needs_choice or self.is_looked_up or is_mismatched)

    @property
    def draft_state(self) -> DraftState:
        """What it waits for, of a draft."""
        if self.is_looked_up:
            return DraftState.LOOKED_UP
        if self.needs_choice:
            return DraftState.NEEDS_CHOICE
        return DraftState.PLANNED if self.removals else DraftState.NOT_READ

    def end_lookup(self) -> None:
        """End a lookup for it that is under way; nothing of it is used."""
        if self.lookup is not None:
            self.lookup.end()


def replaced_by(upload: Upload, drafts: Sequence[Upload]) -> Upload | None:
    """Return the newest draft of a file of the same name for the same account, which may be this one corrected.

    ``drafts``: the newest first. None if there is no newer one, or if it was not a file.
    """

    def is_same_file(other: Upload) -> bool:
        return other.name.casefold() == upload.name.casefold() and other.account == upload.account

    newest = next((other for other in drafts if other.path is not None and is_same_file(other)), None)
    return newest if newest is not None and upload.path and newest.uploaded_at > upload.uploaded_at else None
