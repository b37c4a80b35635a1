"""Sequences over real processes: erase, retain, back up, restore, resume and confirm, with kills and moved clocks.

The sandbox's own log says who was called; nobody may be called twice, or after what a person did about them.
"""

from __future__ import annotations

import asyncio
import csv
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bulkremove.domain.audit_acts import AuditAct
from bulkremove.sandbox import read_log
from tests.cli_fixtures import Bulkremove, crowd, environment, sandbox
from tests.web_fixtures import running_site, triples

FIRST = 478346000019558000
MONTH = 31 * 86_400.0
TIDY = """
import asyncio, os
from bulkremove.app import App
from bulkremove.config import load
app = App(load({{"home": {home!r}}}, os.environ), environ=os.environ)
print(asyncio.run(app.retention.delete_expired()).jobs)
app.close()
"""


@dataclass
class Stage:
    """A sandbox process with its log, and the program on a home of its own."""

    folder: Path
    log: Path
    program: Bulkremove

    @property
    def home(self) -> Path:
        return self.program.home

    def at(self, ahead: float) -> Bulkremove:
        """The program with a wall clock that is so many seconds ahead."""
        code = f"import time; real = time.time; time.time = lambda: real() + {ahead}; "
        return replace(self.program, program=(sys.executable, "-c", f"{code}from bulkremove.cli import main; main()"))

    def tidy(self, ahead: float) -> int:
        """How many jobs retention deletes the rows of, in a process with such a clock."""
        code = (
            f"import time; real = time.time; time.time = lambda: real() + {ahead}\n{TIDY.format(home=str(self.home))}"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], env=self.program.env, capture_output=True, text=True, check=True, timeout=120
        )
        return int(done.stdout)

    def file(self, rows: int, *, first: int = 0, name: str = "leavers.csv") -> str:
        path = self.folder / name
        path.write_text(triples(rows, first=first))
        return str(path)

    def calls(self) -> Counter[int]:
        """How often each learner of the world was to be removed, counted from the first."""
        return Counter(int(entry.removal.learner) - FIRST for entry in read_log(self.log) if entry.removal)

    def jobs(self) -> list[str]:
        """The ids of the jobs, the newest first."""
        return [str(job["job"]) for job in json.loads(self.program("jobs", "--json").stdout)]

    def counts(self, job: str) -> dict[str, int]:
        counts = json.loads(self.program("show", job, "--json").stdout)["counts"]
        return {status: number for status, number in counts.items() if number}

    def open_rows(self, job: str) -> str:
        """How many rows are left, as a person reads it off."""
        return str(json.loads(self.program("show", job, "--json").stdout)["open"])

    def knows(self, learner: int) -> bool:
        """Whether a file of the home folder holds the learner's id."""
        id_ = str(FIRST + learner).encode()
        return any(id_ in path.read_bytes() for path in self.home.rglob("*") if path.is_file())

    def put_back(self, backup: Path) -> str:
        """What the commands say that put a backup back and accept it."""
        assert 0 == self.program("restore-backup", str(backup), "--yes").returncode
        accepted = self.program("journal", "accept-restore", "--yes")
        assert 0 == accepted.returncode, accepted.stderr
        return accepted.stderr

    def begun(self, *words: str, calls: int) -> subprocess.Popen[str]:
        """A command that has made so many calls and goes on."""
        process = self.program.start(*words)
        deadline = time.monotonic() + 60.0
        while self.log.read_text().count("/learners/") < calls:  # its last line may be half written
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return process


@contextmanager
def stage(folder: Path, rows: int = 40, latency: float = 0.0, **settings: str) -> Iterator[Stage]:
    world, _ = crowd(folder, rows, {"latency": latency} if latency else None)
    log = folder / "log.jsonl"
    with sandbox(world, log, "--limit", "100000/60s", "--speed", "20") as variables:
        ours = {**variables, "BULKREMOVE_LIMIT": "100000/60s", **settings}
        yield Stage(folder, log, Bulkremove(folder / "home", environment(**ours)))


def stopped(process: subprocess.Popen[str], number: signal.Signals) -> None:
    process.send_signal(number)
    process.communicate(timeout=60)


def test_a_paused_job_goes_on_after_one_of_its_learners_was_erased(tmp_path: Path) -> None:
    with stage(tmp_path, latency=1.0) as one:
        run = one.begun("run", one.file(30), "--yes", "--concurrency", "1", calls=4)
        stopped(run, signal.SIGINT)
        (job,) = one.jobs()
        assert 4 == one.program("forget", str(FIRST + 29), "--yes").returncode, "this row is still to be sent"
        assert 0 == one.program("forget", str(FIRST), "--yes").returncode
        assert not one.knows(0)
        assert 0 == one.program("resume", job).returncode
        assert dict.fromkeys(range(30), 1) == one.calls()
        assert {"removed": 30} == one.counts(job)
        lines = (one.folder / f"{job}-report-2.csv").read_text(encoding="utf-8-sig").splitlines()
        assert [""] == [line["learner"] for line in csv.DictReader(lines) if line["learner"] in ("", str(FIRST))]


def test_a_learner_who_is_erased_while_another_process_sends_is_erased_or_refused_as_a_whole(tmp_path: Path) -> None:
    with stage(tmp_path, latency=15.0) as one:
        run = one.begun("run", one.file(20), "--yes", "--concurrency", "1", calls=2)
        codes = [one.program("forget", str(FIRST + learner), "--yes").returncode for learner in (19, 0)]
        assert 0 == run.wait(timeout=120)
        run.communicate()
        assert dict.fromkeys(range(20), 1) == one.calls()
        assert [4, 0] == codes
        assert [False, True] == [one.knows(0), one.knows(19)]


def test_a_backup_brings_an_erased_learner_back_and_says_so(tmp_path: Path) -> None:
    with stage(tmp_path) as one:
        assert 0 == one.program("run", one.file(5), "--yes").returncode
        assert 0 == one.program("backup", str(tmp_path / "b.zip")).returncode
        assert 0 == one.program("forget", str(FIRST), "--yes").returncode
        assert not one.knows(0)
        assert "erased since the copy was made are in it again" in one.put_back(tmp_path / "b.zip")
        assert one.knows(0)
        assert 0 == one.program("forget", str(FIRST), "--yes").returncode
        assert not one.knows(0)


def test_an_erasure_that_is_killed_at_any_moment_is_completed_by_the_next(tmp_path: Path) -> None:
    dice = random.Random(5)
    with stage(tmp_path) as one:
        (one.home / "reports").mkdir(parents=True, mode=0o700)
        for number in range(3):
            (one.home / "reports" / f"kept-{number}.csv").write_text(triples(10))
        assert 0 == one.program("run", one.file(10), "--yes").returncode
        for learner in range(4):
            process = one.program.start("forget", str(FIRST + learner), "--yes")
            time.sleep(dice.uniform(0.5, 4.0))
            stopped(process, signal.SIGKILL)
            done = one.program("forget", str(FIRST + learner), "--yes")
            assert done.returncode in (0, 4), done.stderr  # it may have been done before the kill
            assert not one.knows(learner)
        assert "sound" in one.program("audit", "verify").stdout


def test_an_erasure_beside_a_confirmation_in_another_process_never_leaves_the_learner(tmp_path: Path) -> None:
    dice = random.Random(7)
    with stage(tmp_path) as one:
        for learner in range(4):
            file = one.file(1, first=learner)
            assert 0 == one.program("run", file, "--yes").returncode
            run = one.program.start("run", file, "--yes", "--expect-missing")
            time.sleep(dice.uniform(0.0, 1.0))
            erased = one.program("forget", str(FIRST + learner), "--yes").returncode
            run.communicate(timeout=60)
            assert erased in (0, 4)
            if erased == 0 and run.returncode == 4:
                assert not one.knows(learner)
            calls = one.calls()[learner]
            assert calls <= 2, "once by each of the two runs"


def test_what_lost_jobs_sent_counts_for_the_cap_until_tomorrow(tmp_path: Path) -> None:
    with stage(tmp_path, BULKREMOVE_MAX_REMOVALS="10") as one:
        assert 0 == one.program("run", one.file(2), "--yes").returncode
        assert 0 == one.program("backup", str(tmp_path / "b.zip")).returncode
        assert 0 == one.program("run", one.file(7, first=2), "--yes").returncode
        assert "Up to 7 removals of lost jobs count" in one.put_back(tmp_path / "b.zip")
        more = one.file(2, first=20)
        refused = one.program("run", more, "--yes")
        assert (4, True) == (refused.returncode, "7 more may have been" in refused.stderr), refused.stderr
        assert 9 == sum(one.calls().values())
        assert 0 == one.at(86_400.0)("run", more, "--yes").returncode


def test_a_journal_that_is_put_back_twice_sends_nobody_twice(tmp_path: Path) -> None:
    with stage(tmp_path, latency=1.0, BULKREMOVE_MAX_REMOVALS="400") as one:
        run = one.begun("run", one.file(20), "--yes", "--concurrency", "1", calls=3)
        stopped(run, signal.SIGINT)
        (job,) = one.jobs()
        assert 0 == one.program("backup", str(tmp_path / "b.zip")).returncode
        for calls in (6, 9):
            run = one.begun("resume", job, "--rows", one.open_rows(job), "--concurrency", "1", calls=calls)
            stopped(run, signal.SIGKILL)
            one.put_back(tmp_path / "b.zip")
        assert one.program("resume", job, "--rows", one.open_rows(job)).returncode in (0, 3)
        assert {1} == set(one.calls().values())
        assert 20 == sum(one.counts(job).values())


def test_a_restore_that_is_killed_at_any_moment_is_accepted_later_and_sends_nobody_twice(tmp_path: Path) -> None:
    dice = random.Random(3)
    with stage(tmp_path, latency=1.0, BULKREMOVE_MAX_REMOVALS="400") as one:
        run = one.begun("run", one.file(20), "--yes", "--concurrency", "1", calls=3)
        assert 0 == one.program("backup", str(tmp_path / "b.zip")).returncode
        stopped(run, signal.SIGINT)
        sent = sum(one.calls().values())
        for command in (("restore-backup", str(tmp_path / "b.zip"), "--yes"), ("journal", "accept-restore", "--yes")):
            for _ in range(3):
                process = one.program.start(*command)
                time.sleep(dice.uniform(0.2, 1.5))
                stopped(process, signal.SIGKILL)
        one.put_back(tmp_path / "b.zip")
        assert "sound" in one.program("audit", "verify").stdout
        (job,) = one.jobs()
        assert 20 - sent >= int(one.open_rows(job)), "what was sent since is not sent again"
        assert one.program("resume", job, "--rows", one.open_rows(job)).returncode in (0, 3)
        assert {1} == set(one.calls().values())


def test_a_job_that_was_killed_and_waits_for_a_month_leaves_out_what_retention_would_have_hidden(
    tmp_path: Path,
) -> None:
    with stage(tmp_path, latency=1.0, BULKREMOVE_RETENTION_DAYS="10") as one:
        file = one.file(12)
        run = one.begun("run", file, "--yes", "--concurrency", "1", calls=2)
        stopped(run, signal.SIGKILL)
        (job,) = one.jobs()
        assert 0 == one.program("run", file, "--yes", "--include-open", "--expect-missing").returncode
        assert 0 == one.tidy(MONTH)
        late = one.at(MONTH)("resume", job, "--rows", one.open_rows(job), "--expect-missing")
        assert late.returncode in (0, 3), late.stderr
        assert max(one.calls().values()) <= 2, "those who were sent before the kill, by both"
        assert {1} == {one.calls()[learner] for learner in range(3, 12)}
        assert 2 == one.tidy(MONTH + 11 * 86_400.0)
        assert not one.knows(5)


def test_the_first_learner_is_erased_before_anybody_has_looked(tmp_path: Path) -> None:
    with stage(tmp_path, BULKREMOVE_CANARY="always") as one:
        assert 5 == one.program("run", one.file(4), "--yes").returncode
        (job,) = one.jobs()
        erased = one.program("forget", str(FIRST), "--yes")
        assert (0, True) == (erased.returncode, "Nobody has confirmed the first removal" in erased.stdout)
        assert "nobody can look them up" in one.program("canary", job).stdout
        assert [4, 4] == [one.program(*words).returncode for words in (("resume", job), ("canary", job, "--gone"))]
        assert 2 == one.program("canary", job, "--gone", "--again").returncode
        assert 0 == one.program("canary", job, "--again").returncode
        assert 5 == one.program("resume", job).returncode
        assert {0: 1, 1: 1} == one.calls()
        assert 4 == one.program("canary", job, "--again").returncode
        assert 0 == one.program("canary", job, "--gone").returncode
        assert 0 == one.program("resume", job).returncode
        assert dict.fromkeys(range(4), 1) == one.calls()


def test_the_first_removal_is_cancelled_and_its_rows_are_deleted_a_month_later(tmp_path: Path) -> None:
    with stage(tmp_path, BULKREMOVE_CANARY="always", BULKREMOVE_RETENTION_DAYS="10") as one:
        assert 5 == one.program("run", one.file(4), "--yes").returncode
        (job,) = one.jobs()
        assert 0 == one.program("cancel", job).returncode
        assert 1 == one.tidy(MONTH)
        late, second = one.at(MONTH), one.file(3, first=10)
        refused = late("run", second, "--yes")
        assert (4, True) == (refused.returncode, f"canary {job} --again" in refused.stderr), refused.stderr
        assert 4 == late("canary", job, "--gone").returncode
        assert 0 == late("canary", job, "--again").returncode
        assert 5 == late("run", second, "--yes").returncode
        assert {0: 1, 10: 1} == one.calls()
        assert 4 == one.program("run", one.file(1, first=20), "--yes").returncode, "the clock is right again"


def test_a_clock_that_was_a_month_late_hides_no_removal(tmp_path: Path) -> None:
    with stage(tmp_path, latency=1.0) as one:
        file = one.file(8)
        run = one.begun("run", file, "--yes", "--concurrency", "1", calls=1)
        stopped(run, signal.SIGKILL)
        (job,) = one.jobs()
        late = one.at(-MONTH)
        assert late("run", file, "--yes", "--include-open", "--expect-missing").returncode in (0, 3)
        resumed = one.program("resume", job, "--rows", one.open_rows(job), "--expect-missing")
        assert resumed.returncode in (0, 3), resumed.stderr
        assert {1} == {one.calls()[learner] for learner in range(2, 8)}


async def test_a_plan_that_waits_on_the_page_does_not_survive_a_restore(tmp_path: Path) -> None:
    """What was settled since the plan was made is lost with the journal."""
    world, _ = crowd(tmp_path, 9)
    home = tmp_path / "home"
    async with running_site(home, world=world) as one, one.visitor() as visitor:
        program = Bulkremove(home, environment())
        await one.app.record("jo", AuditAct.ROSTER)
        plan = await visitor.upload(triples(3))
        for words in (("backup", str(tmp_path / "b.zip")), ("restore-backup", str(tmp_path / "b.zip"), "--yes")):
            assert 0 == (await asyncio.to_thread(program, *words)).returncode
        assert 400 <= (await visitor.confirm(plan)).status, "nothing is written before it is accepted"
        assert 0 == (await asyncio.to_thread(program, "journal", "accept-restore", "--yes")).returncode
        assert 409 == (await visitor.confirm(plan)).status
        assert [] == await one.app.jobs.all()


@pytest.mark.parametrize("words", [("serve", "--port", "0")])
def test_a_second_server_is_refused_and_leaves_the_uploads_of_the_first(tmp_path: Path, words: tuple[str, ...]) -> None:
    program = Bulkremove(tmp_path / "home", environment())
    first = program.start(*words)
    try:
        assert first.stdout is not None
        assert first.stdout.readline()
        upload = tmp_path / "home" / "uploads" / "waiting"
        upload.write_text(triples(1))
        refused = program(*words)
        assert (2, True) == (refused.returncode, "Another server of the page uses" in refused.stderr), refused.stderr
        assert upload.exists()
    finally:
        stopped(first, signal.SIGTERM)
