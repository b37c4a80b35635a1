"""One system call of the real program goes wrong: strace kills the program at it, or makes it fail.

The Nth call of a kind is counted in each thread by itself; the program's calls that matter come from one. What strace
writes down proves that the fault was really injected.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

from tests.cli_fixtures import PROGRAM, Bulkremove
from tests.proofs.system_calls import strace

KINDS = ("pwrite64", "write", "fdatasync", "fsync", "sendto", "recvfrom", "renameat", "linkat")
"""Durable writes, syncs, sends, receives and renames, as the program makes them."""
_LEARNER = re.compile(r"DELETE /api/v1/courses/\d+/batches/\d+/learners/(\d+)")


@dataclass(frozen=True)
class Injected:
    """How a run with a fault ended. ``hit``: whether the program came as far as the call that was to go wrong."""

    hit: bool
    returncode: int
    said: str
    after: tuple[str, ...]
    """Learners whose DELETE left after the first fault."""

    @property
    def killed(self) -> bool:
        return self.returncode in (-9, 137)


def run_with(fault: str, kind: str, when: str, bulkremove: Bulkremove, *words: str) -> Injected:
    """Run the program; the call of this kind numbered ``when`` meets ``fault``, both in strace's words."""
    trace = bulkremove.home.parent / f"{kind}-{when}.trace"
    done = subprocess.run(
        [
            *(strace(), "-f", "-s", "200", "-o", str(trace)),  # with --seccomp-bpf no signal is injected (measured)
            *("-e", f"trace={kind},sendto", "-e", f"inject={kind}:{fault}:when={when}"),
            *(*PROGRAM, "--home", str(bulkremove.home), *words),
        ],
        env=bulkremove.env,
        cwd=bulkremove.home.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = trace.read_text(errors="replace").splitlines()
    hit = re.compile(rf"\d+ +(<\.\.\. )?{kind}.*( = \?$|\(INJECTED\))")
    first = next((i for i, line in enumerate(lines) if hit.match(line)), None)
    after = [found[1] for line in lines[first:] if (found := _LEARNER.search(line))] if first is not None else []
    _check(lines, kind, when, first)
    return Injected(first is not None, done.returncode, done.stdout + done.stderr, tuple(after))


def _check(lines: list[str], kind: str, when: str, first: int | None) -> None:
    """The fault fell where it was to fall: at that call of one thread, not before."""
    if first is None:
        return
    thread = lines[first].split(maxsplit=1)[0]
    calls = [line for line in lines[: first + 1] if re.match(rf"{thread} +{kind}\(", line)]
    assert len(calls) == int(when.rstrip("+")), f"{kind} {when}: {len(calls)} calls before the fault"
