"""Power cuts, after the fact: the calls of a real run are replayed into disks as a cut at some moment leaves them.

A disk keeps what was synced and any part of what was not: each later write is kept, lost or torn at its sectors of 512
bytes, and each new, renamed or deleted name is kept or not until its folder is synced. That is less than what the usual
file systems promise and all that POSIX does.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.proofs.system_calls import Call

SECTOR = 512
KEPT = (0.0, 0.5, 1.0)
"""How much of what was not synced outlives the cut: nothing, some, or all of it."""


@dataclass
class File:
    """What of a file is on disk for sure, and what was written since: (line, offset, bytes; None: cut off there)."""

    synced: bytearray = field(default_factory=bytearray)
    later: list[tuple[int, int, bytes | None]] = field(default_factory=list)
    offset: int = 0
    """Where the next plain write goes: in this program no file is written through two descriptors at once."""

    def sync(self, before: int) -> None:
        for line, offset, data in self.later:
            if line < before:
                _write(self.synced, offset, data)
        self.later = [change for change in self.later if change[0] >= before]

    def after_a_cut(self, dice: random.Random, kept: float) -> bytes:
        content = bytearray(self.synced)
        for _, offset, data in self.later:
            if kept in (0.0, 1.0) or data is None or dice.random() < 0.5:
                if dice.random() < kept:
                    _write(content, offset, data)
                continue
            for start, piece in _sectors(offset, data):
                if dice.random() < kept:
                    _write(content, start, piece)
        return bytes(content)


@dataclass
class Folder:
    """The names in a folder, as they are on disk for sure, and the changes since: (line, name -> what it means now)."""

    synced: dict[str, Node] = field(default_factory=dict)
    later: list[tuple[int, Mapping[str, Node | None]]] = field(default_factory=list)

    def change(self, line: int, names: Mapping[str, Node | None]) -> None:
        self.later.append((line, names))

    def names(self) -> dict[str, Node]:
        """As every process sees them now."""
        return _renamed(self.synced, [names for _, names in self.later])

    def sync(self, before: int) -> None:
        self.synced = _renamed(self.synced, [names for line, names in self.later if line < before])
        self.later = [change for change in self.later if change[0] >= before]

    def after_a_cut(self, dice: random.Random, kept: float) -> dict[str, Node]:
        return _renamed(self.synced, [names for _, names in self.later if dice.random() < kept])


Node = File | Folder


class Disk:
    """What lies below ``root``, which is there from the start and empty as far as the run is concerned."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._top = Folder()

    def carry_out(self, call: Call) -> None:
        match call.name:
            case "mkdir" | "mkdirat":
                self._name(call.begun, {call.path(): Folder()})
            case "openat":
                self._open(call)
            case "rename" | "renameat" | "renameat2":
                self._name(call.begun, {call.path(0): None, call.path(1): self._at(call.path(0))})
            case "link" | "linkat":
                self._name(call.begun, {call.path(1): self._at(call.path(0))})
            case "unlink" | "unlinkat":
                self._name(call.begun, {call.path(): None})
            case "fsync" | "fdatasync":
                if node := self._at(call.place):
                    node.sync(call.begun)
            case _:
                if isinstance(file := self._at(call.place), File):
                    _change(file, call)

    def after_a_cut(self, dice: random.Random, kept: float) -> dict[Path, bytes]:
        """The files, by their paths within the root."""
        return dict(_files(self._top, Path(), dice, kept))

    def _open(self, call: Call) -> None:
        file = self._at(call.path())
        if file is None and call.creates:
            self._name(call.begun, {call.path(): File()})
        elif isinstance(file, File) and not call.words[2].startswith("O_RDONLY"):
            file.offset = 0
            if "O_TRUNC" in call.words[2]:
                file.later.append((call.begun, 0, None))

    def _at(self, path: Path) -> Node | None:
        node: Node | None = self._top if path.is_relative_to(self._root) else None
        for part in path.parts[len(self._root.parts) :]:
            node = node.names().get(part) if isinstance(node, Folder) else None
        return node

    def _name(self, line: int, names: Mapping[Path, Node | None]) -> None:
        parents = {path.parent for path in names}
        assert len(parents) == 1, "a rename from one folder to another is not understood here"
        parent = self._at(parents.pop())
        if isinstance(parent, Folder):
            parent.change(line, {path.name: node for path, node in names.items()})


def cuts(calls: Sequence[Call], root: Path, moments: Sequence[int], dice: random.Random) -> Iterator[tuple[int, Disk]]:
    """The disk before each of the ``moments`` (places in ``calls``), in ascending order."""
    disk, place = Disk(root), 0
    for moment in sorted(moments):
        while place < moment:
            disk.carry_out(calls[place])
            place += 1
        yield moment, disk


def _change(file: File, call: Call) -> None:
    match call.name:
        case "pwrite64":
            file.later.append((call.begun, int(call.words[-1]), call.texts[0]))
        case "ftruncate":
            file.later.append((call.begun, int(call.words[-1]), None))
        case "write" | "writev":
            data = b"".join(call.texts)
            file.later.append((call.begun, file.offset, data))
            file.offset += len(data)


def _write(content: bytearray, offset: int, data: bytes | None) -> None:
    content.extend(bytes(max(0, offset - len(content))))
    if data is None:
        del content[offset:]
    else:
        content[offset : offset + len(data)] = data


def _sectors(offset: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    end = offset + len(data)
    while offset < end:
        next_sector = min(end, (offset // SECTOR + 1) * SECTOR)
        yield offset, data[len(data) - (end - offset) : len(data) - (end - next_sector)]
        offset = next_sector


def _renamed(names: Mapping[str, Node], changes: Sequence[Mapping[str, Node | None]]) -> dict[str, Node]:
    found = dict(names)
    for change in changes:
        for name, node in change.items():
            if node is None:
                found.pop(name, None)
            else:
                found[name] = node
    return found


def _files(folder: Folder, path: Path, dice: random.Random, kept: float) -> Iterator[tuple[Path, bytes]]:
    for name, node in folder.after_a_cut(dice, kept).items():
        if isinstance(node, Folder):
            yield from _files(node, path / name, dice, kept)
        else:
            yield path / name, node.after_a_cut(dice, kept)
