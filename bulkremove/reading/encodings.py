"""Detect the encoding of a text: by its mark, else by how its bytes are spread.

Ids are ASCII in all of them and never change; names in the wrong encoding would be garbled.
"""

from __future__ import annotations

import codecs
import re

from bulkremove.domain.errors import FileRefused

_SAMPLE_BYTES = 1 << 18
"""Of the file's beginning: more than enough, and a million rows take no longer."""
_HIGH = bytes(range(0x80, 0x100))
_UNUSUAL = re.compile(rb"[\x82\x83\x87\x88\x89\x98]")
"""Signs of Windows-1252 that no list of people holds, such as the florin; other encodings use these bytes much."""
_RUN = re.compile(rb"[\x80-\x9f\xa1-\xff]{3,}")
_LINE_END = re.compile(r"\r\n|\r|\n")
_GERMAN = frozenset("ÄÖÜäöüß".encode("cp1252"))
"""Letters that a sample of umlauts may hold side by side."""


def detect(raw: bytes, name: str) -> tuple[str, list[str]]:
    """Return the encoding and the notes for the preview: UTF-16, else UTF-8, else Windows-1252. Raises FileRefused."""
    if encoding := utf16(raw):
        _check_utf16(raw, encoding, name)
        unmarked = "The file has no byte order mark; it was read as UTF-16. Check names with accents."
        return encoding, [] if encoding == "utf-16" else [unmarked]
    if _is_utf8(raw):
        return "utf-8", []
    if (position := not_windows_1252(raw)) is not None:
        line = line_number(raw, position)
        kind = ": it seems to be Shift_JIS (Japanese)" if is_shift_jis(raw) else ""
        raise FileRefused(
            f"{name} is neither UTF-8 nor Windows-1252{kind}. Line {line} holds other characters.",
            hint="Open it in a text editor, see that the names are right, and save it as UTF-8. Don't do that in "
            "Excel, which rounds long numbers.",
        )
    return "cp1252", ["The file is not UTF-8; it was read as Windows-1252. Check names with accents."]


def _is_utf8(raw: bytes) -> bool:
    """Whether the bytes are UTF-8; decoded in chunks, since one emoji makes each character of a str take four bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(raw), 1 << 20):
            decoder.decode(raw[start : start + (1 << 20)])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def line_number(raw: bytes, position: int) -> int:
    """Return the number of the line (from 1) with this byte; lines end in LF, CR or both."""
    return 1 + sum(raw.count(end, 0, position) for end in (b"\n", b"\r")) - raw.count(b"\r\n", 0, position)


def _check_utf16(raw: bytes, encoding: str, name: str) -> None:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = 1 + len(_LINE_END.findall(raw[: error.start].decode(encoding, "ignore")))
        raise FileRefused(
            f"{name} can't be read as text: line {line} holds bytes that are no UTF-16; it is damaged or cut off.",
            hint="Export it again.",
        ) from None


def utf16(raw: bytes) -> str | None:
    """Return ``utf-16`` for a text with its byte order mark; else its form with an order, if it begins mostly in ASCII.

    None for a text in another encoding.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
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
