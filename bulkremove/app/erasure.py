"""Erasing one learner's data from files: first a search that shows what would change, then the change itself.

Ids are compared with whole cells of the learner column, as the reader reads them. An edited file replaces the old
one by a rename; a link is never followed; a file that still waits for a nightly run is never edited, only named.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bulkremove.domain.errors import FileRefused, LocalFileFailed
from bulkremove.domain.ids import TRIMMED_CHARACTERS
from bulkremove.platform.secure_files import replace_content
from bulkremove.reading.columns import find_roles
from bulkremove.reading.delimited import without_rows
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.subprocess_reader import read_in_subprocess

_ENCODINGS = ("ascii", "utf-16-le", "utf-16-be")
_WORKBOOK_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0")
_MAX_ROWS = 10
"""Rows of a file that are listed."""
MAX_FILE_BYTES = 100 * 1024 * 1024
"""Larger files are named and not searched."""


@dataclass(frozen=True, slots=True)
class FileMatch:
    """The numbers of the rows of a file that name the learner, and the SHA-256 of the content that was searched."""

    numbers: frozenset[int]
    digest: bytes


@dataclass(frozen=True, slots=True)
class Erasure:
    """Where a learner's data are. ``rows``: how many in the journal, by job id; ``files``: matches in files to edit.

    ``by_hand``: sentences about files that a person must look at.
    """

    learner: str
    rows: Mapping[str, int]
    files: Mapping[Path, FileMatch]
    by_hand: tuple[str, ...]

    @property
    def found(self) -> bool:
        """Whether there is anything to erase or to look at."""
        return bool(self.rows or self.files or self.by_hand)


async def search_files(
    learner: str, editable: Iterable[Path], waiting: Iterable[Path]
) -> tuple[Mapping[Path, FileMatch], tuple[str, ...]]:
    """Search the files of some folders for a learner; ``waiting``: folders whose files are never edited.

    Returns matches in files that can be edited, and sentences about the others. Raises LocalFileFailed.
    """
    files: dict[Path, FileMatch] = {}
    by_hand: list[str] = []
    for folders, edit in ((editable, True), (waiting, False)):
        for path in (path for folder in folders for path in _files(folder)):
            raw = await asyncio.to_thread(_content, path)
            if raw is None:
                by_hand.append(f"{path} is larger than 100 MB and was not searched.")
                continue
            workbook = raw.startswith(_WORKBOOK_SIGNATURES)
            if not workbook and not any(learner.encode(encoding) in raw for encoding in _ENCODINGS):
                continue
            try:
                numbers = await _numbers(path, raw, learner)
            except FileRefused as refused:
                by_hand.append(f"{path} can't be searched: {refused.message}")
                continue
            if not numbers:
                continue
            rows = ", ".join(f"{number:,}" for number in sorted(numbers)[:_MAX_ROWS])
            rows += f" and {len(numbers) - _MAX_ROWS:,} more" * (len(numbers) > _MAX_ROWS)
            if not edit:
                by_hand.append(
                    f"{path} still waits for a nightly run and was not changed; this learner is in rows {rows}."
                )
            elif workbook:
                by_hand.append(f"{path} is a workbook and was not changed; this learner is in rows {rows}.")
            else:
                files[path] = FileMatch(numbers, hashlib.sha256(raw).digest())
    return files, tuple(by_hand)


def erase_from(path: Path, match: FileMatch) -> None:
    """Replace a file by one without the matching rows; a file that no longer exists is skipped.

    Raises LocalFileFailed, or FileRefused when the file has changed since it was searched.
    """
    if not path.exists():
        return
    raw, numbers = _content(path), match.numbers
    if raw is None or hashlib.sha256(raw).digest() != match.digest:
        raise FileRefused(f"{path} has changed meanwhile and was left as it is.", hint="Run the command again.")
    if path.suffix == ".jsonl":
        lines = raw.splitlines(keepends=True)
        content = b"".join(line for number, line in enumerate(lines, start=1) if number not in numbers)
    else:
        content = without_rows(raw, path.name, numbers)
    replace_content(path, content, mode=stat.S_IMODE(path.lstat().st_mode))


async def _numbers(path: Path, raw: bytes, learner: str) -> frozenset[int]:
    """The numbers of the rows with the id in their learner column. Raises FileRefused."""
    if path.suffix == ".jsonl":
        return frozenset(_json_numbers(raw, path.name, learner))
    table = await read_in_subprocess(path, name=path.name, options=ReadOptions(only=("all",), sandbox=True))
    column = table.columns[table.roles.learner]
    return frozenset(
        number for number, cell in zip(table.numbers, column, strict=True) if cell.strip(TRIMMED_CHARACTERS) == learner
    )


def _json_numbers(raw: bytes, name: str, learner: str) -> Iterator[int]:
    for number, line in enumerate(raw.splitlines(), start=1):
        try:
            cells = json.loads(line)["cells"]
            column = find_roles(tuple(heading for heading, _ in cells), {}, name, []).learner
            is_match = cells[column][1].strip(TRIMMED_CHARACTERS) == learner
        except (ValueError, TypeError, KeyError, AttributeError):
            raise FileRefused(f"line {number} is no line of a report.") from None
        if is_match:
            yield number


def _files(folder: Path) -> Iterator[Path]:
    """The regular files of a folder, without symbolic links."""
    if folder.is_dir() and not folder.is_symlink():
        yield from (path for path in sorted(folder.iterdir()) if stat.S_ISREG(path.lstat().st_mode))


def _content(path: Path) -> bytes | None:
    """The content of a regular file; None for one over MAX_FILE_BYTES. Raises LocalFileFailed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, "rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise LocalFileFailed(f"The file {path} can't be read: {error.strerror}.") from None
    return None if len(raw) > MAX_FILE_BYTES else raw
