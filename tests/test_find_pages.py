"""The page's ways to people without a file of ids: choose them in Zoho's lists, or let Zoho be asked for the ids."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from bulkremove.app import Preview
from bulkremove.app.chosen_people import HEADER, chosen
from bulkremove.app.enrolment_checks import EnrolmentChecks
from bulkremove.app.listings import OpenListings
from bulkremove.domain.clock import Epoch
from bulkremove.domain.listing import Roster
from bulkremove.domain.permissions import EVERY_ACCOUNT, Access, Role
from bulkremove.domain.row import Status
from bulkremove.web import find_pages, uploads
from bulkremove.web.lookups import MAX_ROSTER_LOOKUPS
from bulkremove.web.security import MAX_REQUESTS_OF_PERSON
from tests.test_enrolment_check import leavers, roster
from tests.test_reads import BATCH, COUNT, COURSE, learner, world
from tests.web_fixtures import Reply, RunningSite, Visitor, running_site, triples, until

LIST = f"/find/{COURSE}/{BATCH}"


def box(index: int, batch: str = BATCH) -> str:
    """The value of the box of a learner."""
    return f"{batch}-{learner(index)}"


@asynccontextmanager
async def site_of(tmp_path: Path, *, settings: dict[str, object] | None = None, **of_world: Any) -> AsyncIterator[
    tuple[RunningSite, Visitor]
]:  # fmt: skip
    options: dict[str, Any] = {"canary": "live", **(settings or {})}
    async with (
        running_site(tmp_path / "home", world=world(tmp_path, **of_world), speed=100.0, **options) as one,
        one.visitor() as visitor,
    ):
        yield one, visitor


async def listed(visitor: Visitor, path: str = LIST) -> Reply:
    """The page of the learners of a batch once they were read."""
    shown = await visitor.get(path)

    async def is_over() -> bool:
        nonlocal shown
        shown = await visitor.get(path)
        return 'id="lookup"' not in shown.text

    if 'id="lookup"' in shown.text:
        await until(is_over)
    return shown


async def looked_up(visitor: Visitor, plan: Reply) -> Reply:
    """The page of an upload once its lookup has ended."""

    async def is_over() -> bool:
        return "HX-Refresh" in (await visitor.get(f"{plan.url}/lookup")).headers

    await until(is_over)
    return await visitor.get(plan.url)


async def removed(one: RunningSite, plan: Reply, visitor: Visitor) -> list[str]:
    """The statuses of the rows of the job that a plan becomes, once it has ended."""
    job_page = await visitor.confirm(plan)
    job = job_page.url.rpartition("/")[2]

    async def is_over() -> bool:
        return (await one.app.jobs.find(job)).state.is_over

    await until(is_over)
    outcomes, _ = await one.app.reports.page(await one.app.jobs.find(job), status=None, text="", page=1)
    return [outcome.status.value for outcome in outcomes]


# --- choosing people -----------------------------------------------------------------------------------------


async def test_from_a_course_s_title_and_addresses_to_a_confirmed_removal(tmp_path: Path) -> None:
    async with site_of(tmp_path) as (one, visitor):
        start = await visitor.get("/")
        assert 'href="/find"' in start.text
        courses = await visitor.get("/find?q=fire")
        assert f"/find/{COURSE}" in courses.text
        batches = await visitor.get(f"/find/{COURSE}")
        assert (True, True) == (LIST in batches.text, f"{COUNT} learners" in batches.text)
        learners = await listed(visitor)
        assert COUNT == learners.text.count('name="learner"')
        plan = await visitor.post(
            LIST, learner=box(0), people="LEARNER0001@example.com\nE0002, learner0001@example.com"
        )
        assert "Would be removed</dt><dd>3<" in plan.text
        assert "has completed the course" in plan.text
        assert ["removed"] * 3 == await removed(one, plan, visitor)
        acts = [entry.act for entry in await one.app.audit.newest(20, EVERY_ACCOUNT)]
        assert {"roster", "chose"} <= {*acts}


async def test_people_who_were_chosen_are_not_told_of_a_file(tmp_path: Path) -> None:
    async with site_of(tmp_path) as (_, visitor):
        plan = await visitor.post(LIST, learner=box(0), people="nobody@example.com")
        assert ("ids are from Zoho" in plan.text, "Learner 0000" in plan.text) == (True, True)
        for words in ("file", "column", "Ids are read from"):
            assert words not in re.sub("<[^>]*>", " ", plan.text.partition("<main")[2]), words


async def test_an_address_that_nobody_has_is_an_invalid_row_and_no_one_is_guessed(tmp_path: Path) -> None:
    async with site_of(tmp_path) as (_, visitor):
        plan = await visitor.post(LIST, people="Learner <learner0001@example.com>\nlearner00@example.com")
        assert "is the e-mail address or employee id of no learner in this batch" in plan.text
        assert "learner00@example.com" in (await visitor.get(f"{plan.url}/plan.csv")).text, "a row has no number here"
        assert "Would be removed</dt><dd>1<" in plan.text
        nobody = await visitor.post(LIST, people=" \n ")
        assert (400, True) == (nobody.status, "Nobody was chosen" in nobody.text)


async def test_all_batches_of_a_course_are_one_list(tmp_path: Path) -> None:
    async with site_of(tmp_path) as (_, visitor):
        assert COUNT == (await listed(visitor, f"/find/{COURSE}/all")).text.count('name="learner"')


async def test_what_zoho_refuses_is_told_on_the_page_and_nobody_is_removed(tmp_path: Path) -> None:
    async with site_of(tmp_path, reads=["scope_403"]) as (_, visitor):
        assert "ZOHOPEOPLE.training.READ" in (await visitor.get("/find?q=fire")).text
        assert 404 == (await visitor.get("/find/..%2F1")).status
        assert 404 == (await visitor.get(f"/find/{COURSE}/x")).status


def test_two_learners_with_one_address_and_a_list_that_may_not_be_whole_match_nobody() -> None:
    twice = [roster(1), roster(1, batch="9")]
    assert [Status.INVALID] == [
        one.status for one in chosen(twice, [], ["ann1@example.com"], source="x").settled.values()
    ]
    short = chosen([roster(1, counted=2)], [], ["ann1@example.com"], source="x")
    assert "may not be whole" in short.settled[0].detail
    ticked = chosen([roster(1, counted=2)], [(BATCH, roster(1).learners[0].id)], [], source="x")
    assert (1, {}, HEADER) == (len(ticked), ticked.settled, ticked.header)


async def test_lists_that_nobody_waits_for_any_more_do_not_keep_a_person_from_the_page(tmp_path: Path) -> None:
    file = world(tmp_path, count=1000)
    async with running_site(tmp_path / "home", world=file, speed=1.0) as one, one.visitor() as visitor:
        for _ in range(MAX_REQUESTS_OF_PERSON + 1):
            with suppress(TimeoutError):
                await asyncio.wait_for(visitor.get(LIST), 0.3)
        assert 200 == (await asyncio.wait_for(visitor.get("/"), 5.0)).status


async def test_a_long_list_is_read_in_the_background_and_the_page_says_how_far_it_is(tmp_path: Path) -> None:
    file = world(tmp_path, count=1000)
    async with running_site(tmp_path / "home", world=file, speed=1.0) as one, one.visitor() as visitor:
        waiting = await visitor.get(LIST)
        assert ('id="lookup"' in waiting.text, 'name="learner"' in waiting.text) == (True, False)

        async def counts_calls() -> bool:
            return bool(re.search("[1-9][0-9]* calls so far", (await visitor.get(LIST)).text))

        await until(counts_calls)  # more than one: it goes on while nobody waits for a page


async def test_a_list_that_was_read_meanwhile_is_loaded_by_the_page_itself_and_shown_once(tmp_path: Path) -> None:
    async with running_site(tmp_path / "home", world=world(tmp_path)) as one, one.visitor() as visitor:

        async def is_over() -> bool:
            return "HX-Refresh" in (await visitor.get(LIST, **{"HX-Request": "true"})).headers

        await until(is_over)
        assert COUNT == (await visitor.get(LIST)).text.count('name="learner"')
        assert ["roster"] == [entry.act for entry in await one.app.audit.newest(20, EVERY_ACCOUNT)][:1]


def two_batches(tmp_path: Path, count: int = COUNT) -> Path:
    """A world whose learners are in two batches of a course, with the same ids."""
    file = world(tmp_path, count=count)
    tree = json.loads(file.read_text())
    tree["batches"].append({**tree["batches"][0], "batchId": f"{int(BATCH) + 1}", "name": "Autumn"})
    file.write_text(json.dumps(tree))
    return file


async def test_who_is_ticked_in_one_batch_stays_in_the_others(tmp_path: Path) -> None:
    file = two_batches(tmp_path)
    async with running_site(tmp_path / "home", world=file, speed=100.0) as one, one.visitor() as visitor:
        shown = await listed(visitor, f"/find/{COURSE}/all")
        boxes = re.findall(r'name="learner" value="([^"]*)"', shown.text)
        assert 2 * COUNT == len({*boxes})
        plan = await visitor.post(f"/find/{COURSE}/all", learner=boxes[0])
        assert "Would be removed</dt><dd>1<" in plan.text


def test_who_was_ticked_and_is_listed_no_more_has_a_row_that_says_so() -> None:
    table = chosen([roster(1)], [(BATCH, learner(1)), (BATCH, learner(7)), ("9", learner(1))], [], source="x")
    assert (3, {1, 2}) == (len(table), {*table.settled})
    assert "does not hold this learner any more" in table.settled[1].detail
    assert learner(7) == table.columns[2][1]


def test_a_pasted_line_may_begin_with_what_nobody_sees() -> None:
    table = chosen([roster(1)], [], ["\ufeffann1@example.com", " \u200bANN1@example.com\t"], source="x")
    assert (1, {}) == (len(table), table.settled)


async def test_thousands_may_be_ticked_and_pasted_and_more_are_told_what_to_do(tmp_path: Path) -> None:
    file, caps = world(tmp_path, count=1100), dict[str, Any](max_invalid=100.0, max_removals=2000)
    async with running_site(tmp_path / "home", world=file, speed=20.0, **caps) as one, one.visitor() as visitor:
        fields = [("account", "sandbox"), *(("learner", box(i)) for i in range(1100))]
        headers = {"Origin": one.url, "Content-Type": "application/x-www-form-urlencoded"}
        everybody = await visitor.ask("POST", LIST, data=urlencode(fields), headers=headers)
        assert "Remove 1,100 learners" in everybody.text, everybody.text.partition("<main")[2]
        lines = "\n".join(f"a.rather.long.name.{i}@a-long-company.example.com" for i in range(5000))
        plan = await visitor.post(LIST, people=lines + "\nlearner0001@example.com", learner=box(0))
        assert ("Would be removed</dt><dd>2<" in plan.text, 200) == (True, plan.status)
        too_large = await visitor.post(LIST, people="x" * 600_000)
        assert (413, True) == (too_large.status, "choose fewer" in too_large.text)


# --- who the learners of a file are --------------------------------------------------------------------------


async def test_the_page_asks_zoho_shows_the_people_and_lets_rows_of_another_address_be_ticked(tmp_path: Path) -> None:
    content = leavers(tmp_path, [0, 1, 2, 99], i1="else@example.com", i2="wrong@example.com").read_text()
    async with site_of(tmp_path) as (one, visitor):
        plain = await visitor.upload(content)
        assert "Would be removed</dt><dd>4<" in plain.text
        assert "Ask Zoho who these learners are" in plain.text
        waiting = await visitor.post(f"{plain.url}/lookup")
        assert "Zoho is asked who these learners are" in waiting.text
        refused = await visitor.confirm(plain)
        assert (409, True) == (refused.status, "still being asked" in refused.text) or refused.status == 409
        plan = await looked_up(visitor, plain)
        assert "Would be removed</dt><dd>1<" in plan.text
        assert "2 learners are somebody else in Zoho" in plan.text
        assert "Learner 0000, learner0000@example.com, progress 40" in plan.text
        ticked = await visitor.post(f"{plan.url}/mismatched", row="3")
        assert "Would be removed</dt><dd>2<" in ticked.text
        assert "has another e-mail address in the file" in ticked.text
        warned = ticked.text.partition("1 learner is somebody else in Zoho, and is sent as a person decided")[2]
        confirmation = warned.partition('id="confirm"')[0]
        assert ("Row 3: This learner id is that of Learner 0001" in confirmation, "Row 4" in confirmation) == (
            True,
            False,
        )
        assert ["removed", "removed", "identity_mismatch", "not_enrolled"] == await removed(one, ticked, visitor)
        job = (await one.app.jobs.all())[0]
        rows = (await visitor.get(f"/jobs/{job.id}/rows?q=else@example.com")).text
        assert "is that of Learner 0001, learner0001@example.com in Zoho" in rows
        assert 1 == rows.count("it was sent as a person decided")
        assert "included_mismatched" in [entry.act for entry in await one.app.audit.newest(20, EVERY_ACCOUNT)]


async def test_where_reads_are_permitted_the_page_asks_zoho_by_itself_and_people_can_be_put_back(
    tmp_path: Path,
) -> None:
    async with site_of(tmp_path, settings={"is_scope_known": True}) as (one, visitor):
        plan = await looked_up(visitor, await visitor.upload(leavers(tmp_path, [0, 99]).read_text()))
        assert "Learner 0000, learner0000@example.com" in plan.text
        assert ["removed", "not_enrolled"] == await removed(one, plan, visitor)
        job = (await one.app.jobs.all())[0].id
        assert 1 == (await one.app.reenrolments.preview(job, None)).plan.removals


async def test_a_check_can_be_left_out_and_a_failed_one_leaves_the_plan_as_it_was(tmp_path: Path) -> None:
    content = leavers(tmp_path, [0, 99]).read_text()
    async with site_of(tmp_path, reads=["cut"]) as (_, visitor):
        plain = await visitor.upload(content)
        await visitor.post(f"{plain.url}/lookup")
        failed = await looked_up(visitor, plain)
        assert "could not be looked up in Zoho" in failed.text
        assert "Would be removed</dt><dd>2<" in failed.text
        await visitor.post(f"{plain.url}/lookup")
        left = await visitor.post(f"{plain.url}/lookup", act="leave_out")
        assert "Would be removed</dt><dd>2<" in (await looked_up(visitor, left)).text


async def test_where_the_settings_demand_a_check_nothing_is_confirmed_without(tmp_path: Path) -> None:
    content = leavers(tmp_path, [0, 99]).read_text()
    async with site_of(tmp_path, settings={"enrolment_check": "always"}, reads=["cut", "ok"]) as (one, visitor):
        plain = await looked_up(visitor, await visitor.upload(content))
        assert "could not be looked up in Zoho" in plain.text
        assert "Nothing can be sent before Zoho was asked" in plain.text
        refused = await visitor.post(f"{plain.url}/confirm", plan="", number="2")
        assert (409, True) == (refused.status, "the settings demand it" in refused.text)
        token = await one.program(Role.APPROVER)
        made = await visitor.ask("POST", "/api/v1/plans?name=a.csv", data=content, headers=token)
        assert 201 == made.status, "the second answer can be read"
        assert (True, 1, 1) == tuple(made.json[name] for name in ("checked", "removals", "not_enrolled"))


async def test_nobody_else_s_account_is_asked_about(tmp_path: Path) -> None:
    access = {"pia": Access.parse(["preparer@other"])}
    async with (
        running_site(tmp_path / "home", world=world(tmp_path), access=access) as one,
        one.visitor(known=False) as visitor,
    ):
        await visitor.sign_in("pia")
        for path in ("/find?q=fire&account=sandbox", f"{LIST}?account=sandbox"):
            assert (404, False) == ((got := await visitor.get(path)).status, "Learner" in got.text)


async def test_a_double_click_asks_zoho_once(tmp_path: Path) -> None:
    async with site_of(tmp_path) as (one, visitor):
        plain = await visitor.upload(leavers(tmp_path, [0]).read_text())
        await visitor.upload(triples(1))  # so that the plan has to be made again
        await asyncio.gather(*(visitor.post(f"{plain.url}/lookup") for _ in range(3)))
        await visitor.post(f"{plain.url}/lookup")
        assert "Learner 0000" in (await looked_up(visitor, plain)).text
        acts = [entry.act for entry in await one.app.audit.newest(20, EVERY_ACCOUNT)]
        assert 1 == acts.count("check")


async def test_more_open_lists_than_are_read_for_one_person_wait_their_turn_and_are_all_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each open page asks again and again for its own list, and none of them ends the others'."""
    begun, may_answer, roster_of = list[str](), asyncio.Event(), OpenListings.roster

    async def roster(self: OpenListings, course: str, batch: str, *, is_fresh: bool = False) -> Roster:
        begun.append(batch)
        await may_answer.wait()
        return await roster_of(self, course, batch, is_fresh=is_fresh)

    monkeypatch.setattr(OpenListings, "roster", roster)
    monkeypatch.setattr(find_pages, "FOREGROUND_SECONDS", 0.0)
    batches = [str(int(BATCH) + i) for i in range(MAX_ROSTER_LOOKUPS + 2)]
    file = world(tmp_path, count=3)
    tree = json.loads(file.read_text())
    tree["batches"] = [{**tree["batches"][0], "batchId": one, "name": f"Batch {one}"} for one in batches]
    file.write_text(json.dumps(tree))
    async with running_site(tmp_path / "home", world=file, speed=100.0) as one, one.visitor() as visitor:
        for _ in range(3):
            pages = [await visitor.get(f"/find/{COURSE}/{batch}") for batch in batches]
            assert all('id="lookup"' in shown.text and "every 1s" in shown.text for shown in pages)
        assert [batches[0]] == begun, "the first one is read, and none was begun anew"
        waiting = [f"{MAX_ROSTER_LOOKUPS} lists of learners are being read for you" in shown.text for shown in pages]
        assert [False] * MAX_ROSTER_LOOKUPS + [True] * 2 == waiting
        may_answer.set()
        unseen = {*batches}

        async def are_all_shown() -> bool:
            for batch in sorted(unseen):
                if 'id="lookup"' not in (shown := await visitor.get(f"/find/{COURSE}/{batch}")).text:
                    assert 3 == shown.text.count('name="learner"'), shown.text
                    unseen.remove(batch)
            return not unseen

        await until(are_all_shown)
    assert batches == sorted(begun), "each list was read once"


async def test_one_person_s_lookups_are_made_one_after_the_other_and_end_with_the_upload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, most, ended, answer = 0, 0, 0, asyncio.Event()

    async def check(_: object, preview: Preview, **__: object) -> Preview:
        nonlocal at_once, most, ended
        at_once += 1
        most = max(most, at_once)
        try:
            await answer.wait()
        finally:
            at_once -= 1
        ended += 1
        return preview

    monkeypatch.setattr(EnrolmentChecks, "check", check)
    monkeypatch.setattr(uploads, "MAX_UPLOADS_OF_PERSON", 2)
    async with site_of(tmp_path) as (_, visitor):
        plans = []
        for i in range(4):
            plans.append(await visitor.upload(leavers(tmp_path, [i]).read_text()))
            await visitor.post(f"{plans[-1].url}/lookup")
        answer.set()
        assert [404, 404] == [(await visitor.get(plan.url)).status for plan in plans[:2]]
        for plan in plans[2:]:
            await looked_up(visitor, plan)
        assert (1, 2) == (most, ended)


async def test_a_program_is_answered_when_a_person_ends_what_it_waits_for(tmp_path: Path) -> None:
    file, content = world(tmp_path), leavers(tmp_path, [0]).read_text()
    async with running_site(tmp_path / "home", world=file, speed=1.0) as one, one.visitor() as visitor:
        token = await one.program(Role.PREPARER)
        asked = asyncio.create_task(
            visitor.ask("POST", "/api/v1/plans?name=b.csv&check=yes", data=content, headers=token)
        )
        found: list[str] = []

        async def is_listed() -> bool:
            found[:] = re.findall(r'href="(/uploads/[^"]*)"', (await visitor.get("/")).text)
            return bool(found) and "Zoho is asked" in (await visitor.get(found[0])).text

        await until(is_listed)
        assert "b.csv</a>: Zoho is being asked" in (await visitor.get("/")).text
        await visitor.post(f"{found[0]}/lookup", act="leave_out")
        answer = await asked
        assert (409, True) == (answer.status, "somebody ended" in answer.text)


# --- a file without ids --------------------------------------------------------------------------------------


async def test_a_list_of_addresses_is_matched_on_the_page(tmp_path: Path) -> None:
    rows = (f"Fire safety,Spring,learner000{i}@example.com\n" for i in (3, 4))
    content = "Course,Batch,E-mail\n" + "".join(rows)
    async with site_of(tmp_path) as (one, visitor):
        refused = await visitor.upload(content, "people.csv")
        assert (422, True) == (refused.status, "Find the ids by e-mail address" in refused.text)
        assert "Where do I find the ids?" in refused.text
        waiting = await visitor.post(refused.url, match="email")
        plan = await looked_up(visitor, waiting)
        assert "2 of 2 rows were matched to one learner each" in plan.text
        assert "Learner 0003" in plan.text, "who they are is known from the same lists"
        assert ["removed", "removed"] == await removed(one, plan, visitor)


async def test_an_e_mail_list_with_a_course_title_alone_is_enough(tmp_path: Path) -> None:
    content = "Course title,E-mail\nFire safety,learner0003@example.com\nFire safety,learner0004@example.com\n"
    async with site_of(tmp_path) as (one, visitor):
        refused = await visitor.upload(content, "people.csv")
        assert "Find the ids by e-mail address" in refused.text
        plan = await looked_up(visitor, await visitor.post(refused.url, match="email"))
        assert "in all batches of their course" in plan.text
        assert ["removed", "removed"] == await removed(one, plan, visitor)


@pytest.mark.parametrize("header", ["Course title,Batch name,Learner ID,E-mail", "Course,Batch,Learner ID,E-mail"])
async def test_names_of_courses_and_batches_beside_learner_ids_are_no_dead_end(tmp_path: Path, header: str) -> None:
    async with site_of(tmp_path) as (one, visitor):
        shown = await visitor.upload(f"{header}\nFire safety,Spring,{learner(3)},learner0003@example.com\n")
        assert "Find the ids of courses and batches" in shown.text
        assert "Find the ids by e-mail address" not in shown.text
        await visitor.post(shown.url, match="learner-id")
        plan = await looked_up(visitor, shown)
        assert "Would be removed</dt><dd>1<" in plan.text
        assert "Find the ids of courses and batches" not in plan.text
        assert ["removed"] == await removed(one, plan, visitor)


async def test_ids_that_could_not_be_looked_up_refuse_the_file(tmp_path: Path) -> None:
    content = "Course,Batch,E-mail\nFire safety,Spring,learner0003@example.com\n"
    async with site_of(tmp_path, reads=["scope_403"]) as (_, visitor):
        refused = await visitor.upload(content, "people.csv")
        told = await looked_up(visitor, await visitor.post(refused.url, match="email"))
        assert (422, True) == (told.status, "Its ids could not be looked up" in told.text)


async def test_a_program_may_ask_for_matches_and_for_the_check(tmp_path: Path) -> None:
    content = "Course,Batch,E-mail\nFire safety,Spring,learner0003@example.com\n"
    async with site_of(tmp_path) as (one, visitor):
        token = await one.program(Role.APPROVER)
        made = await visitor.ask("POST", "/api/v1/plans?name=a.csv&match=email", data=content, headers=token)
        assert (201, 1, True) == (made.status, made.json["removals"], made.json["checked"])
        assert ["Learner 0003"] == [person["name"] for person in json.loads(made.text)["people"]]
        plain = leavers(tmp_path, [0, 99]).read_text()
        for check, removals in (("no", 2), ("yes", 1)):
            made = await visitor.ask("POST", f"/api/v1/plans?name=b.csv&check={check}", data=plain, headers=token)
            assert (201, removals) == (made.status, made.json["removals"])


async def test_ids_whose_lookup_was_ended_or_failed_can_be_asked_for_again(tmp_path: Path) -> None:
    content = "Title\nCourse,Batch,E-mail\nFire safety,Spring,learner0003@example.com\n"
    async with site_of(tmp_path, reads=["slow:20", "cut", "ok"]) as (one, visitor):
        refused = await visitor.upload(content, "people.csv")
        refused = await visitor.post(refused.url, header_row="2")
        waiting = await visitor.post(refused.url, match="email")
        assert "Cancel" in waiting.text
        ended = await visitor.post(f"{waiting.url}/lookup", act="leave_out")
        assert (422, True) == (ended.status, "Its ids were not looked up" in ended.text)
        for problem in ("could not be looked up", ""):
            asked = await visitor.post(f"{ended.url}/lookup")
            told = await looked_up(visitor, asked)
            assert (bool(problem), problem in told.text) == (told.status == 422, True), told.text
        assert ["removed"] == await removed(one, told, visitor)


async def test_a_file_that_was_refused_for_itself_is_not_asked_about_again(tmp_path: Path) -> None:
    content = f"Course,Batch,E-mail,Learner ID\nFire safety,Spring,learner0003@example.com,{learner(3)}\n"
    async with site_of(tmp_path) as (_, visitor):
        refused = await visitor.upload(content, "people.csv")
        told = await looked_up(visitor, await visitor.post(refused.url, match="email"))
        assert (422, False) == (told.status, "Ask Zoho again" in told.text)
        assert 422 == (await visitor.post(f"{told.url}/lookup")).status


# --- whoever may not any more ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["role", "user", "password", "token"])
async def test_a_lookup_ends_when_its_person_may_not_prepare_any_more(tmp_path: Path, how: str) -> None:
    file, access = (
        world(tmp_path, reads=["slow:25"]),
        {"pia": Access.parse(["preparer"]), "ada": Access.parse(["admin"])},
    )
    content = leavers(tmp_path, [0]).read_text()
    async with (
        running_site(tmp_path / "home", world=file, speed=1.0, access=access) as one,
        one.strangers() as (visitor, other),
    ):
        await other.sign_in("ada")
        await visitor.sign_in("pia")
        if how == "token":
            token = await one.program(Role.PREPARER, owner="pia")
            asked = asyncio.create_task(
                visitor.ask("POST", "/api/v1/plans?name=b.csv&check=yes", data=content, headers=token)
            )
        else:
            plan = await visitor.upload(content, "b.csv")
            await visitor.post(f"{plan.url}/lookup")
        await until(lambda: one.app.plans.calls_since(Epoch(0.0)))
        if how == "password":
            await one.app.users.set_password("pia", "a quite different word 9", by="ada")
        elif how == "user":
            await one.app.users.remove_user("pia", by="ada")
        else:
            await one.app.users.change_access("pia", Access(), by="ada")
        if how == "token":
            answer = await asked
            assert (409, True) == (answer.status, "may not prepare" in answer.text), answer.text
            return
        ended = await looked_up(other, plan)
        assert ("may not prepare removals for this account any more" in ended.text, 200) == (True, ended.status)


async def test_a_lookup_goes_on_when_its_person_signs_out(tmp_path: Path) -> None:
    file, access = world(tmp_path, reads=["slow:2", "ok"]), {"pia": Access.parse(["preparer"])}
    async with (
        running_site(tmp_path / "home", world=file, speed=1.0, access=access) as one,
        one.strangers() as (visitor, other),
    ):
        await visitor.sign_in("pia")
        plan = await visitor.upload(leavers(tmp_path, [0]).read_text())
        await visitor.post(f"{plan.url}/lookup")
        await visitor.post("/sign-out")
        await other.sign_in("pia")
        assert "Learner 0000" in (await looked_up(other, plan)).text


# --- two people ----------------------------------------------------------------------------------------------


async def test_whoever_chose_people_or_ticked_other_addresses_does_not_confirm_alone(tmp_path: Path) -> None:
    file, own = world(tmp_path), dict[str, Any](enrolment_check="always", four_eyes=True)
    access = {"kim": Access.parse(["approver"]), "lee": Access.parse(["approver"])}
    async with (
        running_site(tmp_path / "home", world=file, speed=100.0, access=access, **own) as one,
        one.strangers() as (kim, lee),
    ):
        await kim.sign_in("kim")
        await lee.sign_in("lee")
        plan = await kim.post(LIST, learner=box(0))
        assert ("somebody else must confirm" in plan.text, 'data-wanted="1"' in plan.text) == (True, False)
        content = leavers(tmp_path, [1, 2], i2="else@example.com").read_text()
        plan = await looked_up(kim, await kim.upload(content))
        ready = await lee.get(plan.url)
        assert 'data-wanted="1"' in ready.text
        ticked = await lee.post(f"{plan.url}/mismatched", row="3")
        assert "somebody else must confirm" in ticked.text
        for visitor in (kim, lee):
            refused = await visitor.post(f"{plan.url}/confirm", plan=ready.field("plan"), number="1")
            assert 409 == refused.status


async def test_an_old_hash_does_not_confirm_what_was_ticked_or_looked_up_since(tmp_path: Path) -> None:
    async with site_of(tmp_path) as (one, visitor):
        content = leavers(tmp_path, [1, 2], i2="else@example.com").read_text()
        plain = await visitor.upload(content)
        await visitor.post(f"{plain.url}/lookup")
        checked = await looked_up(visitor, plain)
        ticked = await visitor.post(f"{plain.url}/mismatched", row="3")
        assert checked.field("plan") != ticked.field("plan")
        assert 409 == (await visitor.confirm(checked)).status
        token = await one.program(Role.APPROVER)
        old = {"plan_hash": checked.field("plan"), "removals": 1}
        path = f"/api/v1/plans/{plain.url.rpartition('/')[2]}/confirm"
        assert 409 == (await visitor.ask("POST", path, json=old, headers=token)).status


# --- what becomes of it --------------------------------------------------------------------------------------


async def test_what_was_looked_up_is_void_after_an_erasure(tmp_path: Path) -> None:
    async with site_of(tmp_path) as (one, visitor):
        plan = await visitor.post(LIST, learner=box(0))
        other = await visitor.post(LIST, learner=box(1))
        await removed(one, other, visitor)
        await one.app.retention.forget(await one.app.retention.find_learner(learner(1)), by="a test")
        void = await visitor.get(plan.url)
        assert (422, True) == (void.status, "erased since Zoho was asked" in void.text)
        again = await visitor.get(plan.url)
        assert (422, True) == (again.status, "erased since Zoho was asked" in again.text), "it was not confirmed"
        assert plan.url not in (await visitor.get("/")).text


async def test_a_check_is_void_when_a_retry_has_other_rows_than_it_looked_at(tmp_path: Path) -> None:
    content = leavers(tmp_path, [0, 1, 2, 3], i1="else@example.com").read_text()
    file = world(tmp_path)
    tree = json.loads(file.read_text())
    tree["faults"] = {"learners": {learner(0): ["html_200"], learner(1): ["html_200"]}}
    file.write_text(json.dumps(tree))
    async with running_site(tmp_path / "home", world=file, speed=100.0) as one, one.visitor() as visitor:
        job = (await visitor.confirm(await visitor.upload(content))).url
        await until(lambda: one.supervisor.running(job.rpartition("/")[2]) is None)
        await visitor.post(f"{job}/cancel")
        for row in ("2", "3"):
            await visitor.post(f"{job}/notes", row=row, text="still there", result="still_there")
        plan = await visitor.post(f"{job}/retry", unknown="checked")
        await visitor.post(f"{plan.url}/lookup")
        plan = await looked_up(visitor, plan)
        assert "1 learner is somebody else in Zoho" in plan.text
        await visitor.post(f"{job}/notes", row="2", text="gone", result="gone")
        await visitor.upload(content)  # so that the plan is made again
        again = await visitor.get(plan.url)
        assert "Learner 0000, learner0000@example.com" not in again.text, "told of another row"
        assert "ask again" in again.text
        await visitor.post(f"{plan.url}/lookup")
        assert "1 learner is somebody else in Zoho" in (await looked_up(visitor, plan)).text


async def test_a_check_is_void_when_a_row_is_planned_that_it_did_not_look_at(tmp_path: Path) -> None:
    async with site_of(tmp_path) as (_, visitor):
        other = (await visitor.confirm(await visitor.upload(leavers(tmp_path, [1]).read_text()))).url
        await visitor.post(f"{other}/pause")
        plan = await visitor.upload(leavers(tmp_path, [0, 1], i1="else@example.com").read_text())
        await visitor.post(f"{plan.url}/lookup")
        plan = await looked_up(visitor, plan)
        assert ("Would be removed</dt><dd>1<" in plan.text, "somebody else in Zoho" in plan.text) == (True, False)
        await visitor.post(f"{other}/cancel")
        await visitor.upload(triples(1))  # so that the plan is made again
        again = await visitor.get(plan.url)
        assert ("Would be removed</dt><dd>2<" in again.text, "ask again" in again.text) == (True, True)


@pytest.mark.parametrize("path", ["/find", f"/find/{COURSE}", LIST])
async def test_no_name_of_zoho_s_is_markup(tmp_path: Path, path: str) -> None:
    file = world(tmp_path)
    tree = json.loads(file.read_text())
    tree["courses"][0]["name"] = tree["batches"][0]["name"] = "<b>Fire"
    tree["batches"][0]["learners"][0]["name"] = '"><script>alert(1)</script>'
    file.write_text(json.dumps(tree))
    async with running_site(tmp_path / "home", world=file, speed=100.0) as one, one.visitor() as visitor:
        shown = await listed(visitor, f"{path}?q=fire")
        assert not re.search(r"<b>Fire|<script>alert", shown.text)
        assert "&lt;" in shown.text
