"""Reading and planning against the bare libraries: a CSV of 1,000,000 rows, an .xlsx of 100,000."""

from __future__ import annotations

import io
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SUBJECT = ("bulkremove/reading", "bulkremove/domain/planner.py")
"""The code that the figures speak of."""

CSV_ROWS, XLSX_ROWS = 1_000_000, 100_000


def best(work: Callable[[], object], times: int = 3) -> float:
    """Seconds of the quickest of several runs."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def make(folder: Path) -> tuple[Path, Path]:
    """Both files, with a name column beside the ids."""
    from xlsxwriter import Workbook

    table, book = folder / "big.csv", folder / "big.xlsx"
    with table.open("w") as file:
        file.write("course,batch,learner,name\n")
        for i in range(CSV_ROWS):
            file.write(f"4783460000195{i % 7:05d},4783460000196{i % 31:05d},{478346100000000000 + i},Learner {i}\n")
    with Workbook(str(book), {"constant_memory": True}) as made:
        sheet = made.add_worksheet()
        sheet.write_row(0, 0, ("course", "batch", "learner", "name"))
        for i in range(XLSX_ROWS):
            sheet.write_row(
                i + 1, 0, ("478346000019500001", "478346000019600001", str(478346100000000000 + i), f"L {i}")
            )
    return table, book


def measure() -> list[dict[str, object]]:
    """Ratios, and the peak memory of a preview in a process of its own."""
    import pandas as pd
    from python_calamine import CalamineWorkbook

    from bulkremove.domain.planner import plan
    from bulkremove.reading.reader import read

    def preview(path: Path) -> object:
        return plan(read(path, name=path.name), account="a", host="h")

    with tempfile.TemporaryDirectory() as name:
        table, book = make(Path(name))
        raw = book.read_bytes()
        code = f"import sys; from benchmarks.reading import peak; peak({str(table)!r})"
        megabytes = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        bare_csv = best(lambda: pd.read_csv(table, dtype=str))
        bare_xlsx = best(lambda: CalamineWorkbook.from_filelike(io.BytesIO(raw)).get_sheet_by_index(0).to_python())
        csv_ratio = round(best(lambda: preview(table)) / bare_csv, 2)
        xlsx_ratio = round(best(lambda: preview(book)) / bare_xlsx, 2)
    return [
        {"file": "1,000,000 rows of CSV", "times pandas.read_csv": csv_ratio, "peak MB": megabytes},
        {"file": "100,000 rows of xlsx", "times python-calamine": xlsx_ratio},
    ]


def peak(path: str) -> None:
    """Print the megabytes that one preview takes at most."""
    from bulkremove.domain.planner import plan
    from bulkremove.reading.reader import read

    plan(read(Path(path), name="big"), account="a", host="h")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
