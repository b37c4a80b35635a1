"""Finding a job: by a person in its rows ("was this person removed?"), and by the filters of the list of jobs."""

from __future__ import annotations

import html
from pathlib import Path

import pytest

from bulkremove.domain.permissions import Access
from bulkremove.reading.options import ReadOptions
from tests.application_fixtures import stored
from tests.test_account_roles import log_in
from tests.test_enrolment_check import leavers
from tests.test_reads import learner, world
from tests.web_fixtures import RunningSite, Visitor, running_site, triples, until


async def job_of(one: RunningSite, folder: Path, content: str, name: str, account: str = "default") -> str:
    (folder / name).write_text(content, encoding="utf-8")
    app = one.app.for_account(account)
    preview = await app.plans.preview(folder / name, name=name, options=ReadOptions())
    return (await stored(app, preview, folder)).id


async def found(visitor: Visitor, text: str) -> str:
    reply = await visitor.get(f"/people?q={text}")
    assert 200 == reply.status
    return html.unescape(reply.text.partition("<main")[2])


async def test_a_removed_person_is_found_by_id_address_and_name_with_what_became_of_the_row(tmp_path: Path) -> None:
    options = {"canary": "live", "enrolment_check": "always"}
    async with (
        running_site(tmp_path / "home", world=world(tmp_path), speed=100.0, **options) as one,  # type: ignore[arg-type] # passed on
        one.visitor() as visitor,
    ):
        content = leavers(tmp_path, [0, 1]).read_text()
        plan = await visitor.upload(content)

        async def is_looked_up() -> bool:
            return "HX-Refresh" in (await visitor.get(f"{plan.url}/lookup")).headers

        await visitor.post(f"{plan.url}/lookup")
        await until(is_looked_up)
        job = (await visitor.confirm(await visitor.get(plan.url))).url.rpartition("/")[2]

        async def is_over() -> bool:
            return (await one.app.jobs.find(job)).state.is_over

        await until(is_over)
        for text in (learner(1), "LEARNER0001@example.com", "learner 0001", "e0001"):
            shown = await found(visitor, text)
            assert job in shown, text
            assert "<strong>Removed</strong>" in shown, text
            assert (learner(0) in shown) is False, text
        rows = await visitor.get(f"/jobs/{job}/rows?q=learner0001@")
        assert (learner(1) in rows.text, learner(0) in rows.text) == (True, False)


async def test_a_name_with_other_letters_is_found_whatever_its_case(tmp_path: Path) -> None:
    async with running_site(tmp_path / "home") as one, one.visitor() as visitor:
        job = await job_of(one, tmp_path, triples(2).replace("left", 'Öznur "Ö" O\\Neill', 1), "leavers.csv")
        for text in ("Öznur", "öznur", "ÖZNUR"[:1] + "ZNUR", '"ö" o', "O\\Neill"):
            assert job in await found(visitor, text.replace("\\", "%5C").replace('"', "%22")), text


async def test_nobody_is_found_in_jobs_of_accounts_that_one_may_not_see(tmp_path: Path) -> None:
    log_in(tmp_path / "home", school="s", bureau="b")
    access = {"sam": Access.parse(["preparer@school"]), "ada": Access.parse(["admin"])}
    async with running_site(tmp_path / "home", environ={}, access=access) as one:
        jobs = {
            account: await job_of(one, tmp_path, triples(2, first=first), f"{account}.csv", account)
            for account, first in (("school", 0), ("bureau", 100))
        }
        for name, seen in (("sam", ["school"]), ("ada", ["bureau", "school"])):
            async with one.visitor(known=False) as visitor:
                await visitor.sign_in(name)
                shown = await found(visitor, "478346000019558")
                assert seen == sorted(account for account, job in jobs.items() if job in shown)


@pytest.mark.parametrize("text", ["", "ab", "nobody@example.com"])
async def test_what_is_too_short_or_names_nobody_proves_nothing(tmp_path: Path, text: str) -> None:
    async with running_site(tmp_path / "home") as one, one.visitor() as visitor:
        job = await job_of(one, tmp_path, triples(2), "leavers.csv")
        shown = await found(visitor, text)
        assert job not in shown
        assert ("at least 3 characters" in shown, "is no proof" in shown) == (text == "ab", "@" in text)


# --- the list of jobs -------------------------------------------------------------------------------------------


async def test_the_jobs_are_filtered_by_account_person_state_and_day(tmp_path: Path) -> None:
    log_in(tmp_path / "home", school="s", bureau="b")
    access = {"sam": Access.parse(["preparer@school"]), "ada": Access.parse(["admin"])}
    async with running_site(tmp_path / "home", environ={}, access=access) as one, one.visitor(known=False) as ada:
        await ada.sign_in("ada")
        jobs = {
            account: await job_of(one, tmp_path, triples(2, first=first), f"{account}.csv", account)
            for account, first in (("school", 0), ("bureau", 100))
        }
        by = (await one.app.jobs.find(jobs["school"])).confirmed_by
        for query, listed in (
            ("", {"school", "bureau"}),
            ("account=school", {"school"}),
            ("account=elsewhere", set()),
            ("q=BUREAU", {"bureau"}),
            (f"who={by}", {"school", "bureau"}),
            ("who=nobody", set()),
            ("state=ready", {"school", "bureau"}),
            ("state=finished", set()),
            ("since=2020-01-01", {"school", "bureau"}),
            ("since=2999-01-01", set()),
            ("since=soon", {"school", "bureau"}),
        ):
            text = (await ada.get(f"/jobs?{query}")).text
            assert listed == {account for account, job in jobs.items() if job in text}, query
            assert ("No job matches." in text) is (not listed)
        assert "Not started</option>" in text
        async with one.visitor(known=False) as sam:
            await sam.sign_in("sam")
            text = (await sam.get("/jobs?account=bureau")).text
            assert ("bureau" in text, jobs["school"] in text) == (False, True)
