"""Nobody but SQLite opens the journal's files.

A process that closes any descriptor of a file loses all its POSIX locks on it, SQLite's own included ("How to corrupt
an SQLite database file", 2.2). After that another process takes itself for the last one, and removes the write-ahead
log that is still written to.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.cli_fixtures import Bulkremove, crowd, environment, sandbox
from tests.conftest import Proving
from tests.proofs import opened_files
from tests.proofs.opened_files import Opened
from tests.proofs.serve_process import ServeProcess
from tests.web_fixtures import triples

LIMIT = "100000/60s"
COMMANDS: tuple[tuple[str, ...], ...] = (
    *(("jobs",), ("show", "JOB"), ("doctor",), ("users",), ("audit",), ("audit", "verify"), ("backup", "copy.db")),
    *(("report", "JOB", "-o", "again.csv"), ("retry", "JOB", "--yes"), ("forget", "478346000019558000", "--yes")),
    *(("tokens", "add", "another", "--role", "preparer"), ("nightly",), ("resume",), ("cancel", "JOB")),
)


def test_no_code_of_the_program_opens_the_journals_files_beside_sqlite(tmp_path: Path, proving: Proving) -> None:
    notes, nights = tmp_path / "notes", tmp_path / "nightly"
    nights.mkdir()
    world, file = crowd(tmp_path, 20)
    (nights / "leavers.csv").write_text(triples(3, first=15))
    (nights / "leavers.csv.ready").touch()
    with sandbox(world, tmp_path / "log.jsonl", "--limit", LIMIT) as variables:
        env = environment(**variables, BULKREMOVE_LIMIT=LIMIT, **opened_files.variables(notes))
        bulkremove = Bulkremove(tmp_path / "home", env)
        bulkremove.home.mkdir(mode=0o700)
        (bulkremove.home / "bulkremove.toml").write_text(f'[[nights]]\nsource = "{nights}"\n')
        _serve(bulkremove)
        assert 0 == bulkremove("run", str(file), "--yes", "--expect-missing").returncode
        job = bulkremove("jobs").stdout.split()[0]
        for command in COMMANDS:
            bulkremove(*(job if word == "JOB" else word for word in command))
    seen = list(opened_files.journal_files(notes))
    by_sqlite = {words[0] for one in seen if one.event == "sqlite3.connect" if (words := _words(one))}
    assert {"serve", "run", "jobs", "doctor", "backup", "nightly", "report"} <= by_sqlite
    assert not [one for one in seen if one.event == "open" and not one.creates]
    proving.figure("No code of the program opens the journal's files beside SQLite", f"{len(by_sqlite)} commands")


def test_a_journal_that_is_opened_beside_sqlite_is_seen(tmp_path: Path) -> None:
    notes, home = tmp_path / "notes", tmp_path / "home"
    planted = "import pathlib, bulkremove.cli as c; pathlib.Path('home/journal.db').read_bytes(); c.main()"
    env = environment(**opened_files.variables(notes))
    assert 0 == Bulkremove(home, env)("jobs").returncode
    assert 0 == Bulkremove(home, env, program=(sys.executable, "-c", planted))("jobs").returncode
    beside = [one for one in opened_files.journal_files(notes) if one.event == "open" and not one.creates]
    assert any("-c" in one.command[0] for one in beside)


def _serve(bulkremove: Bulkremove) -> None:
    """A file from its upload to its report, and the pages that read the journal."""
    serve = ServeProcess(bulkremove)
    serve.token = bulkremove("tokens", "add", "a-test", "--role", "admin").stdout.strip()
    assert "" == serve.start()
    plan = serve.api("POST", "/plans?name=five.csv", triples(5).encode()).json
    job = serve.api("POST", f"/plans/{plan['id']}/confirm", {"plan_hash": plan["plan_hash"]}).json["job"]
    for ending in ("csv", "xlsx", "jsonl"):
        assert 200 == serve.api("GET", f"/jobs/{job}/report.{ending}").status
    assert serve.sign_in()
    for path in ("/", "/audit", f"/jobs/{job}", f"/jobs/{job}/rows", f"/jobs/{job}/report.csv"):
        assert 200 == serve.page(path).status
    for act in ("pause", "resume", "cancel"):
        serve.api("POST", f"/jobs/{job}/{act}")
    assert 200 == serve.ask("GET", "/metrics", None, {"Authorization": f"Bearer {serve.token}"}).status
    code, said = serve.stop()
    assert 0 == code, said


def _words(one: Opened) -> list[str]:
    """The words of a command after the home folder."""
    return one.command[3:] if one.command[1:2] == ["--home"] else []
