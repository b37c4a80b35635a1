"""Looks at a home folder from a process of its own, as a person at another terminal does, and ends again.

The journal is checked through a connection that can only read; all else is asked of the program's own commands. That a
process opens the journal and closes it beside the others is a part of every look.
"""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
import sys
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.cli_fixtures import Bulkremove
from tests.forked_program import run_forked


@dataclass(frozen=True)
class Said:
    """What one command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Look:
    """What was found. ``integrity``: SQLite's own words, `ok` for a sound file; ``reports``: by job, as JSON Lines."""

    integrity: str
    said: tuple[Said, ...]
    reports: dict[str, str]


def look(
    bulkremove: Bulkremove, commands: Sequence[Sequence[str]] = (), *, without_report: Collection[str] = ()
) -> Look:
    """Check the journal of a home folder, and run the commands of the program, in one new process.

    With the command ``jobs --json`` the report of each job that it lists is made too, but for ``without_report``.
    """
    with TemporaryDirectory() as folder:
        asked = {"commands": [list(words) for words in commands], "without_report": list(without_report)}
        done = run_forked(
            [str(bulkremove.home), folder],
            env=bulkremove.env,
            cwd=bulkremove.home.parent,
            stdin=json.dumps(asked),
            timeout=300,
            main=_main,
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        reports = {path.stem: path.read_text(encoding="utf-8") for path in Path(folder).glob("*.jsonl")}
    return Look(found["integrity"], tuple(Said(*one) for one in found["said"]), reports)


def _integrity(path: Path) -> str:
    if not path.exists():
        return "ok"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=60)) as journal:
            return "\n".join(words for (words,) in journal.execute("PRAGMA integrity_check"))
    except sqlite3.Error as error:
        return f"{type(error).__name__}: {error}"


def _run(words: Sequence[str]) -> tuple[int, str, str]:
    from bulkremove.cli import main

    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["bulkremove", *words]
    code: object = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    return int(code) if isinstance(code, int) else 0, out.getvalue(), err.getvalue()


def _main() -> None:
    home, folder, asked = Path(sys.argv[1]), sys.argv[2], json.load(sys.stdin)
    integrity, said = _integrity(home / "journal.db"), []
    for words in asked["commands"] if integrity == "ok" else ():
        said.append(_run(["--home", str(home), *words]))
        if words == ["jobs", "--json"] and said[-1][0] == 0:
            for job in [one["job"] for one in json.loads(said[-1][1])]:
                if job not in asked["without_report"]:
                    done = _run(["--home", str(home), "report", job, "-o", f"{folder}/{job}.jsonl"])
                    if done[0]:
                        said.append(done)
    json.dump({"integrity": integrity, "said": said}, sys.stdout)
