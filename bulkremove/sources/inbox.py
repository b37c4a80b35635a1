"""The inbox: a folder that nightly runs take files from, with a subfolder for each stage of a file.

A file is taken by an atomic rename into ``working`` and ends in ``done`` or ``held``, so that it is always in exactly
one folder, even after a kill. Files are not parsed here, and none is ever deleted.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from bulkremove.domain.clock import Epoch, seconds_between
from bulkremove.domain.errors import SourceFailed

QUIET_SECONDS = 60.0
"""Seconds since its last change after which a file counts as whole; with a mark NAME.ready beside it, at once."""
MARK = ".ready"
_UNFINISHED = (".part", ".partial", ".tmp", ".filepart", ".crdownload", MARK)


class Inbox:
    """A folder of files with the subfolders ``working``, ``done`` and ``held``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.working_folder, self.done, self.held = (path / name for name in ("working", "done", "held"))

    def prepare(self) -> None:
        """Make the subfolders. Raises SourceFailed, also when the folder itself is not there."""
        if not self.path.is_dir():
            raise SourceFailed(
                f"There is no folder {self.path}, so nobody knows whether there was something to do.",
                hint="Check that it is mounted and may be read.",
            )
        try:
            for folder in (self.working_folder, self.done, self.held):
                folder.mkdir(exist_ok=True)
        except OSError as error:
            raise SourceFailed(f"The folder {self.path} can't be used: {error.strerror}.") from None

    def dropped_files(self, now: Epoch) -> Iterator[tuple[Path, bool]]:
        """The files to be taken, the oldest first, each with whether it is whole and readable. Raises SourceFailed.

        ``now``: by the clock that sets the files' times.
        """
        files = []
        try:
            names = {entry.name for entry in os.scandir(self.path)}
            for name in names:
                path = self.path / name
                if name.startswith((".", "~$")) or name.endswith(_UNFINISHED) or not path.is_file():
                    continue
                changed_at = Epoch(path.stat().st_mtime)
                is_whole = f"{name}{MARK}" in names or seconds_between(changed_at, now) >= QUIET_SECONDS
                files.append((changed_at, name, is_whole and _readable(path)))
        except OSError as error:
            raise SourceFailed(f"The folder {self.path} can't be read: {error.strerror}.") from None
        for _, name, is_whole in sorted(files):
            yield self.path / name, is_whole

    def claim(self, path: Path) -> Path | None:
        """Move a file to ``working``; returns its new path, or None when another host took it first."""
        target = self.working_folder / f"{secrets.token_hex(4)}~{path.name}"
        try:
            # Before the file: a mark that a kill left behind would make the next file of this name count as whole.
            path.with_name(f"{path.name}{MARK}").unlink(missing_ok=True)
            path.rename(target)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceFailed(f"{path} can't be taken: {error.strerror}.") from None
        return target

    def bring_back(self, name: str) -> None:
        """Move a file from ``held`` back to the inbox, never over another one. Raises SourceFailed."""
        held, target = self.held / name, self.path / name
        if Path(name).name != name or not held.is_file():
            raise SourceFailed(f"There is no file {name!r} in {self.held}.")
        if target.exists():
            raise SourceFailed(f"A file {name!r} lies there already.", hint="Let a nightly run take that one first.")
        held.rename(target)

    def working(self) -> list[Path]:
        """The files in ``working``, including those that a killed run took."""
        return sorted(self.working_folder.iterdir())

    def put(self, path: Path, folder: Path) -> Path:
        """Move a file from ``working`` to ``done`` or ``held``, with a number in its name if that is taken."""
        name, number = original_name(path), 1
        target = folder / name
        while target.exists():
            number += 1
            target = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
        path.rename(target)
        return target


def _readable(path: Path) -> bool:
    """Whether its first byte can be read; a file that is locked, or whose network drive fails, has to wait."""
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError:
        return False
    return True


def original_name(path: Path) -> str:
    """The name that a file in ``working`` had before it was taken."""
    return path.name.partition("~")[2] or path.name


def digest(path: Path) -> str:
    """SHA-256 (hex) of the file's bytes. Raises SourceFailed."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceFailed(f"{path} can't be read: {error.strerror}.") from None
