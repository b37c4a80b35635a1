"""Inflate zip-based workbooks under a size limit; refuse zip bombs, encryption and nested archives."""

from __future__ import annotations

import io
import zipfile
import zlib

from bulkremove.domain.errors import FileRefused
from bulkremove.reading import other_formats
from bulkremove.reading.grid import MAX_FILE_BYTES

_CHUNK_BYTES = 1 << 16
_ENCRYPTED = 1
"""Bit of a member's flags."""
MAX_MEMBERS = 10_000


def inflate_members(raw: bytes, name: str) -> dict[str, bytes]:
    """Inflate all members; return them by name, with the content of XML members only (others: empty).

    Raises FileRefused before more than MAX_FILE_BYTES are inflated, and for encrypted, nested, damaged or DTD content.
    """
    contents: dict[str, bytes] = {}
    total = 0
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            infos = archive.infolist()
            if len(infos) > MAX_MEMBERS:
                raise FileRefused(f"{name} holds {len(infos):,} parts: it is not an ordinary workbook.")
            other_formats.check_members([info.filename for info in infos], name)
            if len({info.filename.lower() for info in infos}) < len(infos):
                # Libraries differ in which of two equal names they open; it might be the one not checked here.
                raise FileRefused(f"{name} holds two parts of one name.", hint="Open it and save it again.")
            for info in infos:
                if info.flag_bits & _ENCRYPTED:
                    raise other_formats.PROTECTED.refused(name)
                chunks: list[bytes] = []
                with archive.open(info) as member:
                    while chunk := member.read(_CHUNK_BYTES):
                        total += len(chunk)
                        if total > MAX_FILE_BYTES:
                            raise FileRefused(f"{name} inflates to more than 100 MB: too large, or a zip bomb.")
                        if not chunks and chunk.startswith(b"PK\x03\x04"):
                            raise FileRefused(f"{name} holds another archive ({info.filename}) and is not opened.")
                        if info.filename.endswith((".xml", ".rels")):
                            chunks.append(chunk)
                content = b"".join(chunks)
                # The last form is UTF-16, in both byte orders.
                if b"<!DOCTYPE" in content or b"<!ENTITY" in content or b"<\0!\0D\0O" in content:
                    raise FileRefused(f"{name} holds an XML document type, which no spreadsheet writes: not opened.")
                contents[info.filename] = content
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError):
        raise FileRefused(f"{name} is damaged or cut off.", hint="Export it again.") from None
    return contents
