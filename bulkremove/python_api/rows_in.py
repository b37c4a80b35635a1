"""What a program may give as rows: a DataFrame, a path, the bytes of a file, an open file, or triples of ids."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeGuard

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.table import Table
from bulkremove.reading.grid import MAX_ROWS
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.subprocess_reader import ReadUntrusted

if TYPE_CHECKING:  # pandas takes 0.4 s, which a program without a frame need not wait
    import pandas as pd

    class OpenFile(Protocol):
        """An open file, or what is like one."""

        def read(self) -> bytes:
            """Everything that is left of it."""

    RowsIn = pd.DataFrame | str | os.PathLike[str] | bytes | OpenFile | Iterable[Sequence[str | int]]
    """The type of what is given; text is a path."""


def default_name(rows: RowsIn) -> str:
    """How messages name rows for which the program gave no name."""
    if isinstance(rows, str | os.PathLike):
        return Path(rows).name
    return "the file" if isinstance(rows, bytes) or _is_open_file(rows) else type(rows).__name__


def taken(rows: RowsIn) -> RowsIn:
    """The rows, with triples that come one by one taken in this thread: a database cursor may serve no other."""
    return list(islice(rows, MAX_ROWS + 1)) if isinstance(rows, Iterator) and not _is_open_file(rows) else rows


async def read_rows(rows: RowsIn, *, name: str, options: ReadOptions, read_file: ReadUntrusted) -> Table:
    """Read what was given to its end. ``read_file`` reads files. Raises TypeError and FileRefused."""
    with ExitStack() as files:
        file = await asyncio.to_thread(_as_file, rows, name, files)
        if file is not None:
            return await read_file(file, name=name, options=options)
    return await asyncio.to_thread(_read_values, rows, name, options)


def _as_file(rows: RowsIn, name: str, files: ExitStack) -> BinaryIO | None:
    """What was given, as a file with a descriptor, which ``files`` closes; None if not a file. Raises FileRefused."""
    if isinstance(rows, str | os.PathLike):
        try:
            return files.enter_context(Path(rows).expanduser().open("rb"))
        except OSError as error:
            raise FileRefused(f"{name} can't be read: {error.strerror}.") from None
    content: object = rows.read() if _is_open_file(rows) else rows
    if isinstance(content, str):
        raise TypeError("Open the file in binary mode: its encoding is found from its bytes.")
    if not isinstance(content, bytes | bytearray | memoryview):
        return None
    file = files.enter_context(TemporaryFile(prefix="bulkremove-"))  # noqa: SIM115 - ``files`` closes it
    file.write(content)
    file.seek(0)
    return file


def _is_open_file(rows: object) -> TypeGuard[OpenFile]:
    return callable(getattr(type(rows), "read", None))  # a DataFrame may have a column of this name


def _read_values(rows: object, name: str, options: ReadOptions) -> Table:
    import pandas as pd

    from bulkremove.reading.frame import read_frame, read_triples

    if isinstance(rows, pd.DataFrame):
        return read_frame(rows, name=name, options=options)
    if not isinstance(rows, Iterable):
        raise TypeError(f"{type(rows).__name__} is no DataFrame, path, bytes or triples of course, batch and learner.")
    return read_triples(rows, name=name, options=options)
