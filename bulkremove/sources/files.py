"""A file, and a folder that others drop files into."""

from __future__ import annotations

import time
from pathlib import Path

from bulkremove.sources.inbox import Inbox
from bulkremove.sources.interface import SourceFile


class File:
    """One file, read where it lies."""

    is_export = False

    def __init__(self, path: Path) -> None:
        self._path = path

    def inbox(self, home: Path) -> Inbox:
        return Inbox(self._path)  # which says that it is no folder

    async def fetch(self, folder: Path) -> list[SourceFile]:
        return [SourceFile(self._path, self._path.name)]


class Folder:
    """A folder of files; whoever drops one there is a stranger to this program."""

    is_export = False

    def __init__(self, path: Path) -> None:
        self._inbox = Inbox(path)

    def inbox(self, home: Path) -> Inbox:
        return self._inbox

    async def fetch(self, folder: Path) -> list[SourceFile]:
        found = self._inbox.waiting(time.time())
        return [SourceFile(path, path.name) for path, is_whole in found if is_whole]
