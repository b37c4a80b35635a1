"""No id of a learner stands in what goes to more people than the rows: reasons, events, notices, audit log and logs.

Each file has the same learners, in every place where a refusal or a doubt may quote them.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bulkremove.app import App, Consent
from bulkremove.cli.logs import EVENTS
from bulkremove.config import Settings
from bulkremove.domain.ids import without_ids
from bulkremove.domain.job import FrontEnd
from bulkremove.domain.permissions import Role
from bulkremove.reading.options import ReadOptions
from bulkremove.web.openapi import PREFIX
from tests.nightly_fixtures import nightly_site
from tests.web_fixtures import CREDENTIALS, running_site
from tests.workbooks import Book, Cell, Formula, Sheet

MARK = "777777"
"""Digits of all learners' ids, and of nothing else."""
COURSE, BATCH = "478346000019501001", "478346000019502001"
HEADER = "Course ID,Batch ID,Learner ID"


def learner(number: int) -> str:
    return f"47834600{MARK}{1001 + 7 * number}"


def line(number: int, *more: str, course: str = COURSE, batch: str = BATCH) -> str:
    return ",".join((course, batch, learner(number), *more))


def text(*lines: str) -> bytes:
    return "".join(f"{one}\r\n" for one in lines).encode()


def book(kind: str, *rows: list[Cell], sheet: str = "Leavers") -> bytes:
    return Book([Sheet([["Course ID", "Batch ID", "Learner ID"], *rows], name=sheet)]).as_bytes(kind)


def ids(number: int) -> list[Cell]:
    return [COURSE, BATCH, learner(number)]


PEOPLE = [line(number) for number in range(12)]
FILES: dict[str, bytes] = {
    "batch-of-two-courses.csv": text(HEADER, *PEOPLE, line(20, course="478346000019501009")),
    "id-in-two-columns.csv": text(HEADER, *PEOPLE, line(20, batch=learner(3))),
    "odd-length.csv": text(HEADER, *PEOPLE, f"{COURSE},{BATCH},{learner(20)}1"),
    "rounded.csv": text(HEADER, *(f"{COURSE},{BATCH},47834600{MARK}{n}000" for n in range(1, 9))),
    "dot-zero.csv": text(HEADER, *PEOPLE, f"{COURSE},{BATCH},{learner(20)}.0"),
    "joined-rows.csv": text(f"{HEADER},Name", line(0, '"Kim'), line(1, "Jo"), line(2, 'Lee"'), line(3, "Bo")),
    "digits-behind-quote.csv": text(HEADER, f'{COURSE},{BATCH},"{learner(0)}"1', *PEOPLE),
    "no-headings.csv": text(*PEOPLE),
    "ids-above-headings.csv": text(line(0), HEADER, *PEOPLE),
    "id-as-heading.csv": text(f"{HEADER},{learner(0)}", *(line(n, "x") for n in range(9))),
    "id-as-missing-heading.csv": text(f"Course ID,Batch ID,{learner(0)}", *PEOPLE),
    "says-who-stays.csv": text(f"{HEADER},Keep", line(0, learner(1)), line(1, ""), line(2, "")),
    "remark.csv": text(f"{HEADER},Remark", line(0, f"do not remove {learner(0)}"), line(1, "")),
    "title-between.csv": text(HEADER, line(0), f"instead of {learner(5)}:,,", line(1)),
    "more-fields.csv": text(HEADER, line(0), line(1, learner(2))),
    "short-row.csv": text(f"Name,{HEADER}", f"Kim,{line(0)}", f"{COURSE},{BATCH},{learner(1)}"),
    "other-order.csv": text(HEADER, line(0), "Learner ID,Course ID,Batch ID", f"{learner(1)},{COURSE},{BATCH}"),
    "invalid.csv": text(HEADER, *(f"{COURSE},{BATCH},x{learner(n)}" for n in range(6)), *PEOPLE),
    "duplicates.csv": text(HEADER, *PEOPLE, *PEOPLE),
    "other-columns.csv": text(f"{HEADER},Name", *(line(n, "Kim") for n in range(12))),
    "report-in-part.csv": text(f"{HEADER},status,row", line(0, "removed", "2"), line(1, learner(1), "3")),
    "number.xlsx": book("xlsx", ids(0), [COURSE, BATCH, float(learner(1))]),
    "formula.xlsx": book("xlsx", ids(0), [COURSE, BATCH, Formula(f'"{learner(1)}"')]),
    "number.xls": book("xls", ids(0), [COURSE, BATCH, float(learner(1))]),
    "number.ods": book("ods", ids(0), [COURSE, BATCH, float(learner(1))]),
    "sheet.xlsx": Book([Sheet([ids(0)], name=f"A {learner(0)}"), Sheet([ids(0)], name="B")]).as_bytes("xlsx"),
}


class Kept(logging.Handler):
    """Keeps the text of each record."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@pytest.fixture
def logged() -> Iterator[list[str]]:
    kept, loggers = Kept(), (logging.getLogger("bulkremove"), logging.getLogger(EVENTS))
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(kept)
        logger.setLevel(logging.DEBUG)
    yield kept.texts
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(kept)
        logger.setLevel(level)


def texts_in(journal: Path) -> list[str]:
    """All texts in a journal but those of rows, attempts and notes, and the headings of the files."""
    found = []
    with closing(sqlite3.connect(journal)) as db:
        db.row_factory = sqlite3.Row
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in set(tables) - {"row", "attempt", "note"}:
            for record in db.execute(f"SELECT * FROM {table}"):  # noqa: S608 - a name from the schema
                found += [f"{table}.{name}: {record[name]}" for name in record.keys() if name != "header"]  # noqa: SIM118
    return found


def with_ids(texts: list[str]) -> list[str]:
    return [one for one in texts if MARK in one]


@pytest.mark.parametrize("name", FILES)
async def test_what_a_night_says_of_a_file_names_no_learner(tmp_path: Path, name: str, logged: list[str]) -> None:
    async with nightly_site(tmp_path, has_past=name == "other-columns.csv", max_removals=15) as site:
        site.drop(name, FILES[name])
        result = await site.run()
        assert result.held, "a person must look at each of these files"
        said = [*result.held, *result.waiting, *result.failures, *result.unchanged, *logged]
        assert [] == with_ids([*said, *texts_in(site.app.settings.home / "journal.db")])


@pytest.mark.parametrize("name", FILES)
async def test_what_a_dry_run_says_of_a_file_names_no_learner(tmp_path: Path, name: str) -> None:
    async with nightly_site(tmp_path, has_past=False) as site:
        site.drop(name, FILES[name])
        result = await site.app.nightly_runs(site.app.supervisor()).dry_run()
        assert [] == with_ids([*result.held, *result.waiting, *result.failures])


@pytest.mark.parametrize("name", FILES)
async def test_what_the_page_and_the_api_record_of_a_file_names_no_learner(
    tmp_path: Path, name: str, logged: list[str]
) -> None:
    async with running_site(tmp_path / "home") as site, site.visitor(known=False) as visitor:
        headers = await site.program(Role.APPROVER)
        made = await visitor.ask("POST", f"{PREFIX}/plans?name={name}", headers=headers, data=FILES[name])
        if made.status == 201:
            headers = {**headers, "Content-Type": "application/json"}
            body = json.dumps({"plan_hash": made.json["plan_hash"]})
            confirmed = await visitor.ask(
                "POST", f"{PREFIX}/plans/{made.json['id']}/confirm", headers=headers, data=body
            )
            assert confirmed.status in (201, 409), confirmed.text
        assert [] == with_ids([*logged, *texts_in(site.app.settings.home / "journal.db")])


@pytest.mark.parametrize("name", ["batch-of-two-courses.csv", "odd-length.csv", "invalid.csv", "rounded.csv"])
async def test_a_plan_that_two_people_must_agree_to_is_held_without_ids(tmp_path: Path, name: str) -> None:
    with closing(App(Settings(tmp_path / "home", four_eyes=True, max_invalid=90.0), environ=CREDENTIALS)) as app:
        (tmp_path / name).write_bytes(FILES[name])
        preview = await app.plans.preview(tmp_path / name, name=name, options=ReadOptions())
        consent = Consent(yes=True, compared=preview.plan.doubtful_ids or None)
        job = await app.confirmations.submit(
            preview, consent=consent, folder=tmp_path, prepared_by=["kim"], by="kim", front_end=FrontEnd.COMMAND
        )
        assert "Two people must agree" in job.reason
        assert [] == with_ids(texts_in(app.settings.home / "journal.db"))


SHORT = {
    name: content.replace(b"47834600", b"4")
    for name, content in FILES.items()
    if name.endswith(".csv") and name != "rounded.csv"
}
"""The same with ids such as a sandbox may have."""


@pytest.mark.parametrize("name", SHORT)
async def test_what_a_night_says_of_short_ids_names_no_learner(tmp_path: Path, name: str, logged: list[str]) -> None:
    async with nightly_site(tmp_path, has_past=name == "other-columns.csv", max_removals=15) as site:
        site.drop(name, SHORT[name])
        result = await site.run()
        said = [*result.held, *result.waiting, *result.failures, *result.unchanged, *logged]
        assert [] == with_ids([*said, *texts_in(site.app.settings.home / "journal.db")])


@pytest.mark.parametrize("digits", range(4, 20))
def test_an_id_of_any_length_is_left_out_of_a_text(digits: int) -> None:
    number = "4711777777777777777"[:digits]
    for text in (
        'Cell C70000 (Learner ID) is no learner id: "x{}-a" holds something.',
        "Batch {} under course {} (row 70001), such as {} in rows 12345 and 70000.",
        "Column '{}', job 20261129-k3f9, code 7209, ids ({}), {}.",
    ):
        assert text.replace("{}", "…") == without_ids(text.replace("{}", number))
    assert number not in without_ids(f"{number}.0 or {number},5")


@pytest.mark.parametrize("digits", range(1, 4))
def test_an_id_of_few_digits_is_left_out_where_a_text_names_it(digits: int) -> None:
    number = "471"[:digits]
    for text in (
        'Cell C7 (Phase 2) is no learner id: "{}-a" holds something other than digits.',
        "batch {} under course {} (row 71) and course {} (row 8). In this list: {} in rows 3 and 5; {} in row 9.",
        "Column 'Phase 2': 3 different ids have fewer than 12 digits, such as {} in row 2.",
    ):
        assert text.replace("{}", "…") == without_ids(text.replace("{}", number))


def test_only_ids_are_left_out_of_a_text() -> None:
    more = (
        "At 2026-11-29 02:30, 12,345 of 1,234,567 rows: leavers_20261129.csv isn't that of 2026-11; it can't be read."
    )
    assert more == without_ids(more)
    kept = "leavers-20261129023000.csv, row 1,000: column 'Learner ID', job 20261129-k3f9"
    assert kept == without_ids(kept)
    assert "C3 shows …, not … or …" == without_ids(f"C3 shows {learner(1)}, not 4.78346000019501e+17 or {learner(1)}12")
