"""A file with a plan row by row, for review before anybody agrees to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from bulkremove.domain.errors import ReportFailed
from bulkremove.domain.listing import Learner
from bulkremove.domain.plan import Plan
from bulkremove.domain.row import Roles
from bulkremove.domain.table import PLAN_COLUMNS, SANDBOX_COLUMN, SANDBOX_MARK
from bulkremove.platform.secure_files import new_file
from bulkremove.report.formats import write_csv

_PERSON_COLUMNS = ("zoho_name", "zoho_email", "zoho_progress", "zoho_batch")
"""Behind the others where Zoho's lists were asked: who the learner is, and the name of the batch."""


def write_plan(path: Path, plan: Plan) -> None:
    """Write every row and what is planned for it, as .csv or .jsonl; never over a file. Raises ReportFailed."""
    ending = path.suffix.lower()
    if ending not in (".csv", ".jsonl"):
        raise ReportFailed(f"A plan can't be written as {path.name}.", hint="Its name must end in .csv or .jsonl.")
    write_new(path, lambda file: _write(file, plan, as_csv=ending == ".csv"))


def write_new(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a private file, never over another one. Raises ReportFailed."""
    try:
        with new_file(path) as file:
            write(file)
    except FileExistsError:
        raise ReportFailed(f"{path} exists already and is not overwritten.", hint="Name another file.") from None
    except OSError as error:
        raise ReportFailed(f"{path} can't be written: {error.strerror}.", hint="Name another file.") from None


def _write(file: BinaryIO, plan: Plan, *, as_csv: bool) -> None:
    marks = [SANDBOX_MARK] * plan.is_sandbox
    columns = [name if name != "learner_id" else plan.operation.id_column for name in PLAN_COLUMNS]
    header = (*columns, *_PERSON_COLUMNS * _is_known(plan), *[SANDBOX_COLUMN] * plan.is_sandbox)
    if as_csv:
        write_csv(file, header, Roles(2, 3, 4), ((*map(str, cells), *marks) for cells in _rows(plan)))
        return
    for cells in _rows(plan):
        file.write(json.dumps(dict(zip(header, (*cells, *marks), strict=True))).encode() + b"\n")


def _is_known(plan: Plan) -> bool:
    """Whether Zoho's lists have told who some learner is, or how a batch is called."""
    return bool(plan.batch_names) or any(person != Learner(person.id) for person in plan.people.values())


def _rows(plan: Plan) -> Iterator[tuple[int | str, ...]]:
    for planned_row in plan.rows():
        row, removal, exclusion = planned_row.row, planned_row.removal, planned_row.exclusion
        ids = tuple(row.cells[i] for i in plan.table.roles)
        if removal:
            ids = (removal.course, removal.batch, removal.learner)
        planned, detail = (exclusion.status.value, exclusion.detail) if exclusion else (plan.operation.words.act, "")
        person, (course, batch, _) = planned_row.person or Learner(""), ids
        about = (person.name, person.email, person.progress, plan.batch_names.get((course, batch), ""))
        yield row.number, planned, *ids, detail, *about * _is_known(plan)
