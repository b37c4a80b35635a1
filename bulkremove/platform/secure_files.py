"""Private files: mode 0600 in a folder of mode 0700 from their creation on, replaced atomically and synced to disk.

For tokens and credentials. On systems without POSIX permissions only the folder's own access rights protect them.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from bulkremove.domain.errors import LocalFileFailed


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


def write_private(path: Path, text: str) -> None:
    """Replace a text file atomically; a crash leaves the old one. Raises LocalFileFailed."""
    private_folder(path.parent)
    replace_content(path, text.encode("utf-8", "surrogateescape"))


def replace_content(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace a file by renaming a temporary one; a crash leaves the old one. Raises LocalFileFailed."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600, whatever the umask
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if mode != 0o600:
                Path(name).chmod(mode)
            Path(name).replace(path)
            sync_folder(path.parent)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise LocalFileFailed(f"The file {path} can't be written: {error.strerror}.") from None


def read_private(path: Path) -> str | None:
    """The file's text; None if it does not exist. Raises LocalFileFailed, also when other users may read it."""
    try:
        with path.open(encoding="utf-8") as file:
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
        raise LocalFileFailed(f"The file {path} can't be read: {error}.") from None
