"""The Python API against the bundled sandbox: the guards of a command hold, and no way of leaving a run loses it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import bulkremove
from bulkremove import (
    ActionRefused,
    AlreadyConfirmed,
    CanaryPending,
    CapExceeded,
    Client,
    FileRefused,
    Job,
    JobBusy,
    JobState,
    JobUnsuitable,
    Plan,
    PlanOutdated,
    Status,
    SyncClient,
)
from bulkremove.domain import errors
from bulkremove.domain.permissions import EVERY_ACCOUNT
from bulkremove.storage.sqlite import SqliteStorage
from tests.virtual_time import VirtualClock

UNCHECKED = {"enrolment_check": "never"}
LIFTED = {**UNCHECKED, "limit": "100000/60s"}
"""Settings with which the sandbox's own limit is so high that nothing waits."""
IDS = ["Course ID", "Batch ID", "Learner ID"]
ROOT = Path(__file__).parent.parent


@pytest.fixture
def client(tmp_path: Path) -> Iterator[SyncClient]:
    with SyncClient.demo(home=tmp_path / "home", speed=1.0, settings=LIFTED) as opened:
        yield opened


def leavers(client: Client | SyncClient) -> pd.DataFrame:
    return pd.read_csv(client.samples / "leavers.csv", dtype="string")


def submitted(client: SyncClient, plan: Plan) -> Job:
    return client.submit(plan, confirm=plan.hash)


def removed(client: SyncClient, plan: Plan) -> Job:
    """The job of a plan, run to its end."""
    job = submitted(client, plan)
    for _ in client.run(job):
        pass
    return client.job(job)


# Names


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys; before = {*sys.modules}; import bulkremove; print(*sorted({*sys.modules} - before))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    imported = {name for name in done.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {"bulkremove", "bulkremove.domain", "bulkremove.domain.version"} == imported


def test_every_exported_name_is_there_and_every_error_belongs_to_the_tree() -> None:
    values = {name: getattr(bulkremove, name) for name in bulkremove.__all__}
    assert {*values} <= {*dir(bulkremove)}
    exported = [one for one in values.values() if isinstance(one, type) and issubclass(one, Exception)]
    assert all(issubclass(one, bulkremove.BulkremoveError) for one in exported)
    assert all(getattr(errors, one.__name__) is one for one in exported)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = bulkremove.Nothing


# Rows in


def test_a_frame_its_file_and_the_bytes_of_it_make_the_same_plan(client: SyncClient) -> None:
    file = client.samples / "leavers.csv"
    with file.open("rb") as opened:
        plans = [client.plan(given) for given in (leavers(client), file, str(file), file.read_bytes(), opened)]
    assert (60, 60) == (plans[0].rows, plans[0].removals)
    assert {plans[0].hash} == {plan.hash for plan in plans}


@pytest.mark.parametrize("dtype", ["string", "str", "object", "int64", "Int64", "category", "uint64"])
def test_ids_of_every_exact_type_come_through(client: SyncClient, dtype: Any) -> None:
    frame = leavers(client)
    given = frame.assign(**{heading: frame[heading].astype(dtype) for heading in IDS})
    assert client.plan(frame).hash == client.plan(given).hash


@pytest.mark.parametrize("heading", IDS)
@pytest.mark.parametrize("dtype", ["float64", "Float64", "float32", "complex128"])
def test_a_column_of_floats_with_ids_is_refused_at_the_door(client: SyncClient, heading: str, dtype: Any) -> None:
    frame = leavers(client)
    frame[heading] = frame[heading].astype("int64").astype(dtype)
    with pytest.raises(TypeError, match=rf"'{heading}' holds .*rounded"):
        client.plan(frame)


@pytest.mark.parametrize("value", [4.78e17, 7.0, True, b"478", pd.Timestamp("2026-01-01"), ["478"]])
def test_a_value_that_is_no_exact_id_is_refused_at_the_door(client: SyncClient, value: Any) -> None:
    frame = leavers(client).astype("object")
    frame.at[3, "Learner ID"] = value
    with pytest.raises(TypeError, match="'Learner ID' holds"):
        client.plan(frame)
    with pytest.raises(TypeError, match="Row 2 of list holds"):
        client.plan([("1", "2", value)])


def test_a_missing_id_makes_its_row_invalid_and_no_other(client: SyncClient) -> None:
    frame = leavers(client)
    frame.loc[3, "Learner ID"] = pd.NA
    plan = client.plan(frame)
    assert ({Status.INVALID: 1}, 59) == (plan.excluded, plan.removals)
    planned = plan.to_frame()
    assert [5] == planned["row"][planned["planned"] == "invalid"].to_list()


def test_ids_in_an_integer_column_with_gaps_are_floats_and_refused(client: SyncClient) -> None:
    frame = leavers(client)
    frame["Learner ID"] = pd.Series([int(one) for one in frame["Learner ID"][:-1]])
    with pytest.raises(TypeError, match="float64"):
        client.plan(frame)


def test_other_columns_may_hold_anything(client: SyncClient) -> None:
    frame = leavers(client).assign(read=1.5, left=pd.Timestamp("2024-11-30"), note=pd.Series([True, None] * 30))
    with pytest.raises(FileRefused, match="seems to say who stays"):
        client.plan(frame)
    plan = client.plan(frame, only="all")
    assert 60 == plan.removals
    assert ("1.5", "2024-11-30 00:00:00", "TRUE") == plan.preview.plan.table.row(0).cells[-3:]
    assert "" == plan.preview.plan.table.row(1).cells[-1]


def test_triples_are_rows_whoever_gives_them(client: SyncClient) -> None:
    triples = list(leavers(client)[IDS].itertuples(index=False, name=None))
    owner = threading.get_ident()

    def cursor() -> Iterator[tuple[str, str, int]]:
        for course, batch, learner in triples:
            assert threading.get_ident() == owner, "a database cursor is of one thread"
            yield course, batch, int(learner)

    assert client.plan(triples).hash == client.plan(cursor()).hash
    assert 60 == client.plan(triples).removals


@pytest.mark.parametrize("given", [["478"], [("1", "2")], [("1", "2", "3", "4")], [None], 5])
def test_what_is_no_triple_is_refused(client: SyncClient, given: object) -> None:
    with pytest.raises(TypeError, match=r"three ids|is no DataFrame"):
        client.plan(given)  # type: ignore[arg-type] # that is the point


@pytest.mark.parametrize("given", [pd.DataFrame(), b"", "nothing.csv"])
def test_no_rows_are_refused(client: SyncClient, given: Any) -> None:
    with pytest.raises(FileRefused):
        client.plan(given)


def test_a_text_file_is_refused(client: SyncClient) -> None:
    with (client.samples / "leavers.csv").open() as file, pytest.raises(TypeError, match="binary mode"):
        client.plan(file)


def test_columns_are_named_and_never_guessed(client: SyncClient) -> None:
    frame = leavers(client).set_axis(["a", "b", "c", *leavers(client).columns[3:]], axis="columns")
    with pytest.raises(FileRefused, match="no column for the course id"):
        client.plan(frame)
    assert 60 == client.plan(frame, columns={"course": "a", "batch": 1, "learner": "c"}).removals
    with pytest.raises(ValueError, match="no role 'learners'"):
        client.plan(frame, columns={"learners": "c"})


def test_ids_that_a_spreadsheet_has_damaged_are_refused_in_a_frame_too(client: SyncClient) -> None:
    frame = leavers(client)
    frame.loc[3, "Learner ID"] = "4.78346000019559E+17"
    with pytest.raises(FileRefused, match="C5 shows"):
        client.plan(frame)


def test_rows_whose_name_says_that_they_stay_are_refused(client: SyncClient) -> None:
    with pytest.raises(FileRefused, match="says that these people stay"):
        client.plan(leavers(client), name="do not remove")


# The guards of a run


def test_only_the_hash_of_the_plan_is_consent(client: SyncClient) -> None:
    plan = client.plan(leavers(client))
    with pytest.raises(PlanOutdated, match="not the plan that was previewed"):
        client.submit(plan, confirm="0" * 64)
    assert [] == client.jobs()


def test_a_plan_over_a_cap_is_refused(tmp_path: Path) -> None:
    with SyncClient.demo(home=tmp_path / "home", settings={**UNCHECKED, "max_removals": 10}) as client:
        plan = client.plan(leavers(client))
        assert "60" in (plan.refusal or "")
        with pytest.raises(CapExceeded):
            submitted(client, plan)
        assert [] == client.jobs()


def test_protected_learners_are_not_sent(client: SyncClient, tmp_path: Path) -> None:
    frame = leavers(client)
    (tmp_path / "home" / "protected.csv").write_text(f"Learner ID\n{frame['Learner ID'][0]}\n")
    plan = client.plan(frame)
    assert ({Status.NOT_SENT: 1}, 59) == (plan.excluded, plan.removals)


def test_four_eyes_hold_the_job_until_somebody_else_approves_it(tmp_path: Path) -> None:
    with SyncClient.demo(home=tmp_path / "home", settings={**UNCHECKED, "four_eyes": True}) as client:
        job = submitted(client, client.plan(leavers(client)))
        assert JobState.HELD is job.state
        with pytest.raises(ActionRefused, match="Two people must agree"):
            next(client.run(job))
        assert 60 == client.job(job).open


def test_the_first_row_of_an_account_goes_alone(tmp_path: Path) -> None:
    with SyncClient.demo(home=tmp_path / "home", speed=1.0, settings={**LIFTED, "canary": "always"}) as client:
        plan = client.plan(leavers(client))
        job = removed(client, plan)
        assert (True, JobState.PAUSED, 59) == (plan.first_row_alone, job.state, job.open)
        with pytest.raises(CanaryPending, match="One row was sent alone"):
            next(client.run(job))


def test_the_hash_of_a_plan_that_was_run_is_no_consent_to_run_it_again(client: SyncClient) -> None:
    plan = client.plan(leavers(client))
    removed(client, plan)
    with pytest.raises(AlreadyConfirmed, match="confirmed before"):
        submitted(client, plan)
    again = client.submit(plan, confirm=plan.hash, removals=plan.removals)
    for _ in client.run(again):
        pass
    assert {Status.DONE_BEFORE: 60} == client.job(again).counts


def test_a_key_makes_one_job_of_calls_that_are_repeated(client: SyncClient) -> None:
    plan = client.plan(leavers(client))
    with ThreadPoolExecutor(4) as pool:
        jobs = {job.id for job in pool.map(lambda _: client.submit(plan, confirm=plan.hash, key="k"), range(4))}
    assert 1 == len(jobs)
    assert [*jobs] == [job.id for job in client.jobs()]
    found = client.find("k")
    assert found is not None
    assert jobs == {found.id}
    assert client.find("another") is None
    other = client.plan(leavers(client)[:5], include_open=True)
    with pytest.raises(AlreadyConfirmed, match="of another plan"):
        client.submit(other, confirm=other.hash, key="k")
    with pytest.raises(ValueError, match="1 to 255"):
        client.submit(plan, confirm=plan.hash, key="k" * 256)


def test_rows_that_another_job_may_still_send_are_left_out_and_named(client: SyncClient) -> None:
    job = submitted(client, client.plan(leavers(client)))
    plan = client.plan(leavers(client))
    assert ((job.id,), 0) == (plan.open_in, plan.removals)


def test_zoho_is_asked_who_the_learners_are_as_the_settings_say(tmp_path: Path) -> None:
    with SyncClient.demo(home=tmp_path / "home", speed=1.0, settings={"limit": "100000/60s"}) as client:
        plans = [client.plan(leavers(client), check=check) for check in (None, False, True)]
    checked = {Status.NOT_ENROLLED: 2}
    assert [checked, {}, checked] == [plan.excluded for plan in plans]


# Results


def test_a_result_merges_with_the_frame_that_was_given(client: SyncClient) -> None:
    frame = leavers(client)
    job = removed(client, client.plan(frame))
    result = client.result(job)
    merged = frame.merge(result.to_frame(), on=IDS, how="outer", indicator=True, validate="one_to_one")
    assert {"both"} == {*merged["_merge"]}
    assert job.counts == merged["status"].value_counts().to_dict() == {"removed": 58, "not_found": 2}
    assert (False, None) == (result.needs_person, result.warning)
    assert result.report is not None
    assert result.report.parent.name == "reports"
    by_row = result.to_frame().set_index("row")
    assert [*range(2, 62)] == [*by_row.index]
    assert [*frame["Learner ID"]] == [*by_row["Learner ID"]]
    assert pd.api.types.is_datetime64_any_dtype(by_row["finished_at"])


def test_an_id_of_19_digits_comes_back_as_it_was(client: SyncClient) -> None:
    frame = leavers(client)[:2].assign(**{"Learner ID": ["9223372036854775807", "9223372036854775806"]})
    job = submitted(client, client.plan(frame))
    client.cancel(job)
    assert [*frame["Learner ID"]] == [*client.result(job).to_frame()["Learner ID"]]


def test_reports_are_written_where_one_is_wanted(client: SyncClient, tmp_path: Path) -> None:
    job = submitted(client, client.plan(leavers(client)[:3]))
    for _ in client.run(job, report=tmp_path / "mine.csv"):
        pass
    assert tmp_path / "mine.csv" == client.result(job).report
    assert (tmp_path / "late.xlsx") == client.report(job, tmp_path / "late.xlsx")
    assert (tmp_path / "late.xlsx").stat().st_size > 0


def test_what_was_not_sent_can_be_tried_again(client: SyncClient) -> None:
    job = submitted(client, client.plan(leavers(client)[:3]))
    with pytest.raises(JobUnsuitable, match="not over"):
        client.retry(job)
    client.cancel(job)
    assert {Status.REMOVED: 3} == removed(client, client.retry(job)).counts


# Runs that are left


def check_paused(home: Path, job: str) -> None:
    """The job was paused with rows left and a report, and nobody holds it; seen by another program."""
    storage = SqliteStorage(home, VirtualClock())

    async def look() -> None:
        stored = await storage.jobs.get(job)
        assert (JobState.PAUSED, "The program that ran it stopped it.") == (stored.state, stored.reason)
        assert (await storage.rows.tally(job)).open > 0
        assert await storage.claims.holder(job) is None
        assert [job] == [one.id for one in await storage.jobs.page(accounts=EVERY_ACCOUNT)]
        assert "reported" in [name for _, name, _ in await storage.jobs.events(job)]

    asyncio.run(look())
    storage.close()
    (report,) = (home / "reports").iterdir()
    assert 61 == len(report.read_text(encoding="utf-8-sig").splitlines())


class Broken(Exception):
    """What a program's own code raises."""


@pytest.mark.parametrize("way", ["break", "raise", "close"])
def test_whoever_leaves_the_loop_pauses_the_job(tmp_path: Path, way: str) -> None:
    home = tmp_path / "home"
    with SyncClient.demo(home=home, speed=1.0, settings=UNCHECKED) as client:
        job = submitted(client, client.plan(leavers(client)))
        run = client.run(job)

        def follow() -> None:
            for progress in run:
                if progress.done and way == "raise":
                    raise Broken
                if progress.done:
                    break

        if way == "raise":
            with pytest.raises(Broken):
                follow()
        else:
            follow()
        if way == "break":
            run.close()
            assert JobState.PAUSED is client.job(job).state
        elif way == "raise":  # pytest keeps the traceback, and with it the run
            assert JobState.RUNNING is client.job(job).state
            with pytest.raises(JobBusy):
                next(client.run(job))
    check_paused(home, job.id)


@pytest.mark.parametrize("way", ["cancel", "timeout", "end of the loop", "cancelled twice"])
def test_a_cancelled_run_leaves_the_job_paused_with_a_report(tmp_path: Path, way: str) -> None:
    home, names = tmp_path / "home", list[str]()

    async def follow(client: Client, started: asyncio.Event) -> None:
        plan = await client.plan(leavers(client))
        job = await client.submit(plan, confirm=plan.hash)
        names.append(job.id)
        async for progress in client.run(job):
            if progress.done:
                started.set()

    async def main() -> None:
        async with Client.demo(home=home, speed=1.0, settings=UNCHECKED) as client:
            started = asyncio.Event()
            task = asyncio.create_task(follow(client, started))
            await started.wait()
            if way == "end of the loop":
                return
            if way == "timeout":
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0):
                        await task
                return
            for _ in range(2 if way == "cancelled twice" else 1):
                task.cancel()
                await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await task
            assert JobState.PAUSED is (await client.job(names[0])).state

    asyncio.run(main())
    check_paused(home, names[0])


def test_a_loop_that_ends_without_closing_the_client_harms_no_run(tmp_path: Path) -> None:
    home = tmp_path / "home"
    client = Client.demo(home=home, speed=1.0, settings=UNCHECKED)

    async def begin() -> str:
        await client.__aenter__()
        plan = await client.plan(leavers(client))
        job = await client.submit(plan, confirm=plan.hash)
        async with aclosing(client.run(job)) as run:
            async for progress in run:
                if progress.done:
                    return job.id
        raise AssertionError("it was not followed")

    job = asyncio.run(begin())
    check_paused(home, job)
    asyncio.run(client.__aexit__())


def test_a_paused_job_goes_on_and_every_row_is_sent_once(client: SyncClient) -> None:
    job = submitted(client, client.plan(leavers(client)))
    stops = 0
    while client.job(job).open:
        for progress in client.run(job):
            if progress.done and stops < 3:
                stops += 1
                break
    assert {Status.REMOVED: 58, Status.NOT_FOUND: 2} == client.job(job).counts
    assert {1} == {*client.result(job).to_frame()["attempts"]}


def test_a_job_that_was_paused_on_purpose_needs_the_number_of_rows_left(client: SyncClient) -> None:
    job = client.pause(submitted(client, client.plan(leavers(client)[:3])))
    with pytest.raises(ActionRefused, match="needs review"):
        next(client.run(job))
    assert 3 == [progress.done for progress in client.run(job, rows_reviewed=3)][-1]


def test_a_run_that_nobody_follows_does_not_begin(client: SyncClient) -> None:
    job = submitted(client, client.plan(leavers(client)))
    client.run(job)
    assert JobState.READY is client.job(job).state


def test_whoever_follows_slowly_gets_the_newest_progress(client: SyncClient) -> None:
    job = submitted(client, client.plan(leavers(client)))
    run = client.run(job)
    next(run)
    while client.job(job).open:
        pass
    assert 60 in [progress.done for progress in run][:2]


# Threads, event loops and processes


def test_one_client_serves_several_threads_and_event_loops(tmp_path: Path) -> None:
    async def main(client: Client, first: int) -> Job:
        plan = await client.plan(leavers(client)[first : first + 20], name=f"part {first}")
        job = await client.submit(plan, confirm=plan.hash)
        assert 20 == [progress.done async for progress in client.run(job)][-1]
        return await client.job(job)

    client = Client.demo(home=tmp_path / "home", speed=1.0, settings=LIFTED)
    asyncio.run(open_(client))
    with ThreadPoolExecutor(3) as pool:
        jobs = list(pool.map(lambda first: asyncio.run(main(client, first)), (0, 20, 40)))
    asyncio.run(client.__aexit__())
    assert [JobState.FINISHED] * 3 == [job.state for job in jobs]
    assert 60 == sum(sum(job.counts.values()) for job in jobs)


async def open_(client: Client) -> None:
    await client.__aenter__()


async def test_a_sync_client_works_beside_a_running_event_loop(client: SyncClient) -> None:
    assert 60 == client.plan(leavers(client)).removals


def test_a_client_is_open_once_and_not_after_its_end(tmp_path: Path) -> None:
    client = SyncClient.demo(home=tmp_path / "home")
    with pytest.raises(RuntimeError, match="Open the client first"):
        client.jobs()
    with client:
        assert [] == client.jobs()
    with pytest.raises(RuntimeError, match="Open the client first"):
        client.jobs()
    with pytest.raises(RuntimeError, match="opened before"), client:
        pass


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_process_that_was_forked_must_open_its_own_client(client: SyncClient) -> None:
    child = os.fork()
    if child == 0:
        try:
            client.jobs()
        except RuntimeError as error:
            os._exit(7 if "forked" in str(error) else 1)
        os._exit(1)
    assert 7 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_an_unknown_setting_is_an_error_and_ends_the_thread() -> None:
    with (
        pytest.raises(bulkremove.SettingsError, match="no setting 'max_removal'"),
        SyncClient.demo(settings={"max_removal": 5}),
    ):
        pass
    assert "bulkremove" not in [thread.name for thread in threading.enumerate()]


def test_only_a_demo_has_samples(tmp_path: Path) -> None:
    with (
        SyncClient(home=tmp_path / "home", environ={}) as client,
        pytest.raises(RuntimeError, match="Only an open demo"),
    ):
        _ = client.samples


def test_rows_without_anybody_remove_nobody(client: SyncClient) -> None:
    assert 0 == client.plan([]).removals
    assert 0 == client.plan(pd.DataFrame(columns=IDS)).removals
