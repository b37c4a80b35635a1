"""`make bench`: runs the measures, and writes them with commit and date into docs/benchmarks.md and build/bench.json.

Figures whose code has changed since are marked there, also those that this run did not measure.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import efficiency, overhead, page, processes, reading, start, storage

DOCUMENT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
MEASURES = {
    module.__name__.rpartition(".")[2]: module
    for module in (efficiency, processes, overhead, storage, reading, start, page)
}
OLD = "**Older than the code:** it has changed since; `make bench` measures it again.\n\n"
_SECTION = re.compile(r"<!-- (\w+) measured at (\w+) on ([\d-]+) -->\n(.*?)<!-- end \1 -->", re.DOTALL)


def main() -> None:
    """All measures, or those named on the command line."""
    found: dict[str, list[dict[str, object]]] = {}
    for name in sys.argv[1:] or MEASURES:
        found[name] = MEASURES[name].measure()
        print(f"\n{name}")
        print(table(found[name]))
    folder = Path("build")
    folder.mkdir(exist_ok=True)
    (folder / "bench.json").write_text(json.dumps(found, indent=1) + "\n")
    tables = {name: table(rows) for name, rows in found.items()}
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(renewed(text, tables, commit=_git("rev-parse", "--short", "HEAD")), encoding="utf-8")


def table(rows: list[dict[str, object]]) -> str:
    """The rows as tables, one for each set of columns."""
    lines: list[str] = []
    header: list[str] = []
    for row in rows:
        if list(row) != header:
            header = list(row)
            lines += ["", f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
        lines.append(f"| {' | '.join(map(str, row.values()))} |")
    return "\n".join(lines[1:]) + "\n"


def renewed(text: str, tables: dict[str, str], *, commit: str) -> str:
    """The document with the new tables, each with commit and date, and with a mark at figures older than their code."""

    def section(match: re.Match[str]) -> str:
        name, at, on, body = match.groups()
        if name in tables:
            at, on = commit, f"{datetime.now(UTC):%Y-%m-%d}"
            about = getattr(MEASURES[name], "ABOUT", "")
            body = f"{about}\n\n{tables[name]}" if about else tables[name]
        body = body.removeprefix(OLD)
        mark = OLD if name not in tables and _changed(at, MEASURES[name].SUBJECT) else ""
        return f"<!-- {name} measured at {at} on {on} -->\n{mark}{body}<!-- end {name} -->"

    return _SECTION.sub(section, text)


def _changed(commit: str, paths: tuple[str, ...]) -> bool:
    """Whether the code of a measure has changed since a commit; an unknown commit counts as changed."""
    done = subprocess.run(
        ["git", "diff", "--quiet", commit, "--", *paths], cwd=DOCUMENT.parent.parent, capture_output=True, check=False
    )
    return done.returncode != 0


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
