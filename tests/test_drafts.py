"""Drafts: plans that nobody has confirmed yet. They are found again, also after a restart, and can be discarded."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from bulkremove.app import Consent
from bulkremove.domain.job import FrontEnd
from bulkremove.domain.permissions import EVERY_ACCOUNT, Access, Role
from tests.cli_fixtures import crowd
from tests.test_enrolment_check import leavers
from tests.test_find_pages import looked_up, removed, site_of
from tests.web_fixtures import Visitor, running_site, triples


async def drafts(visitor: Visitor) -> list[str]:
    """The lines of the start page's drafts, without markup."""
    page = (await visitor.get("/")).text.partition('id="drafts"')[2].partition("</section>")[0]
    return [" ".join(re.sub(r"<[^>]*>", " ", line).split()) for line in re.findall(r"<li.*?</li>", page, re.DOTALL)]


async def test_a_draft_is_found_again_after_a_restart_and_can_be_confirmed(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 3)
    home = tmp_path / "home"
    async with running_site(home, world=world) as one, one.visitor() as visitor:
        plan = await visitor.upload(triples(3))
        (before,) = await drafts(visitor)
    async with running_site(home, world=world) as one, one.visitor() as visitor:
        assert [before] == await drafts(visitor)
        again = await visitor.get(plan.url)
        assert (200, plan.field("plan")) == (again.status, again.field("plan"))
        job = await visitor.confirm(again)
        assert "/jobs/" in job.url
        assert [] == await drafts(visitor)
        assert [] == list((home / "uploads").iterdir())
    async with running_site(home, world=world) as one, one.visitor() as visitor:
        assert [] == await drafts(visitor)
        assert job.url == (await visitor.get(plan.url)).url


async def test_a_form_of_before_a_restart_confirms_nothing_since_nobody_could_be_put_back(tmp_path: Path) -> None:
    async with site_of(tmp_path) as (one, visitor):
        plan = await visitor.upload(leavers(tmp_path, [0, 1]).read_text())
        shown = await looked_up(visitor, await visitor.post(f"{plan.url}/lookup"))
        assert "can put back 2 of 2 learners" in shown.text
    async with site_of(tmp_path) as (one, visitor):
        refused = await visitor.post(f"{plan.url}/confirm", plan=shown.field("plan"), number="2")
        assert (409, True) == (refused.status, "Open the plan again" in refused.text)
        again = await looked_up(visitor, await visitor.get(plan.url))
        assert ["removed", "removed"] == await removed(one, again, visitor)
        rows = await one.app.reports.outcomes((await one.app.jobs.all())[0])
        assert all(row.person and row.person.record_number for row in rows)


async def test_a_program_confirms_a_plan_of_before_a_restart_once_it_has_got_it_again(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 3)
    home, kind = tmp_path / "home", {"Content-Type": "application/json"}
    async with running_site(home, world=world) as one, one.visitor(known=False) as program:
        headers = await one.program(Role.APPROVER)
        made = (await program.ask("POST", "/api/v1/plans", data=triples(3), headers=headers)).json
    path, confirmed = f"/api/v1/plans/{made['id']}", json.dumps({"plan_hash": made["plan_hash"]})
    async with running_site(home, world=world) as one, one.visitor(known=False) as program:
        early = await program.ask("POST", f"{path}/confirm", data=confirmed, headers={**headers, **kind})
        assert 409 == early.status
        assert made["plan_hash"] == (await program.ask("GET", path, headers=headers)).json["plan_hash"]
        late = await program.ask("POST", f"{path}/confirm", data=confirmed, headers={**headers, **kind})
        assert 201 == late.status


async def test_a_plan_that_was_confirmed_when_its_server_died_is_no_draft_any_more(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 3)
    home = tmp_path / "home"
    async with running_site(home, world=world) as one, one.visitor() as visitor:
        plan = await visitor.upload(triples(3))
        files = {path: path.read_bytes() for path in (home / "uploads").iterdir()}
        job = await visitor.confirm(plan)
    for path, content in files.items():  # as if it had died before it deleted them
        path.touch(0o600)
        path.write_bytes(content)
    async with running_site(home, world=world) as one, one.visitor() as visitor:
        assert job.url == (await visitor.get(plan.url)).url
        assert ([], []) == (await drafts(visitor), [*(home / "uploads").iterdir()])


async def test_a_retry_of_a_job_that_puts_people_back_is_no_draft_of_removals_after_a_restart(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"folder": tmp_path, "prepared_by": ("jo",), "by": "jo"}
    async with site_of(tmp_path) as (one, visitor):
        plan = await visitor.upload(leavers(tmp_path, [0, 1]).read_text())
        await removed(one, await looked_up(visitor, await visitor.post(f"{plan.url}/lookup")), visitor)
        preview = await one.app.reenrolments.preview((await one.app.jobs.all())[0].id, None)
        back = await one.app.confirmations.submit(
            preview, consent=Consent(yes=True), front_end=FrontEnd.COMMAND, **facts
        )
        await one.app.jobs.cancel(back.id, by="jo")
        await looked_up(visitor, await visitor.post(f"/jobs/{back.id}/retry"))
        (before,) = await drafts(visitor)
        assert "2 enrolments" in before
    async with site_of(tmp_path) as (one, visitor):
        assert [before] == await drafts(visitor)


async def test_what_was_chosen_for_a_file_is_still_chosen_after_a_restart(tmp_path: Path) -> None:
    rows = "".join(f"1,2,{number},{'stays' if number % 2 else 'leaves'}\n" for number in range(10, 20))
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        refused = await visitor.upload(f"Kurs,Klasse,Person,Status\n{rows}")
        assert 422 == refused.status
        assert "choose how to read it" in (await drafts(visitor))[0]
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        assert 422 == (await visitor.get(refused.url)).status  # it asks the same again
        await visitor.post(refused.url, course="0", batch="1", learner="2")
        plan = await visitor.post(refused.url, only0="Status=leaves")
        assert "Remove 5 learners" in plan.text
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        assert plan.field("plan") == (await visitor.get(refused.url)).field("plan")


async def test_whoever_prepared_a_draft_is_known_after_a_restart(tmp_path: Path) -> None:
    people = {"jo": Access.everywhere(Role.APPROVER), "kim": Access.everywhere(Role.APPROVER)}
    async with running_site(tmp_path, access=people, four_eyes=True) as one, one.visitor(known=False) as jo:
        await jo.sign_in("jo")
        plan = await jo.upload(triples(2))
    again = running_site(tmp_path, access=people, four_eyes=True)
    async with again as one, one.visitor(known=False) as jo, one.visitor(known=False) as kim:
        await jo.sign_in("jo")
        await kim.sign_in("kim")
        assert "somebody else must confirm it" in (await jo.get(plan.url)).text
        shown = await kim.get(plan.url)
        by_itself = await jo.post(f"{plan.url}/confirm", plan=shown.field("plan"), number="2")
        assert "/jobs/" not in by_itself.url
        assert "/jobs/" in (await kim.confirm(shown)).url


async def test_a_draft_can_be_discarded(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        plan = await visitor.upload(triples(2), name="wrong.csv")
        await visitor.post(f"{plan.url}/discard")
        assert [] == await drafts(visitor)
        assert 404 == (await visitor.get(plan.url)).status
        assert [] == list((tmp_path / "uploads").iterdir())
        newest = (await one.app.audit.newest(1, EVERY_ACCOUNT))[0]
        assert ("discarded", "wrong.csv") == (newest.act, newest.facts["name"])


async def test_a_draft_that_is_being_confirmed_is_not_discarded(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 3)
    async with running_site(tmp_path / "home", world=world) as one, one.visitor() as visitor:
        plan = await visitor.upload(triples(3))
        job, _ = await asyncio.gather(visitor.confirm(plan), visitor.post(f"{plan.url}/discard"))
        assert ("/jobs/" in job.url) == bool(await one.app.jobs.all())


@pytest.mark.parametrize("damage", ["{", "{}", '{"name": 1}', ""])
async def test_a_damaged_draft_is_dropped_with_its_file(tmp_path: Path, damage: str) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        await visitor.upload(triples(2))
    (stored,) = (tmp_path / "uploads").glob("*.json")
    stored.write_text(damage)
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        assert [] == await drafts(visitor)
        assert [] == list((tmp_path / "uploads").iterdir())


async def test_a_draft_whose_file_a_power_cut_has_cut_off_is_dropped(tmp_path: Path) -> None:
    """Its last id may be that of somebody else."""
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        await visitor.upload(triples(20).rstrip())
    (file,) = (path for path in (tmp_path / "uploads").iterdir() if path.suffix != ".json")
    file.write_bytes(file.read_bytes()[:-10])
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        assert ([], []) == (await drafts(visitor), [*(tmp_path / "uploads").iterdir()])


async def test_a_draft_ends_after_a_day_also_over_restarts(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        await visitor.upload(triples(2))
    (stored,) = (tmp_path / "uploads").glob("*.json")
    late = re.sub(r'"uploaded_at":[0-9.]+', f'"uploaded_at":{time.time() - 24 * 3600 - 1}', stored.read_text())
    stored.write_text(late)
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        assert [] == await drafts(visitor)
        assert [] == list((tmp_path / "uploads").iterdir())


async def test_a_draft_of_a_sandbox_is_none_of_zoho(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        await visitor.upload(triples(2))
    (stored,) = (tmp_path / "uploads").glob("*.json")
    stored.write_text(stored.read_text().replace('"target":"SANDBOX"', '"target":"people.zoho.com"'))
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        assert [] == await drafts(visitor)


async def test_the_file_of_a_draft_can_not_be_another_one(tmp_path: Path) -> None:
    """Whoever may write there may do anything, but a damaged name deletes and reads nothing elsewhere."""
    (tmp_path / "mine.csv").write_text(triples(1))
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        await visitor.upload(triples(2))
    (stored,) = (tmp_path / "uploads").glob("*.json")
    stored.write_text(re.sub(r'"file":"[^"]*"', '"file":"../mine.csv"', stored.read_text()))
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        assert [] == await drafts(visitor)
    assert (tmp_path / "mine.csv").is_file()


async def test_drafts_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        await visitor.upload(triples(2))
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "uploads").iterdir()}
    assert {0o600} == modes or os.name != "posix"


async def test_a_file_that_was_uploaded_again_is_named_beside_its_draft_of_before(tmp_path: Path) -> None:
    async with running_site(tmp_path / "home", world=crowd(tmp_path, 9)[0]) as one, one.visitor() as visitor:
        wrong = await visitor.upload(triples(3))
        assert "uploaded again" not in (await visitor.get(wrong.url)).text
        right, other = await visitor.upload(triples(2), "Leavers.csv"), await visitor.upload(triples(2), "others.csv")
        shown = (await visitor.get(wrong.url)).text
        assert ("was uploaded again" in shown, f'href="{right.url}"' in shown) == (True, True)
        for plan in (right, other):
            assert "was uploaded again" not in (await visitor.get(plan.url)).text
        lines = await drafts(visitor)
        assert [False, False, True] == ["uploaded again since" in line for line in lines]
