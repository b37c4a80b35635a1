"""Files of formats that are not read: recognize each, and say how to save its rows as .xlsx."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePath
from typing import NamedTuple

from bulkremove.domain.errors import FileRefused

_HEAD_BYTES = 65_536
"""Bytes at the beginning of a file that tell its format."""


class OtherFormat(NamedTuple):
    """A format that is not read: what the file is, and what to do."""

    description: str
    hint: str

    def refused(self, name: str) -> FileRefused:
        """Return the error for the file ``name``."""
        return FileRefused(f"{name} is {self.description}.", hint=self.hint)


PROTECTED = OtherFormat(
    "protected by a password",
    "Open it in Excel, remove the password (File, Info, Protect Workbook), and save it as .xlsx.",
)
OLD_EXCEL = OtherFormat(
    "a workbook of Excel 95 or older", "Open it in Excel, save it as .xlsx, and compare the ids with the old file."
)
_BINARY = OtherFormat("a binary workbook (.xlsb)", "Open it in Excel and save it as .xlsx.")
_NUMBERS = OtherFormat(
    "a document of Apple Numbers", "Open it in Numbers, choose File, Export To, Excel, and give the .xlsx file."
)
_GZIP = OtherFormat("compressed with gzip", "Unpack it. If the file within is no CSV, save it as .xlsx.")
_XML = OtherFormat(
    "a workbook in the XML form of Excel 2003",
    "Open it in Excel, save it as .xlsx, and compare the ids with the old file.",
)
_WEB_HINT = "Open it in Excel, save it as .xlsx, and compare the ids: Excel may have rounded long numbers."
_SIGN_IN_HINT = "It may be a sign-in or error page that was saved in place of the list. Download the list again."
_FILLING = re.compile(rb"\0|^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)")
"""The other bytes of ASCII in UTF-16, and byte order marks."""
_JSON = re.compile(r"\{|\[\s*(?:[\[{\"]|\]\s*$)")
"""A list of JSON, unlike a heading in brackets, goes on with a list, an object or a text, or is empty."""
_TAG = re.compile(r"<(?:!doctype\s+)?(?:html|head|body|table|meta|style|title|div|script|tr)\b", re.IGNORECASE)
_LEADING = re.compile(r"(?:\s|<\?xml[^>]*>|<!--.*?-->)*", re.DOTALL)


def check_content(raw: bytes, name: str) -> None:
    """Refuse a file that is not a CSV file or a workbook. Raises FileRefused."""
    if raw.startswith(b"\x1f\x8b"):
        raise _GZIP.refused(name)
    if raw[:2] in (b"\x09\x00", b"\x09\x02", b"\x09\x04", b"\x09\x08") and raw[2:4] in (b"\4\0", b"\6\0", b"\x08\0"):
        raise OLD_EXCEL.refused(name)
    if raw.startswith(b"%PDF"):
        raise FileRefused(f"{name} is not a CSV file or a workbook.", hint="Give a CSV, .xlsx, .xls or .ods file.")
    text = _FILLING.sub(b"", raw[:_HEAD_BYTES]).decode("latin-1")  # of any Unicode encoding: all marks are ASCII
    if text.startswith("MIME-Version:"):
        raise _web_page(text, name).refused(name)
    text = text.lstrip()
    if _JSON.match(text):
        raise FileRefused(f"{name} is JSON, not a table.", hint="Export the list as CSV or .xlsx.")
    if not text.startswith("<"):
        return
    if _TAG.match(text, _LEADING.match(text).end()):  # type: ignore[union-attr] # matches an empty text, too
        raise _web_page(text, name).refused(name)
    if "urn:schemas-microsoft-com:office:spreadsheet" in text or 'progid="Excel.Sheet"' in text:
        raise _XML.refused(name)
    raise FileRefused(f"{name} is not a CSV file or a workbook.", hint="Give a CSV, .xlsx, .xls or .ods file.")


def _web_page(text: str, name: str) -> OtherFormat:
    suffix = PurePath(name).suffix.lower()
    named = f" named {suffix}" if suffix in (".xls", ".xlsx", ".csv", ".ods", ".txt", ".tsv") else ""
    has_table = "<table" in text.casefold() or suffix in (".xls", ".xlsx")
    return OtherFormat(f"a web page{named}", _WEB_HINT if has_table else _SIGN_IN_HINT)


def check_members(members: Collection[str], name: str) -> None:
    """Refuse an archive with these members when it is a document of another format. Raises FileRefused."""
    lowered = {member.lower() for member in members}
    if "xl/workbook.bin" in lowered:
        raise _BINARY.refused(name)
    if any(member.endswith(".iwa") or member == "index.zip" for member in lowered):
        raise _NUMBERS.refused(name)
