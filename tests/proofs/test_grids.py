"""Grids of any shape, written as every kind of file: what is read back is the grid, or a refusal, never another id."""

from __future__ import annotations

import asyncio
import csv
import io
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from bulkremove.domain.attempt import Attempt, PendingRow, Permit
from bulkremove.domain.clock import Epoch, Monotonic
from bulkremove.domain.errors import ExchangeFailed, FileRefused
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.domain.planner import plan
from bulkremove.domain.row import Removal
from bulkremove.domain.table import Table
from bulkremove.reading.reader import read
from bulkremove.zoho.client import Admission, ZohoClient
from tests.conftest import Proving
from tests.workbooks import Book, Cell, Sheet

HEADER = ["Course ID", "Batch ID", "Learner ID", "Note"]
ID = st.integers(0, 10**19 - 1).map(str)
NOTE = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=20)
SHOWN = st.text(
    st.characters(min_codepoint=32, max_codepoint=0xD7FF, exclude_categories=("Cc", "Cs", "Cn")), max_size=12
).filter(lambda text: text == text.strip() and not text.startswith(("=", "_x")))
NUMBER = st.one_of(st.integers(0, 10**19), st.floats(0, 1e19, allow_nan=False), st.integers(0, 10**12))


def _tried(examples: int, rule: Callable[..., None], **strategies: st.SearchStrategy[object]) -> None:
    checks = (HealthCheck.too_slow, HealthCheck.filter_too_much)
    settings(max_examples=examples, deadline=None, suppress_health_check=checks)(given(**strategies)(rule))()


def _of(data: bytes) -> Table | None:
    try:
        return read(io.BytesIO(data), name="list")
    except FileRefused:
        return None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
def test_a_grid_written_as_csv_is_read_back_or_refused(encoding: str, proving: Proving) -> None:
    seen = Counter[str]()

    def rule(rows: list[list[str]], separator: str, quoting: int, end: str) -> None:
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=separator, quoting=quoting, lineterminator=end)  # type: ignore[arg-type] # an int
        writer.writerows([HEADER, *rows])
        try:
            data = out.getvalue().encode(encoding)
        except UnicodeEncodeError:
            return
        table = _of(data)
        seen["refused" if table is None else "read"] += 1
        if table is not None:
            assert [row[:3] for row in rows] == [list(row.cells[:3]) for row in table.rows()]
            if encoding.startswith("utf"):  # an old encoding's letters can be taken for another one's; its digits not
                assert rows == [list(row.cells) for row in table.rows()]

    _tried(
        proving.count(sample=60, deep=2000),
        rule,
        rows=st.lists(st.tuples(ID, ID, ID, NOTE).map(list), min_size=1, max_size=8),
        separator=st.sampled_from(",;\t|"),
        quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
        end=st.sampled_from(["\n", "\r\n", "\r"]),
    )
    assert seen["read"] > seen["refused"] / 2
    proving.figure(
        "A grid written as any kind of file is read back as it is, or refused; never another id",
        f"CSV in {encoding}: {seen['read']} read, {seen['refused']} refused",
    )


@pytest.mark.parametrize("kind", ["xlsx", "xls", "ods"])
def test_a_grid_written_as_a_workbook_is_read_back_or_refused(kind: str, proving: Proving) -> None:
    seen = Counter[str]()

    def rule(rows: list[list[Cell]]) -> None:
        table = _of(Book([Sheet([list[Cell](HEADER), *rows])]).as_bytes(kind))
        seen["refused" if table is None else "read"] += 1
        if table is None:
            return
        made = plan(table, account="a", host="h")
        for written, planned in zip(rows, made.rows(), strict=True):
            assert written[3] == planned.row.cells[3]
            if planned.removal:
                ids = (planned.removal.course, planned.removal.batch, planned.removal.learner)
                assert [_meant(cell) for cell in written[:3]] == list(ids)

    some_id = st.one_of(ID, ID, ID, ID, st.integers(0, 10**14), NUMBER)
    _tried(
        proving.count(sample=40, deep=1500),
        rule,
        rows=st.lists(st.tuples(some_id, some_id, some_id, SHOWN).map(list), min_size=1, max_size=5),
    )
    assert seen["read"]
    assert seen["refused"]
    proving.figure(
        "A grid written as any kind of file is read back as it is, or refused; never another id",
        f"{kind}: {seen['read']} read, {seen['refused']} refused",
    )


def _meant(cell: Cell) -> str:
    """The id that whoever wrote the cell meant; a number is its digits."""
    return f"{cell:.0f}" if isinstance(cell, float) else str(cell)


def test_ids_of_a_hundred_thousand_cells_leave_as_they_stand_or_not_at_all(proving: Proving) -> None:
    """The oracle knows nothing of the product: 1 to 19 ASCII digits, the first not 0, with outer blanks or none."""
    count = proving.count(sample=5_000, deep=100_000)
    dice, planned = random.Random(1), 0
    for _ in range(count // 500):
        cells = [_cell(dice) for _ in range(500)]
        out = io.StringIO(newline="")
        csv.writer(out, quoting=csv.QUOTE_ALL).writerows([HEADER[:3], *(["1", "2", cell] for cell in cells)])
        table = read(io.BytesIO(out.getvalue().encode()), name="list.csv")
        for cell, row in zip(cells, plan(table, account="a", host="h").rows(), strict=True):
            expected = _plain(cell)
            if expected is not None and expected.startswith("0"):
                expected = None
            duplicate = row.exclusion is not None and row.exclusion.status == "duplicate"
            assert (row.removal.learner if row.removal else None) == expected or (duplicate and expected), cell
            if row.removal and not duplicate:
                planned += 1
                assert REMOVE_LEARNER.path_of(row.removal.ids) == f"/api/v1/courses/1/batches/2/learners/{expected}"
    assert count / 5 < planned < count
    proving.figure(
        "Only ids as they stand in the file leave the process", f"{count} cells, {planned} planned as they stand"
    )


async def test_of_a_hundred_thousand_cells_only_the_one_shape_of_call_leaves(proving: Proving) -> None:
    """The last line before the wire alone: cells reach it as they stand, in the place of any of the three ids."""
    count = proving.count(sample=3_000, deep=100_000)
    dice, expected = random.Random(2), list[bytes]()
    arrived: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append((await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    async def admit() -> Admission[Permit]:
        return admission

    pending_row = PendingRow("job", 0, 2, Removal("1", "2", "3"))
    attempt = Attempt(1, Epoch(0.0), Monotonic(0.0), "boot")
    admission = Admission(Permit(pending_row, attempt, 1, attempt.sent_mono), "a token")
    server = await asyncio.start_server(answer, "127.0.0.1")
    people = ZohoClient(URL.build(scheme="http", host="127.0.0.1", port=server.sockets[0].getsockname()[1]))
    for _ in range(count):
        ids = ["1", "2", "3"]
        ids[dice.randrange(3)] = cell = _cell(dice)
        with suppress(ExchangeFailed, ValueError):
            await people.send_row(Removal(*ids), admit)
        if cell == _plain(cell):
            course, batch, learner = ids
            expected.append(f"DELETE /api/v1/courses/{course}/batches/{batch}/learners/{learner} HTTP/1.1".encode())
    await people.close()
    server.close()
    assert expected == arrived
    assert count / 5 < len(arrived) < count
    proving.figure(
        "Only ids as they stand in the file leave the process", f"{count} cells given to the wire, {len(arrived)} left"
    )


_AROUND = (" ", "\t", "\xa0", "\u200b", "\u2009", "\ufeff", "+", "-", "/", "..", "%2e", "%2F", "?", "#", "\\")
_WITHIN = (" ", "·", "'", "\u200d", "/", "..", "x", "\u202e", "_")
_DIGITS = ("٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "０１２３４５６７８９", "⁰¹²³⁴⁵⁶⁷⁸⁹")  # noqa: RUF001 - digits that are none


def _cell(dice: random.Random) -> str:
    """An id, mostly sound, with whatever may stand around it, in it, or in the place of its digits."""

    def rarely(odd: tuple[str, ...], usual: str = "") -> str:
        return dice.choice(odd) if dice.random() < 0.2 else usual

    digits = rarely(_DIGITS, "0123456789")
    number = "".join(dice.choice(digits) for _ in range(dice.choice((1, 5, 17, 18, 18, 18, 19, 20, 25))))
    at = dice.randrange(len(number))
    return rarely(_AROUND) + number[:at] + rarely(_WITHIN) + number[at:] + rarely(_AROUND)


def _plain(cell: str) -> str | None:
    inner = cell.strip(" \t\xa0")
    return inner if 1 <= len(inner) <= 19 and set(inner) <= set("0123456789") else None
