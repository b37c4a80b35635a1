"""The interface of sources; ``tests/test_sources.py`` tests it for each kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bulkremove.sources.inbox import Inbox


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A complete file. ``name``: its name in messages, jobs and reports."""

    path: Path
    name: str


class Source(Protocol):
    """Where files come from. A source does not parse them; only ``fetch`` checks whether the source is there."""

    @property
    def is_export(self) -> bool:
        """Whether each ``fetch`` yields all data, changed or not; otherwise each file is a new one."""
        ...

    def inbox(self, folder: Path) -> Inbox:
        """Where nightly runs take its files from; ``folder`` for a source without a folder of its own."""
        ...

    async def fetch(self, folder: Path) -> list[SourceFile]:
        """The source's present files; those that must be written go to ``folder``, an existing private folder.

        Raises SourceFailed, and then nothing is left in ``folder``.
        """
        ...
