"""The commands find and roster: what a person sees, and a file that preview and run read."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bulkremove.domain.errors import FileRefused, ReportFailed
from bulkremove.domain.listing import Batch, Learner, Roster
from bulkremove.domain.row import Removal
from bulkremove.domain.table import ROSTER_COLUMN
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.reader import read
from bulkremove.report.roster_file import write_rosters
from tests.cli_fixtures import SAMPLES, Bulkremove, environment, sandbox
from tests.test_reads import BATCH, COUNT, COURSE, learner, world


def of_sandbox(folder: Path) -> tuple[str, ...]:
    return ("--sandbox", str(world(folder)), "--speed", "60")


IN_SANDBOX = ("--sandbox", str(SAMPLES / "world.json"), "--speed", "300")
ROSTER = Roster(
    Batch("1", "2", "=cmd()", 2),
    (Learner("478346000019558000", "=1+1", "+a@example.com", "@E1", "40"), Learner("478346000019558001")),
)


@pytest.fixture
def program(tmp_path: Path) -> Bulkremove:
    return Bulkremove(tmp_path / "home", environment())


def test_courses_and_batches_are_found_by_name(program: Bulkremove) -> None:
    found = program("find", "FIRE", *IN_SANDBOX)
    assert (0, ["Fire safety", "Fire safety, spring", "Fire safety, autumn"]) == (
        found.returncode,
        [re.split(r"  +", line.strip())[1] for line in found.stdout.splitlines()],
    )
    assert "478346000019502002" in found.stdout
    assert "Zoho finds no course by 'nothing'" in program("find", "nothing", *IN_SANDBOX).stdout
    as_json = json.loads(program("find", "aid", *IN_SANDBOX, "--json").stdout)
    assert [12, 12] == [batch["learners"] for batch in as_json[0]["batches"]]


@pytest.mark.parametrize("name", ["all.csv", "all.xlsx"])
def test_a_roster_is_a_file_that_removes_exactly_these_learners(program: Bulkremove, tmp_path: Path, name: str) -> None:
    written = program("roster", "478346000019501003", "-o", str(tmp_path / name), *IN_SANDBOX)
    assert (0, True) == (written.returncode, "24 learners of 2 batches" in written.stdout), written.stderr
    assert "read the learners of a batch" in program("audit").stdout
    with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as journal:
        assert 3 == journal.execute("SELECT count(*) FROM listing").fetchone()[0]
    refused = program("run", str(tmp_path / name), *IN_SANDBOX, "--yes")
    assert (2, True) == (refused.returncode, "this roster marks nobody" in refused.stderr), refused.stderr
    done = program("run", str(tmp_path / name), *IN_SANDBOX, "--yes", "--json", "--only", "all")
    assert 0 == done.returncode, done.stderr
    with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as journal:
        assert 0 == journal.execute("SELECT count(*) FROM listing").fetchone()[0], "they are out of date"
    report = next(tmp_path.glob("*-report.csv"))
    with report.open(encoding="utf-8-sig", newline="") as file:
        assert ["removed"] * 24 == [row["status"] for row in csv.DictReader(file)]


@pytest.mark.parametrize("mark", ["x", "X", " x "])
def test_only_those_whom_a_person_marked_in_a_roster_are_removed(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "some.csv"
    write_rosters(path, [ROSTER], sandbox=False)
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    fields = lines[1].split(",")
    place = lines[0].replace('"', "").split(",").index(ROSTER_COLUMN)
    fields[place] = mark
    path.write_text("\n".join([lines[0], ",".join(fields), *lines[2:]]), encoding="utf-8")
    with pytest.raises(FileRefused, match=r"who stays and who goes; it holds . \(1\), blank \(1\)"):
        read(path, name=path.name)
    marked = read(path, name=path.name, options=ReadOptions(only=(f"{ROSTER_COLUMN}=x",)))
    assert [2] == list(marked.numbers)


def test_a_roster_of_the_sandbox_is_no_list_of_real_people(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    write_rosters(path, [ROSTER], sandbox=True)
    assert 2 == len(read(path, name=path.name, options=ReadOptions(sandbox=True, only=("all",))))
    with pytest.raises(Exception, match="sandbox"):
        read(path, name=path.name)


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_no_name_in_a_roster_is_a_formula_and_every_id_is_whole(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"some.{ending}"
    write_rosters(path, [ROSTER], sandbox=False)
    table = read(path, name=path.name, options=ReadOptions(only=("all",)))
    rows = [row.cells for row in table.rows()]
    assert [Removal("1", "2", one.id) for one in ROSTER.learners] == [
        Removal(*(row[column] for column in table.roles)) for row in rows
    ]
    assert ["'=1+1", "'+a@example.com", "'@E1"] == [*rows[0][4:7]]


def test_a_roster_goes_over_no_file_and_costs_no_call_then(program: Bulkremove, tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("mine")
    refused = program("roster", COURSE, BATCH, "-o", str(tmp_path / "there.csv"))
    assert (2, True) == (refused.returncode, "exists already" in refused.stderr)
    assert "mine" == (tmp_path / "there.csv").read_text()
    with pytest.raises(ReportFailed, match=r"\.csv or \.xlsx"):
        write_rosters(tmp_path / "some.jsonl", [ROSTER], sandbox=False)
    assert "is no batch id" in program("roster", COURSE, "..", "-o", "x.csv").stderr


def test_a_refusal_of_zoho_s_leaves_no_file_and_a_short_list_is_told(program: Bulkremove, tmp_path: Path) -> None:
    path = str(tmp_path / "some.csv")
    for reads, code, words in (
        (["ok", "cut"], 1, "can't be read"),
        (["scope_403"], 7, "ZOHOPEOPLE.training.READ"),
        (["ok", "empty"], 1, "lists no learner"),
        (["422"], 1, "has locked the account"),
    ):
        told = program("roster", COURSE, BATCH, "-o", path, "--sandbox", str(world(tmp_path, reads=reads)))
        assert (code, True, False) == (told.returncode, words in told.stderr, Path(path).exists()), told.stderr
        program = Bulkremove(tmp_path / f"home-{words[:3].strip()}", program.env)
    short = ("--sandbox", str(world(tmp_path, reads=["ok", "short", "empty"])), "--speed", "300")
    told = program("roster", COURSE, BATCH, "-o", path, *short)
    assert (0, True) == (told.returncode, f"lists 23 learners and counts {COUNT}" in told.stderr), told.stderr
    assert learner(0) in Path(path).read_text()


def test_the_fields_of_an_account_s_answers_are_told_by_doctor(program: Bulkremove, tmp_path: Path) -> None:
    with sandbox(world(tmp_path), tmp_path / "log.jsonl") as variables:
        program = Bulkremove(tmp_path / "home", environment(**variables))
        told = program("doctor", "--read", COURSE, BATCH)
        assert (0, 4) == (told.returncode, told.stdout.count("ok ")), told.stderr
        assert re.search(r"learners\[\]\.learnerId +text", told.stdout)
        assert "example.com" not in told.stdout
        bundled = Bulkremove(tmp_path / "other", environment())(
            "doctor", "--read", COURSE, BATCH, *of_sandbox(tmp_path)
        )
        assert (told.returncode, told.stdout) == (bundled.returncode, bundled.stdout), bundled.stderr
        assert "are for --read" in program("doctor", *of_sandbox(tmp_path)).stderr
        as_json = json.loads(program("doctor", "--read", COURSE, "1", "--json").stdout)
        assert [True, True, False, False] == [one["usable"] for one in as_json["reads"]]


@pytest.mark.parametrize(("scope", "told"), [("ZOHOPEOPLE.training.DELETE", True), ("ZOHOPEOPLE.training.ALL", False)])
def test_login_says_what_more_a_scope_would_give(tmp_path: Path, scope: str, told: bool) -> None:
    path = world(tmp_path, scope=scope)
    path.write_text(path.read_text().replace('"client": {', '"client": {"grant_codes": ["g"], '))
    with sandbox(path, tmp_path / "log.jsonl") as variables:
        addresses = {name: value for name, value in variables.items() if name.endswith("_URL")}
        done = Bulkremove(tmp_path / "home", environment(**addresses))("login", stdin="us\nAcme\nsandbox\ns\ng\n")
    assert (0, told) == (done.returncode, "needs the scope ZOHOPEOPLE.training.READ" in done.stdout), done.stderr
    assert "WARNING" not in done.stdout
