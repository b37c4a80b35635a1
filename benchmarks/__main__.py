"""`make bench`: run the benchmarks and write their results to docs/benchmarks.md and build/bench.json.

In the document each table has its commit and date, and is marked as old if the code that it measures has changed since;
this also applies to the tables of benchmarks that were not run.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import efficiency, enrolment, overhead, page, processes, reading, start, storage

DOCUMENT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
MEASURES = {
    module.__name__.rpartition(".")[2]: module
    for module in (efficiency, enrolment, processes, overhead, storage, reading, start, page)
}
OLD = "**Older than the code:** it has changed since; `make bench` measures it again.\n\n"
_SECTION = re.compile(r"<!-- (\w+) measured at (\w+) on ([\d-]+) -->\n(.*?)<!-- end \1 -->", re.DOTALL)


def main() -> None:
    """Run all benchmarks, or those named on the command line, and write their results."""
    results: dict[str, list[dict[str, object]]] = {}
    for name in sys.argv[1:] or MEASURES:
        results[name] = MEASURES[name].measure()
        print(f"\n{name}")
        print(table(results[name]))
    folder = Path("build")
    folder.mkdir(exist_ok=True)
    (folder / "bench.json").write_text(json.dumps(results, indent=1) + "\n")
    tables = {name: table(rows) for name, rows in results.items()}
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(renewed(text, tables, commit=_git("rev-parse", "--short", "HEAD")), encoding="utf-8")


def table(rows: list[dict[str, object]]) -> str:
    """Format rows as Markdown tables, a new one wherever the columns change."""
    lines: list[str] = []
    header: list[str] = []
    for row in rows:
        if list(row) != header:
            header = list(row)
            lines += ["", f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
        lines.append(f"| {' | '.join(map(str, row.values()))} |")
    return "\n".join(lines[1:]) + "\n"


def renewed(text: str, tables: dict[str, str], *, commit: str) -> str:
    """Replace the tables of a document, each with commit and date, and mark those that are older than their code."""

    def section(match: re.Match[str]) -> str:
        name, measured_at, date, body = match.groups()
        if name in tables:
            measured_at, date = commit, f"{datetime.now(UTC):%Y-%m-%d}"
            about = getattr(MEASURES[name], "ABOUT", "")
            body = f"{about}\n\n{tables[name]}" if about else tables[name]
        body = body.removeprefix(OLD)
        mark = OLD if name not in tables and _changed(measured_at, MEASURES[name].SUBJECT) else ""
        return f"<!-- {name} measured at {measured_at} on {date} -->\n{mark}{body}<!-- end {name} -->"

    return _SECTION.sub(section, text)


def _changed(commit: str, paths: tuple[str, ...]) -> bool:
    """Whether one of the paths has changed since a commit; an unknown commit counts as changed."""
    process = subprocess.run(
        ["git", "diff", "--quiet", commit, "--", *paths], cwd=DOCUMENT.parent.parent, capture_output=True, check=False
    )
    return process.returncode != 0


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
