"""What every implementation of the storage must pass (``bulkremove.storage.interface``), whatever it is built on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulkremove.domain.attempt import LookupResult, Note, Outcome, PendingRow, Permit, ReadPermit
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import Epoch, Monotonic
from bulkremove.domain.errors import ActionRefused, ConsentMissing, JobBusy, JobNotFound, JournalFailed, UserError
from bulkremove.domain.event_names import EventName
from bulkremove.domain.job import EndReason, FrontEnd, Job, JobState, Tally
from bulkremove.domain.ledger import Ledger
from bulkremove.domain.permissions import EVERY_ACCOUNT, Access, AccountSet, Role
from bulkremove.domain.plan import PlannedRow, ProtectedLearners
from bulkremove.domain.row import UNSETTLED, Exclusion, Removal, Row, RowState, Status
from bulkremove.domain.wording import Wording
from bulkremove.storage import Storage
from bulkremove.storage.interface.attempts import AttemptOutcome, DoneElsewhere
from bulkremove.storage.interface.claims import StopAction, StopRequest
from bulkremove.storage.interface.jobs import JobEnd
from bulkremove.storage.interface.leavers import LeaverMemory
from bulkremove.storage.interface.nightly import NightlyRunRecord
from bulkremove.storage.interface.reads import ListingName, ReadOutcome, SeenField
from bulkremove.storage.interface.records import Act, IntakeResult, JobEvent, Notice, Record
from bulkremove.storage.interface.users import Token, User, UserCredentials
from bulkremove.storage.interface.wordings import AcceptedWording, WordingEvidence
from bulkremove.storage.sqlite import SqliteStorage
from tests.storage_fixtures import ACT, CELLS, Answered, Clock, Rule, calls, end, job, planned, rows, taken


@pytest.fixture
def clock() -> Clock:
    return Clock()


Open = Callable[[], Storage]


@pytest.fixture(params=[SqliteStorage])
def another(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Open]:
    """Opens the same storage as another user of it would."""
    opened: list[Storage] = []

    def open_() -> Storage:
        opened.append(request.param(tmp_path / "home", clock))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


@pytest.fixture
def storage(another: Open) -> Storage:
    return another()


# Jobs


async def test_a_stored_plan_gives_back_every_text_of_its_cells(storage: Storage) -> None:
    excluded = PlannedRow(Row(3, CELLS), None, Exclusion(Status.INVALID, "The learner id is no number."))
    await storage.jobs.create(job(), [*planned(), excluded], ACT)
    first, second = await storage.rows.export(await storage.jobs.get("job"), list)
    assert ("1", "2", "0", CELLS[3]) == first.cells
    assert (Status.INVALID, "The learner id is no number.", CELLS) == (second.status, second.detail, second.cells)
    assert [(1, "jo", "roster")] == [
        (one.id, one.actor, one.act) for one in await storage.audit.newest(5, EVERY_ACCOUNT)
    ]
    assert Tally({Status.INVALID: 1}, 1) == await storage.rows.tally("job")


async def test_a_plan_that_is_being_stored_is_seen_by_nobody_until_it_is_whole(storage: Storage) -> None:
    seen: list[object] = []

    def slowly() -> Iterator[PlannedRow]:
        for number, row in enumerate(planned(2500)):
            if number == 2400:
                seen.append(asyncio.run_coroutine_threadsafe(look(), loop).result(20))
            yield row

    async def look() -> object:
        jobs = (
            await storage.jobs.page(accounts=EVERY_ACCOUNT),
            await storage.jobs.page(accounts=EVERY_ACCOUNT, states=[JobState.READY]),
        )
        return (
            jobs,
            await storage.jobs.newest_unfinished("default", "", "people.zoho.com"),
            await storage.jobs.incomplete_jobs(),
            await storage.audit.newest(1, EVERY_ACCOUNT),
        )

    loop = asyncio.get_running_loop()
    await storage.jobs.create(job(), slowly(), ACT)
    assert [(([], []), None, ["job"], [])] == seen
    assert [] == await storage.jobs.incomplete_jobs()
    assert 2500 == (await storage.rows.tally("job")).open
    assert ["job"] == [one.id for one in await storage.jobs.page(accounts=EVERY_ACCOUNT)]


async def test_what_is_left_of_a_plan_that_was_never_stored_whole_is_removed(storage: Storage) -> None:
    def broken() -> Iterator[PlannedRow]:
        yield from planned(1500)
        raise OSError("the process dies here")

    with pytest.raises(OSError, match="dies"):
        await storage.jobs.create(job(), broken(), ACT)
    assert await storage.jobs.exists("job")
    with pytest.raises(JobNotFound):
        await storage.jobs.get("job")
    (left,) = await storage.jobs.incomplete_jobs()
    await storage.jobs.remove_incomplete(left)
    assert not await storage.jobs.exists("job")
    await storage.jobs.create(job(), planned(), ACT)
    assert 1 == (await storage.rows.tally("job")).total


async def test_a_plan_that_became_whole_meanwhile_is_not_removed_as_abandoned(storage: Storage) -> None:
    await storage.jobs.create(job(), planned(3))
    await storage.jobs.remove_incomplete("job")
    assert 3 == (await storage.rows.tally("job")).open


async def test_the_jobs_come_newest_first_a_page_at_a_time_and_by_state(storage: Storage) -> None:
    for number in range(5):
        state = JobState.HELD if number == 3 else JobState.READY
        await storage.jobs.create(job(f"job-{number}", state, at=float(number)), planned(number))
    assert ["job-4", "job-3"] == [one.id for one in await storage.jobs.page(accounts=EVERY_ACCOUNT, limit=2)]
    assert ["job-2", "job-1"] == [one.id for one in await storage.jobs.page(accounts=EVERY_ACCOUNT, limit=2, offset=2)]
    assert ["job-3"] == [one.id for one in await storage.jobs.page(accounts=EVERY_ACCOUNT, states=[JobState.HELD])]
    assert [] == await storage.jobs.page(accounts=EVERY_ACCOUNT, source="G")
    assert 5 == len(await storage.jobs.page(accounts=EVERY_ACCOUNT, source="F"))
    later = await storage.jobs.page(accounts=EVERY_ACCOUNT, since=Epoch(3.0))
    assert ["job-4", "job-3"] == [one.id for one in later]
    behind = await storage.jobs.page(accounts=EVERY_ACCOUNT, before=(Epoch(3.0), "job-3"), limit=2)
    assert ["job-2", "job-1"] == [one.id for one in behind]
    same_time = await storage.jobs.page(accounts=EVERY_ACCOUNT, before=(Epoch(3.0), "job-4"), limit=1)
    assert ["job-3"] == [one.id for one in same_time]
    for name, by in (("of-kim", ("jo", "kim")), ("of-kimberly", ("kimberly",))):
        await storage.jobs.create(replace(job(name, at=9.0), prepared_by=by, confirmed_by="bo"), [])
    assert ["of-kim"] == [one.id for one in await storage.jobs.page(accounts=EVERY_ACCOUNT, who="kim")]
    assert 2 == len(await storage.jobs.page(accounts=EVERY_ACCOUNT, who="bo"))
    assert {"job-1": 1, "job-4": 4} == {
        name: tally.open for name, tally in (await storage.rows.tallies(["job-1", "job-4"])).items()
    }


async def test_a_run_that_ends_is_decided_by_its_tally_and_told_with_its_events(storage: Storage) -> None:
    await storage.jobs.create(job(), planned(2))
    started = await storage.jobs.start("job", JobEvent("job", EventName.STARTED, "2 rows.", Epoch(5.0)))
    assert JobState.RUNNING is started.state
    seen: list[Tally] = []

    def decide(tally: Tally) -> JobEnd:
        seen.append(tally)
        return end()

    ended = await storage.jobs.end("job", decide, JobEvent("job", EventName.HALTED, "Why.", Epoch(6.0)))
    assert [Tally({}, 2)] == seen
    assert (JobState.PAUSED, EndReason.INTERRUPTED, True) == (ended.state, ended.reason_code, ended.auto_resumable)
    assert (2.0, 3) == (ended.seconds, ended.peak_calls)
    assert ["started", "halted", "paused"] == [name for _, name, _ in await storage.jobs.events("job")]
    first, second, third = await storage.jobs.events_after("job", after=0, limit=9)
    assert ["started", "halted", "paused"] == [one.name for one in (first, second, third)]
    assert [second] == await storage.jobs.events_after("job", after=first.number, limit=1)
    assert [] == await storage.jobs.events_after("job", after=third.number, limit=9)
    assert not await storage.jobs.is_reported("job")
    await storage.record(JobEvent("job", EventName.REPORTED, "It is in r.csv.", Epoch(7.0)))
    assert await storage.jobs.is_reported("job")


async def test_a_check_that_refuses_leaves_everything_as_it_was(storage: Storage) -> None:
    await storage.jobs.create(job(state=JobState.HELD), planned())

    def refuse(one: Job) -> None:
        raise ConsentMissing(f"Not {one.id}.")

    with pytest.raises(ConsentMissing, match="Not job"):
        await storage.jobs.cancel("job", refuse, end(JobState.CANCELLED), ACT)
    with pytest.raises(ConsentMissing, match="Not job"):
        await storage.jobs.release("job", refuse, ACT, by="kim", at=Epoch(7.0))
    assert JobState.HELD is (await storage.jobs.get("job")).state
    assert [] == await storage.audit.newest(5, EVERY_ACCOUNT)
    released = await storage.jobs.release("job", lambda one: None, ACT, by="kim", at=Epoch(7.0))
    assert released is not None
    assert (JobState.READY, "kim") == (released.state, released.confirmed_by)
    assert await storage.jobs.release("job", lambda one: None, ACT, by="kim", at=Epoch(7.0)) is None
    assert 1 == len(await storage.audit.newest(5, EVERY_ACCOUNT))


async def test_the_end_of_a_job_settles_its_open_rows_at_once(storage: Storage) -> None:
    await storage.jobs.create(job(), planned(3))
    (first, *_) = await rows(storage)
    await taken(storage, first)
    assert Tally({}, 3) == await storage.rows.tally("job")
    assert Tally({Status.UNKNOWN: 1, Status.NOT_SENT: 2}) == await storage.rows.tally("job", as_reported=True)
    await storage.jobs.cancel("job", lambda one: None, end(JobState.CANCELLED, "A person cancelled the job."))
    assert Tally({Status.UNKNOWN: 1, Status.NOT_SENT: 2}) == await storage.rows.tally("job")
    ended = await storage.jobs.get("job")
    told = [(row.status, row.detail, row.finished_at) for row in await storage.rows.export(ended, list)]
    assert (Status.UNKNOWN, UNSETTLED, 9.0) == told[0]
    assert (Status.NOT_SENT, "A person cancelled the job.", 9.0) == told[1]
    assert [0] == [row.position for row in await search(storage, ended, Status.UNKNOWN)]
    assert 1 == await storage.rows.unknown_without_note("job")
    assert await storage.rows.add_note("job", first.number, Note(Epoch(10.0), "jo", "gone"), ACT)
    assert 0 == await storage.rows.unknown_without_note("job")
    assert ({"unknown": 1, "not_sent": 2}, {"cancelled": 1}, 0) == await storage.jobs.counts("h", EVERY_ACCOUNT)
    assert ({}, {}, 0) == await storage.jobs.counts("sandbox", EVERY_ACCOUNT)
    assert 0 == await storage.erasure.open_rows_of("1")


async def search(
    storage: Storage, one: Job, status: Status | RowState | None, text: str = "", **page: Any
) -> list[Outcome]:
    return await storage.rows.search(one, status=status, text=text, **{"offset": 0, "limit": 10, **page})


async def test_rows_that_can_still_be_sent_are_found_by_their_state_or_as_a_report_would_show_them(
    storage: Storage,
) -> None:
    await storage.jobs.create(job(), planned(3))
    (first, *_) = await rows(storage)
    await taken(storage, first)
    one = await storage.jobs.get("job")

    async def found(status: Status | RowState, *, as_reported: bool) -> list[tuple[int, RowState | None]]:
        return [(row.position, row.open) for row in await search(storage, one, status, as_reported=as_reported)]

    pending = [(1, RowState.PENDING), (2, RowState.PENDING)]
    assert pending == await found(RowState.PENDING, as_reported=False)
    assert [(0, RowState.SENDING)] == await found(RowState.SENDING, as_reported=False)
    assert [] == await found(Status.NOT_SENT, as_reported=False)
    assert pending == await found(Status.NOT_SENT, as_reported=True)
    await storage.jobs.cancel("job", lambda one: None, end(JobState.CANCELLED))
    one = await storage.jobs.get("job")
    assert [] == await found(RowState.PENDING, as_reported=False)
    assert [(1, None), (2, None)] == await found(Status.NOT_SENT, as_reported=False)


async def test_a_search_ignores_case_and_knows_pages(storage: Storage) -> None:
    cells = [("1", "2", str(i), text) for i, text in enumerate(["Straße", "STRASSE", 'x"y', "Jo", "joachim"])]
    await storage.jobs.create(
        job(), [PlannedRow(Row(i + 2, one), Removal("1", "2", str(i)), None) for i, one in enumerate(cells)]
    )
    one = await storage.jobs.get("job")
    assert [0, 1] == [row.position for row in await search(storage, one, None, "strasse")]
    assert [2] == [row.position for row in await search(storage, one, None, '"')]
    assert [3, 4] == [row.position for row in await search(storage, one, None, "jo")]
    assert [4] == [row.position for row in await search(storage, one, None, "JO", offset=1, limit=1)]
    assert [4] == [row.position for row in await search(storage, one, None, "jo", after=3)]
    assert [] == await search(storage, one, Status.REMOVED)


async def test_protected_learners_are_never_sent_again_even_after_an_open_attempt(storage: Storage) -> None:
    await storage.jobs.create(job(), planned(3))
    (first, *_) = await rows(storage)
    await taken(storage, first)
    protected = ProtectedLearners(learners=frozenset({"0", "2"}))
    assert 2 == await storage.rows.settle_protected("job", protected, why="Protected.", at=Epoch(2.0))
    told = await storage.rows.export(await storage.jobs.get("job"), list)
    assert [Status.UNKNOWN, Status.NOT_SENT, Status.NOT_SENT] == [row.status for row in told]
    assert ["1"] == [row.removal.learner for row in await rows(storage)]


async def test_deleted_rows_leave_their_totals_and_a_cut_short_deletion_goes_on(storage: Storage) -> None:
    await storage.jobs.create(job(), planned(2500))
    (first, *_) = await rows(storage)
    await taken(storage, first)
    await storage.jobs.cancel("job", lambda one: None, end(JobState.CANCELLED))
    await storage.erasure.delete_rows("job")
    await storage.erasure.resume_deletions()
    assert (await storage.jobs.get("job")).rows_deleted
    assert Tally({Status.UNKNOWN: 1, Status.NOT_SENT: 2499}) == await storage.rows.tally("job")
    assert [] == await storage.rows.export(await storage.jobs.get("job"), list)


async def test_an_erased_learner_stands_in_no_row_that_is_not_sent_any_more(storage: Storage) -> None:
    unreadable = PlannedRow(Row(9, ("x", "4711", "y", "")), None, Exclusion(Status.INVALID, "No id."))
    await storage.jobs.create(job("old"), [*planned(1, learner="4711"), *planned(1, learner="14711"), unreadable])
    await storage.jobs.create(job("new"), planned(1, learner="4711"))
    assert 2 == await storage.erasure.open_rows_of("4711")
    await storage.jobs.cancel("old", lambda one: None, end(JobState.CANCELLED))
    assert 1 == await storage.erasure.open_rows_of("4711")
    await taken(storage, (await rows(storage, "new"))[0])

    def record(count: int) -> Record:
        return Act("jo", AuditAct.FORGOT, {"rows": count}, Epoch(1.0))

    assert not await storage.erasure.erase("4711", record)
    assert ([], "") == (await storage.audit.newest(1, EVERY_ACCOUNT), await storage.generation())
    (open_row,) = await rows(storage, "new")
    assert ("4711", 1) == (open_row.removal.learner, len(open_row.attempts))
    await storage.jobs.cancel("new", lambda one: None, end(JobState.CANCELLED))
    assert {"old": 2, "new": 1} == await storage.erasure.rows_of("4711")
    assert await storage.erasure.erase("4711", record)
    assert ("forgot", {"rows": 3}) == (
        (await storage.audit.newest(1, EVERY_ACCOUNT))[0].act,
        (await storage.audit.newest(1, EVERY_ACCOUNT))[0].facts,
    )
    first_generation = await storage.generation()
    assert {} == await storage.erasure.rows_of("4711")
    first, second, third = await storage.rows.export(await storage.jobs.get("old"), list)
    assert ({""}, {""}) == (set(first.cells), set(third.cells))
    assert "14711" in second.cells
    assert await storage.erasure.erase("14711", record)
    assert 3 == len({"", first_generation, await storage.generation()})


# Attempts and slots


async def test_a_slot_and_its_attempt_are_taken_together_or_not_at_all(storage: Storage, clock: Clock) -> None:
    await storage.jobs.create(job(), planned(2))
    first, second = await rows(storage)
    permit = await taken(storage, first)
    assert (1, 1000.0, "boot-1") == (permit.attempt.number, permit.taken_at, permit.attempt.boot)
    assert (2000.0, None) == await storage.attempts.take(second, Rule())
    (row, _) = await rows(storage)
    assert (permit.attempt,) == row.attempts
    assert (1, 1) == await calls(storage)
    assert [1000.0] == await storage.rate_limit.send_times("ledger", since=Monotonic(0.0))
    assert (Ledger(last_at=permit.taken_at), True) == await storage.rate_limit.ledger("ledger")


async def test_an_answer_settles_its_row_and_releases_its_slot_early(storage: Storage, clock: Clock) -> None:
    await storage.jobs.create(job(), planned(2))
    first, second = await rows(storage)
    permit = await taken(storage, first)
    answered = replace(permit.attempt, response_kind="removed", http_status=200, api_code="200", text="Done.")
    outcome = AttemptOutcome(answered, Status.REMOVED, "Zoho confirmed it.", learner="another")
    change = await storage.attempts.close(permit, outcome, Answered())
    used = Ledger(last_at=permit.taken_at)
    assert (used, replace(used, budget=8), 1) == (change.before, change.after, change.result)
    told, _ = await storage.rows.export(await storage.jobs.get("job"), list)
    assert (Status.REMOVED, 200, "200", 1) == (told.status, told.http_status, told.api_code, told.attempts)
    assert 1 == (await storage.jobs.get("job")).mismatched
    assert [told.finished_at] == await storage.rows.removal_times("job")
    clock.now = 1099.0
    assert (1100.0, None) == await storage.attempts.take(second, Rule())
    clock.now = 1101.0
    await taken(storage, second)


async def test_an_answer_never_holds_a_slot_for_longer_than_it_was_taken_for(storage: Storage, clock: Clock) -> None:
    await storage.jobs.create(job(), planned(2))
    first, second = await rows(storage)
    permit = await taken(storage, first)
    attempt = replace(permit.attempt, response_kind="removed")
    await storage.attempts.close(permit, AttemptOutcome(attempt, Status.REMOVED), Answered(released=Monotonic(5000.0)))
    clock.now = Rule().free_at + 1.0
    await taken(storage, second)


async def test_an_attempt_that_never_left_leaves_nothing_behind(storage: Storage) -> None:
    await storage.jobs.create(job(), planned(1))
    (first,) = await rows(storage)
    permit = await taken(storage, first)
    unused = AttemptOutcome(replace(permit.attempt, response_kind="never_sent"), RowState.PENDING, was_sent=False)
    await storage.attempts.close(permit, unused, Answered())
    (row,) = await rows(storage)
    assert () == row.attempts
    assert (0, 0) == await calls(storage)
    again = await taken(storage, row)
    assert 1 == again.attempt.number


async def test_a_caller_that_is_cancelled_while_it_takes_a_slot_leaves_neither(storage: Storage) -> None:
    await storage.jobs.create(job(), planned(1))
    (first,) = await rows(storage)
    for turns in range(6):
        taking = asyncio.ensure_future(storage.attempts.take(first, Rule()))
        for _ in range(turns):
            await asyncio.sleep(0)
        if taking.cancel():
            with pytest.raises(asyncio.CancelledError):
                await taking
            assert (0, 0) == await calls(storage)
            (row,) = await rows(storage)
            assert () == row.attempts


async def test_a_row_with_an_open_attempt_goes_first(storage: Storage) -> None:
    await storage.jobs.create(job(), planned(3))
    third = (await rows(storage))[2]
    permit = await taken(storage, third)
    first, *_ = await rows(storage)
    assert (2, (permit.attempt,)) == (first.position, first.attempts)


async def test_a_settled_row_never_changes_and_is_never_sent_again(storage: Storage) -> None:
    await storage.jobs.create(job(), planned(1))
    (row,) = await rows(storage)
    permit = await taken(storage, row)
    answered = AttemptOutcome(replace(permit.attempt, response_kind="forbidden", http_status=403), RowState.PENDING)
    await storage.attempts.close(permit, answered, Answered(released=Monotonic(0.0)))
    (row,) = await rows(storage)
    await storage.attempts.settle(row, Status.REFUSED, "No.")
    with pytest.raises(JournalFailed, match="settled already"):
        await storage.attempts.settle(row, Status.REMOVED, "Yes.")
    with pytest.raises(JournalFailed, match="settled already"):
        await storage.attempts.take(row, Rule())
    assert (1, 1) == await calls(storage)
    assert Tally({Status.REFUSED: 1}) == await storage.rows.tally("job")


async def test_after_a_reboot_the_ledger_is_made_safe_before_it_is_asked(storage: Storage, clock: Clock) -> None:
    await storage.jobs.create(job(), planned(2))
    first, second = await rows(storage)
    await taken(storage, first)
    clock.boot, clock.now = "boot-2", 10.0
    assert not (await storage.rate_limit.ledger("ledger"))[1]
    assert (60.0, None) == await storage.attempts.take(second, Rule())  # 50 s after the reboot at the latest
    assert (Ledger(Monotonic(10.0), last_at=Monotonic(1000.0)), True) == await storage.rate_limit.ledger("ledger")


async def test_the_day_s_cap_sees_when_the_call_before_it_left(storage: Storage) -> None:
    await storage.jobs.create(job(), planned(2))
    first, second = await rows(storage)
    await taken(storage, first)
    assert (None, 1e9 + 1000.0) == await storage.attempts.take(second, Rule(daily=1, allowed=9))
    assert isinstance(await storage.attempts.take(second, Rule(daily=2, allowed=9)), Permit)


async def test_a_read_takes_a_slot_and_counts_as_a_call(storage: Storage, clock: Clock) -> None:
    permit = await storage.reads.take("read-1", "list courses", Rule())
    assert isinstance(permit, ReadPermit)
    assert ("read-1", Monotonic(1000.0)) == (permit.key, permit.taken_at)
    assert (Monotonic(2000.0), None) == await storage.reads.take("read-2", "list courses", Rule())
    assert [Monotonic(1000.0)] == await storage.rate_limit.send_times("ledger", since=Monotonic(0.0))
    assert (1, 1) == await calls(storage)
    change = await storage.reads.close(permit, ReadOutcome("answered", 200), Answered())
    assert (8, 1) == (change.after.budget, change.result)
    clock.now = 1100.0
    assert isinstance(await storage.reads.take("read-3", "list courses", Rule()), ReadPermit)
    assert (None, 1e9 + 1000.0) == await storage.reads.take("read-4", "list courses", Rule(daily=2, allowed=9))


async def test_a_read_that_never_left_leaves_nothing(storage: Storage) -> None:
    permit = await storage.reads.take("read-1", "list courses", Rule())
    assert isinstance(permit, ReadPermit)
    await storage.reads.close(permit, ReadOutcome("never_sent", was_sent=False), Answered())
    assert (0, 0) == await calls(storage)
    await storage.jobs.create(job(), planned(1))
    await taken(storage, (await rows(storage))[0])


async def test_old_reads_are_deleted(storage: Storage) -> None:
    permit = await storage.reads.take("read-1", "list courses", Rule())
    assert isinstance(permit, ReadPermit)
    await storage.reads.close(permit, ReadOutcome("answered", 200), Answered())
    for before, left in ((Epoch(1e9), 1), (Epoch(2e9), 0)):
        await storage.reads.delete_old(reads_before=before, listings_before=before)
        assert left == (await calls(storage))[1]


async def test_a_listing_is_kept_for_its_client_and_host_until_it_is_too_old(storage: Storage) -> None:
    name, other = ListingName("client", "host", "courses"), ListingName("another", "host", "courses")
    await storage.reads.save_listing(name, "[1]", at=Epoch(100.0), since=Epoch(0.0))
    assert (100.0, "[1]") == await storage.reads.listing(name, since=Epoch(50.0), until=Epoch(200.0))
    assert None is await storage.reads.listing(other, since=Epoch(50.0), until=Epoch(200.0))
    assert None is await storage.reads.listing(name, since=Epoch(101.0), until=Epoch(200.0))
    assert None is await storage.reads.listing(name, since=Epoch(0.0), until=Epoch(99.0)), "from a clock that was ahead"
    await storage.reads.save_listing(name, "[2]", at=Epoch(110.0), since=Epoch(0.0))
    await storage.reads.save_listing(other, "[3]", at=Epoch(300.0), since=Epoch(200.0))
    assert None is await storage.reads.listing(name, since=Epoch(0.0), until=Epoch(999.0)), "deleted by a later one"
    await storage.reads.delete_old(reads_before=Epoch(0.0), listings_before=Epoch(400.0))
    assert None is await storage.reads.listing(other, since=Epoch(0.0), until=Epoch(999.0))


async def test_fields_that_were_seen_stay_beside_those_of_later_answers(storage: Storage) -> None:
    first, later_ = SeenField("a[].id", "text", Epoch(1.0)), SeenField("a[].id", "number", Epoch(2.0))
    other = SeenField("a[].name", "text", Epoch(1.0))
    await storage.reads.save_fields("client", "host", "list", [first, other])
    await storage.reads.save_fields("client", "host", "list", [later_])
    assert [later_, other] == await storage.reads.fields("client", "host", "list")
    for which in (("other", "host", "list"), ("client", "other", "list"), ("client", "host", "other")):
        assert [] == await storage.reads.fields(*which)


async def test_what_is_remembered_of_employees_is_of_one_client_and_forgets_people(storage: Storage) -> None:
    one, none = {"1": Epoch(90.0)}, dict[str, Epoch]()
    memory = LeaverMemory(7, Epoch(100.0), one, one, one, 8, Epoch(50.0), 3)
    assert None is await storage.leavers.memory("client", "host")
    await storage.leavers.remember("client", "host", memory)
    assert [memory, None] == [await storage.leavers.memory("client", host) for host in ("host", "other")]
    await storage.leavers.forget_people(before=Epoch(100.0))
    assert memory == await storage.leavers.memory("client", "host")
    await storage.leavers.forget_people(before=Epoch(101.0))
    assert replace(memory, asked=none, tried=none, listed=none) == await storage.leavers.memory("client", "host")
    await storage.leavers.remember("client", "host", memory)
    await storage.erasure.erase("478346000019558000", lambda rows: ACT)
    assert replace(memory, asked=none, tried=none, listed=none) == await storage.leavers.memory("client", "host")


async def test_a_job_s_first_call_after_a_moment_is_found(storage: Storage) -> None:
    await storage.jobs.create(job(), planned(1))
    await taken(storage, (await rows(storage))[0])
    assert [1e9 + 1000.0, None] == await storage.rows.first_call_after("job", [Epoch(1e9), Epoch(2e9)])


async def test_a_job_s_responses_are_counted_by_kind(storage: Storage) -> None:
    await storage.jobs.create(job(), planned(2))
    first, second = await rows(storage)
    permit = await taken(storage, first)
    attempt = replace(permit.attempt, response_kind="removed")
    await storage.attempts.close(permit, AttemptOutcome(attempt, Status.REMOVED), Answered())
    await taken(storage, second, Rule(allowed=9))  # it has none yet
    assert {"removed": 1} == await storage.rows.response_kinds("job")


# People, the audit log, nightly runs


async def test_users_and_tokens_change_together_with_their_audit_entries(storage: Storage) -> None:
    admin, preparer = Access.everywhere(Role.ADMIN), Access({"school": Role.PREPARER, "a.b": Role.APPROVER})
    assert await storage.users.add_user(User("jo", admin, Epoch(1.0)), "hash", ACT)
    assert not await storage.users.add_user(User("jo", preparer, Epoch(2.0)), "other", ACT)
    assert not await storage.users.add_user(User("JO", preparer, Epoch(2.0)), "other", ACT)
    assert UserCredentials("jo", admin, "hash") == await storage.users.credentials("Jo")
    assert await storage.users.set_password("jO", "another", ACT, one_time=True)
    assert UserCredentials("jo", admin, "another", one_time=True) == await storage.users.credentials("jo")
    assert not await storage.users.set_password("al", "another", ACT)
    assert await storage.users.set_access("JO", preparer, lambda before, after: None, ACT)
    assert not await storage.users.set_access("al", preparer, lambda before, after: None, ACT)
    token, other = (
        Token("t", "hr", preparer, "kim", Epoch(1.0), None),
        Token("o", "hr", preparer, "Jo", Epoch(1.0), None),
    )
    await storage.users.add_token(token, "digest", ACT)
    await storage.users.add_token(other, "other", ACT)
    assert ["jo", "token hr", "token hr"] == await storage.users.withdraw_account("a.b", ACT)
    assert [] == await storage.users.withdraw_account("a", ACT)
    token, (jo,) = replace(token, access=Access({"school": Role.PREPARER})), await storage.users.users()
    assert token.access == jo.access

    def refuse(before: Collection[User], after: Collection[User]) -> None:
        assert ([jo], []) == (before, after)
        raise UserError("no")

    with pytest.raises(UserError):
        await storage.users.remove_user("JO", refuse, ACT, at=Epoch(2.0))
    assert await storage.users.remove_user("JO", lambda before, after: None, ACT, at=Epoch(2.0))
    assert ([], None) == (await storage.users.users(), await storage.users.token_of("other"))
    assert token == await storage.users.token_of("digest")
    assert await storage.users.revoke_token("t", ACT, at=Epoch(3.0))
    assert await storage.users.token_of("digest") is None
    assert [2.0, 3.0] == [one.revoked_at for one in await storage.users.tokens()]
    assert 8 == (await storage.audit.verify()).entries


async def test_the_chain_of_the_audit_log_holds_over_many_pages(storage: Storage) -> None:
    await storage.audit.append(*[ACT] * 2100)
    checked = await storage.audit.verify()
    assert (2100, None) == (checked.entries, checked.broken)
    (last,) = await storage.audit.newest(1, EVERY_ACCOUNT)
    assert last.hash == checked.head


async def test_records_are_written_together_and_a_notice_once(storage: Storage) -> None:
    await storage.jobs.create(job(), planned())
    await storage.nightly.record_taken("digest", "f.csv", "1~f.csv", night="a", sandbox="", at=Epoch(1.0))
    notice = Notice("key", "subject", "body", None, Epoch(3.0), "a")
    records: list[Record] = [ACT, notice, replace(notice, subject="again"), IntakeResult("digest", "a", "", "job")]
    await storage.record(*records, JobEvent("job", EventName.LOCKED, "Wait.", Epoch(4.0)))
    assert [notice] == await storage.nightly.due_notices(notice.at, night="a")
    assert await storage.nightly.taken("digest", night="a", sandbox="sandbox") is None
    taken_before = await storage.nightly.taken("digest", night="a", sandbox="")
    assert taken_before is not None
    assert ("job", "") == (taken_before.job, taken_before.held)
    assert 1 == (await storage.jobs.get("job")).lockouts
    await storage.nightly.notice_failed(notice, had="one two", next_at=Epoch(60.0))
    assert [] == await storage.nightly.due_notices(Epoch(59.0), night="a")
    assert [(1, "one two")] == [
        (one.tries, one.had) for one in await storage.nightly.due_notices(Epoch(60.0), night="a")
    ]
    await storage.nightly.notice_sent(notice, at=Epoch(61.0))
    assert {} == await storage.nightly.waiting_notices()


async def test_nightly_runs_remember_their_date_and_the_sizes_of_their_jobs(storage: Storage) -> None:
    night = await storage.nightly.begin("2026-11-25", night="a", sandbox="", at=Epoch(1.0))
    await storage.nightly.end(night, "done", at=Epoch(2.0), is_good=True, clock_skew=2.5)
    assert NightlyRunRecord(Epoch(1.0), Epoch(2.0), "done", 2.5) == await storage.nightly.last(night="a", sandbox="")
    await storage.nightly.skip("2026-11-26", ACT, night="a", sandbox="", at=Epoch(3.0))
    night = await storage.nightly.begin("2026-11-27", night="a", sandbox="sandbox", at=Epoch(4.0))
    await storage.nightly.end(night, "goes_on", at=Epoch(5.0), is_good=True, clock_skew=None)
    for sandbox, last in (("", ("2026-11-26", 2.0)), ("sandbox", ("2026-11-27", 5.0)), ("127.0.0.1:1", (None, None))):
        assert last == (
            await storage.nightly.last_date(night="a", sandbox=sandbox),
            await storage.nightly.last_good(night="a", sandbox=sandbox),
        )
    own = replace(job(), origin=FrontEnd.NIGHTLY, night="a", confirmed_by="the nightly run", client="c")
    await storage.jobs.create(own, planned(7))

    async def sizes(client: str = "c", host: str = "h", before: float = 5.0, night_name: str = "a") -> list[int]:
        return await storage.nightly.sizes(client, host, night=night_name, before=Epoch(before), count=5)

    async def remove(name: str, count: int) -> None:
        for pending_row in (await rows(storage, name))[:count]:
            permit = await taken(storage, pending_row, Rule(allowed=99))
            await storage.attempts.close(permit, AttemptOutcome(permit.attempt, Status.REMOVED), Answered())
        await storage.jobs.end(name, lambda tally: end(JobState.FINISHED))

    assert [] == await sizes()
    await remove("job", 3)
    assert [3] == await sizes(), "those who were removed, not those who were planned"
    assert [[], [], []] == [await sizes(client="other"), await sizes(host="other"), await sizes(before=1.0)]
    assert [] == await sizes(night_name="b"), "what another night removed is no baseline"
    for _ in range(2):
        await storage.erasure.delete_rows("job")
        assert [3] == await sizes(), "the second time there are no rows to count"
    assert await storage.jobs.newest_nightly("other", "h", night="a", now=Epoch(9.0)) is None
    assert await storage.jobs.newest_nightly("c", "h", night="b", now=Epoch(9.0)) is None
    newest = await storage.jobs.newest_nightly("c", "h", night="a", now=Epoch(9.0))
    assert newest is not None
    assert "job" == newest.id
    await storage.nightly.begin("2026-11-27", night="a", sandbox="", at=Epoch(4.0))
    for number, (at, count) in enumerate([(1.5, 2), (4.5, 1), (4.6, 4), (3.5, 0), (0.5, 6), (0.6, 7)]):
        made = replace(own, id=f"job-{number}", created_at=Epoch(at))
        others = [replace(row, removal=Removal(str(number), "2", row.row.cells[2])) for row in planned(7)]
        await storage.jobs.create(made, others)
        await remove(made.id, count)
    assert [5, 5, 7, 6] == await sizes(), "by run; jobs from before the first run known count each for itself"


async def test_nights_know_nothing_of_each_other(storage: Storage) -> None:
    await storage.jobs.create(job(), planned())
    for night, at in (("a", 1.0), ("b", 2.0)):
        run = await storage.nightly.begin(f"2026-11-2{at:.0f}", night=night, sandbox="", at=Epoch(at))
        await storage.nightly.end(run, "done", at=Epoch(at), is_good=True, clock_skew=None)
        await storage.nightly.record_taken("digest", f"{night}.csv", "1~f.csv", night=night, sandbox="", at=Epoch(at))
        await storage.record(Notice("key", night, "body", None, Epoch(at), night))
    await storage.record(IntakeResult("digest", "a", "", "job", "held"))
    for night, date, held in (("a", "2026-11-21", "held"), ("b", "2026-11-22", "")):
        assert date == await storage.nightly.last_date(night=night, sandbox="")
        taken_before = await storage.nightly.taken("digest", night=night, sandbox="")
        assert taken_before is not None
        assert (f"{night}.csv", held) == (taken_before.name, taken_before.held)
        assert [night] == [one.subject for one in await storage.nightly.due_notices(Epoch(9.0), night=night)]
    (of_a,) = await storage.nightly.due_notices(Epoch(9.0), night="a")
    await storage.nightly.notice_sent(of_a, at=Epoch(9.0))
    assert {"b": 1} == await storage.nightly.waiting_notices()


async def test_a_row_whose_removal_another_job_has_settled_gets_no_slot(storage: Storage) -> None:
    for name, client in (("mine", "c"), ("other", "c"), ("stranger", "d")):
        await storage.jobs.create(replace(job(name), client=client, planned_at=Epoch(5.0)), planned(2))
    mine, _ = await rows(storage, "mine")
    other, _ = await rows(storage, "other")
    stranger, _ = await rows(storage, "stranger")
    permit = await taken(storage, other, Rule(allowed=9))
    await storage.attempts.close(permit, AttemptOutcome(permit.attempt, Status.REMOVED), Answered())
    assert DoneElsewhere("other", mine.number, Status.REMOVED) == await storage.attempts.take(mine, Rule(allowed=9))
    assert isinstance(await storage.attempts.take(stranger, Rule(allowed=9)), Permit)
    for client, host, organization in (("c", "h", "acme"), ("d", "h", "other"), ("e", "g", "acme")):
        await storage.jobs.set_organization(client, host, organization)
    _, stranger = await rows(storage, "stranger")
    assert isinstance(await storage.attempts.take(stranger, Rule(allowed=9)), Permit), "another organisation's"
    await storage.jobs.set_organization("d", "h", "acme")
    await storage.jobs.create(replace(job("sibling"), client="d", planned_at=Epoch(5.0)), planned(1))
    (sibling,) = await rows(storage, "sibling")
    done = DoneElsewhere("other", mine.number, Status.REMOVED)
    assert done == await storage.attempts.take(sibling, Rule(allowed=9)), "another client of its organisation"
    await storage.jobs.create(replace(job("foreign"), client="d", account="b", planned_at=Epoch(5.0)), planned(1))
    (foreign,) = await rows(storage, "foreign")
    done = DoneElsewhere("", mine.number, Status.REMOVED)
    assert done == await storage.attempts.take(foreign, Rule(allowed=9)), "not named to another account"
    late = replace(job("late"), client="c", planned_at=Epoch(1e12))
    await storage.jobs.create(late, planned(1))
    (later_row,) = await rows(storage, "late")
    assert isinstance(await storage.attempts.take(later_row, Rule(allowed=9)), Permit), "planned after that"


# Claims


async def test_a_claim_is_held_by_one_at_a_time(storage: Storage, another: Open) -> None:
    other = another()
    async with storage.claims.hold("job"):
        with pytest.raises(JobBusy, match=f"pid {os.getpid()}"):
            async with other.claims.hold("job"):
                pass
        holder = await other.claims.holder("job")
        assert holder is not None
        assert os.getpid() == holder.pid
        assert {"job": holder} == await other.claims.holders()
    assert await storage.claims.holder("job") is None
    async with other.claims.hold("job"):
        pass


async def test_a_request_reaches_the_present_holder_and_no_later_one(storage: Storage, another: Open) -> None:
    other, pause = another(), StopRequest(StopAction.PAUSE, "jo", Epoch(5.0))
    cancel = StopRequest(StopAction.CANCEL, "kim", Epoch(6.0))
    async with storage.claims.hold("job"):
        assert await storage.claims.stop_request("job") is None
        for request in (pause, cancel, pause):  # the last one would weaken it
            await other.claims.request_stop("job", request, ACT)
        assert cancel == await storage.claims.stop_request("job")
    async with storage.claims.hold("job"):
        assert await storage.claims.stop_request("job") is None
    assert 3 == len(await storage.audit.newest(10, EVERY_ACCOUNT))


def test_a_claim_outlives_the_event_loop_in_which_it_was_taken(storage: Storage, another: Open) -> None:
    """The command line stores a job in one loop and runs it in the next; nobody may take it in between."""
    other, claim = another(), storage.claims.hold("job")
    asyncio.run(claim.__aenter__())

    async def take() -> None:
        async with other.claims.hold("job"):
            pass

    with pytest.raises(JobBusy):
        asyncio.run(take())
    asyncio.run(claim.__aexit__(None, None, None))
    asyncio.run(take())


async def test_asking_who_holds_a_claim_refuses_nobody_who_starts(storage: Storage, another: Open) -> None:
    other, ended = another(), asyncio.Event()

    async def look() -> None:
        while not ended.is_set():
            await other.claims.holder("job")

    looking, starts = [asyncio.ensure_future(look()) for _ in range(4)], 0
    for _ in range(100):
        async with storage.claims.hold("job"):
            starts += 1
            await asyncio.sleep(0)
    assert 100 == starts
    ended.set()
    await asyncio.gather(*looking)


async def test_a_wording_is_accepted_on_its_evidence_and_withdrawn_by_a_note_of_its_client(storage: Storage) -> None:
    wording = Wording(200, "200", "Learner removed")
    one = replace(job(), client="c", accepted_wordings=(wording,))
    await storage.jobs.create(one, planned(2))
    assert (wording,) == (await storage.jobs.get("job")).accepted_wordings
    for row in await rows(storage):
        permit = await taken(storage, row, Rule(allowed=9))
        attempt = replace(permit.attempt, response_kind="other_wording", http_status=200, api_code="200")
        outcome = AttemptOutcome(replace(attempt, text=wording.message), Status.UNKNOWN)
        await storage.attempts.close(permit, outcome, Answered())
    assert await storage.rows.add_note("job", 2, Note(Epoch(2e9), "jo", "", LookupResult.GONE))
    (evidence,) = await storage.wordings.evidence_of_job("job")
    assert WordingEvidence("c", "h", wording, 2, "jo", True, 2, "") == evidence
    seen: list[WordingEvidence | None] = []

    def decide(found: WordingEvidence | None) -> tuple[AcceptedWording, list[Act]]:
        seen.append(found)
        if found is None or not found.gone_by:
            raise ConsentMissing("No.")
        return AcceptedWording("c", "h", wording, Epoch(3.0), "kim", "job"), [ACT]

    for number in (3, 9):  # nobody looked the one up, the other does not exist
        with pytest.raises(ActionRefused):
            await storage.wordings.accept("job", number, decide)
    assert ("", None) == (seen[0] and seen[0].gone_by, seen[1])
    assert [] == await storage.audit.newest(5, EVERY_ACCOUNT)
    accepted = await storage.wordings.accept("job", 2, decide)
    assert accepted == await storage.wordings.accept("job", 2, decide)
    assert 1 == len(await storage.audit.newest(5, EVERY_ACCOUNT))
    assert ([accepted], []) == (
        await storage.wordings.accepted("c", "h"),
        await storage.wordings.accepted("another", "h"),
    )
    assert await storage.wordings.withdraw(accepted.number, "jo withdrew it", ACT)
    assert not await storage.wordings.withdraw(accepted.number, "jo withdrew it", ACT)
    again = await storage.wordings.accept("job", 2, decide)
    assert again.number > accepted.number
    assert await storage.rows.add_note("job", 3, Note(Epoch(2e9), "jo", "", LookupResult.STILL_THERE))
    assert [] == await storage.wordings.all()
    assert ["row 3 of job job"] == [one.still_there for one in await storage.wordings.evidence_of_job("job")]


async def test_a_wording_that_is_withdrawn_before_the_answer_is_written_proves_nothing(storage: Storage) -> None:
    wording = Wording(200, "200", "Learner removed")
    await storage.jobs.create(replace(job(), client="c"), planned(3))
    first, second, third = await rows(storage)

    async def answered(row: PendingRow, kind: str, state: Status) -> None:
        permit = await taken(storage, row, Rule(allowed=9))
        attempt = replace(permit.attempt, response_kind=kind, http_status=200, api_code="200", text=wording.message)
        await storage.attempts.close(permit, AttemptOutcome(attempt, state, "Accepted."), Answered())

    await answered(first, "other_wording", Status.UNKNOWN)
    accepted = await storage.wordings.accept(
        "job", 2, lambda found: (AcceptedWording("c", "h", wording, Epoch(3.0), "kim", "job"), [])
    )
    await answered(second, "accepted_wording", Status.REMOVED)
    before = [row.status for row in await search(storage, await storage.jobs.get("job"), None)]
    assert Status.REMOVED in before
    await storage.wordings.withdraw(accepted.number, "jo withdrew it", ACT)
    await answered(third, "accepted_wording", Status.REMOVED)
    found = await search(storage, await storage.jobs.get("job"), None)
    assert [Status.UNKNOWN] * 3 == [row.status for row in found]
    assert found[1].detail == found[2].detail, "as if it had been withdrawn a moment later"


async def test_jobs_totals_and_entries_are_those_of_the_accounts_that_are_asked_for(storage: Storage) -> None:
    own, nobodys, all_of_them = AccountSet.only("a"), AccountSet(), EVERY_ACCOUNT
    for name, account in (("mine", "a"), ("other", "b")):
        made = replace(job(name), account=account, options={"idempotency_key": "k"}, plan_hash=f"hash of {name}")
        await storage.jobs.create(made, planned(2), Act("jo", AuditAct.CONFIRMED, {"job": name}, Epoch(1.0)))
        await storage.audit.append(Act("jo", AuditAct.UPLOADED, {"account": account}, Epoch(1.0)))
    await storage.audit.append(Act("jo", AuditAct.SIGNED_IN, {"role": "admin@a"}, Epoch(1.0)))
    assert [["mine"], [], ["mine", "other"]] == [
        sorted(one.id for one in await storage.jobs.page(accounts=accounts)) for accounts in (own, nobodys, all_of_them)
    ]
    assert [{"pending": 2}, {}, {"pending": 4}] == [
        (await storage.jobs.counts("h", accounts))[0] for accounts in (own, nobodys, all_of_them)
    ]
    assert [["uploaded", "confirmed"], [], 5] == [
        [entry.act for entry in await storage.audit.newest(9, own)],
        await storage.audit.newest(9, nobodys),
        len(await storage.audit.newest(9, all_of_them)),
    ]
    for accounts, plan_hash, found in (
        (own, "hash of other", "mine"),
        (nobodys, "hash of mine", None),
        (all_of_them, "hash of other", "other"),
        (all_of_them, "hash of mine", "mine"),
    ):
        known = await storage.jobs.by_idempotency_key("k", plan_hash, accounts)
        assert found == (known and known.id)
    assert ["a", "b"] == await storage.jobs.accounts()
