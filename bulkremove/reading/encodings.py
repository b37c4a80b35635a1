"""Tell encodings apart that no mark names, by how their bytes are spread.

Ids are ASCII in all of them and never change; names in the wrong encoding would be garbled.
"""

from __future__ import annotations

import re

_SAMPLE_BYTES = 1 << 18
"""Of the file's beginning: more than enough, and a million rows take no longer."""
_HIGH = bytes(range(0x80, 0x100))
_UNUSUAL = re.compile(rb"[\x82\x83\x87\x88\x89\x98]")
"""Signs of Windows-1252 that no list of people holds, such as the florin; other encodings use these bytes much."""
_RUN = re.compile(rb"[\x80-\x9f\xa1-\xff]{3,}")
_GERMAN = frozenset("ÄÖÜäöüß".encode("cp1252"))
"""Letters that a sample of umlauts may hold side by side."""


def unmarked_utf16(raw: bytes) -> str | None:
    """Return ``utf-16-le`` or ``utf-16-be`` for a text without byte order mark whose beginning is mostly ASCII."""
    head = raw[:4096]
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if not even and 4 * odd > len(head):
        return "utf-16-le"
    if not odd and 4 * even > len(head):
        return "utf-16-be"
    return None


def not_windows_1252(raw: bytes) -> int | None:
    """Return the position of a byte that shows that a text, which is no UTF-8, is no Windows-1252 either.

    Western letters with accents stand alone between others. In Cyrillic, Greek, Chinese, Japanese and Korean encodings
    most bytes from 0x80 on stand in runs of three or more.
    """
    try:
        raw.decode("cp1252")
    except UnicodeDecodeError as error:
        return error.start
    sample = raw[:_SAMPLE_BYTES]
    if unusual := _UNUSUAL.search(sample):
        return unusual.start()
    runs = [run for run in _RUN.finditer(sample) if len(set(run[0])) > 1 and not _GERMAN.issuperset(run[0])]
    in_runs, high = sum(len(run[0]) for run in runs), len(sample) - len(sample.translate(None, _HIGH))
    return runs[0].start() if in_runs >= 4 and 2 * in_runs > high else None


def is_shift_jis(raw: bytes) -> bool:
    """Whether a text that is neither UTF-8 nor Windows-1252 is Japanese in Shift_JIS, and not in a similar encoding."""
    try:
        letters = set(raw.decode("cp932")) - set(map(chr, range(0x80)))
    except UnicodeDecodeError:
        return False
    # Text in EUC or Big5 often decodes, too, but then to narrow katakana, to letters for private use or rare ones.
    return all("\u3000" <= letter <= "\u30ff" or "\u4e00" <= letter <= "\u9fff" for letter in letters)
