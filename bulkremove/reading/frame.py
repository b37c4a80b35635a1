"""Read rows that a program holds in memory: a pandas DataFrame, or triples of ids.

They pass the same checks as a file, and their rows have the numbers that they would have in a CSV: 2 is the first below
the headings. A column of floats is refused before anything else, since ids of 16 digits and more are rounded in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.table import Table
from bulkremove.reading.columns import find_roles
from bulkremove.reading.grid import MAX_CELL_LENGTH, MAX_COLUMNS, MAX_ROWS, Grid
from bulkremove.reading.options import ROLES, ReadOptions
from bulkremove.reading.reader import refuse_staying_names
from bulkremove.reading.table import build_table

KIND = "python"
"""``Table.kind`` of such rows."""
_AS_TEXT = 'Read the ids as text from the start, for instance with dtype="string".'


def read_frame(frame: pd.DataFrame, *, name: str, options: ReadOptions) -> Table:
    """Read a DataFrame whose columns have headings. Raises TypeError for ids that are not text, FileRefused."""
    header = [str(heading).strip() for heading in frame.columns]
    if not header or len(header) > MAX_COLUMNS:
        raise FileRefused(f"{name} has {len(header):,} columns, and needs 3 to {MAX_COLUMNS:,}.")
    roles = find_roles(header, options.columns, name, [], options.match)
    columns = [
        _ids(frame.iloc[:, index], heading) if index in roles else _cells(frame.iloc[:, index])
        for index, heading in enumerate(header)
    ]
    return _table(header, columns, name, options)


def read_triples(triples: Iterable[Sequence[object]], *, name: str, options: ReadOptions) -> Table:
    """Read (course id, batch id, learner id) triples. Raises TypeError for what is none, FileRefused."""
    rows: list[list[object]] = []
    for number, triple in enumerate(triples, start=2):
        if number > MAX_ROWS + 1:
            raise _too_many(name)
        row = None if isinstance(triple, str | bytes) or not isinstance(triple, Iterable) else list(triple)
        if row is None or len(row) != len(ROLES):
            raise TypeError(f"Row {number} of {name} is not three ids: course, batch and learner.")
        rows.append([_id(value, f"Row {number} of {name}") for value in row])
    header = [f"{role.capitalize()} ID" for role in ROLES]
    return _table(header, [list(column) for column in zip(*rows, strict=True)] or [[] for _ in ROLES], name, options)


def _table(header: Sequence[str], columns: list[list[object]], name: str, options: ReadOptions) -> Table:
    refuse_staying_names({"source": name}, name, options)
    rows = len(columns[0])
    if rows > MAX_ROWS:
        raise _too_many(name)
    for heading, column in zip(header, columns, strict=True):
        for number, cell in enumerate(column, start=2):
            if isinstance(cell, str) and len(cell) > MAX_CELL_LENGTH:
                raise FileRefused(
                    f"{name}, row {number}, column {heading!r}: a cell has more than {MAX_CELL_LENGTH:,} characters."
                )
    grid = Grid(KIND, range(1, rows + 2), [[heading, *column] for heading, column in zip(header, columns, strict=True)])
    return build_table(grid, name, options)


def _too_many(name: str) -> FileRefused:
    return FileRefused(f"{name} has more than {MAX_ROWS:,} rows.", hint="Split it.")


def _ids(column: pd.Series[Any], heading: str) -> list[object]:
    """The ids of a column as text; missing values are empty. Raises TypeError for any that may not be exact."""
    if pd.api.types.is_float_dtype(column.dtype) or pd.api.types.is_complex_dtype(column.dtype):
        raise TypeError(
            f"Column {heading!r} holds {column.dtype} numbers, in which ids of 16 digits and more are rounded. "
            f"{_AS_TEXT}"
        )
    return [_id(value, f"Column {heading!r}") for value in _values(column)]


def _id(value: object, where: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{where} holds {value!r}, which is neither text nor a whole number. {_AS_TEXT}")
    return str(value)


def _cells(column: pd.Series[Any]) -> list[object]:
    """The cells of a column that holds no ids; missing values are empty."""
    return ["" if value is None else value for value in _values(column)]


def _values(column: pd.Series[Any]) -> list[Any]:
    """The values of a column as Python's own, which have types of their own; None for those that are missing."""
    pairs = zip(column.astype(object).tolist(), column.isna().tolist(), strict=True)
    return [None if missing else value.item() if isinstance(value, np.generic) else value for value, missing in pairs]
