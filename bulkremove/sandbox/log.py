"""The truth: one entry for each request that reached the sandbox, in memory and as JSON Lines.

An entry is written before its answer leaves, unbuffered, so that it outlives whoever is killed and can be read while
the sandbox runs. It never holds a secret: no header, no body, no query string.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from bulkremove.domain.errors import SandboxError
from bulkremove.domain.row import Removal

MAX_PATH_LENGTH = 200
"""Characters of a path that are kept."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request and what was done about it."""

    time: float
    """Monotonic seconds of the sandbox's clock, at arrival."""
    at: float
    """The same as seconds since the epoch."""
    method: str
    path: str
    removal: Removal | None
    """Whom the request meant; None when it was no removal of one learner from one batch."""
    effect: bool
    """Whether the learner was removed by this request."""
    status: int | None
    """HTTP status that was sent; None when no answer was."""
    counted: bool
    """Whether it counted towards the threshold."""
    locked: bool
    """Whether it was refused because of the threshold."""
    token_ok: bool | None
    """Whether its access token was accepted; None where none was looked at."""
    fault: str | None = None
    """The kind of fault it met."""
    alarm: str | None = None
    """What would be a disaster on the real service, in words."""

    def line(self) -> str:
        who = self.removal and [self.removal.course, self.removal.batch, self.removal.learner]
        members = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({**members, "removal": who}) + "\n"


class Log:
    """Keeps entries; between ``open`` and ``close`` also in the file ``path``, appended, where one is given."""

    def __init__(self, path: Path | None) -> None:
        self.entries: list[Entry] = []
        self._path = path
        self._file: FileIO | None = None

    def open(self) -> None:
        """Raises SandboxError where the file can't be written."""
        try:
            self._file = FileIO(self._path, "ab") if self._path else None
        except OSError as error:
            raise SandboxError(f"The sandbox's log {self._path} can't be written: {error.strerror}.") from None

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        if self._file:
            self._file.write(entry.line().encode())

    def close(self) -> None:
        if self._file:
            self._file.close()


def read_log(path: Path) -> Iterator[Entry]:
    """The entries of a log file, also of one that is still being written: a line without its end is left out."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                members = json.loads(line)
                who = members.pop("removal")
                yield Entry(removal=Removal(*who) if who else None, **members)
