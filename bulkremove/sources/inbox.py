"""The inbox: a folder that nightly runs take files from, with a subfolder for each stage of a file.

A file is taken by an atomic rename into ``working`` and ends in ``done`` or ``held``, so that it is always in exactly
one folder, even after a kill. Files are not parsed here, and none is ever deleted.

Anyone may be able to write to the inbox. So links and FIFOs in it are never opened, and a subfolder is used only if it
is a real folder owned by this user. Otherwise somebody could redirect a nightly run's files to a place that only this
program can write to.
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
"""A file counts as complete this many seconds after its last change, or at once if a marker file NAME.ready is beside
it.
"""
READY_SUFFIX = ".ready"
_SUBFOLDER_MASK = 0o7755
"""Mask applied to the inbox's mode to get the subfolders' mode: group and others never get write access."""
MAX_NAME_BYTES = 246
"""The most bytes a file's name may have: file systems allow 255, and taking the file puts nine before its name."""
_SYSTEM_FILES = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "$recycle.bin", "system volume information", "lost+found"}
    | {"__macosx"}
)
"""Names, in lower case, of files and folders that operating systems create; they are left where they are."""
_IGNORED_SUFFIXES = (".part", ".partial", ".tmp", ".filepart", ".crdownload", "~", ".swp", ".bak", ".lnk", READY_SUFFIX)
"""Ends of the names of files that are still being written, of backups and shortcuts, and of marker files."""


class Inbox:
    """A folder of files with the subfolders ``working``, ``done`` and ``held``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.working_folder, self.done_folder, self.held_folder = (path / name for name in ("working", "done", "held"))

    def check(self) -> None:
        """Check that the folder exists. Raises SourceFailed."""
        if not self.path.is_dir():
            raise SourceFailed(
                f"There is no folder {self.path}, so it is not known whether there were files to process.",
                hint="Check that it is mounted and readable.",
            )

    def prepare(self) -> None:
        """Create the subfolders, and check those that exist. Raises SourceFailed, also if the inbox is missing."""
        self.check()
        for folder in (self.working_folder, self.done_folder, self.held_folder):
            try:
                if not folder.is_symlink() and not folder.is_dir():
                    folder.mkdir()
                    folder.chmod(stat.S_IMODE(self.path.stat().st_mode) & _SUBFOLDER_MASK)  # whatever the umask
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
        """Keep nightly runs on other hosts, or with other home folders, out of the inbox. Raises SourceFailed.

        This works on a shared folder only if its file system supports locks across hosts.
        """
        lock, holder = file_lock(self.working_folder / ".lock", timeout=0), self.working_folder / ".holder"
        try:
            lock.acquire()
        except Timeout:
            holder_text = ""
            with suppress(OSError):
                holder_text = f" ({holder.read_text(encoding='utf-8', errors='replace')})"
            raise SourceFailed(
                f"Another nightly run{holder_text} is taking files from {self.path} right now, so none was taken here.",
                hint="Let only one machine, with one home folder, use this folder.",
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
        """Return the files in ``held``, without those that this program wrote. Raises SourceFailed."""
        with self._opened(self.held_folder) as held:
            return [self.held_folder / name for name in held.files() if not _is_passed_over(name)]

    @contextmanager
    def open(self, path: Path) -> Iterator[BufferedReader]:
        """Open a file in the inbox or in a subfolder, without following links. Raises SourceFailed."""
        with self._opened(path.parent) as folder:
            try:
                file = folder.open(path.name)
            except OSError as error:
                raise SourceFailed(f"{path} can't be read: {error.strerror}.") from None
            with file:
                yield file

    def digest(self, path: Path) -> str:
        """Return the SHA-256 (hex) of a file's bytes. Raises SourceFailed."""
        with self.open(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def incoming_files(self, now: Epoch) -> Iterator[tuple[Path, bool]]:
        """Yield the files to take, oldest first, each with whether it is complete and readable. Raises SourceFailed.

        ``now``: from the clock that sets the files' times.
        """
        files = []
        try:
            names = {entry.name for entry in os.scandir(self.path)}
            for name in names:
                path = self.path / name
                if _is_passed_over(name) or _obstacle(path):
                    continue
                with suppress(FileNotFoundError):  # it has been moved in the meantime
                    changed_at = Epoch(path.lstat().st_mtime)
                    is_complete = f"{name}{READY_SUFFIX}" in names or seconds_between(changed_at, now) >= QUIET_SECONDS
                    files.append((changed_at, name, is_complete and self._is_readable(path)))
        except OSError as error:
            raise SourceFailed(f"The folder {self.path} can't be read: {error.strerror}.") from None
        for _, name, is_complete in sorted(files):
            yield self.path / name, is_complete

    def obstacles(self) -> list[str]:
        """Return a sentence for each entry of the inbox that can't be taken, such as a folder. Raises SourceFailed."""
        own = (self.working_folder, self.done_folder, self.held_folder)
        try:
            incoming = [path for path in self.path.iterdir() if path not in own and not _is_passed_over(path.name)]
            taken = self.working_folder.iterdir() if _is_folder(self.working_folder) else ()
            problems = [(path, _obstacle(path)) for path in incoming] + [
                (path, _not_regular_reason(path)) for path in taken
            ]
        except OSError as error:
            raise SourceFailed(f"The folder {self.path} can't be read: {error.strerror}.") from None
        return [f"{path.relative_to(self.path)}: {why}" for path, why in sorted(problems) if why]

    def copy(self, path: Path, source: Inbox) -> None:
        """Copy a complete file of ``source`` to this inbox, with its name and time, replacing an earlier copy.

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
        """Move a file to ``working``. Returns its new path, or None if another host took it first."""
        target = self.working_folder / f"{secrets.token_hex(4)}~{path.name}"
        try:
            with self._opened(self.path) as inbox, self._opened(self.working_folder) as working:
                # First the marker, then the file: a marker left behind by a kill in between would make the next file of
                # this name count as complete too early.
                inbox.remove(f"{path.name}{READY_SUFFIX}")
                inbox.move(path.name, working, target.name)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceFailed(f"{path} can't be taken: {error.strerror}.") from None
        return target

    def bring_back(self, name: str) -> None:
        """Move a file from ``held`` or ``done`` back to the inbox, without replacing a file. Raises SourceFailed."""
        with (
            self._opened(self.path) as inbox,
            self._opened(self.held_folder) as held,
            self._opened(self.done_folder) as done,
        ):
            folder = next(
                (candidate for candidate in (held, done) if name in candidate.files()), None
            )  # it is in ``done`` if its job has ended
            if Path(name).name != name or folder is None:
                raise SourceFailed(f"There is no file {name!r} in {self.held_folder}.")
            if inbox.has(name):
                raise SourceFailed(
                    f"The inbox already contains a file named {name!r}.", hint="Let a nightly run take that one first."
                )
            folder.move(name, inbox, name)

    def working_files(self) -> list[Path]:
        """Return the files in ``working``, including those that a killed run took. Raises SourceFailed."""
        with self._opened(self.working_folder) as working:
            return [self.working_folder / name for name in working.files() if name not in (".lock", ".holder")]

    def move_to(self, path: Path, folder: Path) -> Path:
        """Move a file from ``working`` or ``held`` to another folder.

        Adds a number to its name if the name is already in use there. Raises SourceFailed.
        """
        first = name = original_name(path) if path.parent == self.working_folder else path.name
        number = 1
        with self._opened(path.parent) as origin, self._opened(folder) as target:
            try:
                while target.has(name):
                    number += 1
                    name = f"{Path(first).stem}-{number}{Path(first).suffix}"
                origin.move(path.name, target, name)
            except OSError as error:
                raise SourceFailed(f"{path} can't be moved to {folder}: {error.strerror}.") from None
        return folder / name

    def _is_readable(self, path: Path) -> bool:
        """Whether the file's first byte can be read; one that is locked, or whose network drive fails, has to wait."""
        try:
            with self.open(path) as file:
                file.read(1)
        except (SourceFailed, OSError):
            return False
        return True


def _is_passed_over(name: str) -> bool:
    """Whether this is a hidden file, one that is still being written, or one that a system or editor leaves behind."""
    return name.startswith((".", "~$")) or name.endswith(_IGNORED_SUFFIXES) or name.casefold() in _SYSTEM_FILES


def _obstacle(path: Path) -> str:
    """A sentence saying why this entry can't be taken; empty if it can."""
    if len(os.fsencode(path.name)) > MAX_NAME_BYTES:
        return f"Its name has more than {MAX_NAME_BYTES} bytes, so it can't be taken. Give it a shorter one."
    return _not_regular_reason(path)


def _not_regular_reason(path: Path) -> str:
    """A sentence saying why this entry is not a regular file; empty if it is, or if it has been moved meanwhile."""
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
