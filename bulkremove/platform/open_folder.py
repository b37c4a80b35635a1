"""A folder that is held open: what is done in it happens there, whatever others put under its name meanwhile.

Who may write beside a folder can replace it with a link. So it is opened without following one, and its files are
reached through it. On systems without such calls (Windows) the folder's own access rights protect it.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from bulkremove.domain.errors import LocalFileFailed

_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # opening a FIFO would wait for its writer
_BINARY = getattr(os, "O_BINARY", 0)
REFUSED_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds between two tries of a call that Windows refuses."""
_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def while_refused(
    call: Callable[[], None], *, system: str = os.name, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Make a call again while Windows refuses it, since another program has the file open, such as a virus scanner.

    Raises PermissionError at last. On other systems a refusal is final, and nothing waits.
    """
    for pause in REFUSED_PAUSES if system == "nt" else ():
        try:
            call()
        except PermissionError:
            sleep(pause)
        else:
            return
    call()


class OpenFolder:
    """A folder; all names are those of its entries. Every method raises OSError."""

    def __init__(self, path: Path, descriptor: int | None) -> None:
        self.path = path
        self._descriptor = descriptor

    def files(self) -> list[str]:
        """The names of the files, sorted; links, folders and FIFOs are not files."""
        names = os.listdir(self.path if self._descriptor is None else self._descriptor)  # noqa: PTH208 - by its descriptor
        regular_files = []
        for name in sorted(names):
            with suppress(FileNotFoundError):  # it was moved meanwhile
                if stat.S_ISREG(self.status(name).st_mode):
                    regular_files.append(name)
        return regular_files

    def status(self, name: str) -> os.stat_result:
        """The status of an entry itself, also of a link."""
        return os.stat(self._at(name), dir_fd=self._descriptor, follow_symlinks=False)

    def has(self, name: str) -> bool:
        """Whether there is an entry of this name, whatever it is."""
        try:
            self.status(name)
        except FileNotFoundError:
            return False
        return True

    def open(self, name: str) -> BufferedReader:
        """Open a file to be read; anything that is not a regular file is refused."""
        flags = os.O_RDONLY | _NO_LINK | _NO_WAIT | _BINARY
        descriptor = os.open(self._at(name), flags, dir_fd=self._descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "it is not a regular file")
        return os.fdopen(descriptor, "rb")

    def create(self, name: str) -> BinaryIO:
        """Make a new file that only this user can read, and open it to be written."""
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | _NO_LINK | _BINARY
        return os.fdopen(os.open(self._at(name), flags, 0o600, dir_fd=self._descriptor), "wb")

    def change_mode(self, file: BinaryIO, mode: int) -> None:
        """Change the rights of a file that is open."""
        if self._descriptor is not None:
            os.fchmod(file.fileno(), mode)

    def reopen(self, name: str) -> BinaryIO:
        """Open a file that ``create`` has made, to be written anew."""
        flags = os.O_WRONLY | os.O_TRUNC | _NO_LINK | _NO_WAIT | _BINARY
        return os.fdopen(os.open(self._at(name), flags, dir_fd=self._descriptor), "wb")

    def move(self, name: str, to: OpenFolder, new_name: str) -> None:
        """Rename an entry, into another folder too; one of the new name is replaced."""
        self._replace(name, to, new_name)

    def link(self, name: str, new_name: str) -> None:
        """Give a file a second name. Raises FileExistsError, and then the entry of that name stays."""
        old, new = self._at(name), self._at(new_name)
        try:
            os.link(old, new, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            self.create(new_name).close()
            self._replace(name, self, new_name)

    def remove(self, name: str) -> None:
        """Delete an entry, if it is there; of a link, only the link."""
        with suppress(FileNotFoundError):
            while_refused(lambda: os.unlink(self._at(name), dir_fd=self._descriptor))

    def sync(self) -> None:
        """Sync the names to disk: otherwise a power cut may undo a rename."""
        if self._descriptor is not None:
            os.fsync(self._descriptor)

    def _replace(self, name: str, to: OpenFolder, new_name: str) -> None:
        old, new = self._at(name), to._at(new_name)
        while_refused(
            lambda: os.replace(old, new, src_dir_fd=self._descriptor, dst_dir_fd=to._descriptor),
        )

    def _at(self, name: str) -> str:
        if os.path.basename(name) != name or name in ("", ".", ".."):  # noqa: PTH119 - it is a name, not a path
            raise OSError(errno.EINVAL, f"{name!r} is not a valid name of a file")
        return str(self.path / name) if self._descriptor is None else name


@contextmanager
def open_folder(path: Path, *, is_own: bool = False) -> Iterator[OpenFolder]:
    """Open a folder while the context lasts. Raises OSError, or LocalFileFailed for one that is not safe.

    ``is_own``: it must not be a link, must belong to this user, and must not be writable for anybody else; write access
    of others is removed.
    """
    if os.name != "posix":
        yield OpenFolder(path, None)
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | (_NO_LINK if is_own else 0))
    except OSError as error:
        if is_own and path.is_symlink():
            raise _unsafe(path, "it is a link, which could lead anywhere") from None
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        if is_own:
            _check_own(path, descriptor)
        yield OpenFolder(path, descriptor)
    finally:
        os.close(descriptor)


def _check_own(path: Path, descriptor: int) -> None:
    status = os.fstat(descriptor)
    if status.st_uid != os.geteuid():
        raise _unsafe(path, "it belongs to another user of this system, who could put anything in its place")
    if status.st_mode & _BY_OTHERS:
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode) & ~_BY_OTHERS)


def _unsafe(path: Path, why: str) -> LocalFileFailed:
    return LocalFileFailed(
        f"The folder {path} is not used: {why}.",
        hint="Look who has put it there, and move it away; a folder is made in its place.",
    )
