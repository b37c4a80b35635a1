"""What a program really asks of the system, in its true order: `strace` over a whole run, read back as calls.

A call that another thread overtakes stands where it ended, so that nothing counts as done too early; what is sent to a
socket stands where it began, since a byte may leave from then on. Where strace is missing or forbidden the proofs are
skipped; CI must have it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

WATCHED = (
    *("openat", "mkdir", "mkdirat", "write", "writev", "pwrite64", "lseek", "ftruncate", "fsync", "fdatasync"),
    *("unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "sendto", "sendmsg", "execve"),
)
_SENDS = ("sendto", "sendmsg")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>")
_CALL = re.compile(r"(\w+)\((.*?)\)? += (-?\d+|\?)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_PLACE = re.compile(r"<((?:\\x[0-9a-f]{2})+)>")


@dataclass(frozen=True, slots=True)
class Call:
    """One call that was carried out. ``begun``: the line of the trace on which it began."""

    name: str
    begun: int
    texts: tuple[bytes, ...]
    """The strings among its arguments: paths, or what is written."""
    place: Path
    """Where its file descriptor leads to; for one that takes a path, the folder that the path starts from."""
    words: tuple[str, ...]
    """Its arguments as strace prints them."""

    def path(self, which: int = 0) -> Path:
        return self.place / self.texts[which].decode()

    @property
    def creates(self) -> bool:
        return self.name == "openat" and "O_CREAT" in self.words[2]

    @property
    def mode(self) -> int:
        """The rights that a new file or folder is given."""
        return int(self.words[-1], 8)


@cache
def strace() -> str:
    """The program, or the test's end where there is none or the system lets nobody trace."""
    found = shutil.which("strace")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("strace is needed: apt-get install strace")
        pytest.skip("strace is not installed: apt-get install strace")
    if subprocess.run([found, "-o", os.devnull, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody trace a program (ptrace is forbidden)")
    return found


def traced(command: Sequence[str], *, trace: Path, env: Mapping[str, str], cwd: Path) -> subprocess.Popen[str]:
    """The command, started under strace with all its children."""
    options = ["-f", "--seccomp-bpf", "-y", "-xx", "-s", "100000000", "-e", "signal=none"]
    return subprocess.Popen(
        [strace(), *options, "-e", f"trace={','.join(WATCHED)}", "-o", str(trace), *command],
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_trace(trace: Path, *, under: Path) -> list[Call]:
    """The calls on files below the folder ``under`` and on sockets, without those that failed."""
    return [call for call in _calls(trace) if call.name in _SENDS or _concerns(call, under)]


def arguments(trace: Path) -> list[str]:
    """The words with which every program of the run was started, as anybody on the machine can see them."""
    return [text.decode(errors="replace") for call in _calls(trace) if call.name == "execve" for text in call.texts]


def _calls(trace: Path) -> Iterator[Call]:
    begun: dict[str, tuple[int, str]] = {}
    with trace.open(encoding="ascii") as lines:
        for number, line in enumerate(lines):
            process, _, said = line.rstrip("\n").partition(" ")
            said, start = said.strip(), number
            if said.endswith("<unfinished ...>"):
                said = said.removesuffix("<unfinished ...>").strip()
                begun[process] = start, said
                if not said.startswith(_SENDS):
                    continue
                said += ") = 0"
            elif resumed := _RESUMED.match(said):
                start, head = begun.pop(process)
                if head.startswith(_SENDS):
                    continue
                said = head + said[resumed.end() :]
            if (found := _CALL.match(said)) and not found[3].startswith("-"):
                yield _call(found[1], start, found[2])


def _call(name: str, begun: int, arguments: str) -> Call:
    texts = tuple(map(_bytes, _TEXT.findall(arguments)))
    place = _PLACE.search(arguments)
    return Call(name, begun, texts, Path(_bytes(place[1]).decode() if place else "/"), tuple(arguments.split(", ")))


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


def _concerns(call: Call, under: Path) -> bool:
    if call.name in ("write", "writev", "pwrite64", "lseek", "ftruncate", "fsync", "fdatasync"):
        return call.place.is_relative_to(under)
    return bool(call.texts) and call.path().is_relative_to(under)
