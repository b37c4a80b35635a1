"""Zoho's counts of a batch's learners before and after a run: a difference from what was removed is reported."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from bulkremove.app import App, Consent, SandboxOptions, Stop
from bulkremove.app.learner_counts import MAX_BATCHES, as_option
from bulkremove.config import Settings
from bulkremove.domain.clock import Epoch
from bulkremove.domain.event_names import EventName
from bulkremove.domain.job import EndReason, FrontEnd, JobState
from bulkremove.reading.options import ReadOptions
from tests.application_fixtures import run, stored
from tests.cli_fixtures import Bulkremove, environment, sandbox
from tests.test_enrolment_check import SPEED, leavers
from tests.test_reads import BATCH, COUNT, COURSE, learner, world
from tests.web_fixtures import until


def remove_elsewhere(variables: dict[str, str], one: str) -> None:
    """What another program does meanwhile."""
    form = {"client_id": "sandbox", "client_secret": "s", "refresh_token": "r", "grant_type": "refresh_token"}
    url = f"{variables['BULKREMOVE_ACCOUNTS_URL']}/oauth/v2/token"
    with urlopen(url, data=urlencode(form).encode()) as answer:  # noqa: S310 - of the sandbox
        token = json.load(answer)["access_token"]
    url = f"{variables['BULKREMOVE_API_URL']}/api/v1/courses/{COURSE}/batches/{BATCH}/learners/{one}"
    headers = {"Authorization": f"Zoho-oauthtoken {token}"}
    request = Request(url, method="DELETE", headers=headers)  # noqa: S310 - of the sandbox
    with urlopen(request) as answer:  # noqa: S310 - of the sandbox
        assert 200 == answer.status


def test_a_difference_between_zoho_s_counts_and_what_was_removed_is_reported(tmp_path: Path) -> None:
    file = leavers(tmp_path, [0, 1])
    with sandbox(world(tmp_path), tmp_path / "log.jsonl", *SPEED) as variables:
        program = Bulkremove(tmp_path / "home", environment(**variables))
        program("preview", str(file), "--check")  # whose lists are used again
        remove_elsewhere(variables, learner(9))
        ran = program("run", str(file), "--check", "--yes")
    counts = f"2 were removed, and Zoho counts {COUNT - 3} now instead of {COUNT - 2}."
    words = f"Batch {BATCH} (Spring) had {COUNT} learners, {counts}"
    assert (0, True) == (ran.returncode, words in ran.stdout), ran.stdout + ran.stderr
    assert words in program("show", ran.stdout.split("Report: ")[1].split("/")[-1].split("-report")[0]).stdout


@pytest.mark.parametrize(("elsewhere", "now"), [([], ""), ([7, 8, 9], f"1 unknown, and Zoho counts {COUNT - 5} now")])
def test_a_row_whose_fate_is_unknown_may_explain_a_difference(tmp_path: Path, elsewhere: list[int], now: str) -> None:
    path = world(tmp_path)
    tree = json.loads(path.read_text())
    tree["faults"]["learners"] = {learner(0): ["reset_after_effect"]}
    path.write_text(json.dumps(tree))
    with sandbox(path, tmp_path / "log.jsonl", *SPEED) as variables:
        program = Bulkremove(tmp_path / "home", environment(**variables))
        program("preview", str(leavers(tmp_path, [0, 1])), "--check")
        for index in elsewhere:
            remove_elsewhere(variables, learner(index))
        ran = program("run", str(tmp_path / "leavers.csv"), "--check", "--yes")
    shown = program("show", ran.stdout.split("Report: ")[1].split("/")[-1].split("-report")[0]).stdout
    assert "unknown 1" in ran.stdout, ran.stdout + ran.stderr
    if elsewhere:
        assert f"{now} instead of {COUNT - 2} to {COUNT - 1}." in ran.stdout
    else:
        assert ("instead of" in ran.stdout, "as were removed or may have been, in each batch" in shown) == (False, True)


async def test_what_other_jobs_here_removed_meanwhile_is_no_difference(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "home", canary="live")
    with closing(App(settings, environ={}, sandbox=SandboxOptions(world(tmp_path), 300.0))) as app:
        async with app.connections.in_sandbox():
            jobs = []
            for indexes in ([0, 1], [2]):  # both are checked before the first one runs
                file = leavers(tmp_path, indexes)
                preview = await app.plans.preview(file, name="leavers.csv", options=ReadOptions())
                preview = await app.enrolment_checks.check(preview, is_asked=True)
                jobs.append(await stored(app, preview, tmp_path))
            for job in jobs:
                await run(app, job)
        texts = [
            text for job in jobs for _, name, text in await app.jobs.events(job) if name == EventName.COUNTS_COMPARED
        ]
        assert ["Zoho counts as many learners less as were removed, in each batch."] * 2 == texts


@pytest.mark.parametrize(
    ("reads", "words"),
    [
        ((), "as many learners less"),
        (["ok"] * 4 + ["cut"], "could not be compared"),
        (["ok"] * 4 + ["no_count"], "could not be compared"),
    ],
)
def test_counts_that_agree_and_counts_that_can_t_be_read_are_told_as_they_are(
    tmp_path: Path, reads: Sequence[str], words: str
) -> None:
    with sandbox(world(tmp_path, reads=reads), tmp_path / "log.jsonl", *SPEED) as variables:
        program = Bulkremove(tmp_path / "home", environment(**variables))
        ran = program("run", str(leavers(tmp_path, [0, 1])), "--check", "--yes")
    assert (0, False) == (ran.returncode, "instead of" in ran.stdout), ran.stderr
    job = ran.stdout.split("Report: ")[1].split("/")[-1].split("-report")[0]
    assert words in program("show", job).stdout


@pytest.mark.parametrize("how", ["signal", "another process"])
async def test_a_stop_ends_the_counting_of_a_run_whose_rows_are_done(tmp_path: Path, how: str) -> None:
    file, slow = leavers(tmp_path, [0]), world(tmp_path, reads=[*["ok"] * 4, "slow:44"])
    with closing(App(Settings(tmp_path / "home"), environ={}, sandbox=SandboxOptions(slow, 20.0))) as app:
        async with app.connections.in_sandbox():  # so that its answers are counted over check and run
            preview = await app.plans.preview(file, name="leavers.csv", options=ReadOptions())
            preview = await app.enrolment_checks.check(preview, is_asked=True)
            job = await app.confirmations.submit(
                preview,
                consent=Consent(yes=True),
                folder=tmp_path,
                prepared_by=["a"],
                by="a",
                front_end=FrontEnd.COMMAND,
            )
            stop = Stop()
            run = asyncio.create_task(
                app.runs.run(job.id, stop=stop, on_progress=lambda one: None, by="a", front_end=FrontEnd.COMMAND)
            )

            async def is_counting() -> bool:
                return await app.plans.calls_since(Epoch(0.0)) == 4 + 1 + 1

            await until(is_counting)
            if how == "signal":
                stop.request("kim paused it.", EndReason.TERMINATED)
            else:
                await app.stopping.pause(job.id, by="kim")
            await run
        texts = [text for _, name, text in await app.jobs.events(job) if name == EventName.COUNTS_COMPARED]
        assert ["Zoho's counts of learners were not compared with those before the run. kim paused it."] == texts
        assert JobState.FINISHED is (await app.jobs.find(job.id)).state


def test_a_daily_limit_is_left_to_the_removals(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with sandbox(world(tmp_path), log, *SPEED) as variables:
        program = Bulkremove(tmp_path / "home", environment(**variables))
        ran = program("run", str(leavers(tmp_path, [0, 1])), "--check", "--yes", "--daily-limit", "100")
    assert (0, 4) == (ran.returncode, log.read_text().count('"GET"')), ran.stderr
    job = ran.stdout.split("Report: ")[1].split("/")[-1].split("-report")[0]
    assert "were not compared with those before the run, since daily_limit" in program("show", job).stdout


def test_no_count_is_made_without_a_check_nor_for_very_many_batches(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with sandbox(world(tmp_path), log, *SPEED) as variables:
        program = Bulkremove(tmp_path / "home", environment(**variables))
        assert 0 == program("run", str(leavers(tmp_path, [0])), "--yes").returncode
    assert '"GET"' not in log.read_text()
    counts = {("1", str(i)): (1, Epoch(0.0)) for i in range(MAX_BATCHES + 1)}
    assert {} == as_option(counts) == as_option({})
