"""Private files: mode 0600 in a folder of mode 0700 from their creation on, replaced atomically and synced to disk.

For tokens and credentials. On systems without POSIX permissions only the folder's own access rights protect them.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bulkremove.domain.errors import LocalFileFailed
from bulkremove.platform.open_folder import OpenFolder, open_folder


def make_folder(path: Path) -> None:
    """Make the folder and its parents with mode 0700 where missing, synced to survive a power cut. Raises OSError."""
    if path.is_dir():
        return
    if path.parent != path:
        make_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to disk: otherwise a power cut may undo a rename. Raises OSError."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def private_folder(path: Path) -> Path:
    """Make the folder where missing, and return it. Raises LocalFileFailed."""
    try:
        make_folder(path)
    except OSError as error:
        raise LocalFileFailed(
            f"The folder {path} can't be made: {error.strerror}.", hint="Set BULKREMOVE_HOME."
        ) from None
    return path


def check_not_shared(home: Path) -> None:
    """Check that nobody else may write to the home folder, if it is there. Raises LocalFileFailed.

    Who could put files there would decide what this program does: its settings, its protected list, its journal.
    """
    if os.name != "posix":
        return
    try:
        status = home.stat()
    except OSError:  # it is made later, or whoever uses it says why it can't be used
        return
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        why, hint = (
            "others may write to it",
            f"Run `chmod 700 {home}`, and look whether somebody has changed something.",
        )
    elif status.st_uid not in (0, os.geteuid()) and os.geteuid():
        why, hint = "it belongs to another user of this system", "Set BULKREMOVE_HOME to a folder of your own."
    else:
        return
    raise LocalFileFailed(f"The home folder {home} is not used: {why}, and so could change what is removed.", hint=hint)


def write_private(path: Path, text: str) -> None:
    """Replace a text file atomically; a crash leaves the old one. Raises LocalFileFailed."""
    private_folder(path.parent)
    replace_content(path, text.encode("utf-8", "surrogateescape"))


def replace_content(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace a file by renaming a temporary one; a crash leaves the old one. Raises LocalFileFailed.

    A link of this name is replaced, not followed. ``mode``: the file's rights.
    """
    try:
        with open_folder(path.parent) as folder:
            replace_in(folder, path.name, content, mode=mode)
    except OSError as error:
        raise LocalFileFailed(f"The file {path} can't be written: {error.strerror}.") from None


def replace_in(folder: OpenFolder, name: str, content: bytes, *, mode: int = 0o600) -> None:
    """Replace a file of an open folder as ``replace_content`` does. Raises OSError."""
    temporary = f".{secrets.token_hex(8)}.tmp"
    try:
        with folder.create(temporary) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if mode != 0o600:
                folder.change_mode(file, mode)
        folder.move(temporary, folder, name)
        folder.sync()
    except BaseException:
        folder.remove(temporary)
        raise


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a private file to be written, which gets its name once it is complete and on disk.

    Raises OSError; FileExistsError where there is a file or link of this name, which stays.
    """
    partial = f".{secrets.token_hex(8)}.partial"
    with open_folder(path.parent) as folder:
        if folder.has(path.name):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        try:
            with folder.create(partial) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            folder.link(partial, path.name)
            folder.sync()
        finally:
            folder.remove(partial)


def regular_file(path: str, flags: int) -> int:
    """Open a file without waiting for whoever writes into it, as one does for a pipe. Raises OSError for no file."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "It is a folder, pipe or device, and no file", path)


def read_private(path: Path) -> str | None:
    """The file's text; None if it does not exist. Raises LocalFileFailed, also when other users may read it."""
    try:
        with open(path, encoding="utf-8", opener=regular_file) as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise LocalFileFailed(
                    f"Others can read {path}, which holds secrets, so it is not used.",
                    hint=f"Run `chmod 600 {path}`; if others may have read it, revoke the token and log in anew.",
                )
            return file.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise LocalFileFailed(f"The file {path} can't be read: {getattr(error, 'strerror', error)}.") from None
