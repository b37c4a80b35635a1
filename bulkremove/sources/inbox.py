"""The inbox: a folder that nightly runs take files from, with a subfolder for each stage of a file.

A file is taken by an atomic rename into ``working`` and ends in ``done`` or ``held``, so that it is always in exactly
one folder, even after a kill. Files are not parsed here, and none is ever deleted.
"""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from bulkremove.domain.clock import Epoch, seconds_between
from bulkremove.domain.errors import SourceFailed

QUIET_SECONDS = 60.0
"""Seconds since its last change after which a file counts as whole; with a mark NAME.ready beside it, at once."""
MARK = ".ready"
MAX_NAME_BYTES = 246
"""Bytes of a file's name: file systems allow 255, and nine are put before it when the file is taken."""
_LITTER = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "$recycle.bin", "system volume information", "lost+found"}
    | {"__macosx"}
)
"""Names, in lower case, of what systems put into folders; it stays where it is."""
_UNFINISHED = (".part", ".partial", ".tmp", ".filepart", ".crdownload", "~", ".swp", ".bak", ".lnk", MARK)


class Inbox:
    """A folder of files with the subfolders ``working``, ``done`` and ``held``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.working_folder, self.done, self.held = (path / name for name in ("working", "done", "held"))

    def check(self) -> None:
        """Check that the folder is there. Raises SourceFailed."""
        if not self.path.is_dir():
            raise SourceFailed(
                f"There is no folder {self.path}, so nobody knows whether there was something to do.",
                hint="Check that it is mounted and may be read.",
            )

    def prepare(self) -> None:
        """Make the subfolders. Raises SourceFailed, also when the folder itself is not there."""
        self.check()
        try:
            for folder in (self.working_folder, self.done, self.held):
                if not folder.is_dir():
                    folder.mkdir()
                    folder.chmod(
                        stat.S_IMODE(self.path.stat().st_mode)
                    )  # whoever may use the inbox, whatever the umask
        except OSError as error:
            raise SourceFailed(f"The folder {self.path} can't be used: {error.strerror}.") from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep nightly runs on other hosts, or with other home folders, from the inbox. Raises SourceFailed.

        For a folder that several hosts share it holds as far as its file system carries locks.
        """
        lock, holder = FileLock(self.working_folder / ".lock", timeout=0, mode=0o666), self.working_folder / ".holder"
        try:
            lock.acquire()
        except Timeout:
            with suppress(OSError):
                who = holder.read_text(encoding="utf-8", errors="replace")
                raise SourceFailed(
                    f"Another nightly run ({who}) takes files from {self.path} right now, so none was taken here.",
                    hint="Let one machine and one home folder use this folder.",
                ) from None
            raise SourceFailed(f"Another nightly run takes files from {self.path} right now.") from None
        except OSError as error:
            raise SourceFailed(f"The folder {self.working_folder} can't be locked: {error.strerror}.") from None
        try:
            with suppress(OSError):
                holder.write_text(f"host {platform.node()}, process {os.getpid()}", encoding="utf-8")
            yield
        finally:
            lock.release()

    def held_files(self) -> list[Path]:
        """The files in ``held``, without what this program wrote."""
        return sorted(path for path in self.held.iterdir() if path.is_file() and not _is_passed_over(path.name))

    def dropped_files(self, now: Epoch) -> Iterator[tuple[Path, bool]]:
        """The files to be taken, the oldest first, each with whether it is whole and readable. Raises SourceFailed.

        ``now``: by the clock that sets the files' times.
        """
        files = []
        try:
            names = {entry.name for entry in os.scandir(self.path)}
            for name in names:
                path = self.path / name
                if _is_passed_over(name) or _obstacle(path):
                    continue
                try:
                    changed_at = Epoch(path.stat().st_mtime)
                except FileNotFoundError:  # another host has just taken it
                    continue
                is_whole = f"{name}{MARK}" in names or seconds_between(changed_at, now) >= QUIET_SECONDS
                files.append((changed_at, name, is_whole and _readable(path)))
        except OSError as error:
            raise SourceFailed(f"The folder {self.path} can't be read: {error.strerror}.") from None
        for _, name, is_whole in sorted(files):
            yield self.path / name, is_whole

    def obstacles(self) -> list[str]:
        """Sentences about what lies there and can't be taken, such as a folder. Raises SourceFailed."""
        own = (self.working_folder, self.done, self.held)
        try:
            dropped = [path for path in self.path.iterdir() if path not in own and not _is_passed_over(path.name)]
            taken = self.working_folder.iterdir() if self.working_folder.is_dir() else ()
            found = [(path, _obstacle(path)) for path in dropped] + [(path, _no_file(path)) for path in taken]
        except OSError as error:
            raise SourceFailed(f"The folder {self.path} can't be read: {error.strerror}.") from None
        return [f"{path.relative_to(self.path)}: {why}" for path, why in sorted(found) if why]

    def copy(self, path: Path) -> None:
        """Put a copy of a whole file here, with its name and time; an earlier copy is replaced. Raises SourceFailed."""
        target = self.path / path.name
        partial = target.with_name(f"{target.name}.part")
        try:
            with path.open("rb") as file, open(partial, "wb", opener=_private) as copy:
                shutil.copyfileobj(file, copy)
                changed_at = os.fstat(file.fileno()).st_mtime_ns
            os.utime(partial, ns=(changed_at, changed_at))
            partial.replace(target)
            target.with_name(f"{target.name}{MARK}").touch()
        except OSError as error:
            raise SourceFailed(f"{path} can't be copied to {self.path}: {error.strerror}.") from None

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
        """Move a file from ``held``, or ``done``, back to the inbox, never over another one. Raises SourceFailed."""
        held, target = self.held / name, self.path / name
        if not held.is_file():
            held = self.done / name  # its job has ended
        if Path(name).name != name or not held.is_file():
            raise SourceFailed(f"There is no file {name!r} in {self.held}.")
        if target.exists():
            raise SourceFailed(f"A file {name!r} lies there already.", hint="Let a nightly run take that one first.")
        held.rename(target)

    def working(self) -> list[Path]:
        """The files in ``working``, including those that a killed run took."""
        paths = (path for path in self.working_folder.iterdir() if path.name not in (".lock", ".holder"))
        return sorted(path for path in paths if path.is_file())

    def put(self, path: Path, folder: Path) -> Path:
        """Move a file from ``working`` or ``held`` to another folder, with a number in its name if that is taken.

        Raises SourceFailed.
        """
        name, number = original_name(path) if path.parent == self.working_folder else path.name, 1
        target = folder / name
        while target.exists():
            number += 1
            target = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
        try:
            path.rename(target)
        except OSError as error:
            raise SourceFailed(f"{path} can't be moved to {folder}: {error.strerror}.") from None
        return target


def sandbox_inbox(home: Path) -> Inbox:
    """The inbox in ``home`` that nightly runs against a sandbox take files from: copies of those of the source."""
    return Inbox(home / "sandbox")


def _is_passed_over(name: str) -> bool:
    """Whether it is a hidden file, one that is still being written, or what systems and editors leave in folders."""
    return name.startswith((".", "~$")) or name.endswith(_UNFINISHED) or name.casefold() in _LITTER


def _obstacle(path: Path) -> str:
    """Why what lies there can't be taken, in a sentence; empty for a file that can."""
    if len(os.fsencode(path.name)) > MAX_NAME_BYTES:
        return f"Its name has more than {MAX_NAME_BYTES} bytes, so it can't be taken. Give it a shorter one."
    return _no_file(path)


def _no_file(path: Path) -> str:
    """Why what lies there is no file, in a sentence; empty for a file."""
    if path.is_file():
        return ""
    return "It is a folder, and its files are not taken." if path.is_dir() else "It is no file that can be read."


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


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
