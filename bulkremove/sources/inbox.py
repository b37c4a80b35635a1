"""The inbox: a folder that nightly runs take files from, with a subfolder for each stage of a file.

A file is taken by an atomic rename into ``working`` and ends in ``done`` or ``held``, so that it is always in exactly
one folder, even after a kill. Files are not parsed here, and none is ever deleted.

Anybody may put things into the inbox. So a link or FIFO there is never opened, and a subfolder is used only while it is
no link and belongs to this user: others could lead the files of a nightly run to where only this program may write.
"""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from filelock import Timeout

from bulkremove.domain.clock import Epoch, seconds_between
from bulkremove.domain.errors import LocalFileFailed, SourceFailed
from bulkremove.platform.file_lock import file_lock, has_no_locks
from bulkremove.platform.open_folder import OpenFolder, open_folder

QUIET_SECONDS = 60.0
"""Seconds since its last change after which a file counts as whole; with a mark NAME.ready beside it, at once."""
READY_SUFFIX = ".ready"
_READABLE = 0o7755
"""Rights of the subfolders, as far as others have them in the inbox: to read, not to write."""
MAX_NAME_BYTES = 246
"""Bytes of a file's name: file systems allow 255, and nine are put before it when the file is taken."""
_SYSTEM_FILES = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "$recycle.bin", "system volume information", "lost+found"}
    | {"__macosx"}
)
"""Names, in lower case, of what systems put into folders; it stays where it is."""
_UNFINISHED = (".part", ".partial", ".tmp", ".filepart", ".crdownload", "~", ".swp", ".bak", ".lnk", READY_SUFFIX)


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
        """Make the subfolders, or check those that are there. Raises SourceFailed, also when the folder is missing."""
        self.check()
        for folder in (self.working_folder, self.done, self.held):
            try:
                if not folder.is_symlink() and not folder.is_dir():
                    folder.mkdir()
                    folder.chmod(stat.S_IMODE(self.path.stat().st_mode) & _READABLE)  # whatever the umask
            except OSError as error:
                raise SourceFailed(f"The folder {self.path} can't be used: {error.strerror}.") from None
            with self._opened(folder):
                pass

    @contextmanager
    def _opened(self, folder: Path) -> Iterator[OpenFolder]:
        """Open the inbox, or a subfolder that is safe to use. Raises SourceFailed."""
        with ExitStack() as stack:
            try:
                opened = stack.enter_context(open_folder(folder, is_own=folder != self.path))
            except LocalFileFailed as failed:
                raise SourceFailed(failed.message, hint=failed.hint) from None
            except OSError as error:
                raise SourceFailed(f"The folder {folder} can't be used: {error.strerror}.") from None
            yield opened

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep nightly runs on other hosts, or with other home folders, from the inbox. Raises SourceFailed.

        For a folder that several hosts share it holds as far as its file system carries locks.
        """
        lock, holder = file_lock(self.working_folder / ".lock", timeout=0), self.working_folder / ".holder"
        try:
            lock.acquire()
        except Timeout:
            holder_text = ""
            with suppress(OSError):
                holder_text = f" ({holder.read_text(encoding='utf-8', errors='replace')})"
            raise SourceFailed(
                f"Another nightly run{holder_text} takes files from {self.path} right now, so none was taken here.",
                hint="Let one machine and one home folder use this folder.",
            ) from None
        except OSError as error:
            if not has_no_locks(error):
                raise SourceFailed(f"The folder {self.working_folder} can't be locked: {error.strerror}.") from None
        try:
            with suppress(OSError):
                holder.write_text(f"host {platform.node()}, process {os.getpid()}", encoding="utf-8")
            yield
        finally:
            lock.release()

    def held_files(self) -> list[Path]:
        """The files in ``held``, without what this program wrote. Raises SourceFailed."""
        with self._opened(self.held) as held:
            return [self.held / name for name in held.files() if not _is_passed_over(name)]

    @contextmanager
    def open(self, path: Path) -> Iterator[BufferedReader]:
        """Open a file in the inbox or in a subfolder; no link is followed. Raises SourceFailed."""
        with self._opened(path.parent) as folder:
            try:
                file = folder.open(path.name)
            except OSError as error:
                raise SourceFailed(f"{path} can't be read: {error.strerror}.") from None
            with file:
                yield file

    def digest(self, path: Path) -> str:
        """SHA-256 (hex) of a file's bytes. Raises SourceFailed."""
        with self.open(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

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
                with suppress(FileNotFoundError):  # it was moved meanwhile
                    changed_at = Epoch(path.lstat().st_mtime)
                    is_whole = f"{name}{READY_SUFFIX}" in names or seconds_between(changed_at, now) >= QUIET_SECONDS
                    files.append((changed_at, name, is_whole and self._is_readable(path)))
        except OSError as error:
            raise SourceFailed(f"The folder {self.path} can't be read: {error.strerror}.") from None
        for _, name, is_whole in sorted(files):
            yield self.path / name, is_whole

    def obstacles(self) -> list[str]:
        """Sentences about what lies there and can't be taken, such as a folder. Raises SourceFailed."""
        own = (self.working_folder, self.done, self.held)
        try:
            dropped = [path for path in self.path.iterdir() if path not in own and not _is_passed_over(path.name)]
            taken = self.working_folder.iterdir() if _is_folder(self.working_folder) else ()
            problems = [(path, _obstacle(path)) for path in dropped] + [
                (path, _not_regular_reason(path)) for path in taken
            ]
        except OSError as error:
            raise SourceFailed(f"The folder {self.path} can't be read: {error.strerror}.") from None
        return [f"{path.relative_to(self.path)}: {why}" for path, why in sorted(problems) if why]

    def copy(self, path: Path, source: Inbox) -> None:
        """Put a copy of a whole file of ``source`` here, with its name and time; an earlier one is replaced.

        Raises SourceFailed.
        """
        target = self.path / path.name
        partial = target.with_name(f"{target.name}.part")
        try:
            with source.open(path) as file, open(partial, "wb", opener=_private) as copy:
                shutil.copyfileobj(file, copy)
                changed_at = os.fstat(file.fileno()).st_mtime_ns
            os.utime(partial, ns=(changed_at, changed_at))
            partial.replace(target)
            target.with_name(f"{target.name}{READY_SUFFIX}").touch()
        except OSError as error:
            raise SourceFailed(f"{path} can't be copied to {self.path}: {error.strerror}.") from None

    def take(self, path: Path) -> Path | None:
        """Move a file to ``working``; returns its new path, or None when another host took it first."""
        target = self.working_folder / f"{secrets.token_hex(4)}~{path.name}"
        try:
            with self._opened(self.path) as inbox, self._opened(self.working_folder) as working:
                # Before the file: a mark that a kill left behind would make the next file of this name count as whole.
                inbox.remove(f"{path.name}{READY_SUFFIX}")
                inbox.move(path.name, working, target.name)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceFailed(f"{path} can't be taken: {error.strerror}.") from None
        return target

    def bring_back(self, name: str) -> None:
        """Move a file from ``held``, or ``done``, back to the inbox, never over another one. Raises SourceFailed."""
        with (
            self._opened(self.path) as inbox,
            self._opened(self.held) as held,
            self._opened(self.done) as done,
        ):
            folder = next(
                (candidate for candidate in (held, done) if name in candidate.files()), None
            )  # in ``done``: its job has ended
            if Path(name).name != name or folder is None:
                raise SourceFailed(f"There is no file {name!r} in {self.held}.")
            if inbox.has(name):
                raise SourceFailed(
                    f"A file {name!r} lies there already.", hint="Let a nightly run take that one first."
                )
            folder.move(name, inbox, name)

    def working(self) -> list[Path]:
        """The files in ``working``, including those that a killed run took. Raises SourceFailed."""
        with self._opened(self.working_folder) as working:
            return [self.working_folder / name for name in working.files() if name not in (".lock", ".holder")]

    def move_to(self, path: Path, folder: Path) -> Path:
        """Move a file from ``working`` or ``held`` to another folder, with a number in its name if that is taken.

        Raises SourceFailed.
        """
        first, number = original_name(path) if path.parent == self.working_folder else path.name, 1
        name = first
        with self._opened(path.parent) as place, self._opened(folder) as ended:
            try:
                while ended.has(name):
                    number += 1
                    name = f"{Path(first).stem}-{number}{Path(first).suffix}"
                place.move(path.name, ended, name)
            except OSError as error:
                raise SourceFailed(f"{path} can't be moved to {folder}: {error.strerror}.") from None
        return folder / name

    def _is_readable(self, path: Path) -> bool:
        """Whether its first byte can be read; a file that is locked, or whose network drive fails, has to wait."""
        try:
            with self.open(path) as file:
                file.read(1)
        except (SourceFailed, OSError):
            return False
        return True


def _is_passed_over(name: str) -> bool:
    """Whether it is a hidden file, one that is still being written, or what systems and editors leave in folders."""
    return name.startswith((".", "~$")) or name.endswith(_UNFINISHED) or name.casefold() in _SYSTEM_FILES


def _obstacle(path: Path) -> str:
    """Why what lies there can't be taken, in a sentence; empty for a file that can."""
    if len(os.fsencode(path.name)) > MAX_NAME_BYTES:
        return f"Its name has more than {MAX_NAME_BYTES} bytes, so it can't be taken. Give it a shorter one."
    return _not_regular_reason(path)


def _not_regular_reason(path: Path) -> str:
    """Why what lies there is no file, in a sentence; empty for a file, and for what was moved meanwhile."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return ""
    if stat.S_ISREG(mode):
        return ""
    if stat.S_ISLNK(mode):
        return "It is a link, and links are not followed."
    return (
        "It is a folder, and its files are not taken." if stat.S_ISDIR(mode) else "It is not a file that can be read."
    )


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def original_name(path: Path) -> str:
    """The name that a file in ``working`` had before it was taken."""
    return path.name.partition("~")[2] or path.name
