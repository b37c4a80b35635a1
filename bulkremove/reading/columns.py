"""Which columns hold the three ids: by their headings or as told, never by position."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.row import Roles
from bulkremove.domain.table import Choices, column_letter
from bulkremove.reading.grid import column_of
from bulkremove.reading.options import ROLES

_SPELLINGS = {role: frozenset({role, f"{role}id", f"{role}ids", f"zoho{role}id"}) for role in ROLES}


def roles(header: Sequence[str], told: Mapping[str, str | int], name: str, rows: Sequence[Sequence[str]]) -> Roles:
    """The columns (0-based) of course, batch and learner. Raises FileRefused, listing the headings found.

    ``rows``: the first ones below the headings, for whoever must choose.
    """
    named = {role: by_name(header, role) for role in ROLES}
    guesses = {role: found[0] for role, found in named.items() if len(found) == 1}
    choices = Choices(header=tuple(header), rows=tuple(map(tuple, rows)), guesses=guesses)
    try:
        return _roles(header, told, name)
    except FileRefused as refused:
        raise FileRefused(refused.message, hint=refused.hint, choices=choices) from None


def _roles(header: Sequence[str], chosen: Mapping[str, str | int], name: str) -> Roles:
    places = {
        role: _chosen(header, chosen[role], role, name) if role in chosen else by_name(header, role) for role in ROLES
    }
    for role, columns in places.items():
        if len(columns) != 1:
            what = "no column" if not columns else f"{len(columns)} columns"
            raise FileRefused(
                f"{name} has {what} for the {role} id. Headings found: {_listed(header)}.",
                hint=f"Name the column with --columns {role}=HEADING or {role}=LETTER; nothing is guessed.",
            )
    found = Roles(*(columns[0] for columns in places.values()))
    if len(set(found)) < len(ROLES):
        raise FileRefused(f"{name}: one column can't hold two of the three ids.", hint="Check --columns.")
    return found


def by_name(header: Sequence[str], role: str) -> list[int]:
    """The columns (0-based) whose heading is a common spelling of the role."""
    return [i for i, heading in enumerate(header) if re.sub(r"[\s_\-]", "", heading).casefold() in _SPELLINGS[role]]


def _chosen(header: Sequence[str], column: str | int, role: str, name: str) -> list[int]:
    if isinstance(column, int):
        if column in range(len(header)):
            return [column]
        raise FileRefused(f"{name} has no column {column + 1} for the {role} id. Headings found: {_listed(header)}.")
    by_heading = [i for i, heading in enumerate(header) if heading.strip() == column]
    if by_heading:
        return by_heading
    if re.fullmatch(r"[A-Za-z]{1,3}", column) and column_of(column) < len(header):
        return [column_of(column)]
    raise FileRefused(
        f"{name} has no column {column!r} for the {role} id. Headings found: {_listed(header)}.",
        hint="Give a heading as it stands there, or a letter.",
    )


def _listed(header: Sequence[str]) -> str:
    return ", ".join(f"{column_letter(i)} {heading!r}" for i, heading in enumerate(header)) or "none"
