"""The definition of an id: 1 to 19 ASCII digits; blanks around them may be trimmed.

Shared by reading, which detects ids that a spreadsheet has changed, and planning, which excludes cells without an id.
Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

MAX_ID_DIGITS = 19
"""Zoho's ids have 18 digits, and a signed 64-bit number has at most 19."""

TRIMMED_CHARACTERS = " \t\xa0"
"""The only characters that are trimmed around the digits: space, tab and no-break space."""


def all_digits(cells: Sequence[str]) -> bool:
    """Whether every cell consists of ASCII digits only and none is empty; fast enough for a million cells."""
    joined = "".join(cells)
    # bytes.isdigit is six times as fast as str.isdigit, which looks up every character (measured).
    return joined.isascii() and joined.encode().isdigit() and "" not in cells
