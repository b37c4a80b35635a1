"""Find texts that are struck through by their own characters, as programs without formats write it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

_MARKS = "~<\u0335\u0336\u0337\u0338"
"""One of these is in every text that is struck through."""
_STRUCK = re.compile(r"[\u0335-\u0338]|~~[^~]+~~|^ *~[^~\n]+~ *$|<(?:s|del|strike)>", re.IGNORECASE | re.MULTILINE)
"""A stroke laid over the letter before it, or what Markdown, a chat or HTML strikes through."""


def struck_rows(columns: Sequence[Sequence[object]], start: int) -> Iterator[int]:
    """The indexes of the rows, from ``start`` on, in which a text is struck through as a whole or in part."""
    for column in columns:
        cells = column[start:]
        with suppress(TypeError):  # a cell that is not a text
            text = "\n".join(cells)  # type: ignore[arg-type] # texts only, or TypeError
            if not any(mark in text for mark in _MARKS) or not _STRUCK.search(text):  # fast for a million rows
                continue
        yield from (index for index, cell in enumerate(cells, start) if isinstance(cell, str) and _STRUCK.search(cell))
