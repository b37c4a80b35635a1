"""Who was removed: kept with the job where an enrolment check has told it, so that people can be enrolled again."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bulkremove.app import App, Consent, SandboxOptions
from bulkremove.config import Settings
from bulkremove.domain.errors import FileRefused
from bulkremove.domain.job import FrontEnd
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.reader import read
from tests.cli_fixtures import Bulkremove, environment
from tests.test_enrolment_check import leavers, of_sandbox
from tests.test_reads import learner, world

PERSON = ["zoho_name", "zoho_email", "zoho_employee_id", "zoho_record_number", "zoho_progress"]


@pytest.fixture
def program(tmp_path: Path) -> Bulkremove:
    return Bulkremove(tmp_path / "home", environment())


def removed_people(program: Bulkremove, path: Path) -> list[dict[str, str]]:
    jobs = program("jobs").stdout.split()
    done = program("report", next(word for word in jobs if "-SANDBOX-" in word), "--rows", "undo", "-o", str(path))
    assert 0 == done.returncode, done.stderr
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_list_of_removed_people_says_who_they_were_with_the_number_that_enrols_them(
    program: Bulkremove, tmp_path: Path
) -> None:
    program("run", str(leavers(tmp_path, [0, 1, 99])), "--check", "--yes", *of_sandbox(tmp_path))
    people = removed_people(program, tmp_path / "removed.csv")
    assert [["Learner 0000", "learner0000@example.com", "E0000", "478346000002000000", "40"]] == [
        [one[name] for name in PERSON] for one in people[:1]
    ]
    assert [learner(0), learner(1)] == [one["learner"] for one in people]
    with pytest.raises(FileRefused, match="names people who were removed"):
        read(tmp_path / "removed.csv", name="removed.csv")


def test_without_a_check_the_list_has_the_file_s_own_columns(program: Bulkremove, tmp_path: Path) -> None:
    program("run", str(leavers(tmp_path, [0, 1])), "--no-check", "--yes", *of_sandbox(tmp_path))
    assert not {*PERSON} & removed_people(program, tmp_path / "removed.csv")[0].keys()


def test_an_erased_learner_is_nowhere_in_the_journal(program: Bulkremove, tmp_path: Path) -> None:
    program("run", str(leavers(tmp_path, [0, 1])), "--check", "--yes", *of_sandbox(tmp_path))
    with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as journal:
        kept = [person for (person,) in journal.execute("SELECT person FROM row")]
    assert all("learner000" in person for person in kept)
    assert 0 == program("forget", learner(0), "--yes").returncode
    with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as journal:
        kept = [person for (person,) in journal.execute("SELECT person FROM row ORDER BY position")]
    assert (None, True) == (kept[0], "learner0001" in kept[1])


async def test_a_retry_keeps_who_the_learners_are(tmp_path: Path) -> None:
    app = App(Settings(tmp_path / "home"), environ={}, sandbox=SandboxOptions(world(tmp_path), 60.0))
    with closing(app):
        file = leavers(tmp_path, [0, 1])
        preview = await app.plans.preview(file, name=file.name, options=ReadOptions())
        checked = await app.enrolment_checks.check(preview, is_asked=True)
        job = await app.confirmations.submit(
            checked,
            consent=Consent(yes=True),
            folder=tmp_path,
            prepared_by=("jo",),
            by="jo",
            front_end=FrontEnd.COMMAND,
        )
        await app.jobs.cancel(job.id, by="jo")
        again = await app.plans.retry(job.id, unknown_checked=False)
        assert ["478346000002000000", "478346000002000001"] == [one.record_number for one in again.plan.people.values()]


async def test_a_retry_keeps_that_the_file_names_somebody_else(tmp_path: Path) -> None:
    app = App(Settings(tmp_path / "home"), environ={}, sandbox=SandboxOptions(world(tmp_path), 60.0))
    with closing(app):
        file, facts = leavers(tmp_path, [0, 1], i1="else@example.com"), {"folder": tmp_path, "by": "jo"}
        preview = await app.plans.preview(file, name=file.name, options=ReadOptions())
        preview = await app.enrolment_checks.check(preview, is_asked=True, include_mismatched=True)
        for _ in range(2):
            job = await app.confirmations.submit(
                preview,
                consent=Consent(yes=True),
                prepared_by=("jo",),
                front_end=FrontEnd.COMMAND,
                **facts,  # type: ignore[arg-type] # each for its parameter
            )
            await app.jobs.cancel(job.id, by="jo")
            same, other = [row.detail for row in await app.reports.outcomes(await app.jobs.find(job.id))]
            assert "person decided" not in same
            assert 'the file names "else@example.com"; it was to be sent as a person decided.' in other
            preview = await app.plans.retry(job.id, unknown_checked=False)
