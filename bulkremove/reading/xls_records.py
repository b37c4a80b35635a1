"""The records of an .xls file; their types and layouts: Microsoft's [MS-XLS]."""

from __future__ import annotations

import struct
from collections.abc import Iterator

BOF, _EOF = 0x0809, 0x000A
"""The types of the records that begin and end a substream."""


def records_at(stream: bytes, offset: int) -> Iterator[tuple[int, bytes, int]]:
    """Iterate over type, body and depth of each record in the substream that begins at ``offset``; its own depth is 1.

    Raises ValueError when no substream begins there: python-calamine would read records there that were not checked.
    """
    if struct.unpack_from("<H", stream, offset)[0] != BOF:
        raise ValueError(offset)
    depth = 0
    while offset + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, offset)
        depth += kind == BOF
        yield kind, stream[offset + 4 : offset + 4 + length], depth
        depth -= kind == _EOF
        if depth <= 0:
            return
        offset += 4 + length
