"""A file with a plan row by row, for review before anybody agrees to it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from bulkremove.domain.errors import ReportFailed
from bulkremove.domain.plan import Plan
from bulkremove.domain.table import PLAN_COLUMNS, SANDBOX_COLUMN, SANDBOX_MARK
from bulkremove.report.tables import escape_formula, id_cell


def write_plan(path: Path, plan: Plan) -> None:
    """Write every row and what is planned for it, as .csv or .jsonl; never over a file. Raises ReportFailed."""
    ending = path.suffix.lower()
    if ending not in (".csv", ".jsonl"):
        raise ReportFailed(f"A plan can't be written as {path.name}.", hint="Its name must end in .csv or .jsonl.")
    try:
        with path.open("x", encoding="utf-8-sig" if ending == ".csv" else "utf-8", newline="") as file:
            if ending == ".jsonl":
                for cells in _rows(plan):
                    named = dict(zip(PLAN_COLUMNS, cells, strict=True))
                    if plan.sandbox:
                        named[SANDBOX_COLUMN] = SANDBOX_MARK
                    file.write(json.dumps(named) + "\n")
                return
            writer = csv.writer(file)
            writer.writerow([*PLAN_COLUMNS, *[SANDBOX_COLUMN] * plan.sandbox])
            for number, planned, *ids, detail in _rows(plan):
                shown = [*(id_cell(str(cell)) for cell in ids), escape_formula(str(detail))]
                writer.writerow([number, planned, *shown, *[SANDBOX_MARK] * plan.sandbox])
    except FileExistsError:
        raise ReportFailed(f"{path} exists already and is not overwritten.", hint="Name another file.") from None
    except OSError as error:
        raise ReportFailed(f"{path} can't be written: {error.strerror}.", hint="Name another file.") from None


def _rows(plan: Plan) -> Iterator[tuple[int | str, ...]]:
    for planned_row in plan.rows():
        row, removal, exclusion = planned_row.row, planned_row.removal, planned_row.exclusion
        ids = tuple(row.cells[i] for i in plan.table.roles)
        if removal:
            ids = (removal.course, removal.batch, removal.learner)
        planned, detail = (exclusion.status.value, exclusion.detail) if exclusion else ("remove", "")
        yield row.number, planned, *ids, detail
