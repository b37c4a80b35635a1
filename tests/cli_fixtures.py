"""The real program and a real sandbox process, for tests that must see what a person and a cron job see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.zoho.accounts import SCOPE_VARIABLE
from tests.forked_program import run_forked, same_start, started

SAMPLES = Path(__file__).parent.parent / "sample_data"
PROGRAM = (sys.executable, "-m", "bulkremove")


def environment(**extra: str) -> dict[str, str]:
    """The environment without any of our variables, with a fixed zone, and with streams that are buffered as usual."""
    ours = ("BULKREMOVE_", "PYTHONUNBUFFERED")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "TZ": "UTC", "NO_COLOR": "1", **extra}


@dataclass
class Bulkremove:
    """Runs the program with a home of its own."""

    home: Path
    env: dict[str, str]
    program: tuple[str, ...] = PROGRAM

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.program, "--home", str(self.home), *words],
            env=self.env,
            cwd=self.home.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """The program from its start to its end; forked where that makes no difference."""
        if self.program == PROGRAM and same_start(self.env):
            home = ("--home", str(self.home))
            return run_forked([*home, *words], env=self.env, cwd=self.home.parent, stdin=stdin or "", timeout=120)
        return subprocess.run(
            [*self.program, "--home", str(self.home), *words],
            env=self.env,
            cwd=self.home.parent,
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@contextmanager
def sandbox(world: Path, log: Path, *options: str) -> Iterator[dict[str, str]]:
    """A sandbox process on a free port; the environment variables that lead to it.

    Without that of the scopes, so that no plan is checked unasked: what is asked of Zoho is then what a test asks for.
    """
    reading, writing = os.pipe()
    words = ["sandbox", "--world", str(world), "--port", "0", "--log", str(log), *options]
    with (
        Path(os.devnull).open() as nothing,
        os.fdopen(reading) as said,
        started(
            words,
            env=environment(PYTHONUNBUFFERED="1"),
            cwd=Path.cwd(),
            streams=(nothing.fileno(), writing, writing),
        ) as process,
    ):
        os.close(writing)
        variables: dict[str, str] = {}
        while len(variables) < 7:
            line = said.readline()
            assert line.startswith("export "), line + said.read()
            name, _, value = line.removeprefix("export ").strip().partition("=")
            variables[name] = value
        del variables[SCOPE_VARIABLE]
        try:
            yield variables
        finally:
            process.terminate()
            process.join(20)


def crowd(
    folder: Path,
    count: int,
    faults: dict[str, object] | None = None,
    missing: int = 0,
    scope: str = REMOVE_LEARNER.scopes[0],
) -> tuple[Path, Path]:
    """A world of ``count`` learners and a file that names all of them, the last ``missing`` of whom are gone.

    ``scope``: without that of reads, no plan is checked unasked.
    """
    course, batch = "478346000019501001", "478346000019502001"
    learners = [str(478346000019558000 + i) for i in range(count)]
    tree = {
        "organisation": "Crowd",
        "client": {"client_id": "sandbox", "client_secret": "s", "refresh_token": "r", "scope": scope},
        "batches": [{"courseId": course, "batchId": batch, "name": "B", "learners": learners[: count - missing]}],
        "faults": faults or {},
    }
    world, file = folder / "world.json", folder / "crowd.csv"
    world.write_text(json.dumps(tree))
    file.write_text("course,batch,learner\n" + "".join(f"{course},{batch},{one}\n" for one in learners))
    return world, file
