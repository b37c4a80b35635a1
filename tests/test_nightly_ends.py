"""How a nightly run ends: its code for a service manager, the dead man's switch, the metrics, and who is waited for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bulkremove.app import Stop, metrics
from bulkremove.app.nightly import NightlyResult, NightlyRunEnd
from bulkremove.app.results import RunResult
from bulkremove.cli.exit_codes import of_nightly_run
from bulkremove.domain.job import EndReason, Job, JobState, Tally
from bulkremove.domain.permissions import EVERY_ACCOUNT
from bulkremove.domain.row import Roles, Status
from bulkremove.report.metrics import prometheus_text
from tests.cli_fixtures import Bulkremove, environment
from tests.nightly_fixtures import nightly_site
from tests.web_fixtures import CREDENTIALS, triples, until


def ended(state: JobState, code: EndReason = EndReason.NONE, *, goes_on: bool = False, **counts: int) -> RunResult:
    job = Job("j", "a", "h", "f.csv", "", None, ("c",), Roles(0, 0, 0), "x", state, "", code, auto_resumable=goes_on)
    return RunResult(job, Tally({Status(name): count for name, count in counts.items()}), None, None, "", None)


@pytest.mark.parametrize(
    ("result", "code", "good"),
    [
        (NightlyResult("n"), 0, True),
        (NightlyResult("n", ended=[ended(JobState.FINISHED, removed=3, not_found=1)]), 0, True),
        (NightlyResult("n", ended=[ended(JobState.FINISHED, removed=3, unknown=1)]), 3, False),
        (
            NightlyResult("n", ended=[ended(JobState.PAUSED, EndReason.WINDOW_CLOSED, goes_on=True, not_sent=9)]),
            5,
            True,
        ),
        (
            NightlyResult("n", ended=[ended(JobState.PAUSED, EndReason.DAY_USED_UP, goes_on=True, not_sent=9)]),
            5,
            True,
        ),
        (NightlyResult("n", ended=[ended(JobState.PAUSED, EndReason.STANDSTILL, not_sent=9)]), 4, False),
        (
            NightlyResult(
                "nightly", ended=[ended(JobState.PAUSED, EndReason.DAY_USED_UP, goes_on=True, not_sent=9, unknown=1)]
            ),
            4,
            False,
        ),
        (NightlyResult("n", ended=[ended(JobState.PAUSED, EndReason.ANSWERS, not_sent=9)]), 4, False),
        (NightlyResult("n", ended=[ended(JobState.PAUSED, EndReason.NOT_AUTHORIZED, not_sent=9)]), 8, False),
        (NightlyResult("n", held=["f.csv: it is empty"]), 4, False),
        (NightlyResult("n", waiting=["f.csv: the cap is 4"]), 4, False),
        (NightlyResult("n", held=["f.csv: it is empty"], failures=["There is no folder."]), 8, False),
        (NightlyResult("n", scheduled=["f.csv runs tomorrow"], unchanged=["g.csv"]), 0, True),
    ],
)
def test_each_end_of_a_night_has_a_code_and_only_what_a_person_must_do_is_no_good_night(
    result: NightlyResult, code: int, good: bool
) -> None:
    assert (code, good) == (of_nightly_run(result), result.is_good)


def test_trouble_of_a_night_is_no_code_that_the_printed_unit_takes_for_success(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "bulkremove.toml").write_text(f'[[nights]]\nsource = "{tmp_path / "gone"}"\n')
    program = Bulkremove(home, environment(**CREDENTIALS))
    taken_for_success = program("schedule", "systemd").stdout.partition("SuccessExitStatus=")[2].splitlines()[0].split()
    assert ["3", "4", "5"] == taken_for_success
    assert 8 == program("nightly").returncode
    (home / "bulkremove.toml").write_text('[[nights]]\nsource = "command false"\n')
    assert 8 == program("nightly").returncode
    (home / "journal.db").write_bytes(b"no journal" * 1000)
    assert 8 == program("nightly").returncode


async def test_a_job_of_several_nights_is_a_good_night_while_it_goes_to_plan(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, count=40) as one:
        one.drop("leavers.csv", triples(40))
        stop = Stop()
        night = asyncio.create_task(one.run(stop=stop))
        await until(one.removed)
        stop.request("The window is over.", EndReason.WINDOW_CLOSED, auto_resumable=True)
        assert (NightlyRunEnd.GOES_ON, True) == ((await night).end, (await night).is_good)
        assert NightlyRunEnd.DONE is (await one.run()).end


async def test_a_job_that_waits_for_a_person_is_named_each_night_until_it_is_dealt_with(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, max_removals=4) as one:
        one.drop("leavers.csv", triples(5))
        first = await one.run()
        assert (1, []) == (len(first.held), first.waiting)
        job = await one.job()
        for _ in range(2):
            result = await one.run()
            assert [job.id in sentence for sentence in result.waiting] == [True]
            assert f"bulkremove approve {job.id}" in result.waiting[0]
            assert NightlyRunEnd.NEEDS_PERSON is result.end
        await one.app.jobs.cancel(job.id, by="kim")
        assert NightlyRunEnd.DONE is (await one.run()).end


async def test_the_metrics_say_how_the_last_night_ended_and_what_waits(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, max_removals=4) as one:
        figures = values(prometheus_text(await metrics.figures(one.app.context, EVERY_ACCOUNT)))
        assert 0 == figures["bulkremove_last_nightly_run_start_seconds", "nightly"]
        assert 0 == figures["bulkremove_rows", "unknown"], "a figure that is missing until it is wrong wakes nobody"
        one.drop("good.csv", triples(2))
        one.drop("leavers.csv", triples(5, first=3))
        before = one.clock.wall()
        await one.run()
        figures = values(prometheus_text(await metrics.figures(one.app.context, EVERY_ACCOUNT)))
        assert 1 == figures["bulkremove_last_nightly_run_end", "needs_person", "nightly"]
        start, end = (figures[f"bulkremove_last_nightly_run_{name}_seconds", "nightly"] for name in ("start", "end"))
        assert before <= start <= end
        assert 1 == figures["bulkremove_jobs", "held"]
        assert (await one.job()).last_run_at == pytest.approx(figures["bulkremove_oldest_held_seconds"])
        assert abs(figures["bulkremove_clock_skew_seconds", "nightly"]) < 5


def values(metrics: bytes) -> dict[str | tuple[str, ...], float]:
    """The samples by their name, and by the values of their labels."""
    return {
        (sample.name, *sample.labels.values()) if sample.labels else sample.name: sample.value
        for family in text_string_to_metric_families(metrics.decode())
        for sample in family.samples
    }
