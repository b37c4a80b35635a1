"""Notes in every Python process of a program which files it opens by itself, and which ones through SQLite.

It is loaded by a ``sitecustomize`` module, so that the children of a program are noted too. SQLite opens its files in
C, beside Python's audit events; what is noted as ``open`` is therefore the program's own doing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "TEST_OPENED_FILES"
"""Names the file that the notes go to; without it nothing is noted."""
_NAMES = ("journal.db", "journal.db-wal", "journal.db-shm")


@dataclass(frozen=True)
class Opened:
    """One file that was opened. ``event``: ``open`` or ``sqlite3.connect``; ``command``: the process's arguments."""

    event: str
    name: str
    flags: int
    command: list[str]

    @property
    def creates(self) -> bool:
        """Whether it can only have made a new file, which nobody can hold a lock on."""
        return bool(self.flags & os.O_EXCL)


def variables(folder: Path) -> dict[str, str]:
    """The environment variables with which a program and its children note the files that they open."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"from {__name__} import install\n\ninstall()\n")
    return {"PYTHONPATH": str(folder), VARIABLE: str(folder / "opened.jsonl")}


def journal_files(folder: Path) -> Iterator[Opened]:
    """What was noted about the journal's files."""
    notes = folder / "opened.jsonl"
    for line in notes.read_text().splitlines() if notes.exists() else ():
        found = Opened(**json.loads(line))
        if found.name in _NAMES:
            yield found


def install() -> None:
    """Note the journal's files from now on."""
    target = os.environ.get(VARIABLE)
    if target is None:
        return
    notes = os.open(target, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event not in ("open", "sqlite3.connect") or not isinstance(arguments[0], (str, bytes, os.PathLike)):
            return
        name = os.path.basename(os.fsdecode(arguments[0])).partition("?")[0]  # noqa: PTH119 - pathlib would open files
        if name in _NAMES:
            flags = arguments[2] if event == "open" and isinstance(arguments[2], int) else 0
            line = {"event": event, "name": name, "flags": flags, "command": sys.argv}
            os.write(notes, f"{json.dumps(line)}\n".encode())

    sys.addaudithook(note)
