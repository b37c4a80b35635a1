"""A small file system of its own, which can be filled to its last byte and emptied again. Only root can mount one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SIZE = "24m"
_PAGE = 4096


class SmallDisk:
    """A file system at ``path``, or a mere folder: then ``why_not`` says why it can't be filled."""

    def __init__(self, path: Path, why_not: str) -> None:
        self.path, self.why_not = path, why_not
        self._filler = path / "filler"

    def fill(self, left: int = 0) -> None:
        """Take all space but ``left`` pages."""
        with self._filler.open("wb") as file:
            with suppress(OSError):  # the one that says that it is full
                while True:
                    os.write(file.fileno(), b"\0" * _PAGE)
            os.ftruncate(file.fileno(), max(0, os.fstat(file.fileno()).st_size - left * _PAGE))

    def free(self) -> None:
        """Give the space back."""
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk(path: Path) -> Iterator[SmallDisk]:
    """The file system, mounted as long as the context lasts; a folder where that is not possible."""
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        why_not = done.stderr.strip() if done.returncode else ""
    except FileNotFoundError:
        why_not = "there is no mount"
    try:
        yield SmallDisk(path, why_not)
    finally:
        if not why_not:
            subprocess.run(["umount", "--lazy", str(path)], capture_output=True, check=True)
