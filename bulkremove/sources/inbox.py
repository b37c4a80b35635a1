"""The folder that nightly runs take files from, and where each file is on its way through them.

A file is taken by an atomic rename into ``working`` and ends in ``done`` or ``held``, so that it is always in exactly
one place, whoever dies when. Nothing here reads what a file says, and nothing is ever deleted.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from bulkremove.domain.errors import SourceFailed

QUIET_SECONDS = 60.0
"""Seconds since its last change after which a file counts as whole; a mark NAME.ready beside it says so at once."""
MARK = ".ready"
_UNFINISHED = (".part", ".partial", ".tmp", ".filepart", ".crdownload", MARK)


class Inbox:
    """A folder of files. ``working``, ``done`` and ``held`` lie within it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.working_folder, self.done, self.held = (path / name for name in ("working", "done", "held"))

    def prepare(self) -> None:
        """Make the places within it. Raises SourceFailed when the folder itself is not there."""
        if not self.path.is_dir():
            raise SourceFailed(
                f"There is no folder {self.path}, so nobody knows whether there was something to do.",
                hint="Check that it is mounted and may be read.",
            )
        try:
            for place in (self.working_folder, self.done, self.held):
                place.mkdir(exist_ok=True)
        except OSError as error:
            raise SourceFailed(f"The folder {self.path} can't be used: {error.strerror}.") from None

    def waiting(self, now: float) -> Iterator[tuple[Path, bool]]:
        """The dropped files, the oldest first, and whether each is whole and can be read. Raises SourceFailed.

        ``now``: epoch seconds, of the clock that the files' times are from.
        """
        found = []
        try:
            names = {entry.name for entry in os.scandir(self.path)}
            for name in names:
                path = self.path / name
                if name.startswith((".", "~$")) or name.endswith(_UNFINISHED) or not path.is_file():
                    continue
                changed = path.stat().st_mtime
                is_whole = f"{name}{MARK}" in names or now - changed >= QUIET_SECONDS
                found.append((changed, name, is_whole and _readable(path)))
        except OSError as error:
            raise SourceFailed(f"The folder {self.path} can't be read: {error.strerror}.") from None
        for _, name, is_whole in sorted(found):
            yield self.path / name, is_whole

    def take(self, path: Path) -> Path | None:
        """The file's place in ``working``; None when another host was quicker."""
        target = self.working_folder / f"{secrets.token_hex(4)}~{path.name}"
        try:
            path.rename(target)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceFailed(f"{path} can't be taken: {error.strerror}.") from None
        path.with_name(f"{path.name}{MARK}").unlink(missing_ok=True)
        return target

    def bring_back(self, name: str) -> None:
        """Move a file from ``held`` to where files are dropped, never over another one. Raises SourceFailed."""
        held, target = self.held / name, self.path / name
        if Path(name).name != name or not held.is_file():
            raise SourceFailed(f"There is no file {name!r} in {self.held}.")
        if target.exists():
            raise SourceFailed(f"A file {name!r} lies there already.", hint="Let a nightly run take that one first.")
        held.rename(target)

    def working(self) -> list[Path]:
        """The files that are taken, also by a run that died."""
        return sorted(self.working_folder.iterdir())

    def put(self, path: Path, place: Path) -> Path:
        """Move a file from ``working`` to ``done`` or ``held``, never over another one."""
        name, number = original_name(path), 1
        target = place / name
        while target.exists():
            number += 1
            target = place / f"{Path(name).stem}-{number}{Path(name).suffix}"
        path.rename(target)
        return target


def _readable(path: Path) -> bool:
    """Whether its first byte can be had; a file that is locked or lost on its network waits."""
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError:
        return False
    return True


def original_name(path: Path) -> str:
    """The name under which a file in ``working`` was dropped."""
    return path.name.partition("~")[2] or path.name


def digest(path: Path) -> str:
    """SHA-256 (hex) of the file's bytes. Raises SourceFailed."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceFailed(f"{path} can't be read: {error.strerror}.") from None
