"""What a person says when confirming: why a plan may exceed a cap, and that its learners may be gone already."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bulkremove.domain.permissions import EVERY_ACCOUNT, Access, Role
from bulkremove.domain.row import Status
from tests.cli_fixtures import crowd
from tests.web_fixtures import Reply, RunningSite, Visitor, running_site, triples, until

REASON = "The site in Leeds was closed."
PEOPLE = {
    "ada": Access.everywhere(Role.ADMIN),
    "sam": Access.parse(["approver@sandbox", "admin@elsewhere"]),
    "pia": Access.everywhere(Role.PREPARER),
}


@asynccontextmanager
async def site(tmp_path: Path, **settings: Any) -> AsyncIterator[RunningSite]:
    world, _ = crowd(tmp_path, 40)
    options = {"max_removals": 5, "canary": "live", **settings}
    async with running_site(tmp_path / "home", world=world, speed=100.0, access=PEOPLE, **options) as one:
        yield one


async def confirm(visitor: Visitor, shown_plan: Reply, **fields: str) -> Reply:
    address = shown_plan.url.partition("?")[0]
    shown = await visitor.get(address)
    found = re.search(r'name="plan" value="([^"]+)"', shown.text)
    hash_ = found[1] if found else "f" * 64
    if exceeded := re.search(r'name="exceeded" value="([^"]+)"', shown.text):
        fields = {"exceeded": html.unescape(exceeded[1]), **fields}
    return await visitor.post(f"{address}/confirm", **{"plan": hash_, "number": "8", **fields})


async def ended(one: RunningSite, reply: Reply) -> dict[Status, int]:
    job_id = reply.url.rpartition("/")[2]

    async def is_over() -> bool:
        return (await one.app.jobs.find(job_id)).state.is_over

    await until(is_over)
    return {**(await one.app.jobs.tally(await one.app.jobs.find(job_id))).counts}


async def jobs(one: RunningSite) -> int:
    return len(await one.app.jobs.all())


async def test_an_admin_confirms_a_plan_over_the_cap_with_a_reason_that_is_kept(tmp_path: Path) -> None:
    async with site(tmp_path) as one, one.signed_in("pia") as pia, one.signed_in("ada") as ada:
        plan = await pia.upload(triples(8))
        assert "let an admin confirm this plan" in plan.text
        assert 'name="reason"' in (await ada.get(plan.url)).text
        done = await confirm(ada, plan, reason=REASON)
        assert 8 == (await ended(one, done))[Status.REMOVED]
        (entry,) = [e for e in await one.app.audit.newest(50, EVERY_ACCOUNT) if e.act == "confirmed_over_cap"]
        assert ("ada", REASON) == (entry.actor, entry.facts["reason"])
        assert REASON in (await ada.get(done.url)).text
        more = await pia.upload(triples(8, first=10))
        assert "the cap is 5 a day" in more.text, "the next plan is no part of what was agreed to"


@pytest.mark.parametrize("name", ["sam", "pia"])
async def test_who_is_no_admin_of_the_account_confirms_none_whatever_the_form_holds(tmp_path: Path, name: str) -> None:
    async with site(tmp_path) as one, one.signed_in(name) as visitor:
        plan = await visitor.upload(triples(8))
        assert ("data-wanted" in plan.text, "the cap is 5" in plan.text) == (False, True)
        assert (403, 0) == ((await confirm(visitor, plan, reason=REASON)).status, await jobs(one))


@pytest.mark.parametrize("fields", [{}, {"reason": REASON, "number": "7"}, {"reason": REASON, "plan": "x"}])
async def test_an_admin_too_gives_a_reason_the_number_and_this_plan(tmp_path: Path, fields: dict[str, str]) -> None:
    async with site(tmp_path) as one, one.signed_in("ada") as ada:
        plan = await ada.upload(triples(8))
        assert (409, 0) == ((await confirm(ada, plan, **fields)).status, await jobs(one))


async def test_a_blank_reason_is_none_and_the_admin_is_told_what_to_write(tmp_path: Path) -> None:
    async with site(tmp_path) as one, one.signed_in("ada") as ada:
        plan = await ada.upload(triples(8))
        assert "You may confirm it below, with a reason." in plan.text
        refused = await confirm(ada, plan, reason=" ")
        assert (400, True) == (refused.status, "Write why this plan may exceed the cap." in refused.text)
        assert 0 == await jobs(one)


async def test_a_reason_is_for_the_cap_with_the_numbers_that_were_shown(tmp_path: Path) -> None:
    async with site(tmp_path) as one, one.signed_in("ada") as ada, one.signed_in("ada") as other:
        plan = await ada.upload(triples(4) + "x,1,2,odd\n")
        shown = await ada.get(plan.url)
        assert "are invalid, and the cap is" in shown.text
        seen = {"exceeded": html.unescape(shown.field("exceeded"))}
        await ended(one, await confirm(other, await other.upload(triples(4, first=20)), number="4"))
        refused = await confirm(ada, plan, number="4", reason=REASON, **seen)
        assert (409, 1) == (refused.status, await jobs(one)), "nobody agreed to more removals than the cap of the day"
        again = await confirm(ada, plan, number="4", reason=REASON)
        assert 4 == (await ended(one, again))[Status.REMOVED]


async def test_under_four_eyes_the_admin_who_prepared_it_needs_another_one(tmp_path: Path) -> None:
    async with site(tmp_path, four_eyes=True) as one, one.signed_in("ada") as ada:
        plan = await ada.upload(triples(8))
        assert 'name="reason"' not in plan.text
        assert (409, 0) == ((await confirm(ada, plan, reason=REASON)).status, await jobs(one))


async def test_a_file_with_too_many_invalid_rows_is_confirmed_the_same_way(tmp_path: Path) -> None:
    async with site(tmp_path) as one, one.signed_in("ada") as ada:
        plan = await ada.upload(triples(3) + "x,1,2,odd\n")
        assert "are invalid, and the cap is" in plan.text
        counts = await ended(one, await confirm(ada, plan, number="3", reason=REASON))
        assert (3, 1) == (counts[Status.REMOVED], counts[Status.INVALID])


async def test_a_reason_for_a_plan_within_the_cap_is_no_approval(tmp_path: Path) -> None:
    async with site(tmp_path) as one, one.signed_in("ada") as ada:
        counts = await ended(one, await confirm(ada, await ada.upload(triples(3)), number="3", reason=REASON))
        assert 3 == counts[Status.REMOVED]
        acts = [entry.act for entry in await one.app.audit.newest(50, EVERY_ACCOUNT)]
        assert ("confirmed" in acts, "confirmed_over_cap" in acts) == (True, False)


async def test_once_it_was_paused_what_is_left_waits_for_the_cap_again(tmp_path: Path) -> None:
    async with site(tmp_path) as one, one.signed_in("ada") as ada:
        done = await confirm(ada, await ada.upload(triples(35)), number="35", reason=REASON)
        job_id = done.url.rpartition("/")[2]
        await ada.post(f"/jobs/{job_id}/pause")
        assert (await one.app.jobs.tally(await one.app.jobs.find(job_id))).open
        await ada.post(f"/jobs/{job_id}/resume")
        await until(lambda: job_id in one.supervisor.failures)
        assert "Or cancel it, and let an admin confirm what it has not sent." in one.supervisor.failures[job_id]


# --- learners who may be gone already ---------------------------------------------------------------------------


async def test_a_job_whose_learners_are_gone_goes_on_where_a_person_expected_that(tmp_path: Path) -> None:
    async with site(tmp_path, max_removals=100) as one, one.signed_in("ada") as ada:
        plan = await ada.upload(triples(25, first=5000))
        assert 'name="expect_missing"' in plan.text
        counts = await ended(one, await confirm(ada, plan, number="25", expect_missing="yes"))
        assert 25 == counts[Status.NOT_FOUND]


async def test_else_it_pauses_at_once_and_is_resumed_with_that_word(tmp_path: Path) -> None:
    async with site(tmp_path, max_removals=100) as one, one.signed_in("ada") as ada:
        done = await confirm(ada, await ada.upload(triples(25, first=5000)), number="25")
        job_id = done.url.rpartition("/")[2]

        async def is_paused() -> bool:
            return (await one.app.jobs.find(job_id)).state == "paused"

        await until(is_paused)
        await until(lambda: one.supervisor.running(job_id) is None)
        shown = await ada.get(f"/jobs/{job_id}")
        assert "If they are expected to be gone, say so when you resume the job." in shown.text
        assert 'name="expect_missing"' in shown.text
        await ada.post(f"/jobs/{job_id}/resume", expect_missing="yes")
        assert 25 == (await ended(one, done))[Status.NOT_FOUND]


async def test_a_short_plan_asks_nothing_about_learners_who_are_gone(tmp_path: Path) -> None:
    async with site(tmp_path, max_removals=100) as one, one.signed_in("ada") as ada:
        assert 'name="expect_missing"' not in (await ada.upload(triples(10))).text


# --- what is offered at the end ---------------------------------------------------------------------------------


async def test_no_retry_is_offered_of_rows_that_were_left_out_on_purpose(tmp_path: Path) -> None:
    async with site(tmp_path, max_removals=100) as one, one.signed_in("ada") as ada:
        content = triples(3)
        protected = content.splitlines()[1].split(",")[2]
        (tmp_path / "home" / "protected.csv").write_text(f"Learner ID\n{protected}\n")
        done = await confirm(ada, await ada.upload(content), number="2")
        counts = await ended(one, done)
        assert (2, 1) == (counts[Status.REMOVED], counts[Status.NOT_SENT])
        job_id = done.url.rpartition("/")[2]
        await until(lambda: one.supervisor.running(job_id) is None)
        shown = (await ada.get(done.url)).text
        assert ("Not sent" in shown, "Retry" in shown, "Rows to retry" in shown) == (True, False, False)
