"""What a person may say about a file: which sheet, which columns, and what to do with what is hidden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.operation import REMOVE_LEARNER

ROLES = REMOVE_LEARNER.roles


class Hidden(StrEnum):
    """Hidden or filtered rows, hidden sheets and merged cells."""

    REFUSE = "refuse"
    LEAVE_OUT = "leave_out"
    INCLUDE = "include"


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """``columns``: role (course, batch, learner) -> a heading or a column's letter, or the column itself (from 0)."""

    sheet: str | None = None
    columns: Mapping[str, str | int] = field(default_factory=dict)
    hidden: Hidden = Hidden.REFUSE


def parse_columns(text: str) -> Mapping[str, str]:
    """From ``course=A,batch=Group,learner=C``. Raises FileRefused."""
    found: dict[str, str] = {}
    for part in text.split(","):
        role, equals, column = (piece.strip() for piece in part.partition("="))
        if role not in ROLES or not equals or not column or role in found:
            raise FileRefused(f"--columns {text!r} is not understood.", hint="Write course=A,batch=B,learner=C.")
        found[role] = column
    return found
