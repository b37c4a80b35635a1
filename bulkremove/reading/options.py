"""Reading options that a user may give for a file: its sheet, its id columns, and how hidden rows are treated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.operation import REMOVE_LEARNER

ROLES = REMOVE_LEARNER.roles


class Hidden(StrEnum):
    """What to do with hidden, filtered, struck-through or commented rows, hidden sheets and merged cells."""

    REFUSE = "refuse"
    LEAVE_OUT = "leave_out"
    INCLUDE = "include"


ALL_BATCHES = "*"
"""In the cell of the batch: the learner is looked for in all batches of the course. A blank cell may be a mistake."""


class Match(StrEnum):
    """By what the learners of a file are matched whose courses and batches may be names. Learners never by name."""

    EMAIL = "email"
    EMPLOYEE_ID = "employee-id"
    LEARNER_ID = "learner-id"
    """The file has learner ids, so only the ids of courses and batches are looked for."""

    @property
    def words(self) -> str:
        """The same in words."""
        return "e-mail address" if self is Match.EMAIL else self.value.replace("-", " ")

    @property
    def reads_rosters(self) -> bool:
        """Whether the rosters of all batches are read for it."""
        return self is not Match.LEARNER_ID


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read one file.

    ``columns``: role (course, batch, learner) -> a heading, a column letter or a column index (from 0). ``only``: which
    rows are meant, as ``COLUMN=VALUE`` for one or more columns; ``all``: other columns do not matter. ``header_row``:
    the number of the row with the headings; 0: there are none, and the columns are named by letters; None: the first
    row that is not empty. ``sandbox``: the rows are for a sandbox run, so a report of another one may be given back.
    ``match``: the learner column holds this instead of ids, and course and batch may be names. ``today``: dates of
    leaving before it have passed; by default none has.
    """

    sheet: str | None = None
    columns: Mapping[str, str | int] = field(default_factory=dict)
    hidden: Hidden = Hidden.REFUSE
    only: tuple[str, ...] = ()
    header_row: int | None = None
    sandbox: bool = False
    match: Match | None = None
    today: date = date.min


def parse_columns(text: str) -> Mapping[str, str]:
    """Parse text such as ``course=A,batch=Group,learner=C``: role -> heading or letter. Raises FileRefused."""
    columns: dict[str, str] = {}
    for part in text.split(","):
        role, equals, column = (piece.strip() for piece in part.partition("="))
        if role not in ROLES or not equals or not column or role in columns:
            raise FileRefused(f"The columns {text!r} are not understood.", hint="Write course=A,batch=B,learner=C.")
        columns[role] = column
    return columns
