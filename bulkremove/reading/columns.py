"""Find the columns of the three ids by heading, or as the user chose them; never guessed by position."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from bulkremove.domain.enrolment_check import ComparedColumns
from bulkremove.domain.errors import FileRefused
from bulkremove.domain.ids import all_digits
from bulkremove.domain.row import Roles
from bulkremove.domain.table import Choices, column_letter
from bulkremove.reading.grid import column_index
from bulkremove.reading.options import ROLES, Match

_EXACT = {role: frozenset({f"{role}id", f"zoho{role}id"}) for role in ROLES}
_SIMILAR = {role: frozenset({role, f"{role}ids"}) for role in ROLES}
_MATCHED: Mapping[Match, Mapping[str, frozenset[str]]] = {
    match: {
        "course": _SIMILAR["course"] | {"coursename", "coursetitle"},
        "batch": _SIMILAR["batch"] | {"batchname", "batchtitle"},
        "learner": names,
    }
    for match, names in (
        (Match.EMAIL, frozenset({"email", "mail", "emailaddress", "mailaddress", "emailid", "learneremail"})),
        (Match.EMPLOYEE_ID, frozenset({"employeeid", "employeenumber", "employeeno", "empid", "staffid"})),
        (Match.LEARNER_ID, _EXACT["learner"] | {"learnerids"}),
    )
}
"""Headings of the columns of a file that is matched; ids of course and batch go before names."""
_NAMES = frozenset(
    {"name", "fullname", "displayname", "learner", "learnername", "employeename", "firstname", "lastname", "givenname"}
    | {"familyname", "surname"}
)
"""Headings of columns that hold a learner's name, or a part of it."""
_BATCH_NAMES = frozenset({"batch", "batchname", "batchtitle"})
_MATCH_HINT = (
    " If the learners are to be found by their e-mail addresses, give --match email on the command line: an address or "
    "a record number is no learner id."
)
_NAMES_HINT = " If courses and batches stand there by name, give --match learner-id on the command line."
_TAIL = re.compile(r"[*#:]|\([^()]*\)|\[[^\[\]]*\]")
"""A mark, or a text in parentheses or brackets, as it may follow a heading."""
_UNITS = frozenset(
    {"as", "digit", "digits", "format", "id", "ids", "integer", "mandatory", "number", "numbers", "numeric", "required"}
    | {"string", "text", "zoho", "people"}
)
"""Words that may be in those parentheses, beside numbers. Others make another column: "Learner ID (manager)"."""
_MAX_HEADING_CHARACTERS = 200
"""Characters. A longer heading is not the name of an id column, and is not searched for its tail."""


def find_roles(
    header: Sequence[str],
    chosen: Mapping[str, str | int],
    name: str,
    rows: Sequence[Sequence[str]],
    match: Match | None = None,
) -> Roles:
    """Find the columns (0-based) of course, batch and learner.

    ``chosen``: the columns that the user named, by role. ``rows``: the first rows below the headings; FileRefused
    carries them with the headings, so that the user can choose. ``match``: what the learner column holds instead.
    """
    by_role = {role: by_name(header, role, match) for role in ROLES}
    guesses = {role: matches[0] for role, matches in by_role.items() if len(matches) == 1}
    choices = Choices(header=tuple(header), rows=tuple(map(tuple, rows)), guesses=guesses)
    try:
        return _roles(header, chosen, name, match)
    except FileRefused as refused:
        raise FileRefused(refused.message, hint=refused.hint, choices=choices) from None


def _roles(header: Sequence[str], chosen: Mapping[str, str | int], name: str, match: Match | None) -> Roles:
    candidates = {
        role: _resolve(header, chosen[role], role, name) if role in chosen else by_name(header, role, match)
        for role in ROLES
    }
    for role, columns in candidates.items():
        if len(columns) != 1:
            count = "no column" if not columns else f"{len(columns)} columns"
            what = f"{role} id" if match is None else match.words if role == "learner" else f"{role}'s name or id"
            raise FileRefused(
                f"{name} has {count} for the {what}. Headings found: {headings(header)}.",
                hint=f"Name the column with --columns {role}=HEADING or {role}=LETTER; nothing is guessed."
                + _match_hint(header, match),
                page_hint="Give the column this heading in the file; nothing is guessed.",
            )
    id_columns = Roles(*(columns[0] for columns in candidates.values()))
    if len(set(id_columns)) < len(ROLES):
        raise FileRefused(f"{name}: one column can't hold two of the three ids.", hint="Check the columns.")
    return id_columns


def _match_hint(header: Sequence[str], match: Match | None) -> str:
    if match is None and Match.LEARNER_ID in possible_matches(header):
        return _NAMES_HINT
    return _MATCH_HINT if match is None and by_name(header, "learner", Match.EMAIL) else ""


def possible_matches(header: Sequence[str]) -> list[Match]:
    """By what a file with these headings could be matched; a file that has learner ids by nothing else.

    Without a column for the batch, the learners are looked for in all batches of their course.
    """
    possible = [match for match in Match if all(by_name(header, role, match) for role in ("course", "learner"))]
    if Match.LEARNER_ID not in possible:
        return possible
    return [] if has_roles(header) else [Match.LEARNER_ID]


def by_name(header: Sequence[str], role: str, match: Match | None = None) -> list[int]:
    """Return the columns (0-based) whose heading is the exact name of the role's id, or else one similar to it.

    ``match``: what the learner column holds instead; those of course and batch may be names.
    """
    names = [_bare(heading) for heading in header]
    exact = [] if match and role == "learner" else [i for i, name in enumerate(names) if name in _EXACT[role]]
    similar = _MATCHED[match][role] if match else _SIMILAR[role]
    return exact or [i for i, name in enumerate(names) if name in similar]


def compared_columns(header: Sequence[str], roles: Roles) -> ComparedColumns:
    """Find the columns that say who and where a learner is. Of two columns for one thing, neither is known to."""
    emails = [column for column in by_name(header, "learner", Match.EMAIL) if column not in roles]
    names = tuple(i for i, heading in enumerate(header) if i not in roles and _bare(heading) in _NAMES)
    batches = [i for i, heading in enumerate(header) if i not in roles and _bare(heading) in _BATCH_NAMES]
    return ComparedColumns(_only(emails), names, _only(batches))


def _only(columns: Sequence[int]) -> int | None:
    return columns[0] if len(columns) == 1 else None


def has_roles(header: Sequence[str]) -> bool:
    """Whether there are headings for all three ids."""
    return all(by_name(header, role) for role in ROLES)


@lru_cache(maxsize=1024)
def _bare(heading: str) -> str:
    """Return a heading in lower case without blanks, ``_``, ``-``, and without marks and units behind it."""
    if len(heading) > _MAX_HEADING_CHARACTERS:
        return ""
    name = heading.rstrip()
    while tail := next((match for match in _TAIL.finditer(name) if match.end() == len(name)), None):
        if not all(word.isdigit() or word in _UNITS for word in re.findall(r"\w+", tail[0].lower())):
            break
        name = name[: tail.start()].rstrip()
    return re.sub(r"[\s_\-]", "", name).casefold()


def check_headings_inside(
    cells: Sequence[Sequence[str]], roles: Roles, header: Sequence[str], numbers: Sequence[int], name: str
) -> None:
    """Check that no second list with its columns in another order is below the first one. Raises FileRefused.

    ``cells``: by column, without the headings. Headings that are repeated in the same order change no row's meaning.
    """
    spellings = frozenset[str]().union(*_EXACT.values(), *_SIMILAR.values())
    for column in roles:
        if all_digits(cells[column]):
            continue
        for index, cell in enumerate(cells[column]):
            if cell.isdigit() or _bare(cell) not in spellings:
                continue
            matches_by_role = [by_name([texts[index] for texts in cells], role) for role in ROLES]
            if all(len(matches) == 1 for matches in matches_by_role) and [
                matches[0] for matches in matches_by_role
            ] != list(roles):
                raise FileRefused(
                    f"{name}, row {numbers[index]}: headings stand here again, in another order than in the first "
                    "row, so the ids below them would be mixed up.",
                    hint="Nothing was sent. Make two files of it.",
                )


def named(header: Sequence[str], column: str) -> list[int]:
    """Return the columns (0-based) with this heading; without any, the one with this spreadsheet letter."""
    matches = [i for i, heading in enumerate(header) if heading.strip() == column]
    if not matches and re.fullmatch(r"[A-Za-z]{1,3}", column) and column_index(column) < len(header):
        return [column_index(column)]
    return matches


def _resolve(header: Sequence[str], column: str | int, role: str, name: str) -> list[int]:
    if isinstance(column, int):
        if column in range(len(header)):
            return [column]
        raise FileRefused(f"{name} has no column {column + 1} for the {role} id. Headings found: {headings(header)}.")
    if matches := named(header, column):
        return matches
    raise FileRefused(
        f"{name} has no column {column!r} for the {role} id. Headings found: {headings(header)}.",
        hint="Give a heading exactly as in the file, or a column letter.",
    )


def headings(header: Sequence[str]) -> str:
    """List the headings with their letters, for a message."""
    return ", ".join(f"{column_letter(i)} {heading!r}" for i, heading in enumerate(header)) or "none"
