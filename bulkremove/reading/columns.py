"""Find the columns of the three ids by heading, or as the user chose them; never guessed by position."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.row import Roles
from bulkremove.domain.table import Choices, column_letter
from bulkremove.reading.grid import column_index
from bulkremove.reading.options import ROLES

_SPELLINGS = {role: frozenset({role, f"{role}id", f"{role}ids", f"zoho{role}id"}) for role in ROLES}


def find_roles(
    header: Sequence[str], chosen: Mapping[str, str | int], name: str, rows: Sequence[Sequence[str]]
) -> Roles:
    """Find the columns (0-based) of course, batch and learner.

    ``chosen``: the columns that the user named, by role. ``rows``: the first rows below the headings; FileRefused
    carries them with the headings, so that the user can choose.
    """
    by_role = {role: by_name(header, role) for role in ROLES}
    guesses = {role: matches[0] for role, matches in by_role.items() if len(matches) == 1}
    choices = Choices(header=tuple(header), rows=tuple(map(tuple, rows)), guesses=guesses)
    try:
        return _roles(header, chosen, name)
    except FileRefused as refused:
        raise FileRefused(refused.message, hint=refused.hint, choices=choices) from None


def _roles(header: Sequence[str], chosen: Mapping[str, str | int], name: str) -> Roles:
    candidates = {
        role: _resolve(header, chosen[role], role, name) if role in chosen else by_name(header, role) for role in ROLES
    }
    for role, columns in candidates.items():
        if len(columns) != 1:
            count = "no column" if not columns else f"{len(columns)} columns"
            raise FileRefused(
                f"{name} has {count} for the {role} id. Headings found: {_headings(header)}.",
                hint=f"Name the column with --columns {role}=HEADING or {role}=LETTER; nothing is guessed.",
            )
    id_columns = Roles(*(columns[0] for columns in candidates.values()))
    if len(set(id_columns)) < len(ROLES):
        raise FileRefused(f"{name}: one column can't hold two of the three ids.", hint="Check --columns.")
    return id_columns


def by_name(header: Sequence[str], role: str) -> list[int]:
    """Return the columns (0-based) whose heading is a common spelling of the role."""
    return [i for i, heading in enumerate(header) if re.sub(r"[\s_\-]", "", heading).casefold() in _SPELLINGS[role]]


def _resolve(header: Sequence[str], column: str | int, role: str, name: str) -> list[int]:
    if isinstance(column, int):
        if column in range(len(header)):
            return [column]
        raise FileRefused(f"{name} has no column {column + 1} for the {role} id. Headings found: {_headings(header)}.")
    matches = [i for i, heading in enumerate(header) if heading.strip() == column]
    if matches:
        return matches
    if re.fullmatch(r"[A-Za-z]{1,3}", column) and column_index(column) < len(header):
        return [column_index(column)]
    raise FileRefused(
        f"{name} has no column {column!r} for the {role} id. Headings found: {_headings(header)}.",
        hint="Give a heading exactly as in the file, or a column letter.",
    )


def _headings(header: Sequence[str]) -> str:
    return ", ".join(f"{column_letter(i)} {heading!r}" for i, heading in enumerate(header)) or "none"
