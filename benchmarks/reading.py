"""Reading and planning a CSV of 1,000,000 rows and an .xlsx of 100,000, compared with the bare libraries."""

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
"""The code that is measured."""

CSV_ROWS, XLSX_ROWS = 1_000_000, 100_000


def best(work: Callable[[], object], times: int = 3) -> float:
    """Seconds of the fastest of several runs."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def make(folder: Path) -> tuple[Path, Path]:
    """Write both files, with a name column beside the ids, and return their paths."""
    from xlsxwriter import Workbook

    csv_path, xlsx_path = folder / "big.csv", folder / "big.xlsx"
    with csv_path.open("w") as file:
        file.write("course,batch,learner,name\n")
        for i in range(CSV_ROWS):
            file.write(f"4783460000195{i % 7:05d},4783460000196{i % 31:05d},{478346100000000000 + i},Learner {i}\n")
    with Workbook(str(xlsx_path), {"constant_memory": True}) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ("course", "batch", "learner", "name"))
        for i in range(XLSX_ROWS):
            sheet.write_row(
                i + 1, 0, ("478346000019500001", "478346000019600001", str(478346100000000000 + i), f"L {i}")
            )
    return csv_path, xlsx_path


def measure() -> list[dict[str, object]]:
    """Return the ratios, and the peak memory of a preview in a separate process."""
    import pandas as pd
    from python_calamine import CalamineWorkbook

    from bulkremove.domain.planner import plan
    from bulkremove.reading.reader import read

    def preview(path: Path) -> object:
        return plan(read(path, name=path.name), account="a", host="h")

    with tempfile.TemporaryDirectory() as name:
        csv_path, xlsx_path = make(Path(name))
        workbook = xlsx_path.read_bytes()
        code = f"import sys; from benchmarks.reading import peak; peak({str(csv_path)!r})"
        megabytes = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        bare_csv = best(lambda: pd.read_csv(csv_path, dtype=str))
        bare_xlsx = best(lambda: CalamineWorkbook.from_filelike(io.BytesIO(workbook)).get_sheet_by_index(0).to_python())
        csv_ratio = round(best(lambda: preview(csv_path)) / bare_csv, 2)
        xlsx_ratio = round(best(lambda: preview(xlsx_path)) / bare_xlsx, 2)
    return [
        {"file": "1,000,000 rows of CSV", "times pandas.read_csv": csv_ratio, "peak MB": megabytes},
        {"file": "100,000 rows of xlsx", "times python-calamine": xlsx_ratio},
    ]


def peak(path: str) -> None:
    """Print the peak memory in MB of this process after one preview."""
    from bulkremove.domain.planner import plan
    from bulkremove.reading.reader import read

    plan(read(Path(path), name="big"), account="a", host="h")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
