"""Two sources: a file, and a folder that other programs or people put files into."""

from __future__ import annotations

import time
from pathlib import Path

from bulkremove.domain.clock import Epoch
from bulkremove.sources.inbox import Inbox
from bulkremove.sources.interface import SourceFile


class File:
    """One file, read in place."""

    is_export = False

    def __init__(self, path: Path) -> None:
        self._path = path

    def inbox(self, folder: Path) -> Inbox:
        """An inbox whose ``prepare`` raises SourceFailed, since a file is not a folder."""
        return Inbox(self._path)

    async def fetch(self, folder: Path) -> list[SourceFile]:
        """The file itself, which may not exist."""
        return [SourceFile(self._path, self._path.name)]


class Folder:
    """A folder of files, which anybody may have put there."""

    is_export = False

    def __init__(self, path: Path) -> None:
        self._inbox = Inbox(path)

    def inbox(self, folder: Path) -> Inbox:
        """The folder itself."""
        return self._inbox

    async def fetch(self, folder: Path) -> list[SourceFile]:
        """The complete files, the oldest first. Raises SourceFailed."""
        return [
            SourceFile(path, path.name)
            for path, is_complete in self._inbox.incoming_files(Epoch(time.time()))
            if is_complete
        ]
