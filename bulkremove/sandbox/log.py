"""The sandbox's request log: one entry for each request that arrived, in memory and as JSON Lines.

An entry is written unbuffered before its answer is sent, so that it survives when the client or the sandbox is killed,
and can be read while the sandbox runs. It never holds a secret: no header, no body, no query string.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from bulkremove.domain.clock import Epoch, Monotonic
from bulkremove.domain.errors import SandboxError
from bulkremove.domain.row import Removal

MAX_PATH_LENGTH = 200
"""Characters; a longer path is cut in its entry."""


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request, and what the sandbox did about it."""

    time: Monotonic
    """Arrival, by the sandbox's clock."""
    at: Epoch
    """Arrival, by the wall clock."""
    method: str
    path: str
    removal: Removal | None
    """The removal that was requested; None for any call but the removal of one learner from one batch."""
    effect: bool
    """Whether this request removed or enrolled the learner."""
    status: int | None
    """HTTP status that was sent; None when no answer was sent."""
    counted: bool
    """Whether it counted towards the threshold."""
    locked: bool
    """Whether it was refused because of the threshold."""
    token_ok: bool | None
    """Whether its access token was accepted; None where no token is checked."""
    fault: str | None = None
    """The kind of the fault that was applied; None for none."""
    alarm: str | None = None
    """Why it could have done damage on the real service, in words; None for a harmless request."""
    enrolment: Removal | None = None
    """The enrolment that was requested: course, batch and the employee's record number; None for any other call."""

    def line(self) -> str:
        """Format the entry as one line of JSON, with its line feed."""
        members = {name: getattr(self, name) for name in self.__slots__}
        ids = {name: members[name] and list(members[name].ids) for name in ("removal", "enrolment")}
        return json.dumps({**members, **ids}) + "\n"


class Log:
    """All entries in memory; those between ``open`` and ``close`` are also appended to the file ``path``, if given."""

    def __init__(self, path: Path | None) -> None:
        self.entries: list[LoggedRequest] = []
        self._path = path
        self._file: FileIO | None = None

    def open(self) -> None:
        """Open the file. Raises SandboxError if it can't be written."""
        try:
            self._file = FileIO(self._path, "ab") if self._path else None
        except OSError as error:
            raise SandboxError(f"The sandbox's log {self._path} can't be written: {error.strerror}.") from None

    def add(self, entry: LoggedRequest) -> None:
        """Append an entry; it is in the file when this returns."""
        self.entries.append(entry)
        if self._file:
            self._file.write(entry.line().encode())

    def close(self) -> None:
        """Close the file; the entries stay in memory."""
        if self._file:
            self._file.close()


def read_log(path: Path) -> Iterator[LoggedRequest]:
    """Yield the entries of a log file, also of one that is still being written: an unfinished last line is skipped."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                members = json.loads(line)
                ids = {name: members.get(name) for name in ("removal", "enrolment")}
                yield LoggedRequest(
                    **{**members, **{name: Removal(*one) if one else None for name, one in ids.items()}}
                )
