"""The definition of an id of Zoho's: 1 to 19 ASCII digits, the first not 0; blanks around them may be trimmed.

Shared by reading, which detects ids that a spreadsheet has changed, and planning, which excludes cells without an id.
Also the form of our own job ids. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date

MAX_ID_DIGITS = 19
"""Zoho's ids have 18 digits, and a signed 64-bit number has at most 19."""

TRIMMED_CHARACTERS = " \t\xa0"
"""The only characters that are trimmed around the digits: space, tab and no-break space."""

_JOB_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
"""Characters of job ids, without those that look alike."""
JOB_ID = f"20[0-9]{{6}}-(?:SANDBOX-)?[{_JOB_LETTERS}]{{4}}"
"""A regular expression for a job's id."""


def new_job_id(day: date, choose: Callable[[str], str], *, mark: str) -> str:
    """Make a job's id. ``choose`` one of these characters at random; ``mark``: ``SANDBOX-`` for a job of a sandbox."""
    return f"{day:%Y%m%d}-{mark}{''.join(choose(_JOB_LETTERS) for _ in range(4))}"


_LONG_NUMBER = re.compile(r"[0-9]{15,}|[0-9][.,][0-9]{4,}[eE][+]?[0-9]+")
"""As long as an id of Zoho's, or one that a spreadsheet has changed (4.78346000019558e+17); longer than a date with a
time."""
_QUOTED = re.compile(r"""(?<!\w)(["'])(?:(?!\1).)*\1""")
"""What a text quotes of a file."""
_ID_OF_DOUBT = re.compile(r"[0-9]+(?= in rows? [0-9])|(?<=batch )[0-9]+(?= under course)|(?<=course )[0-9]+(?= \(row)")
"""An id of any length, as the texts about doubts name it."""
_SHORT_NUMBER = re.compile(
    rf"(?P<kept>{JOB_ID}|\b(?:code|rows?|row number) [0-9]+(?:(?:, | and )[0-9]+)*)|"
    r"(?<![\w.,:/\-])[0-9]{4,}(?:[.,][0-9]+)?(?![\w:/\-])"
)
"""A number that may be a shorter id: not that of a row, a job or an error, and no part of a date, a count or a name."""


def without_ids(text: str) -> str:
    """The text without the ids that it quotes, for what goes to more people than the rows: notices, events and logs."""
    text = _QUOTED.sub(_without_ids_of_quotation, _ID_OF_DOUBT.sub("…", _LONG_NUMBER.sub("…", text)))
    return _SHORT_NUMBER.sub(lambda match: match["kept"] or "…", text)


def _without_ids_of_quotation(quoted: re.Match[str]) -> str:
    """A cell is shown in double quotation marks, a heading, which may be "Phase 2", in single ones."""
    return re.sub("[0-9]+" if quoted[1] == '"' else "[0-9]{4,}", "…", quoted[0])


def is_id(cell: str) -> bool:
    """Whether a trimmed cell is an id. With a 0 in front it would have two forms, and only one of them protected."""
    return cell.isascii() and cell.isdigit() and len(cell) <= MAX_ID_DIGITS and not cell.startswith("0")


def all_ids(cells: Sequence[str]) -> bool:
    """Whether every cell is an id as it stands; fast enough for a million cells."""
    if not all_digits(cells) or max(map(len, cells), default=0) > MAX_ID_DIGITS:
        return False
    lines = "\n".join(cells)
    return not lines.startswith("0") and "\n0" not in lines


def all_digits(cells: Sequence[str]) -> bool:
    """Whether every cell consists of ASCII digits only and none is empty; fast enough for a million cells."""
    joined = "".join(cells)
    # bytes.isdigit is six times as fast as str.isdigit, which looks up every character (measured).
    return joined.isascii() and joined.encode().isdigit() and "" not in cells
