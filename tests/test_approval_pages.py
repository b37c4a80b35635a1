"""Asking for the approval of a plan on the page, and returning one with a reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bulkremove.domain.permissions import EVERY_ACCOUNT, Access, Role
from tests.web_fixtures import Reply, RunningSite, Visitor, running_site, triples

PEOPLE = {
    "pia": Access.everywhere(Role.PREPARER),
    "kim": Access.everywhere(Role.APPROVER),
    "sam": Access.parse(["approver@elsewhere"]),
}
COMMENT, REASON = "All of <b>Leeds</b>.", "Ann is on parental leave."


@asynccontextmanager
async def site(tmp_path: Path) -> AsyncIterator[RunningSite]:
    async with running_site(tmp_path / "home", access=PEOPLE, canary="live", four_eyes=True) as one:
        yield one


async def badge(visitor: Visitor) -> bool:
    return "1 plan waits for your approval" in (await visitor.get("/jobs")).text


async def confirmed(visitor: Visitor, plan: Reply) -> Reply:
    shown = await visitor.get(plan.url)
    fields = {"plan": shown.field("plan")} if 'name="plan"' in shown.text else {"plan": "x"}
    return await visitor.post(f"{plan.url}/confirm", number="2", **fields)


async def test_an_approver_is_told_who_asks_and_why_and_the_preparer_what_is_wrong(tmp_path: Path) -> None:
    async with site(tmp_path) as one, one.signed_in("pia") as pia, one.signed_in("kim") as kim:
        plan = await pia.upload(triples(2))
        assert not await badge(kim)
        asked = await pia.post(f"{plan.url}/ask", comment=COMMENT)
        assert "pia asks for approval: All of &lt;b&gt;Leeds&lt;/b&gt;." in asked.text
        assert (True, False) == (await badge(kim), await badge(pia))
        assert "All of &lt;b&gt;Leeds" in (await kim.get("/")).text
        returned = await kim.post(f"{plan.url}/return", reason=REASON)
        assert f"kim returned this plan: {REASON}" in returned.text
        assert not await badge(kim)
        home = (await pia.get("/")).text
        assert ("Returned" in home, REASON in home) == (True, True)
        refused = await confirmed(kim, plan)
        assert (409, True) == (refused.status, f"kim returned this plan: {REASON}" in refused.text)
        assert [] == await one.app.jobs.all()
        await pia.post(f"{plan.url}/ask", comment="She is back.")
        assert await badge(kim)
        assert "/jobs/" in (await confirmed(kim, plan)).url
        acts = [entry.act for entry in await one.app.audit.newest(50, EVERY_ACCOUNT)]
        assert (2, 1) == (acts.count("approval_asked"), acts.count("plan_returned"))


async def test_nobody_returns_a_plan_without_a_reason_or_without_the_right(tmp_path: Path) -> None:
    async with site(tmp_path) as one, one.signed_in("pia") as pia, one.signed_in("kim") as kim:
        plan = await pia.upload(triples(2))
        await pia.post(f"{plan.url}/ask", comment="")
        assert 400 == (await kim.post(f"{plan.url}/return", reason=" ")).status
        assert 403 == (await pia.post(f"{plan.url}/return", reason=REASON)).status
        async with one.signed_in("sam") as sam:
            assert 404 == (await sam.post(f"{plan.url}/return", reason=REASON)).status
            assert not await badge(sam)
        assert await badge(kim)


async def test_what_was_asked_and_returned_outlives_a_restart_and_ends_when_the_file_is_read_anew(
    tmp_path: Path,
) -> None:
    async with site(tmp_path) as one, one.signed_in("pia") as pia, one.signed_in("kim") as kim:
        plan = await pia.upload(triples(2))
        await pia.post(f"{plan.url}/ask", comment=COMMENT)
        await kim.post(f"{plan.url}/return", reason=REASON)
    async with running_site(tmp_path / "home", canary="live", four_eyes=True) as one, one.signed_in("pia") as pia:
        path = f"/uploads/{plan.url.rpartition('/')[2]}"
        assert REASON in (await pia.get("/")).text
        assert REASON in (await pia.get(path)).text
        again = await pia.post(path, open="include")
        assert (REASON in again.text, "asks for approval" in again.text) == (False, False)


async def test_a_program_sees_who_asked_and_who_returned_a_plan(tmp_path: Path) -> None:
    async with site(tmp_path) as one, one.signed_in("pia") as pia, one.signed_in("kim") as kim:
        plan, headers = await pia.upload(triples(2)), await one.program(Role.PREPARER)

        async def draft() -> tuple[object, object]:
            (only,) = (await pia.ask("GET", "/api/v1/plans", headers=headers)).data["plans"]
            return only["asked"], only["returned"]

        assert (None, None) == await draft()
        await pia.post(f"{plan.url}/ask", comment=COMMENT)
        assert ({"by": "pia", "text": COMMENT}, None) == await draft()
        await kim.post(f"{plan.url}/return", reason=REASON)
        assert {"by": "kim", "text": REASON} == (await draft())[1]


async def test_a_form_that_was_refused_leads_back_to_its_plan(tmp_path: Path) -> None:
    async with site(tmp_path) as one, one.signed_in("pia") as pia, one.signed_in("kim") as kim:
        plan = await pia.upload(triples(2))
        await pia.post(f"{plan.url}/ask", comment="")
        refused = await kim.post(f"{plan.url}/return", reason=" ")
        assert (400, True) == (refused.status, f'href="{plan.url}">Back to the plan' in refused.text)
