"""Reads of Zoho People: each shape of its answers is read whole or refused, and each call counts for the limit."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkremove.app import App, SandboxOptions
from bulkremove.app.listings import OpenListings
from bulkremove.config import Settings
from bulkremove.domain.attempt import Reply
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import BulkremoveError, NeverSent, NotAuthorized, ReadFailed
from bulkremove.domain.ids import is_id
from bulkremove.domain.operation import GET_BATCH, LIST_COURSES, READS, REMOVE_LEARNER, Call
from bulkremove.sandbox.faults import READ_SHAPES
from bulkremove.zoho.client import ZohoClient
from bulkremove.zoho.fields import fields_of
from bulkremove.zoho.listings import batch_in, batches_in, courses_in, employees_in, enrolments_in, learners_in
from bulkremove.zoho.read_response import ReadKind, parse_read
from tests.test_client import http, server

COURSE, BATCH = "478346000019501001", "478346000019502001"
COUNT = 30
"""Learners of the batch: two pages."""


def learner(index: int) -> str:
    return str(478346000019558000 + index)


def world(
    folder: Path, *, reads: Sequence[str] = (), scope: str = "ZOHOPEOPLE.training.ALL", count: int = COUNT
) -> Path:
    people = [
        {
            "learnerId": learner(i),
            "name": f"Learner {i:04}",
            "email": f"learner{i:04}@example.com",
            "employeeId": f"E{i:04}",
            "erecno": f"47834600000200{i:04}",
            "progress": 100 if i % 2 else 40,
        }
        for i in range(count)
    ]
    tree = {
        "organisation": "Sandbox Ltd",
        "client": {"client_id": "sandbox", "client_secret": "s", "refresh_token": "r", "scope": scope},
        "courses": [{"courseId": COURSE, "name": "Fire safety"}],
        "batches": [{"courseId": COURSE, "batchId": BATCH, "name": "Spring", "learners": people}],
        "faults": {"reads": [*reads]},
    }
    path = folder / "read-world.json"
    path.write_text(json.dumps(tree))
    return path


@asynccontextmanager
async def opened(
    folder: Path, *, is_fresh: bool = False, speed: float = 300.0, **of_world: Any
) -> AsyncIterator[OpenListings]:
    app = App(Settings(folder / "home"), environ={}, sandbox=SandboxOptions(world(folder, **of_world), speed))
    with closing(app):
        async with app.listings.open(is_fresh=is_fresh) as lists:
            yield lists


def journal(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "home" / "journal.db")) as connection:
        return connection.execute(query).fetchall()


# --- what is read --------------------------------------------------------------------------------------------


async def test_courses_batches_and_a_roster_are_read_to_their_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as lists:
        assert ["Fire safety"] == [course.name for course in await lists.courses("fire")]
        assert [] == await lists.courses("nothing like it")
        assert [(BATCH, "Spring", COUNT)] == [(one.id, one.name, one.learners) for one in await lists.batches(COURSE)]
        roster = await lists.roster(COURSE, BATCH)
    assert roster.is_complete
    assert [learner(i) for i in range(COUNT)] == [one.id for one in roster.learners]
    assert ("Learner 0001", "learner0001@example.com", "E0001", "100") == (
        roster.learners[1].name,
        roster.learners[1].email,
        roster.learners[1].employee_id,
        roster.learners[1].progress,
    )


WHOLE = {
    "few",
    "learner_ids",
    "nested",
    "no_count",
    "numbers",
    "without_inactive",
    "without_records",
    "wrapped",
    "bare_list",
}
"""Shapes of the list of learners from which the whole roster is read."""
WHY_NOT = {
    "cut": "can't be read",
    "empty": "lists no learner",
    "empty_object": "holds no list",
    "failed": "can't be read",
    "ignored_index": "the same 25 records again",
    "no_records": "lists no learner",
    "record_numbers": "no learner ids",
    "scope_403": "ZOHOPEOPLE.training.READ",
    "two_lists": "more than one list",
    "html_200": "Something other than Zoho People",
    "500": "did not answer",
    "truncated": "did not answer",
    "empty_200": "can't be read",
    "202": "can't be read",
    "null": "can't be read",
    "403": "forbids",
    "301": "Something other",
    "unknown_json": "holds no list",
    "wrong_data_centre": "another data centre",
}


def test_every_shape_of_the_sandbox_is_tried() -> None:
    assert READ_SHAPES == WHOLE | (WHY_NOT.keys() & READ_SHAPES) | {"short"}


@pytest.mark.parametrize("shape", sorted(WHOLE))
async def test_a_roster_of_any_known_shape_is_read_whole(tmp_path: Path, shape: str) -> None:
    async with opened(tmp_path, reads=["ok", shape]) as lists:
        roster = await lists.roster(COURSE, BATCH)
    assert [learner(i) for i in range(COUNT)] == [one.id for one in roster.learners]


@pytest.mark.parametrize("shape", sorted(WHY_NOT))
async def test_any_other_answer_is_refused_in_words_and_is_never_nobody(tmp_path: Path, shape: str) -> None:
    async with opened(tmp_path, reads=["ok", shape]) as lists:
        with pytest.raises((ReadFailed, NotAuthorized)) as refused:
            await lists.roster(COURSE, BATCH)
    assert WHY_NOT[shape] in str(refused.value)
    assert [] == journal(tmp_path, "SELECT * FROM listing")


async def test_a_page_that_fails_refuses_those_before_it_too(tmp_path: Path) -> None:
    async with opened(tmp_path, reads=["ok", "ok", "cut"]) as lists:
        with pytest.raises(ReadFailed):
            await lists.roster(COURSE, BATCH)


async def test_a_roster_that_is_shorter_than_zoho_counts_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path, reads=["ok", "short"]) as lists:
        roster = await lists.roster(COURSE, BATCH)
    assert not roster.is_complete
    assert len(roster.learners) < COUNT == roster.batch.learners


async def test_a_batch_whose_learners_zoho_does_not_count_is_never_known_to_be_whole(tmp_path: Path) -> None:
    async with opened(tmp_path, reads=["no_count", "ok"]) as lists:
        roster = await lists.roster(COURSE, BATCH)
    assert (COUNT, False) == (len(roster.learners), roster.is_complete)
    async with opened(tmp_path, is_fresh=True, reads=["no_count", "empty"]) as lists:
        with pytest.raises(ReadFailed, match="does not say how many"):
            await lists.roster(COURSE, BATCH)


async def test_a_batch_without_learners_has_an_empty_roster(tmp_path: Path) -> None:
    async with opened(tmp_path, count=0) as lists:
        roster = await lists.roster(COURSE, BATCH)
    assert (True, ()) == (roster.is_complete, roster.learners)


async def test_a_scope_that_is_missing_is_named_and_costs_removals_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path, scope=REMOVE_LEARNER.scopes[0]) as lists:
        with pytest.raises(NotAuthorized, match=r"ZOHOPEOPLE\.training\.READ is missing.*Removals don't need it"):
            await lists.courses("")


async def test_a_token_that_is_used_up_is_renewed_once(tmp_path: Path) -> None:
    async with opened(tmp_path, reads=["expired_token", "ok"]) as lists:
        assert 1 == len(await lists.courses(""))
    async with opened(tmp_path, is_fresh=True, reads=["401"]) as lists:
        with pytest.raises(NotAuthorized, match="new access token too"):
            await lists.courses("")


async def test_the_fields_of_an_account_s_answers_are_shown_without_a_value(tmp_path: Path) -> None:
    async with opened(tmp_path, reads=["ok", "ok", "ok", "record_numbers"]) as lists:
        shown = await lists.fields(COURSE, BATCH)
    assert [one.name for one in READS[:4]] == [one.operation.name for one in shown]
    assert "number" == shown[2].fields["batch.learnersCount"]
    assert "text" == shown[3].fields["learners[].emailId"]
    assert ["", "", ""] == [one.problem for one in shown[:3]]
    assert "no learner ids" in shown[3].problem
    told = str([one.fields for one in shown])
    assert not any(personal in told for personal in ("Learner 0", "example.com", "4783", "E0001"))


@pytest.mark.parametrize("limit", ["422", "429", "limit_text_502"])
async def test_a_limit_that_a_read_meets_locks_the_account_and_the_next_read_is_not_made(
    tmp_path: Path, limit: str
) -> None:
    async with opened(tmp_path, reads=[limit, "ok"]) as lists:
        for _ in range(2):
            with pytest.raises(ReadFailed, match=r"has locked (the account|these calls)"):
                await lists.courses("")
    assert 1 == len(journal(tmp_path, "SELECT * FROM read"))
    ((suspension,),) = journal(tmp_path, "SELECT suspension FROM ledger")
    assert "locked" == json.loads(suspension)["reason"]


@pytest.mark.parametrize(("fault", "held"), [("ok", 61.1), ("reset", 121.1), ("500", 61.1)])
async def test_a_read_without_an_answer_keeps_its_slot_longer(tmp_path: Path, fault: str, held: float) -> None:
    async with opened(tmp_path, reads=[fault]) as lists:
        with suppress(ReadFailed):
            await lists.courses("nothing")
    ((seconds,),) = journal(tmp_path, "SELECT free_mono - taken_mono FROM slot LIMIT 1")
    assert held <= seconds < held + 59.0, "the answer itself takes some"


# --- what is kept --------------------------------------------------------------------------------------------


async def test_a_listing_is_used_again_for_its_time_and_no_longer(tmp_path: Path) -> None:
    async with opened(tmp_path) as lists:
        first = await lists.courses("")
        calls = len(journal(tmp_path, "SELECT * FROM read"))
        assert first == [*await lists.courses("")]
    assert calls == len(journal(tmp_path, "SELECT * FROM read"))
    with closing(sqlite3.connect(tmp_path / "home" / "journal.db", isolation_level=None)) as connection:
        connection.execute("UPDATE listing SET made_at = made_at - 901")
    async with opened(tmp_path) as lists:
        await lists.courses("")
    assert calls < len(journal(tmp_path, "SELECT * FROM read"))


async def test_the_learner_who_is_erased_is_in_no_listing(tmp_path: Path) -> None:
    app = App(Settings(tmp_path / "home"), environ={}, sandbox=SandboxOptions(world(tmp_path), 300.0))
    with closing(app):
        async with app.listings.open() as lists:
            await lists.roster(COURSE, BATCH)
        assert learner(3) in journal(tmp_path, "SELECT records FROM listing")[0][0]
        erasure = await app.retention.find_learner(learner(3))
        assert erasure.texts
        assert [] == await app.retention.forget(erasure, by="kim")
    assert [] == journal(tmp_path, "SELECT * FROM listing")
    assert learner(3).encode() not in (tmp_path / "home" / "journal.db").read_bytes()


# --- the call itself -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        Call(REMOVE_LEARNER, ("1", "2", "3")),
        Call(GET_BATCH, ("1", "..")),
        Call(GET_BATCH, ("1", "2"), (("startIndex", "1"),)),
        Call(LIST_COURSES, (), (("delete", "1"),)),
    ],
)
async def test_a_client_for_reads_makes_no_other_call(call: Call) -> None:
    async with server(http("200 OK", b"{}")) as (base, seen):
        client = ZohoClient(base, operations=READS)

        async def never() -> None:
            raise AssertionError("it was admitted")

        try:
            with pytest.raises(NeverSent):
                await client.send(call, never)
        finally:
            await client.close()
    assert [] == seen


def test_reads_change_nothing() -> None:
    assert {"GET"} == {operation.method for operation in READS}
    assert not any("ZOHOPEOPLE.training.DELETE" in operation.scopes for operation in READS)


# --- bodies that nobody has seen -----------------------------------------------------------------------------

IDS = st.integers(1, 10**18).map(str)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | IDS
AROUND = [
    "learners",
    "courses",
    "batches",
    "batch",
    "result",
    "response",
    "data",
    "learner",
    "code",
    "message",
    "errors",
]
FIELDS = ["courseId", "courseName", "batchId", "name", "learnersCount", "learnerId", "learner_id", "erecno", "emailId"]
NAMES = st.sampled_from([*FIELDS, *AROUND, "courseProgress", "972601000000317016"])
BODIES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=20
)


@pytest.mark.parametrize("body", [{"courses": []}, {"code": "7024", "message": "No records found"}])
def test_a_list_from_a_cache_is_not_read(body: object) -> None:
    reply = Reply(200, json.dumps(body).encode(), age=42)
    response = parse_read(reply, now=Epoch(0.0))
    assert (ReadKind.UNREADABLE, None) == (response.kind, response.tree)
    assert "from a cache" in response.response.text
    assert ReadKind.UNREADABLE is not parse_read(replace(reply, age=0), now=Epoch(0.0)).kind


@given(body=BODIES, status=st.sampled_from([200, 200, 200, 400, 404]))
def test_whatever_body_comes_is_read_or_refused(body: object, status: int) -> None:
    response = parse_read(Reply(status, json.dumps(body).encode()), now=Epoch(0.0))
    if response.tree is None:
        return
    assert response.kind is ReadKind.ANSWERED
    fields_of(response.tree)
    for parse in (
        courses_in,
        lambda tree: batches_in(tree, COURSE),
        lambda tree: [batch_in(tree, COURSE, BATCH)],
        lambda tree: learners_in(tree, COURSE, BATCH),
        lambda tree: [replace(one, batch="") for one in enrolments_in(tree, "1")],
        employees_in,
    ):
        try:
            records: Any = parse(response.tree)
        except BulkremoveError:
            continue
        assert all(is_id(record.id.removesuffix("/")) for record in records)
        assert all(record.id.removesuffix("/") in json.dumps(body) for record in records)


RECORDS = st.lists(
    st.fixed_dictionaries({"learnerId": IDS}, optional={"erecno": IDS, "emailId": st.emails()}), max_size=6
)


@given(records=RECORDS, as_numbers=st.booleans(), name=st.sampled_from(["learners", "courseProgress", "result"]))
def test_every_learner_of_a_list_is_read_with_every_digit(
    records: list[dict[str, str]], as_numbers: bool, name: str
) -> None:
    sent = [{**one, "learnerId": int(one["learnerId"]) if as_numbers else one["learnerId"]} for one in records]
    tree = parse_read(Reply(200, json.dumps({"code": 200, name: sent}).encode()), now=Epoch(0.0)).tree
    assert tree is not None
    assert [one["learnerId"] for one in records] == [one.id for one in learners_in(tree, COURSE, BATCH)]


@given(
    records=RECORDS.filter(bool), place=st.integers(0, 5), damage=st.sampled_from(["4.78E+17", "", None, "x1", "01"])
)
def test_one_record_without_an_id_refuses_the_whole_list(
    records: list[dict[str, str]], place: int, damage: str | None
) -> None:
    sent: list[dict[str, object]] = [{**one} for one in records]
    sent[place % len(sent)]["learnerId"] = damage
    tree = parse_read(Reply(200, json.dumps({"learners": sent}).encode()), now=Epoch(0.0)).tree
    assert tree is not None
    with pytest.raises(ReadFailed):
        learners_in(tree, COURSE, BATCH)


def test_two_addresses_of_one_person_that_differ_are_refused() -> None:
    body = {"learners": [{"learnerId": "7", "emailId": "a@example.com", "email": "b@example.com"}]}
    tree = parse_read(Reply(200, json.dumps(body).encode()), now=Epoch(0.0)).tree
    assert tree is not None
    with pytest.raises(ReadFailed, match="differ"):
        learners_in(tree, COURSE, BATCH)
