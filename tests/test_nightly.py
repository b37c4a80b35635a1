"""Nightly runs: what is taken, held and why, what goes on by itself, and who is told; on a real folder and sandbox."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import random
import shutil
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as daytime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from bulkremove.app import App, Consent, Preview, SandboxOptions, Stop
from bulkremove.app.nightly import NightlyRunEnd, Scheduler
from bulkremove.app.nightly.hold_rules import reasons_to_hold
from bulkremove.cli.exit_codes import of_nightly_run
from bulkremove.config import DEFAULT_NIGHT, Night, Settings, load
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import ActionRefused, ConsentMissing, FileRefused, JobBusy, SettingsError
from bulkremove.domain.ids import without_ids
from bulkremove.domain.job import APPROVAL_SECONDS, EndReason, FrontEnd, JobState
from bulkremove.domain.permissions import EVERY_ACCOUNT
from bulkremove.domain.planner import plan
from bulkremove.domain.row import Status
from bulkremove.platform.local_time import local
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.reader import read
from bulkremove.report import utc
from bulkremove.sandbox import read_log
from bulkremove.sources.inbox import Inbox
from bulkremove.storage.interface.records import Notice
from tests.application_fixtures import LateClock, run, stored
from tests.cli_fixtures import Bulkremove, crowd, environment, sandbox
from tests.nightly_fixtures import EARLIER, nightly_site, remember
from tests.web_fixtures import CREDENTIALS, IDS, running_site, triples, until


async def test_a_file_is_run_once_and_ends_in_done_with_its_report(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", triples(5))
        found = await one.run()
        assert [JobState.FINISHED] == [job.state for job in found.ran]
        assert 0 == of_nightly_run(found)
        assert {"": [], "working": [], "done": ["leavers.csv"], "held": []} == one.where()
        assert [f"{(await one.job()).id}-report.xlsx"] == [
            path.name for path in (one.folder / "done").glob("*-report.*")
        ]
        assert (await one.run()).ran == []
        assert 1 == len(one.notices())


async def test_files_are_taken_oldest_first_and_unfinished_ones_wait(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("first.csv", triples(2))
        one.drop("second.csv", triples(2, first=2))
        one.drop("fresh.csv", triples(2, first=4), age=5.0)
        one.drop("marked.csv", triples(2, first=6), age=5.0, ready=True)
        for name in (".hidden.csv", "half.csv.part", "~$open.xlsx"):
            one.drop(name, "x")
        found = await one.run()
        assert ["first.csv", "second.csv", "marked.csv"] == [job.source for job in found.ran]
        assert ["fresh.csv"] == found.unfinished
        assert [".hidden.csv", "fresh.csv", "half.csv.part", "~$open.xlsx"] == one.where()[""]


async def test_a_file_that_can_not_be_read_waits_and_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def fails_for_one(path: str, flags: int, *arguments: int, dir_fd: int | None = None) -> int:
        if str(path).endswith("lost.csv"):
            raise OSError(5, "Input/output error")
        return opened(path, flags, *arguments, dir_fd=dir_fd)

    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", triples(2))
        one.drop("lost.csv", triples(2, first=2))
        monkeypatch.setattr(os, "open", fails_for_one)
        found = await one.run()
        assert ["leavers.csv"] == [job.source for job in found.ran]
        assert ["lost.csv"] == found.unfinished


async def test_what_systems_and_editors_leave_in_a_folder_stays_where_it_is(tmp_path: Path) -> None:
    litter = {"Thumbs.db", "desktop.ini", ".DS_Store", "~$leavers.xlsx", ".~lock.leavers.ods#", "leavers.csv~", "a.lnk"}
    async with nightly_site(tmp_path) as one:
        for name in litter:
            one.drop(name, "x")
        (one.folder / "$RECYCLE.BIN").mkdir()
        result = await one.run()
        assert litter == set(one.where()[""])
        assert (NightlyRunEnd.DONE, [], []) == (result.end, result.obstacles, result.unfinished)


async def test_held_files_leave_their_folder_when_their_job_has_ended(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, max_removals=4) as one:
        one.drop("approved.csv", triples(5))
        one.drop("cancelled.csv", triples(6, first=6))
        one.drop("damaged.csv", "")
        await one.run()
        cancelled, approved = await one.jobs()
        assert ["approved.csv", "cancelled.csv", "damaged.csv"] == one.where()["held"]
        await one.app.jobs.approve(approved.id, by="kim")
        await one.app.jobs.cancel(cancelled.id, by="kim")
        await one.run()
        assert (["damaged.csv"], ["approved.csv", "cancelled.csv"]) == (one.where()["held"], one.where()["done"])
        assert "cancelled.csv" in (await one.run(again="cancelled.csv")).held[0], "it can still be asked for anew"


async def test_the_umask_decides_no_rights_of_the_folders(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        one.folder.chmod(0o2770)
        before = os.umask(0o077)
        try:
            await one.run()
        finally:
            os.umask(before)
        modes = {(one.folder / name).stat().st_mode & 0o7777 for name in ("working", "done", "held")}
        assert {0o2750} == modes, "others could put links into them"


async def test_two_hosts_on_one_folder_are_one_after_the_other(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", triples(3))
        await one.run()
        one.drop("more.csv", triples(3, first=5))
        with Inbox(one.folder).locked():
            result = await one.run()
        assert (
            f"Another nightly run (host {platform.node()}, process {os.getpid()}) is taking files" in result.failures[0]
        )
        assert 8 == of_nightly_run(result)
        assert ["more.csv"] == one.where()[""]
        assert 1 == len((await one.run()).ran)


async def test_a_folder_that_goes_away_in_the_middle_is_told_in_words(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, count=60) as one:
        one.drop("leavers.csv", triples(60))
        night = asyncio.create_task(one.run())
        await until(one.removed)
        shutil.rmtree(one.folder)
        result = await night
        assert NightlyRunEnd.FAILED is result.end
        assert "[Errno" not in " ".join(result.failures)


@pytest.mark.parametrize("sandbox", [False, True])
async def test_folders_and_names_that_are_too_long_are_named_and_hold_up_no_file(tmp_path: Path, sandbox: bool) -> None:
    async with nightly_site(tmp_path, sandbox=sandbox) as one:
        (one.folder / "march").mkdir()
        (one.folder / "working" / "april").mkdir(parents=True)
        long = one.drop(f"{'é' * 120}{'x' * 4}.csv", triples(2)).name  # 248 bytes
        longest = one.drop(f"{'é' * 120}{'y' * 2}.csv", triples(2, first=2)).name
        one.drop("last.csv", triples(2, first=4))
        dry = await one.app.nightly_runs(one.app.supervisor()).dry_run()
        for _ in range(2):
            found = await one.run()
            assert found.obstacles == dry.obstacles
            assert ["march", "working/april", long] == [sentence.partition(":")[0] for sentence in found.obstacles]
            assert ([], []) == (found.failures, found.held)
        assert [2, 2] == [preview.plan.removals for preview in dry.plans]
        assert {longest, "last.csv"} == {job.source for job in await one.jobs()}
        assert (one.folder / long).exists()
        if not sandbox:
            assert 3 == one.notices().count("something is left in the folder. Move it away")


async def test_a_file_that_can_not_be_taken_is_a_failure_and_holds_up_no_other(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("first.csv", triples(2))
        (one.folder / "first.csv.ready").mkdir()
        one.drop("last.csv", triples(2, first=4))
        found = await one.run()
        assert ["last.csv"] == [job.source for job in found.ran]
        assert "first.csv can't be taken" in found.failures[0]
        assert 8 == of_nightly_run(found)
        assert ["first.csv"] == one.where()[""]


async def test_the_same_content_under_another_name_is_held_until_it_is_asked_for_anew(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", triples(3))
        await one.run()
        one.drop("again.csv", triples(3))
        found = await one.run()
        assert found.ran == []
        assert "was taken before, as leavers.csv" in found.held[0]
        assert ["again.csv"] == one.where()["held"]
        anew = await one.run(again="again.csv")
        assert ["again.csv"] == [job.source for job in anew.ran]
        assert 3 == (await one.app.jobs.tally(await one.job()))[Status.NOT_FOUND]
        missing = await one.run(again="none.csv")
        assert "There is no file 'none.csv'" in missing.failures[0]


@pytest.mark.parametrize(
    ("content", "settings", "words"),
    [
        ("", {}, "empty"),
        ("course,batch,learner\n", {}, "nobody to remove"),
        ("a,b,c\n1,2,3\n", {}, "no column for the course id"),
        (triples(5), {"max_removals": 4}, "the cap is 4"),
        (triples(5) + "x,1,2,y\n", {}, "invalid"),
        ("course,batch,learner\n4.78346E+17,1,2\n", {}, "changed or computed"),
    ],
)
async def test_what_a_person_must_see_first_is_held_and_told(
    tmp_path: Path, content: str, settings: dict[str, Any], words: str
) -> None:
    async with nightly_site(tmp_path, **settings) as one:
        one.drop("leavers.csv", content)
        found = await one.run()
        assert found.ran == []
        assert words in found.held[0]
        assert 4 == of_nightly_run(found)
        assert ["leavers.csv"] == one.where()["held"]
        (told,) = one.notices()
        assert told.startswith("held: leavers.csv. ")
        assert (await one.run()).held == []
        assert [told] == one.notices()


async def test_a_held_plan_runs_after_one_approval_and_never_before(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, max_removals=4) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        held = await one.job()
        assert JobState.HELD == held.state
        assert (await one.run()).ran == []
        assert await one.app.supervisor().resume_interrupted() == ([], [])
        await one.app.jobs.approve(held.id, by="kim")
        with pytest.raises(ActionRefused):
            await one.app.jobs.approve(held.id, by="kim")
        found = await one.run()
        assert [(held.id, JobState.FINISHED)] == [(job.id, job.state) for job in found.ran]
        assert "kim" == (await one.job()).confirmed_by
        assert "approved" in [entry.act for entry in await one.app.audit.newest(20, EVERY_ACCOUNT)]


async def test_a_forgotten_plan_expires_after_seven_days_and_says_so(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, max_removals=4) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        one.clock.ahead = APPROVAL_SECONDS + 60.0
        await one.run()
        assert JobState.CANCELLED == (await one.job()).state
        assert "the plan of leavers.csv has expired. Preview the file again" in one.notices()


async def test_a_plan_that_is_approved_while_others_expire_is_not_cancelled(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, max_removals=4) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        job = await one.app.jobs.approve((await one.job()).id, by="kim")
        assert not await one.app.jobs.expire(job.id, by="the nightly run")
        assert JobState.READY == (await one.job()).state


async def test_an_error_nobody_foresaw_does_not_end_the_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nightly_site(tmp_path) as one:
        stop, runs = Stop(), 0

        async def fail() -> None:
            nonlocal runs
            runs += 1
            if runs == 2:
                stop.request("Enough.", EndReason.TERMINATED)
            raise ZeroDivisionError

        scheduler = Scheduler(one.app.context, one.app.nightly_runs(one.app.supervisor()), stop)
        monkeypatch.setattr(scheduler, "run_due", fail)
        await scheduler.run()
        assert 2 == runs


async def test_an_announced_plan_runs_when_its_day_comes_without_those_on_the_protected_list(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, delay_days=2) as one:
        one.drop("leavers.csv", triples(5))
        assert (await one.run()).ran == []
        assert ["announced: leavers.csv. Cancel it if it is wrong"] == one.notices()
        one.clock.ahead = 86_400.0
        assert (await one.run()).ran == []
        (tmp_path / "home" / "protected.csv").write_text("Learner ID\n478346000019558001\n")
        one.clock.ahead = 2 * 86_400.0 + 60.0
        (job,) = (await one.run()).ran
        tally = await one.app.jobs.tally(job)
        assert (4, 1) == (tally[Status.REMOVED], tally[Status.NOT_SENT])


@pytest.mark.parametrize(
    ("content", "words"), [("Learner ID\n", "names nobody"), ("Learner ID\n0478346000019558001\n", "is not an id")]
)
async def test_a_protected_list_that_protects_nobody_as_written_is_refused(
    tmp_path: Path, content: str, words: str
) -> None:
    async with nightly_site(tmp_path) as one:
        (tmp_path / "home").mkdir(exist_ok=True)
        (tmp_path / "home" / "protected.csv").write_text(content)
        file = one.drop("f.csv", triples(1))
        with pytest.raises(FileRefused, match=words):
            await one.app.plans.preview(file, name="f.csv", options=ReadOptions())


@pytest.mark.parametrize("name", ["protected.csv", "keep.csv"])
async def test_the_protected_list_protects_previews_too_under_its_old_name_as_well(tmp_path: Path, name: str) -> None:
    async with nightly_site(tmp_path) as one:
        (tmp_path / "home").mkdir(exist_ok=True)
        protected = tmp_path / "home" / name
        ids = "478346000019501001,478346000019502001,478346000019558001"
        protected.write_text(f"Course ID,Batch ID,Learner ID\n{ids}\n,,478346000019558002\n")
        file = tmp_path / "f.csv"
        file.write_text(triples(4))
        shown = await one.app.plans.preview(file, name="f.csv", options=ReadOptions())
        assert 2 == shown.plan.removals
        protected.write_text("Learner ID\n4.78E+17\n")
        with pytest.raises(FileRefused, match=name):
            await one.app.plans.preview(file, name="f.csv", options=ReadOptions())


async def test_two_protected_lists_are_refused_before_anything_is_planned_or_sent(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        (tmp_path / "home").mkdir(exist_ok=True)
        file = tmp_path / "f.csv"
        file.write_text(triples(4))
        shown = await one.app.plans.preview(file, name="f.csv", options=ReadOptions())
        job = await stored(one.app, shown, tmp_path)
        for name in ("protected.csv", "keep.csv"):
            (tmp_path / "home" / name).write_text("Learner ID\n478346000019558001\n")
        with pytest.raises(SettingsError, match="two lists"):
            await one.app.plans.preview(file, name="f.csv", options=ReadOptions())
        with pytest.raises(SettingsError, match="two lists"):
            await run(one.app, job)
        assert 4 == (await one.app.jobs.tally(await one.app.jobs.find(job.id))).open


def test_the_protected_lists_old_setting_is_recognised_and_refused_beside_the_new_one(tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    for path in (old, new):
        path.touch()
    (tmp_path / "bulkremove.toml").write_text(f'keep_list = "{old}"\n')
    environ = {"BULKREMOVE_HOME": str(tmp_path)}
    assert str(old) == load({}, environ).protected_list
    assert str(new) == load({}, environ | {"BULKREMOVE_KEEP_LIST": str(new)}).protected_list
    with pytest.raises(SettingsError, match="same setting"):
        load({}, environ | {"BULKREMOVE_PROTECTED_LIST": str(new)})


async def test_a_killed_nights_file_is_known_wherever_it_died(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        path = one.drop("leavers.csv", triples(5))
        (one.folder / "working").mkdir()
        path.rename(one.folder / "working" / "abcd1234~leavers.csv")  # taken, and nothing written down
        found = await one.run()
        assert ["leavers.csv"] == [job.source for job in found.ran]
        done = one.folder / "done" / "leavers.csv"
        done.rename(one.folder / "working" / "abcd1234~leavers.csv")  # its job is over, and it was not moved
        again = await one.run()
        assert (again.ran, again.held) == ([], [])
        assert {"": [], "working": [], "done": ["leavers.csv"], "held": []} == one.where()


async def test_what_the_window_or_a_stop_cut_off_goes_on_in_the_next_night(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, count=120) as one:
        one.drop("leavers.csv", triples(120))
        stop = Stop()
        night = asyncio.create_task(one.run(stop=stop))
        await until(one.removed)
        stop.request("The time window for nightly runs is over.", EndReason.WINDOW_CLOSED, auto_resumable=True)
        (job,) = (await night).ran
        assert (JobState.PAUSED, True) == (job.state, job.auto_resumable)
        (after,) = (await one.run()).ran
        assert (job.id, JobState.FINISHED) == (after.id, after.state)
        assert 120 == (await one.app.jobs.tally(after))[Status.REMOVED]


async def test_what_a_person_paused_stays_paused(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, count=120) as one:
        one.drop("leavers.csv", triples(120))
        supervisor = one.app.supervisor()
        night = asyncio.create_task(one.app.nightly_runs(supervisor).run(stop=Stop()))
        await until(one.removed)
        await supervisor.pause((await one.job()).id, by="kim")
        await night
        assert JobState.PAUSED == (await one.job()).state
        assert (await one.run()).ran == []


async def test_outside_the_window_nothing_is_taken(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    window = ((now + timedelta(hours=2)).time().replace(second=0), (now + timedelta(hours=3)).time().replace(second=0))
    async with nightly_site(tmp_path, window=window) as one:
        one.drop("leavers.csv", triples(3))
        found = await one.run()
        assert found.ran == []
        assert "outside the time window" in found.failures[0]
        await one.run()
        assert ["the nightly run started outside its time window. Correct one of the two"] == one.notices()
        assert ["leavers.csv"] == one.where()[""]


async def test_a_folder_that_is_gone_is_told_and_is_not_nothing_to_do(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        one.folder.rmdir()
        found = await one.run()
        assert "There is no folder" in found.failures[0]
        assert 8 == of_nightly_run(found)
        assert ["the source of the nightly run could not be read. Find out why"] == one.notices()


async def test_two_nights_at_once_are_one(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, count=60) as one:
        one.drop("leavers.csv", triples(60))
        first = asyncio.create_task(one.run())
        await asyncio.sleep(0.3)
        with pytest.raises(JobBusy):
            await one.run()
        assert 1 == len((await first).ran)


async def test_a_command_and_what_it_gave_are_a_source(tmp_path: Path) -> None:
    (tmp_path / "export.csv").write_text(triples(3))
    async with nightly_site(tmp_path, source=f"command cat {tmp_path / 'export.csv'}") as one:
        assert 3 == (await one.app.jobs.tally((await one.run()).ran[0]))[Status.REMOVED]
        unchanged = await one.run()
        assert (unchanged.ran, unchanged.held, unchanged.failures) == ([], [], [])
        kept = list((tmp_path / "home" / "nightly" / "done").glob("2*.csv"))
        assert {path.read_text() for path in kept if "-report" not in path.name} == {triples(3)}


async def test_an_unchanged_export_is_passed_over_only_if_nothing_of_it_is_left_to_do(tmp_path: Path) -> None:
    export = tmp_path / "export.csv"
    export.write_text(triples(3))
    async with nightly_site(tmp_path, source=f"command cat {export}", max_removals=2) as one:
        held = await one.run()
        assert 1 == len(held.held)
        again = await one.run()
        assert (1, 1, []) == (len(again.waiting), len(again.unchanged), again.held)
        assert "is held" in again.unchanged[0]
        await one.app.jobs.cancel((await one.job()).id, by="kim")
        anew = await one.run()
        assert "of the same content was cancelled" in anew.held[0], "a person said no, so a person must say yes"
        await one.app.jobs.approve((await one.job()).id, by="kim")
        assert 1 == len((await one.run()).ran)
        assert (1, []) == (len((await one.run()).unchanged), (await one.run()).ran)


async def test_an_unchanged_export_that_is_planned_anew_for_others_is_no_newer_decision(tmp_path: Path) -> None:
    """Each night names whom an earlier one removed, and whom somebody has put back since."""
    export, home = tmp_path / "export.csv", tmp_path / "home"
    export.write_text(triples(3))
    home.mkdir(mode=0o700)
    protected = triples(3).splitlines()[3].split(",")[2]
    (home / "protected.csv").write_text(f"learner\n{protected}\n")
    async with nightly_site(tmp_path, source=f"command cat {export}") as one:
        (first,) = (await one.run()).ran
        assert ["removed", "removed", "not_sent"] == [row.status for row in await one.app.reports.outcomes(first)]
        with closing(sqlite3.connect(home / "journal.db")) as journal, journal:
            journal.execute(
                """UPDATE row SET person = '{"record_number": "478346000002000017"}' WHERE job = ?""", (first.id,)
            )
        preview = await one.app.reenrolments.preview(first.id, [2])
        back = await stored(one.app, preview, tmp_path)
        for _ in range(2):
            (again,) = (await one.run()).ran
            rows = await one.app.reports.outcomes(again)
            assert ["not_sent", "done_before", "not_sent"] == [row.status for row in rows]
            assert f"job {back.id} was made to put this person back" in rows[0].detail
            assert not any(row.attempts for row in rows)
        export.write_text(f"{triples(3)}\n")  # a new list may name them, if somebody agrees to it
        (why,) = (await one.run()).held
        assert "1 of its learners was to be put back since they were removed last" in why
        assert f"by job {back.id} (row 2)." in why
        assert (await one.job()).state is JobState.HELD
        await one.app.jobs.approve((await one.job()).id, by="kim")
        other, *_ = (await one.run()).ran
        assert [1, 1, 0] == [row.attempts for row in await one.app.reports.outcomes(other)]
        export.write_text(triples(3, first=1))
        assert [] == (await one.run()).held, "the newest decision about them is to remove them"


async def test_an_export_that_was_another_one_meanwhile_is_planned_anew(tmp_path: Path) -> None:
    """Who was enrolled again since may have left again."""
    export = tmp_path / "export.csv"
    async with nightly_site(tmp_path, source=f"command cat {export}") as one:
        for content, runs in ((triples(3), 1), (triples(3), 0), (triples(2, first=5), 1), (triples(3), 1)):
            export.write_text(content)
            assert runs == len((await one.run()).ran)


async def test_an_export_that_could_not_be_read_is_tried_again(tmp_path: Path) -> None:
    export = tmp_path / "export.csv"
    export.write_text(triples(3).replace("learner", "person"))
    async with nightly_site(tmp_path, source=f"command cat {export}") as one:
        for _ in range(2):
            assert "no column" in (await one.run()).held[0]


@pytest.mark.parametrize("source", ["command false", "command no-such-program-here", "http://127.0.0.1:9/leavers.csv"])
async def test_a_source_that_gives_nothing_is_told(tmp_path: Path, source: str) -> None:
    async with nightly_site(tmp_path, source=source) as one:
        found = await one.run()
        assert found.failures
        assert ["the source of the nightly run could not be read. Find out why"] == one.notices()


async def test_a_dry_run_asks_a_command_too_and_leaves_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "leavers.csv").write_text(triples(3))
    async with nightly_site(tmp_path, source=f"command cat {tmp_path / 'leavers.csv'}") as one:
        result = await one.app.nightly_runs(one.app.supervisor()).dry_run()
        assert [3] == [preview.plan.removals for preview in result.plans]
        assert not (one.app.settings.home / "nightly").exists()
        job = (await one.run()).ran[0]
        assert job.source.endswith("-cat.csv")


async def test_a_scheduled_plan_is_named_with_its_day_everywhere(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, delay_days=2, max_removals=4) as one:
        one.drop("leavers.csv", triples(3))
        one.drop("larger.csv", triples(5, first=5))
        for _ in range(2):
            result = await one.run()
            assert "leavers.csv (" in result.scheduled[0]
            assert ([], 1) == (result.ran, len(result.scheduled))
        job = next(job for job in await one.jobs() if job.source == "leavers.csv")
        assert JobState.SCHEDULED is job.state
        assert job.due_at is not None
        assert [job] == await one.app.jobs.all(JobState.SCHEDULED)
        assert ["larger.csv"] == [held.source for held in await one.app.jobs.all(JobState.HELD)]
        _, jobs, _ = await one.app.context.storage.jobs.counts(one.app.settings.host, EVERY_ACCOUNT)
        assert (1, 1) == (jobs["scheduled"], jobs["held"])
        with pytest.raises(ConsentMissing, match="is scheduled for "):
            await run(one.app, job)
        home, due = tmp_path / "home", f"{local(job.due_at):%Y-%m-%d %H:%M}"
        program = Bulkremove(home, environment())
        assert f"leavers.csv  (runs from {due} on)" in program("jobs", "--state", "scheduled").stdout
        shown = program("show", job.id).stdout
        assert f"Job {job.id}: scheduled. It runs from {due} on." in shown
        assert "To let it run before: " in shown
        told = json.loads(program("show", "--json", job.id).stdout)
        assert ("scheduled", utc(job.due_at)) == (told["state"], told["due_at"])
        assert JobState.READY is (await one.app.jobs.approve(job.id, by="kim")).state
        assert [job.id] == [done.id for done in (await one.run()).ran]


async def test_an_announced_job_that_a_killed_run_left_waits_for_its_day(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, delay_days=2) as one:
        file = one.drop("leavers.csv", triples(2))
        await one.run()
        done = one.folder / "done" / "leavers.csv"
        place = one.app.context.storage.nightly
        taken = await place.taken(Inbox(one.folder).digest(done), night=DEFAULT_NIGHT, sandbox="")
        assert taken is not None
        done.rename(one.folder / "working" / taken.working_name)  # where it was when the run was killed
        result = await one.run()
        assert ([], [], JobState.SCHEDULED) == (result.failures, result.ran, (await one.job()).state)
        assert not file.exists()


async def test_a_dry_run_shows_tonight_and_takes_nothing(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, max_removals=4) as one:
        one.drop("small.csv", triples(2))
        one.drop("large.csv", triples(9))
        found = await one.app.nightly_runs(one.app.supervisor()).dry_run()
        assert [2, 9] == [shown.plan.removals for shown in found.plans]
        assert 1 == len(found.held)
        assert ["large.csv", "small.csv"] == one.where()[""]
        assert [] == await one.jobs()


async def test_a_job_that_somebody_runs_already_is_left_to_them(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, count=60, max_removals=4) as one:
        one.drop("leavers.csv", triples(60))
        await one.run()
        job, supervisor = (await one.job()).id, one.app.supervisor()
        supervisor.start(await one.app.jobs.approve(job, by="kim"), by="kim")
        await until(one.removed)
        found = await one.app.nightly_runs(supervisor).run(stop=Stop())
        assert ([], []) == (found.ran, found.failures)
        assert supervisor.running(job) is not None
        await until(lambda: supervisor.running(job) is None)
        assert ({}, JobState.FINISHED) == (supervisor.failures, (await one.job()).state)


async def test_a_new_file_of_the_same_name_is_not_lost_to_an_old_one(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", "")
        await one.run()
        one.drop("leavers.csv", triples(2))
        found = await one.run(again="leavers.csv")
        assert "already contains a file named" in found.failures[0]
        assert triples(2) == (one.folder / "leavers.csv").read_text()
        assert "no file" in (await one.run(again="../leavers.csv")).failures[0]


async def test_a_folder_whose_places_can_not_be_made_is_trouble(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", triples(2))
        (one.folder / "working").mkdir()
        (one.folder / "done").write_text("in the way")
        (one.folder / "held").mkdir()
        found = await one.run()
        assert found.failures
        assert 8 == of_nightly_run(found)


async def test_by_day_people_go_first(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, count=150) as one:
        one.drop("leavers.csv", triples(120))
        supervisor, stop = one.app.supervisor(), Stop()
        night = asyncio.create_task(one.app.nightly_runs(supervisor).run(stop=stop))

        async def a_few() -> bool:
            return await one.removed() > 5

        await until(a_few)
        nightly = (await one.job()).id
        file = tmp_path / "mine.csv"
        file.write_text(triples(10, first=130))
        shown = await one.app.plans.preview(file, name="mine.csv", options=ReadOptions())
        mine = await one.app.confirmations.submit(
            shown, consent=Consent(yes=True), folder=tmp_path, prepared_by=("jo",), by="kim", front_end=FrontEnd.PAGE
        )
        supervisor.start(mine, by="kim")
        await until(lambda: supervisor.running(mine.id) is None)
        stop.request("enough", EndReason.TERMINATED)
        await night
        own = [
            (row.first_sent_at or 0.0, row.finished_at or 0.0)
            for row in await one.app.reports.outcomes(await one.app.jobs.find(mine.id))
        ]
        others = [
            row.first_sent_at or 0.0
            for row in await one.app.reports.outcomes(await one.app.jobs.find(nightly))
            if row.first_sent_at
        ]
        first, last = min(sent for sent, _ in own), max(done for _, done in own)
        assert sum(first < sent < last for sent in others) <= 4, "only the nightly run's rows that were in hand"
        assert 10 == (await one.app.jobs.tally(await one.app.jobs.find(mine.id)))[Status.REMOVED]


def test_what_is_usual_is_told_by_the_last_nights(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_text(triples(31))
    made = plan(read(file, name="f.csv"), account="a", host="h")
    settings = Settings(tmp_path)
    header, preview = ("course", "batch", "learner", "reason"), Preview(made, settings.quota, 0.0, Epoch(0.0))

    def reasons(
        sizes: list[int],
        *,
        before: tuple[str, ...] | None = header,
        age: float = 60.0,
        lists: tuple[int, int | None] = (0, 0),
        four_eyes: bool = False,
        is_canary: bool = False,
    ) -> str:
        return (
            reasons_to_hold(
                replace(preview, protected=lists[0], is_canary=is_canary),
                night=Night("/srv/leavers"),
                four_eyes=four_eyes,
                sizes=sizes,
                header_before=before,
                protected_before=lists[1],
                age=age,
            )
            or ""
        )

    assert "median of the last nightly runs is 10" in reasons([10] * 10)
    assert "" == reasons([11] * 10)
    assert "median of the last nightly runs is 1" in reasons([1, 1])
    assert "median of the last nightly runs is 10" in reasons([10])
    assert "No nightly run has removed anybody yet" in reasons([])
    assert "other columns" in reasons([11], before=("a",))
    assert "days old" in reasons([11], age=2 * 86_400.0)
    assert "is 3,650.0 days old" in without_ids(reasons([11], age=3650 * 86_400.0)), "as by a clock that is wrong"
    assert "protected learners has 3 entries; it had 4 before" in reasons([11], lists=(3, 4))
    assert "" == reasons([11], lists=(4, 3))
    assert "" == reasons([11], lists=(4, None))
    assert "Two people must agree" in reasons([11], four_eyes=True)
    assert "the first one is made by hand" in reasons([11], is_canary=True)


async def test_the_first_nightly_file_ever_is_held(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, has_past=False) as one:
        one.drop("leavers.csv", triples(3))
        result = await one.run()
        assert ([], 1) == (result.ran, len(result.held))
        await one.app.jobs.approve((await one.job()).id, by="kim")
        one.drop("more.csv", triples(4, first=5))
        assert 2 == len((await one.run()).ran)


async def test_the_files_of_one_night_are_compared_together_with_the_nights_before(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, count=60, max_removals=400) as one:
        with closing(sqlite3.connect(tmp_path / "home" / "journal.db", isolation_level=None)) as journal:
            journal.execute("UPDATE job SET totals = json_object('removed', 5)")
        for number in range(5):
            one.drop(f"{number}.csv", triples(5, first=5 * number))
        dry = await one.app.nightly_runs(one.app.supervisor()).dry_run()
        result = await one.run()
        assert (3, 2) == (len(result.ran), len(result.held))
        assert result.held == dry.held
        assert result.held[0] == (
            "3.csv: It removes 5 learners, after 15 of the files before it in this night; the median of the last "
            "nightly runs is 5."
        )
        for job in await one.jobs():
            if job.state is JobState.HELD:
                await one.app.jobs.approve(job.id, by="kim")
        assert 2 == len((await one.run()).ran)
        one.clock.ahead += 86_400.0
        for number in range(2):
            one.drop(f"{number}-tuesday.csv", triples(6, first=30 + 6 * number))
        result = await one.run()
        assert (2, []) == (len(result.ran), result.held), "that is 12; the nights before had 25 and 5"


async def test_the_past_of_another_account_and_this_very_night_are_no_baseline(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, count=60, max_removals=400) as one:
        storage = one.app.context.storage.nightly
        client, host = one.app.accounts.client(one.app.settings), one.app.settings.host
        at = one.clock.wall()
        assert [60] == await storage.sizes(client, host, night=DEFAULT_NIGHT, before=at, count=10)
        assert [] == await storage.sizes(client, "people.zoho.eu", night=DEFAULT_NIGHT, before=at, count=10)
        with closing(sqlite3.connect(tmp_path / "home" / "journal.db", isolation_level=None)) as journal:
            journal.execute("UPDATE job SET totals = json_object('removed', 5)")
        for number, count in enumerate((15, 20, 60)):
            one.drop(f"{number}.csv", triples(count, first=number))
        result = await one.run()
        assert (1, 2) == (len(result.ran), len(result.held)), (
            "each is compared with the nights before, not with this one"
        )


async def test_a_protected_list_that_became_shorter_holds_the_file(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        protected = tmp_path / "home" / "protected.csv"
        protected.write_text("Learner ID\n111\n222\n333\n")
        one.drop("first.csv", triples(3))
        assert 1 == len((await one.run()).ran)
        protected.write_text("Learner ID\n111\n222\n")
        one.drop("second.csv", triples(3, first=5))
        result = await one.run()
        assert "protected learners has 2 entries; it had 3 before" in result.held[0]
        one.drop("third.csv", triples(3, first=10))
        assert "it had 3 before" in (await one.run()).held[0], "nobody has looked yet"
        await one.app.jobs.approve((await one.job()).id, by="kim")
        one.drop("fourth.csv", triples(3, first=15))
        result = await one.run()
        assert (2, []) == (len(result.ran), result.held)


class YearClock(LateClock):
    """A wall clock that only moves when it is told to."""

    def wall(self) -> Epoch:
        return Epoch(self.ahead)


async def test_a_year_of_nights_by_two_workers_is_one_night_a_date(tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    night = Night(str(folder), at=daytime(2, 30), zone="Europe/Berlin")
    url = "http://127.0.0.1:9"
    settings = Settings(tmp_path / "home", nights=(night,), api_url=url, accounts_url=url)
    clock = YearClock()
    clock.ahead = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
    apps = [App(settings, environ=CREDENTIALS, clock=clock).for_night(night) for _ in range(2)]
    workers = [Scheduler(app.context, app.nightly_runs(app.supervisor()), Stop()) for app in apps]
    for hour in range(366 * 24):
        if not 3000 <= hour < 3100:  # the machine was off for four days
            for worker in workers:
                await worker.run_due()
        clock.ahead += 3600.0
    with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as db:
        found = [date.fromisoformat(day) for (day,) in db.execute("SELECT date FROM nightly_run ORDER BY id")]
    assert len(set(found)) == len(found)
    assert 366 - 5 <= len(found) <= 366
    assert sorted(found) == found
    for app in apps:
        app.close()


@pytest.mark.parametrize(("missed", "rows"), [("run", 1), ("skip", 0)])
async def test_a_missed_night_is_caught_up_or_left_out_and_told(tmp_path: Path, missed: str, rows: int) -> None:
    settings: dict[str, Any] = {"at": daytime(2, 30), "missed": missed, "delay_days": 1}
    async with nightly_site(tmp_path, **settings) as one:
        worker = Scheduler(one.app.context, one.app.nightly_runs(one.app.supervisor()), Stop())
        one.clock.ahead = datetime(2030, 1, 1, 2, 31, tzinfo=UTC).timestamp() - time.time()
        await worker.run_due()
        one.clock.ahead += 5 * 86_400.0 + 4 * 3600.0
        one.drop("leavers.csv", triples(2))
        await worker.run_due()
        assert rows == len(await one.jobs())
        assert ("late" if rows else "left out") in " ".join(one.notices())
        one.clock.ahead += 20 * 3600.0
        await worker.run_due()
        assert 1 == len(await one.jobs())


async def test_whoever_starts_the_first_worker_at_noon_starts_no_night(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, at=daytime(2, 30)) as one:
        one.clock.ahead = datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp() - time.time()
        one.drop("leavers.csv", triples(2))
        worker = Scheduler(one.app.context, one.app.nightly_runs(one.app.supervisor()), Stop())
        await worker.run_due()
        assert [] == await one.jobs()
        one.clock.ahead += 15 * 3600.0
        await worker.run_due()
        assert 1 == len(await one.jobs())


async def test_a_held_plan_is_approved_on_the_page_by_typing_its_number(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 5)
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "leavers.csv").write_text(triples(5))
    (drop / "leavers.csv.ready").touch()
    settings: dict[str, Any] = {"max_removals": 4, "nights": (Night(str(drop)),)}
    async with running_site(tmp_path / "home", world=world, **settings) as one, one.visitor() as visitor:
        await one.app.for_night(one.app.settings.nights[0]).nightly_runs(one.supervisor).run(stop=Stop())
        job = (await one.app.jobs.all())[0].id
        page = await visitor.get(f"/jobs/{job}")
        assert "the cap is 4" in page.text
        wrong = await visitor.post(f"/jobs/{job}/approve", number="4", plan=page.field("plan"))
        assert 409 == wrong.status
        assert JobState.HELD == (await one.app.jobs.find(job)).state
        await visitor.post(f"/jobs/{job}/approve", number=" 5 ", plan=page.field("plan"))
        await until(lambda: one.supervisor.running(job) is None)
        assert JobState.FINISHED == (await one.app.jobs.find(job)).state
        assert 5 == (await one.app.jobs.tally(await one.app.jobs.find(job)))[Status.REMOVED]


async def test_a_scheduled_plan_shows_its_day_on_the_page_and_can_be_cancelled_there(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 5)
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "leavers.csv").write_text(triples(2))
    (drop / "leavers.csv.ready").touch()
    settings: dict[str, Any] = {"nights": (Night(str(drop), delay_days=2),)}
    async with running_site(tmp_path / "home", world=world, **settings) as one, one.visitor() as visitor:
        await remember(one.app, 5)
        await one.app.for_night(one.app.settings.nights[0]).nightly_runs(one.supervisor).run(stop=Stop())
        (job,) = await one.app.jobs.all(JobState.SCHEDULED)
        page = await visitor.get(f"/jobs/{job.id}")
        assert "It runs by itself, in the first nightly run after" in page.text
        assert "To let it run now, type the number" in page.text
        await visitor.post(f"/jobs/{job.id}/cancel")
        assert JobState.CANCELLED is (await one.app.jobs.find(job.id)).state


def program_of(tmp_path: Path, settings: str) -> Bulkremove:
    """The program with these settings."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "bulkremove.toml").write_text(settings)
    return Bulkremove(tmp_path / "home", environment())


def has_past(program: Bulkremove, world: Path | None = None) -> None:
    """Give the nightly runs of the program's account, or of the sandbox with this world, a past."""
    play = SandboxOptions(world, 60.0) if world else None
    settings = Settings(program.home) if world else load({}, {**program.env, "BULKREMOVE_HOME": str(program.home)})
    with closing(App(settings, environ={} if world else program.env, sandbox=play)) as app:
        asyncio.run(remember(app, 12))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('at = "25:00"', "not a valid time of the day"),
        ('zone = "Mars/Olympus"', "not a valid time zone"),
        ('window = "22:00"', "not a valid time window"),
        ('window = "22:00-22:00"', "not a valid time window"),
        ('at = "12:00"\nwindow = "22:00-06:00"', "lies outside window"),
        ('columns = "course=A,batch=B"', "write course=A,batch=B,learner=C"),
        ('hidden = "maybe"', "must be refuse or leave_out or include"),
        ('missed = "maybe"', "must be run or skip"),
        ("baseline_factor = 0", "from 1 to 999"),
        ('ping_url = "http://example.com"', "https"),
        ('ping_url = "https://name:secret@example.com/ping"', "no user name"),
        ('notify = "mailto://kim:secret@example.com"', "and not an address"),
        ('name = "night/1"', "not a valid name of a night"),
        ("max_removals = -1", "from 0 to"),
        ("hiden = 1", "Did you mean 'hidden'?"),
        ("four_eyes = false", "a night has no 'four_eyes'"),
    ],
)
def test_a_mistake_in_the_settings_is_told_with_its_line(tmp_path: Path, line: str, words: str) -> None:
    blocks = (
        f'at = "1"  # no setting of a night\n[[nights]]\nsource = "/srv/a"\n\n[[nights]]\nsource = "/srv/b"\n{line}\n'
    )
    done = program_of(tmp_path, blocks.partition("\n")[2])("nightly", "--dry-run")
    assert 2 == done.returncode
    assert "bulkremove.toml line 6" in done.stderr
    assert words in done.stderr


def test_a_time_of_toml_s_own_and_a_window_over_midnight_are_understood(tmp_path: Path) -> None:
    (tmp_path / "bulkremove.toml").write_text('[[nights]]\nsource = "/srv"\nat = 02:30:00\nwindow = "22:00-06:00"\n')
    (night,) = load({}, {"BULKREMOVE_HOME": str(tmp_path)}).nights
    assert (daytime(2, 30), (daytime(22), daytime(6))) == (night.at, night.window)


async def test_nights_after_one_that_started_in_2036_go_on(tmp_path: Path) -> None:
    """Dates, the day's cap, the allowance and notices: a clock that was wrong for a moment stops none of them."""
    async with nightly_site(tmp_path, at=daytime(2, 30), max_removals=4, daily_limit=5) as one:
        real = one.clock.ahead = datetime(2030, 1, 2, 2, 31, tzinfo=UTC).timestamp() - time.time()
        worker = Scheduler(one.app.context, one.app.nightly_runs(one.app.supervisor()), Stop())
        one.clock.ahead += 6 * 365 * 86_400.0
        one.drop("first.csv", triples(3))
        await one.run()
        assert [JobState.FINISHED] == [job.state for job in await one.jobs()]
        one.clock.ahead = real
        one.drop("second.csv", triples(2, first=5))
        await worker.run_due()
        assert {"first.csv", "second.csv"} == {job.source for job in await one.jobs()}
        assert [JobState.FINISHED] * 2 == [job.state for job in await one.jobs()]
        storage = one.app.context.storage
        await storage.record(Notice("k", "s", "b", None, Epoch(one.clock.wall() + 5 * 365 * 86_400.0), DEFAULT_NIGHT))
        due = await storage.nightly.due_notices(one.clock.wall(), night=DEFAULT_NIGHT)
        assert "k" in [notice.key for notice in due]


async def test_the_sheet_the_columns_and_hidden_rows_of_nightly_files_are_settings(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "bulkremove.toml").write_text(
        '[[nights]]\nsource = "/srv"\nsheet = "March"\nhidden = "leave_out"\n'
        'columns = { course = "A", batch = "Group", learner = "C" }\n'
    )
    (loaded,) = load({}, {"BULKREMOVE_HOME": str(tmp_path / "home")}).nights
    settings: dict[str, Any] = {name: getattr(loaded, name) for name in ("sheet", "columns", "hidden")}
    course, batch, learner = IDS
    book = Workbook()
    book.create_sheet("Notes").append(["Ask Jo"])
    sheet = book.create_sheet("March")
    sheet.append(["K", "Group", "P", "reason"])
    for i in range(3):
        sheet.append([course, batch, str(int(learner) + i), "left"])
    sheet.row_dimensions[3].hidden = True
    async with nightly_site(tmp_path, **settings) as one:
        book.save(one.drop("leavers.xlsx", ""))
        (one.folder / "leavers.xlsx.ready").touch()
        result = await one.run()
        assert [] == result.held[1:]
        assert 2 == len(await one.app.reports.outcomes(await one.job()))


def test_without_a_block_there_is_no_night(tmp_path: Path) -> None:
    done = program_of(tmp_path, "")("nightly")
    assert (2, True) == (done.returncode, "Write a block [[nights]]" in done.stderr)


def test_a_night_by_hand_ends_with_the_codes_of_the_core(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 5)
    drop = tmp_path / "drop"
    drop.mkdir()
    program = program_of(tmp_path, f'[[nights]]\nsource = "{drop}"\nmax_removals = 3\n')
    has_past(program, world)
    again = ("--sandbox", str(world), "--speed", "60")
    assert "nothing to do" in program("nightly", *again).stdout
    for name, count, first in (("good.csv", 2, 0), ("large.csv", 4, 1)):
        (drop / name).write_text(triples(count, first=first))
        (drop / f"{name}.ready").touch()
    shown = program("nightly", "--dry-run", *again)
    assert (4, 2) == (shown.returncode, shown.stdout.count("Plan      "))
    assert "To run exactly this plan" not in shown.stdout  # a nightly run takes whatever is there by then
    done = program("nightly", *again)
    assert 4 == done.returncode
    assert "SANDBOX held: large.csv" in done.stdout
    assert "finished   SANDBOX good.csv" in done.stdout
    assert ["good.csv", "large.csv"] == sorted(path.name for path in drop.glob("*.csv")), "the source is left as it was"
    held = next(line.split()[0] for line in program("jobs").stdout.splitlines() if "Waiting for approval" in line)
    assert "runs in the next nightly run against the sandbox" in program("approve", held, "--yes").stdout
    logged = program("--events", "json", "nightly", *again)
    assert 0 == logged.returncode
    lines = [json.loads(line) for line in logged.stderr.splitlines() if line.startswith("{")]
    assert {"at", "event", "job", "account", "night", "text"} == set(lines[0])
    assert {"started", "finished", "reported"} <= {line["event"] for line in lines}
    assert {held, ""} == {line["job"] for line in lines}
    assert 2 == program("nightly", "--test-notice").returncode


def test_killed_nights_lose_no_file_and_run_none_twice(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 60)
    drop = tmp_path / "drop"
    drop.mkdir()
    program = program_of(tmp_path, f'[[nights]]\nsource = "{drop}"\nbaseline_factor = 4\n')
    names = [f"{i}.csv" for i in range(4)]
    for i, name in enumerate(names):
        (drop / name).write_text(triples(12, first=12 * i))
        (drop / f"{name}.ready").touch()
    dice = random.Random(7)
    with sandbox(world, tmp_path / "log", "--speed", "60") as variables:
        address = {"SANDBOX_URL": variables["BULKREMOVE_API_URL"], "BULKREMOVE_HOME": str(program.home)}
        env = {**program.env, **CREDENTIALS, **address, "PYTHONPATH": str(Path(__file__).parent.parent)}
        real = Bulkremove(program.home, env, (sys.executable, "-m", "tests.nightly_program"))
        assert 0 == real("past").returncode
        for _ in range(8):
            night = real.start("nightly")
            time.sleep(0.7 + dice.random() * 1.2)
            night.kill()
            night.communicate()
        last = real("nightly")
        assert last.returncode in (0, 3), last.stdout + last.stderr
    places = [path.name for path in drop.rglob("*.csv") if "-report" not in path.name and "-retry" not in path.name]
    assert names == sorted(places), "each file is in one place"
    assert names == sorted(path.name for path in (drop / "done").iterdir() if "-re" not in path.name)
    jobs = [job for job in json.loads(program("jobs", "--json").stdout) if job["job"] != EARLIER]
    assert sorted(names) == sorted(job["source"] for job in jobs)
    assert {"finished"} == {job["state"] for job in jobs}
    with closing(sqlite3.connect(program.home / "journal.db")) as db:
        keys = [key for (key,) in db.execute("SELECT key FROM notice WHERE key LIKE 'ended:%'")]
        statuses = dict(db.execute("SELECT state, count(*) FROM row GROUP BY state"))
    assert len(keys) == len(set(keys))
    assert 48 == sum(statuses.values())
    assert set(statuses) <= {"removed", "removed_inferred"}


def test_two_nights_started_at_once_are_one_run(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 20)
    drop = tmp_path / "drop"
    drop.mkdir()
    program = program_of(tmp_path, f'[[nights]]\nsource = "{drop}"\n')
    (drop / "leavers.csv").write_text(triples(20))
    (drop / "leavers.csv.ready").touch()
    with sandbox(world, tmp_path / "log", "--speed", "60") as variables:
        program.env |= variables | {"BULKREMOVE_SPEED": "60"}
        has_past(program)
        nights = [program.start("nightly") for _ in range(3)]
        codes = [night.wait(60) for night in nights]
        for night in nights:
            night.communicate()
    assert 0 in codes
    assert set(codes) <= {0, 6}, "one runs, the others are told that it does"
    assert 2 == len(json.loads(program("jobs", "--json").stdout)), "the earlier one and this"
    sent = [entry.removal for entry in read_log(tmp_path / "log") if entry.removal]
    assert 20 == len(sent) == len(set(sent))
