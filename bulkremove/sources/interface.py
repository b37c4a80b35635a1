"""What preview, run and nightly runs need of a source; ``tests/test_sources.py`` holds for each kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bulkremove.sources.inbox import Inbox


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A whole file; ``name`` is what messages, job and report call it."""

    path: Path
    name: str


class Source(Protocol):
    """Where files come from. Nothing here reads what a file says; only ``fetch`` looks whether the source is there."""

    @property
    def is_export(self) -> bool:
        """Whether it gives all its data each time it is asked, changed or not; else each file is a new one."""
        ...

    def inbox(self, home: Path) -> Inbox:
        """Where nightly runs take its files from; ``home`` is for those that have no folder of their own."""
        ...

    async def fetch(self, folder: Path) -> list[SourceFile]:
        """Its files as they are now. What has to be written goes to ``folder``, which is there, for the owner alone.

        Raises SourceFailed, and then nothing is left in ``folder``.
        """
        ...
