"""`make bench`: runs every measure, prints the tables and writes build/bench.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks import efficiency, overhead, page, processes, reading, start


def main() -> None:
    """All measures, or those named on the command line."""
    modules = (efficiency, processes, reading, overhead, start, page)
    measures = {module.__name__.rpartition(".")[2]: module for module in modules}
    found = {}
    for name in sys.argv[1:] or measures:
        found[name] = measures[name].measure()
        print(f"\n{name}")
        for row in found[name]:
            print("  " + " | ".join(f"{key} {value}" for key, value in row.items()))
    folder = Path("build")
    folder.mkdir(exist_ok=True)
    (folder / "bench.json").write_text(json.dumps(found, indent=1) + "\n")


main()
