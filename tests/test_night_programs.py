"""Two nights of two accounts on two sandboxes in one home folder, over real processes."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from bulkremove.app import App
from bulkremove.config import load
from bulkremove.sandbox.log import read_log
from bulkremove.zoho.accounts import AccountStore, Credentials
from tests.cli_fixtures import Bulkremove, crowd, environment, sandbox
from tests.nightly_fixtures import remember
from tests.web_fixtures import triples

pytestmark = pytest.mark.slow
SCHOOLS = ("school-a", "school-b")


@dataclass
class Schools:
    """A home folder with a night for each of two schools; each has its own sandbox with 20 learners."""

    program: Bulkremove
    folder: Path

    def drop(self, school: str, count: int) -> None:
        source = self.folder / school / "drop"
        source.mkdir(exist_ok=True)
        (source / "leavers.csv").write_text(triples(count))
        (source / "leavers.csv.ready").touch()

    def sent(self, school: str) -> int:
        """How many removals the school's sandbox was asked for; none twice."""
        removals = [entry.removal for entry in read_log(self.folder / school / "log") if entry.removal]
        assert len(removals) == len(set(removals))
        return len(removals)

    def jobs(self) -> dict[str, str]:
        """The state of the newest job of each account."""
        listed = json.loads(self.program("jobs", "--json").stdout)
        return {job["account"]: job["state"] for job in reversed(listed) if job["account"] in SCHOOLS}

    def has_past(self) -> None:
        """Give each night something to compare with."""
        for number in range(len(SCHOOLS)):
            with closing(App(load({"home": str(self.program.home)}, {}), environ={})) as app:
                asyncio.run(remember(app.for_night(app.settings.nights[number]), 20))


@pytest.fixture
def schools(tmp_path: Path) -> Iterator[Schools]:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    blocks, addresses = "", list[dict[str, str]]()
    with ExitStack() as running:
        for school in SCHOOLS:
            (tmp_path / school).mkdir()
            world, _ = crowd(tmp_path / school, 20)
            world.write_text(world.read_text().replace('"client_id": "sandbox"', f'"client_id": "sandbox-{school}"'))
            variables = running.enter_context(sandbox(world, tmp_path / school / "log", "--speed", "60"))
            addresses.append(variables)
            AccountStore(home, None).add(school, Credentials("us", f"sandbox-{school}", "s", "r"), school)
            blocks += (
                f'\n[[nights]]\nname = "{school}"\naccount = "{school}"\nsource = "{tmp_path / school / "drop"}"\n'
                f'notify = "notify-{school}.txt"\napi_url = "{variables["BULKREMOVE_API_URL"]}"\n'
                f'accounts_url = "{variables["BULKREMOVE_ACCOUNTS_URL"]}"\n'
            )
        top = "".join(
            f'{name} = "{addresses[0][f"BULKREMOVE_{name.upper()}"]}"\n' for name in ("api_url", "accounts_url")
        )
        (home / "bulkremove.toml").write_text(f"{top}speed = 60\n{blocks}")
        yield Schools(Bulkremove(home, environment()), tmp_path)


def test_a_night_that_fails_keeps_no_other_from_running_and_the_worst_code_counts(schools: Schools) -> None:
    program = schools.program
    schools.drop("school-a", 5)
    dry = program("nightly", "--dry-run")
    assert 8 == dry.returncode, dry.stdout + dry.stderr
    assert f"--home {program.home} nightly --night school-a" in dry.stdout
    schools.has_past()
    done = program("nightly")
    assert 8 == done.returncode, done.stdout + done.stderr
    assert "finished   school-a: SANDBOX leavers.csv" in done.stdout
    assert "school-b: SANDBOX failed: There is no folder" in done.stdout
    assert {"school-a": "finished"} == schools.jobs()
    assert (5, 0) == (schools.sent("school-a"), schools.sent("school-b"))
    assert 0 == program("nightly", "--night", "school-a").returncode
    schools.drop("school-b", 7)
    logged = program("--events", "json", "nightly", "--json", "--night", "school-b")
    assert 0 == logged.returncode, logged.stdout + logged.stderr
    assert {"school-b"} == {json.loads(line)["night"] for line in logged.stdout.splitlines()}
    events = [json.loads(line) for line in logged.stderr.splitlines() if line.startswith("{")]
    assert {("nightly_started", "school-b"), ("finished", "school-b")} <= {(e["event"], e["night"]) for e in events}
    assert (5, 7) == (schools.sent("school-a"), schools.sent("school-b"))
    with closing(sqlite3.connect(program.home / "journal.db")) as journal:
        ends = journal.execute("SELECT night, end_code FROM nightly_run ORDER BY id").fetchall()
        jobs = journal.execute("SELECT night, account FROM job WHERE state = 'finished' AND totals IS NULL").fetchall()
    assert [("school-a", "done"), ("school-b", "failed"), ("school-a", "done"), ("school-b", "done")] == ends
    assert {(school, school) for school in SCHOOLS} == set(jobs)


def test_nights_of_two_accounts_run_side_by_side_and_one_night_runs_once(schools: Schools) -> None:
    schools.has_past()
    for school in SCHOOLS:
        schools.drop(school, 20)
    started = [schools.program.start("nightly", "--night", school) for school in (*SCHOOLS, *SCHOOLS)]
    started.append(schools.program.start("nightly"))
    codes = []
    for process in started:
        out, err = process.communicate(timeout=120)
        codes.append(process.returncode)
        assert process.returncode in (0, 6), out + err
        assert process.returncode == 0 or "has been going on" in err  # since when is written a moment after it began
    assert 0 in codes
    assert dict.fromkeys(SCHOOLS, "finished") == schools.jobs()
    assert (20, 20) == (schools.sent("school-a"), schools.sent("school-b"))


def test_stop_ends_the_night_under_way_and_the_next_one_does_not_begin(schools: Schools) -> None:
    schools.has_past()
    for school in SCHOOLS:
        schools.drop(school, 20)
    settings = schools.program.home / "bulkremove.toml"
    settings.write_text(settings.read_text().replace("speed = 60", "speed = 4"))  # ten seconds for 20 rows
    process = schools.program.start("--events", "text", "nightly")
    assert process.stderr is not None
    try:
        while " started " not in (line := process.stderr.readline()):
            assert line
        done = schools.program("stop")
        assert "The run of night school-a has ended." in done.stdout, done.stderr
        _, err = process.communicate(timeout=60)
        assert "Not begun: school-b." in err
    finally:
        process.kill()
        process.communicate()
    assert {"school-a": "paused"} == schools.jobs()
    assert 0 == schools.sent("school-b")


def test_a_night_of_an_unknown_name_is_no_night(schools: Schools) -> None:
    for words in (("--night", "school-c"), ("--night", "school-c", "--dry-run"), ("--night", "School-A")):
        done = schools.program("nightly", *words)
        assert 2 == done.returncode
        assert "There are: school-a, school-b." in done.stderr
    done = schools.program("nightly", "--again", "leavers.csv")
    assert (2, True) == (done.returncode, "Which night has held leavers.csv?" in done.stderr)
    assert not (schools.program.home / "journal.db").exists()


def test_a_held_plan_of_each_night_is_approved_and_goes_on_for_its_own_account(schools: Schools) -> None:
    for school in SCHOOLS:
        schools.drop(school, 4)
    program = schools.program
    assert 4 == program("nightly").returncode, "the first run of each night is held"
    (held,) = [j for j in json.loads(program("jobs", "--json").stdout) if j["account"] == "school-b"]
    assert 0 == program("approve", held["job"], "--yes").returncode
    resumed = program("resume", held["job"])
    assert 0 == resumed.returncode, resumed.stdout + resumed.stderr
    assert {"school-a": "held", "school-b": "finished"} == schools.jobs()
    assert (0, 4) == (schools.sent("school-a"), schools.sent("school-b"))


def test_cron_and_systemd_start_each_night_by_its_name(schools: Schools) -> None:
    lines = schools.program("schedule", "cron").stdout.splitlines()
    assert [True, True] == [
        f"nightly --night {school} >> " in line for school, line in zip(SCHOOLS, lines, strict=True)
    ]
    units = schools.folder / "units"
    units.mkdir()
    assert 0 == schools.program("schedule", "systemd", "--write", str(units)).returncode
    names = {f"bulkremove-nightly-{school}.{kind}" for school in SCHOOLS for kind in ("service", "timer")}
    names |= {f"bulkremove-failed-nightly-{school}.service" for school in SCHOOLS}
    assert names == {path.name for path in units.iterdir()}
    service = (units / "bulkremove-nightly-school-b.service").read_text()
    assert "nightly --night school-b" in service
    assert str(schools.folder / "school-a" / "drop") not in service, "it can't write to the folder of another night"
    shutil.rmtree(units)


def test_a_file_with_former_settings_is_refused_and_the_printed_block_works(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    settings = home / "bulkremove.toml"
    settings.write_text(f'max_removals = 20\nnightly_source = "{tmp_path}"\nnightly_at = "02:30"\n')
    program = Bulkremove(home, environment())
    for words in (("nightly",), ("jobs",), ("doctor",)):
        refused = program(*words)
        assert 2 == refused.returncode
        assert "nightly_at (bulkremove.toml line 3)" in refused.stderr
    settings.write_text("max_removals = 20\n" + refused.stderr.partition("\n\n")[2])
    shown = program("schedule", "show")
    assert 0 == shown.returncode, shown.stderr
    assert all(line.endswith(" 02:30 UTC  nightly") for line in shown.stdout.splitlines())


def test_the_commands_that_a_night_against_the_bundled_sandbox_names_can_be_copied(tmp_path: Path) -> None:
    home, drop = tmp_path / "my home", tmp_path / "drop"
    world, _ = crowd(tmp_path, 10)
    for folder in (home, drop):
        folder.mkdir(mode=0o700)
    (home / "bulkremove.toml").write_text(f'[[nights]]\nsource = "{drop}"\n')
    (drop / "the leavers.csv").write_text(triples(4))
    (drop / "the leavers.csv.ready").touch()
    program = Bulkremove(home, environment())
    options = ("--sandbox", str(world), "--speed", "60")
    assert 4 == program("nightly", *options).returncode
    (held,) = json.loads(program("jobs", "--json").stdout)
    at_once = program("approve", held["job"], "--yes").stdout.partition("At once: bulkremove ")[2].strip()
    assert at_once.endswith(f"resume {held['job']} --sandbox WORLD")
    assert 0 == program(*shlex.split(at_once.replace("WORLD", shlex.quote(str(world)))), "--speed", "60").returncode
    unchanged = program("nightly", *options)
    named = re.search(r"`bulkremove ([^`]+ --again [^`]+)`", unchanged.stdout)
    assert named, unchanged.stdout
    again = program(*shlex.split(named[1]))
    assert 0 == again.returncode, again.stdout + again.stderr
    assert "finished   SANDBOX the leavers.csv" in again.stdout
