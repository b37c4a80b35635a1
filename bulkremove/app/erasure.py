"""Erasing one learner's data from files: first a search that shows what would change, then the change itself.

Ids are compared with whole cells of the learner column, as the reader reads them. An edited file replaces the old
one by a rename; a link is never followed; a file that still waits for a nightly run is never edited, only named. An
upload, which is this program's own copy of a person's file, is deleted if any cell is the id; so is a report that is a
workbook, since the journal makes it again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bulkremove.domain.errors import FileRefused, LocalFileFailed
from bulkremove.domain.ids import JOB_ID, TRIMMED_CHARACTERS
from bulkremove.domain.table import UNDO_COLUMN
from bulkremove.platform.open_folder import OpenFolder, open_folder
from bulkremove.platform.secure_files import replace_in
from bulkremove.reading.columns import find_roles
from bulkremove.reading.delimited import without_rows
from bulkremove.reading.grid import MAX_FILE_BYTES
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.subprocess_reader import read_in_subprocess

_ENCODINGS = ("ascii", "utf-16-le", "utf-16-be")
_WORKBOOK_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0")
_REPORT = re.compile(rf"{JOB_ID}(-SANDBOX)?-report(-[0-9]+)?\.xlsx", re.ASCII)
"""Names of the workbooks that nightly runs write."""
_OWN_REPORT = re.compile(rf"{JOB_ID}-report(-[0-9]+)?\.csv", re.ASCII)
"""Names of the reports of the page's jobs; that of an enrolment has UNDO_COLUMN and can't be read as an input."""
_MAX_ROWS = 10
"""Rows of a file that are listed."""


@dataclass(frozen=True, slots=True)
class FileMatch:
    """The numbers of the rows of a file that name the learner, and the SHA-256 of the content that was searched.

    ``is_upload``: it is an upload; ``is_deleted``: the file is deleted as a whole.
    """

    numbers: frozenset[int]
    digest: bytes
    is_upload: bool = False
    is_deleted: bool = False
    is_workbook: bool = False


@dataclass(frozen=True, slots=True)
class Folders:
    """Folders to search: files that can be edited, uploads, and files that wait for a nightly run.

    ``copies``: files that are copies of the journal, which are deleted as a whole.
    """

    editable: Sequence[Path]
    uploads: Path
    waiting: Sequence[Path]
    copies: Sequence[Path] = ()


@dataclass(frozen=True, slots=True)
class Erasure:
    """Where a learner's data are. ``rows``: how many in the journal, by job id; ``files``: matches in files to change.

    ``texts``: number of other texts in the journal that name the learner; ``manual_steps``: sentences about what a
    person must look at.
    """

    learner: str
    rows: Mapping[str, int]
    texts: int
    files: Mapping[Path, FileMatch]
    manual_steps: tuple[str, ...]

    @property
    def has_matches(self) -> bool:
        """Whether there is anything to erase or to look at."""
        return bool(self.is_erasable or self.manual_steps)

    @property
    def is_erasable(self) -> bool:
        """Whether there is anything to erase."""
        return bool(self.rows or self.texts or self.files)


async def search_files(learner: str, folders: Folders) -> tuple[Mapping[Path, FileMatch], tuple[str, ...]]:
    """Search the files of some folders for a learner.

    Returns matches in files that can be changed, and sentences about the others. Raises LocalFileFailed.
    """
    files: dict[Path, FileMatch] = {}
    manual_steps: list[str] = []
    # Those that wait come first: a nightly run that moves a file on meanwhile moves it to where it is found later.
    for path in (path for folder in folders.waiting for path in _files(folder)):
        match = await _search(learner, path, manual_steps)
        if match is not None:
            rows = _row_list_text(match.numbers)
            manual_steps.append(
                f"{path} still waits for a nightly run and was not changed; this learner is in rows {rows}."
            )
    for path in (path for folder in folders.editable for path in _files(folder)):
        match = await _search(learner, path, manual_steps)
        if match is not None and match.is_workbook and not match.is_deleted:
            rows = _row_list_text(match.numbers)
            manual_steps.append(f"{path} is a workbook and was not changed; this learner is in rows {rows}.")
        elif match is not None:
            files[path] = match
    for path in _files(folders.uploads):
        match = await _search(learner, path, manual_steps, is_upload=True)
        if match is not None:
            files[path] = match
    for path in folders.copies:
        raw = await asyncio.to_thread(_content, path)
        if raw is not None and (len(raw) > MAX_FILE_BYTES or _holds(raw, learner)):
            files[path] = FileMatch(frozenset({0}), hashlib.sha256(raw).digest(), is_deleted=True)
    return files, tuple(manual_steps)


async def _search(learner: str, path: Path, manual_steps: list[str], *, is_upload: bool = False) -> FileMatch | None:
    """The rows of a file that name the learner; None if none does, or if ``manual_steps`` says why not."""
    raw = await asyncio.to_thread(_content, path)
    if raw is None:
        return None  # it was moved meanwhile
    if len(raw) > MAX_FILE_BYTES:
        manual_steps.append(f"{path} is larger than 100 MB and was not searched.")
        return None
    is_workbook = raw.startswith(_WORKBOOK_SIGNATURES)
    if not is_workbook and not any(learner.encode(encoding) in raw for encoding in _ENCODINGS):
        return None
    try:
        numbers = await _numbers(path, raw, learner, any_cell=is_upload)
    except FileRefused as refused:
        is_enrolment = _OWN_REPORT.fullmatch(path.name) and UNDO_COLUMN.encode() in raw
        if is_enrolment and _holds(raw, learner):  # the journal makes it again
            return FileMatch(frozenset({0}), hashlib.sha256(raw).digest(), is_deleted=True)
        if not is_upload or is_workbook:
            ending = " It is an upload, which is deleted a day later." if is_upload else ""
            manual_steps.append(f"{path} can't be searched: {refused.message}{ending}")
            return None
        numbers = frozenset({0})  # an upload in which a person must still choose something
    if not numbers:
        return None
    is_deleted = is_upload or (is_workbook and _REPORT.fullmatch(path.name) is not None)
    return FileMatch(numbers, hashlib.sha256(raw).digest(), is_upload, is_deleted, is_workbook)


def _holds(raw: bytes, learner: str) -> bool:
    """Whether a number in a file of this program is the learner's id."""
    return re.search(rb"(?<![0-9])" + learner.encode() + rb"(?![0-9])", raw) is not None


def _row_list_text(numbers: Collection[int]) -> str:
    rows = ", ".join(f"{number:,}" for number in sorted(numbers)[:_MAX_ROWS])
    return rows + f" and {len(numbers) - _MAX_ROWS:,} more" * (len(numbers) > _MAX_ROWS)


def erase_from(path: Path, match: FileMatch, *, home: Path) -> None:
    """Replace a file by one without the matching rows, or delete an upload; one that no longer exists is skipped.

    Raises LocalFileFailed, or FileRefused when the file has changed since it was searched.
    """
    try:
        with open_folder(path.parent, is_own=path.parent.parent != home) as folder:
            _erase_from(folder, path, match)
    except OSError as error:
        raise LocalFileFailed(f"The file {path} can't be changed: {error.strerror}.") from None


def _erase_from(folder: OpenFolder, path: Path, match: FileMatch) -> None:
    raw, numbers = _content_in(folder, path.name), match.numbers
    if raw is None:
        return
    if hashlib.sha256(raw).digest() != match.digest:
        raise FileRefused(f"{path} has changed meanwhile and was left as it is.", hint="Run the command again.")
    if match.is_deleted:
        folder.remove(path.name)
        return
    if path.suffix == ".jsonl":
        lines = raw.splitlines(keepends=True)
        content = b"".join(line for number, line in enumerate(lines, start=1) if number not in numbers)
    else:
        content = without_rows(raw, path.name, numbers)
    replace_in(folder, path.name, content, mode=stat.S_IMODE(folder.status(path.name).st_mode))


async def _numbers(path: Path, raw: bytes, learner: str, *, any_cell: bool) -> frozenset[int]:
    """The numbers of the rows with the id in their learner column, or in any cell. Raises FileRefused."""
    if path.suffix == ".jsonl":
        return frozenset(_json_numbers(raw, path.name, learner))
    table = await read_in_subprocess(path, name=path.name, options=ReadOptions(only=("all",), sandbox=True))
    return frozenset(
        number
        for column in (table.columns if any_cell else [table.columns[table.roles.learner]])
        for number, cell in zip(table.numbers, column, strict=True)
        if cell.strip(TRIMMED_CHARACTERS) == learner
    )


def _json_numbers(raw: bytes, name: str, learner: str) -> Iterator[int]:
    for number, line in enumerate(raw.splitlines(), start=1):
        try:
            cells = json.loads(line)["cells"]
            column = find_roles(tuple(heading for heading, _ in cells), {}, name, []).learner
            is_match = cells[column][1].strip(TRIMMED_CHARACTERS) == learner
        except (ValueError, TypeError, KeyError, AttributeError):
            raise FileRefused(f"line {number} is not a line of a report.") from None
        if is_match:
            yield number


def _files(folder: Path) -> Iterator[Path]:
    """The regular files of a folder, without symbolic links. Raises LocalFileFailed."""
    try:
        if folder.is_dir() and not folder.is_symlink():
            yield from (path for path in sorted(folder.iterdir()) if not path.is_symlink() and path.is_file())
    except OSError as error:
        raise LocalFileFailed(f"The folder {folder} can't be read: {error.strerror}.") from None


def _content(path: Path) -> bytes | None:
    """The content of a file, up to a byte over MAX_FILE_BYTES; None if there is none. Raises LocalFileFailed."""
    try:
        with open_folder(path.parent) as folder:
            return _content_in(folder, path.name)
    except OSError as error:
        raise LocalFileFailed(f"The file {path} can't be read: {error.strerror}.") from None


def _content_in(folder: OpenFolder, name: str) -> bytes | None:
    try:
        with folder.open(name) as file:
            return file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
