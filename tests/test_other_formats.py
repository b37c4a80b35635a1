"""Files of formats that are not read: each is named, with the way to save its rows as .xlsx."""

from __future__ import annotations

import io
import struct

import pytest

from bulkremove.domain.errors import FileRefused
from bulkremove.reading.reader import read
from tests.workbooks import Book, Sheet, archive


def ole(stream: str) -> bytes:
    """A compound document with a stream of that name, of up to 16 letters."""
    book = Book([Sheet([["course", "batch", "learner"], ["1", "2", "3"]])]).as_bytes("xls")
    old = "Workbook".encode("utf-16-le")
    new = stream.encode("utf-16-le")
    at = book.find(old)
    entry = new.ljust(64, b"\0") + struct.pack("<H", len(new) + 2)
    return book[:at] + entry + book[at + 66 :]


HTML = b"<html><head><meta charset=utf-8></head><body><table><tr><td>1</td></tr></table></body></html>"
FORMATS: dict[str, tuple[bytes, str, str]] = {
    "a.xlsb": (archive({"xl/workbook.bin": b"\x83"}), "a binary workbook (.xlsb)", "save it as .xlsx"),
    "a.numbers": (
        archive({"Index/Document.iwa": b"\0", "Metadata/Properties.plist": b""}),
        "a document of Apple Numbers",
        "give the .xlsx file",
    ),
    "old.numbers": (archive({"Index.zip": b"PK\x03\x04"}), "a document of Apple Numbers", "give the .xlsx file"),
    "95.xls": (ole("Book"), "a workbook of Excel 95 or older", "save it as .xlsx"),
    "4.xls": (b"\x09\x04\x06\x00\0\0\x10\0\0\0" + b"\0" * 600, "a workbook of Excel 95 or older", "save it as .xlsx"),
    "locked.xlsx": (ole("EncryptedPackage"), "protected by a password", "save it as .xlsx"),
    "a.csv.gz": (b"\x1f\x8b\x08\0" + b"\0" * 20, "compressed with gzip", "save it as .xlsx"),
    "page.xls": (HTML, "a web page named .xls", "save it as .xlsx, and compare the ids"),
    "utf16.xls": (HTML.decode().encode("utf-16"), "a web page named .xls", "save it as .xlsx, and compare the ids"),
    "table.xls": (b"\xef\xbb\xbf\n<TABLE><tr></tr></TABLE>", "a web page named .xls", "compare the ids"),
    "page.html": (b"<!DOCTYPE html>\n<p>x", "a web page", "Download the list again"),
    "2003.xls": (
        b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?><Workbook/>',
        "a workbook in the XML form of Excel 2003",
        "save it as .xlsx",
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_another_format_is_named_with_the_way_to_an_xlsx(name: str) -> None:
    data, what, hint = FORMATS[name]
    with pytest.raises(FileRefused) as refused:
        read(io.BytesIO(data), name=name)
    assert f"{name} is {what}." == refused.value.message
    assert hint in refused.value.hint
