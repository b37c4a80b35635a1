"""Roles for each account: every address against everybody, for what is theirs and for what is not."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from bulkremove.domain.errors import UserError
from bulkremove.domain.job import Job
from bulkremove.domain.permissions import ALL_ACCOUNTS, Access, Permission, Role
from bulkremove.domain.plan import OtherJob
from bulkremove.domain.row import Status
from bulkremove.engine.decision_table import done_elsewhere
from bulkremove.reading.options import ReadOptions
from bulkremove.storage.interface.attempts import DoneElsewhere
from bulkremove.web.routes import API
from bulkremove.zoho.accounts import AccountStore, Credentials
from tests.application_fixtures import stored
from tests.cli_fixtures import Bulkremove, environment
from tests.test_web_api import Program
from tests.test_web_security import NO_DOORS, TABLE
from tests.test_web_security import headers as honest_headers
from tests.web_fixtures import PASSWORD, Reply, RunningSite, Visitor, running_site, triples

ACCESS = {
    "ada": Access.parse(["admin"]),
    "sam": Access.parse(["admin@school"]),
    "ann": Access.parse(["approver@school"]),
    "pia": Access.parse(["preparer@school"]),
    "ole": Access.parse(["preparer@bureau"]),
    "nobody": Access(),
}
NOT_ABOUT_ONE_ACCOUNT = {
    "/": "some",
    "/jobs": "some",
    "/people": "some",
    "/nights": "some",
    "/help": "some",
    "/template.xlsx": "some",
    "/uploads": "some",
    "/find": "some",
    "/find/{course}": "some",
    "/find/{course}/{batch}": "some",
    "/audit": "some",
    "/audit.csv": "some",
    "/metrics": "some",
    "/api/v1/plans": "some",
    "/api/v1/jobs": "some",
    "/account": "oneself",
    "/account/password": "oneself",
    "/account/sessions/{session}/end": "oneself",
    "/sign-out": "oneself",
    "/no/such/page": "oneself",
}
"""Addresses that name no job and no upload: whether they ask for a role on any account, or for a sign-in only."""


def log_in(home: Path, **accounts: str) -> None:
    """Store accounts of one organisation, each with a client of its own; by name: the client."""
    for name, client in accounts.items():
        AccountStore(home, None).add(name, Credentials("us", f"sandbox-{client}", "s", "r"), "Acme")


@dataclass
class Installation:
    """A server of two accounts of one organisation, each with a held job and a plan that waits."""

    site: RunningSite
    jobs: dict[str, Job]
    uploads: dict[str, str]
    """Ids by account."""

    @asynccontextmanager
    async def signed_in(self, name: str) -> AsyncIterator[Visitor]:
        async with self.site.visitor(known=False) as visitor:
            await visitor.sign_in(name)
            yield visitor

    @asynccontextmanager
    async def program(self, name: str, access: Access | None = None) -> AsyncIterator[Program]:
        """A program with a token of a user."""
        headers = await self.site.program(access or ACCESS[name], owner=name)
        async with self.site.visitor(known=False) as visitor:
            yield Program(visitor, headers)

    def secrets(self, account: str) -> list[str]:
        """What tells that the account has a job, a plan or a name."""
        names = [account, f"{account}-leavers.csv", f"{account}-waiting.csv"]
        return [*names, self.jobs[account].id, self.jobs[account].plan_hash, self.uploads[account]]


def learners(account: str, count: int) -> str:
    return triples(count, first=0 if account == "school" else 100)


@asynccontextmanager
async def installation(tmp_path: Path, **settings: object) -> AsyncIterator[Installation]:
    log_in(tmp_path, school="s", bureau="b")
    options = {"environ": {}, "access": ACCESS, "four_eyes": True, "canary": "live", **settings}
    async with running_site(tmp_path, **options) as site:  # type: ignore[arg-type] # passed on
        jobs, uploads = {}, {}
        async with site.visitor(known=False) as visitor:
            await visitor.sign_in("ada")
            for account in ("school", "bureau"):
                app, name = site.app.for_account(account), f"{account}-leavers.csv"
                (tmp_path / name).write_text(learners(account, 3))
                preview = await app.plans.preview(tmp_path / name, name=name, options=ReadOptions())
                jobs[account] = await stored(app, preview, tmp_path)
                content = learners(account, 9).replace("left", f"of {account}")
                plan = await upload(visitor, site, account, content, f"{account}-waiting.csv")
                uploads[account] = plan.url.rpartition("/")[2]
        yield Installation(site, jobs, uploads)


async def upload(visitor: Visitor, site: RunningSite, account: str, content: str, name: str) -> Reply:
    form = aiohttp.FormData(quote_fields=False)
    if account:
        form.add_field("account", account)
    form.add_field("file", content.encode(), filename=name, content_type="application/octet-stream")
    return await visitor.ask("POST", "/uploads", data=form, headers={"Origin": site.url})


def filled(path: str, job: str, plan: str) -> str:
    values = {"job": job, "upload": plan, "plan": plan, "session": "x", "ending": "csv", "rows": "retry"}
    values |= {"course": "1", "batch": "2"}
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def body_of(method: str, path: str, content_type: str) -> bytes | None:
    if path == "/api/v1/plans":
        return b"course,batch,learner\n"
    if content_type == "application/json":
        return b'{"plan_hash": "x"}'
    return b"--b--\r\n" if "multipart" in content_type else None


@pytest.mark.parametrize("name", ACCESS)
async def test_every_address_answers_for_the_accounts_of_a_person_and_tells_nothing_of_others(
    tmp_path: Path, name: str
) -> None:
    access, roles = ACCESS[name], list(Role)
    async with installation(tmp_path) as one, one.signed_in(name) as visitor:
        token = await one.site.program(access, owner=name)
        router = {(route.method, route.resource.canonical) for route in one.site.site.router.routes() if route.resource}
        assert router == set(TABLE) - set(NO_DOORS)
        for (method, path), known in TABLE.items():
            if known.least is None or path == "/sign-out":
                continue
            asked = honest_headers(one.site, path, known, None, {}) | (token if path.startswith(API) else {})
            body = body_of(method, path, known.content_type)

            async def ask(job: str, plan: str, where: tuple[str, str] = (method, path), asked: dict[str, str] = asked,
                          body: bytes | None = body) -> Reply:  # fmt: skip
                address = filled(where[1], job, plan) + ("?unknown=x" if where[0] == "DELETE" else "")  # it stays
                return await visitor.ask(where[0], address, headers=asked, data=body, allow_redirects=False)

            def has(account: str, least: Role = known.least) -> bool:
                role = access.role_on(account)
                return role is not None and roles.index(role) >= roles.index(least)

            is_of_all = path.startswith("/settings")

            is_of_one = any(word in path for word in ("{job}", "{upload}", "{plan}"))
            assert is_of_one is not (is_of_all or path in NOT_ABOUT_ONE_ACCOUNT or path.startswith("/static/")), path
            least_anywhere = any(has(account) for account in ([ALL_ACCOUNTS] if is_of_all else ["school", "bureau"]))
            nothing = await ask("20261123-zzzz", "AAAAAAAAAAAA")
            for account in ("school", "bureau"):
                got = await ask(one.jobs[account].id, one.uploads[account])
                where = f"{name} {method} {path} of {account}: {got.status} {got.text[:300]}"
                if (method, path) in NO_DOORS:
                    assert NO_DOORS[method, path] == got.status, where
                elif path.startswith("/static/") or NOT_ABOUT_ONE_ACCOUNT.get(path) == "oneself":
                    assert got.status in (200, 303, 400, 404), where
                elif not least_anywhere:
                    assert (403, 403) == (got.status, nothing.status), where
                elif not is_of_one or has(account):
                    assert got.status in (200, 201, 303, 400, 404, 409, 422, 503), where  # 503: no Zoho is there
                    assert "knows no job" not in got.text, where
                    assert "not kept any more" not in got.text, where
                elif account in access.accounts(Permission.LOOK):
                    assert 403 == got.status, where
                else:
                    assert (404, 404) == (got.status, nothing.status), where
                    said = got.text.replace(one.jobs[account].id, "20261123-zzzz")
                    assert said.replace(one.uploads[account], "AAAAAAAAAAAA") == nothing.text, where
                for other in {"school", "bureau"}:
                    if other not in access.accounts(Permission.LOOK):
                        sent = (one.jobs[account].id, one.uploads[account]) if is_of_one else ()
                        told = [secret for secret in one.secrets(other) if secret in got.text and secret not in sent]
                        assert [] == told, where


async def test_lists_searches_figures_and_the_log_hold_the_accounts_of_a_person_only(tmp_path: Path) -> None:
    async with installation(tmp_path) as one:
        for name, accounts in (("ada", ["bureau", "school"]), ("sam", ["school"]), ("ole", ["bureau"])):
            hidden = [secret for other in {"school", "bureau"} - {*accounts} for secret in one.secrets(other)]
            async with one.signed_in(name) as visitor, one.program(name) as program:
                paths = ("/jobs", "/jobs?q=leavers", "/jobs?state=held&q=csv", "/jobs?page=1", "/nights")
                home, pages = await visitor.get("/"), [await visitor.get(path) for path in paths]
                listed = await program.get("/jobs?q=leavers")
                figures = await visitor.ask("GET", "/metrics", headers=program.headers)
                log, file = await visitor.get("/audit"), await visitor.get("/audit.csv")
            shown = [home, *pages, listed, figures, *([log, file] if name != "ole" else [])]
            assert [] == [secret for reply in shown for secret in hidden if secret in reply.text], name
            assert all(one.jobs[account].id in page.text for account in accounts for page in pages)
            assert all(one.uploads[account] in home.text for account in accounts)
            assert accounts == sorted(job["account"] for job in listed.json["jobs"])  # type: ignore[attr-defined] # JSON
            assert f'bulkremove_jobs{{state="held"}} {len(accounts)}.0' in figures.text
            assert f'bulkremove_rows{{status="pending"}} {3 * len(accounts)}.0' in figures.text
            if name != "ole":
                assert [name == "ada"] * 3 == [
                    word in log.text for word in ("chain of", "> added a token", "> signed in")
                ]
                assert [True] * 2 == [word in log.text for word in ("> uploaded a file", one.jobs["school"].id)]
                assert [name == "ada"] * 2 == [word in file.text for word in ('"token_added"', '"signed_in"')]


async def test_a_file_is_for_an_account_that_its_person_has_a_role_on(tmp_path: Path) -> None:
    async with installation(tmp_path) as one, one.signed_in("ada") as ada, one.signed_in("pia") as pia:
        assert "choose an account" in (await ada.get("/")).text
        assert 'name="account"' not in (await pia.get("/")).text
        unsaid = await upload(ada, one.site, "", triples(2), "f.csv")
        assert (400, True) == (unsaid.status, "which account the file is for: bureau, school" in unsaid.text)
        assert "Account <strong>school</strong>" in (await upload(pia, one.site, "", triples(2), "f.csv")).text
        refused = [await upload(pia, one.site, name, triples(2), "f.csv") for name in ("bureau", "nowhere")]
        assert [404, 404] == [reply.status for reply in refused]
        assert refused[0].text == refused[1].text.replace("nowhere", "bureau")
        async with one.program("pia") as mine, one.program("ada") as theirs:
            plan = (await mine.post("/plans?name=f.csv", triples(2))).json
            assert ("school", 404) == (plan["account"], (await mine.post("/plans?account=bureau", triples(2))).status)
            assert 400 == (await theirs.post("/plans", triples(2))).status
            assert "bureau" == (await theirs.post("/plans?account=bureau", triples(2))).json["account"]


async def test_an_account_that_is_added_later_is_seen_by_those_alone_who_see_all(tmp_path: Path) -> None:
    async with installation(tmp_path) as one, one.signed_in("ada") as ada, one.signed_in("sam") as sam:
        log_in(tmp_path, later="l")
        (tmp_path / "later.csv").write_text(triples(1, first=50))
        app = one.site.app.for_account("later")
        later = await stored(
            app, await app.plans.preview(tmp_path / "later.csv", name="l.csv", options=ReadOptions()), tmp_path
        )
        assert [True, False] == [later.id in (await visitor.get("/jobs")).text for visitor in (ada, sam)]
        assert [200, 404] == [(await visitor.get(f"/jobs/{later.id}")).status for visitor in (ada, sam)]


async def test_whose_accounts_are_all_gone_sees_nothing_and_can_sign_out(tmp_path: Path) -> None:
    async with installation(tmp_path) as one, one.signed_in("sam") as sam:
        lost = await one.site.app.users.withdraw_account("school", by="a test")
        assert ["ann", "pia", "sam"] == sorted(lost)
        home = await sam.get("/")
        assert (403, True) == (home.status, "sam has no role for any account here. Ask an admin" in home.text)
        assert 403 == (await sam.get(f"/jobs/{one.jobs['school'].id}")).status
        assert 200 == (await sam.get("/account")).status
        assert 200 == (await sam.post("/sign-out")).status


@pytest.mark.parametrize("change", ["narrowed", "removed"])
async def test_an_open_page_ends_when_its_person_may_not_see_the_job_any_more(tmp_path: Path, change: str) -> None:
    async with installation(tmp_path) as one, one.signed_in("pia") as pia:
        job = one.jobs["school"]
        async with one.site.app.context.storage.claims.hold(job.id):  # as if another process ran it
            stream = asyncio.create_task(pia.get(f"/jobs/{job.id}/events"))
            await asyncio.sleep(0.2)
            assert not stream.done()
            if change == "narrowed":
                await one.site.app.users.change_access("pia", Access.parse(["preparer@bureau"]), by="a test")
            else:
                await one.site.app.users.remove_user("pia", by="a test")
            ended = await asyncio.wait_for(stream, 30)
        word = "Your role has changed" if change == "narrowed" else "You are signed out"
        assert (True, True) == (word in ended.text, "event: done" in ended.text)
        if change == "narrowed":
            assert 404 == (await pia.get(f"/jobs/{job.id}")).status
            assert 200 == (await pia.get(f"/jobs/{one.jobs['bureau'].id}")).status


async def test_buttons_are_those_of_the_role_on_the_jobs_account(tmp_path: Path) -> None:
    async with installation(tmp_path) as one:
        await one.site.app.users.change_access("ole", Access.parse(["preparer@bureau", "approver@school"]), by="a test")
        async with one.signed_in("ole") as ole:
            for account, may in (("bureau", False), ("school", True)):
                assert may is ("/approve" in (await ole.get(f"/jobs/{one.jobs[account].id}")).text), account
                assert may is ("/confirm" in (await ole.get(f"/uploads/{one.uploads[account]}")).text), account


async def test_four_eyes_hold_for_each_account(tmp_path: Path) -> None:
    async with installation(tmp_path) as one:
        both = Access.parse(["approver@school", "approver@bureau"])
        await one.site.app.users.change_access("ole", both, by="a test")
        async with one.signed_in("ole") as ole, one.signed_in("ann") as ann:
            mine = await upload(ole, one.site, "bureau", learners("bureau", 20), "mine.csv")
            assert "somebody else must confirm it" in mine.text
            assert 404 == (await ann.get(mine.url)).status, "an approver of another account is nobody here"
            theirs = await ole.get(f"/uploads/{one.uploads['school']}")
            assert "somebody else" not in theirs.text


# What others must not be told


async def test_a_key_of_another_accounts_program_is_not_known(tmp_path: Path) -> None:
    async with installation(tmp_path, four_eyes=False) as one, one.program("ada") as ada:
        plan = (await ada.get(f"/plans/{one.uploads['bureau']}")).json
        keyed = {"Idempotency-Key": "4711"}
        made = await ada.post(f"/plans/{plan['id']}/confirm", {"plan_hash": plan["plan_hash"]}, **keyed)
        assert 201 == made.status, made.text
        async with one.program("ann") as ann:
            own = (await ann.get(f"/plans/{one.uploads['school']}")).json
            for plan_hash in ("x", plan["plan_hash"]):
                taken = await ann.post(f"/plans/{one.uploads['bureau']}/confirm", {"plan_hash": plan_hash}, **keyed)
                assert (404, False) == (taken.status, str(made.json["job"]) in taken.text)
            mine = await ann.post(f"/plans/{own['id']}/confirm", {"plan_hash": own["plan_hash"]}, **keyed)
            assert (201, "school") == (mine.status, mine.json["account"]), mine.text
        again = await ada.post("/plans/gone/confirm", {"plan_hash": plan["plan_hash"]}, **keyed)
        assert (200, made.json["job"]) == (again.status, again.json["job"])


async def test_rows_open_in_a_job_of_another_account_name_it_to_those_only_who_may_see_it(tmp_path: Path) -> None:
    async with installation(tmp_path) as one, one.signed_in("pia") as pia, one.signed_in("ada") as ada:
        other = one.jobs["bureau"]
        for job in one.jobs.values():  # a sandbox knows no organisations by itself
            await one.site.app.context.storage.jobs.set_organization(job.client, job.host, "acme")
        plan = await upload(pia, one.site, "school", learners("bureau", 4), "f.csv")
        assert "still to be sent by a job of another account of this organisation." in plan.text
        assert [] == [secret for secret in one.secrets("bureau") if secret in plan.text]
        seen = await ada.get(plan.url)
        assert f'<a href="/jobs/{other.id}">' in seen.text
        taken = await pia.get(f"{plan.url}/plan.csv")
        assert (True, False) == ("of another account" in taken.text, other.id in taken.text)
        async with one.program("pia") as program:
            answer = await program.post("/plans", learners("bureau", 4))
            assert [] == [secret for secret in one.secrets("bureau") if secret in answer.text]


async def test_a_report_of_another_accounts_job_tells_nothing_of_it(tmp_path: Path) -> None:
    async with installation(tmp_path) as one, one.signed_in("pia") as pia, one.signed_in("ada") as ada:
        job = one.jobs["bureau"]
        report = tmp_path / "report.csv"
        await one.site.app.jobs.cancel(job.id, by="a test")
        await one.site.app.reports.write(job.id, report, by="a test")
        text = report.read_text(encoding="utf-8")
        unknown = text.replace(job.id, "20261123-zzzz")
        for content in (text, text.replace("19558100", "19558999")):  # as it was written, and with other ids
            told = await upload(pia, one.site, "school", content, "r.csv")
            nothing = await upload(pia, one.site, "school", content.replace(job.id, "20261123-zzzz"), "r.csv")
            assert told.status == nothing.status
            assert without_ids(told, job.id) == without_ids(nothing, "20261123-zzzz")
        assert unknown != text
        assert (
            "other ids than row"
            in (await upload(ada, one.site, "bureau", text.replace("19558100", "19558999"), "r.csv")).text
        )


def without_ids(reply: Reply, job: str) -> str:
    """A page without what differs between two uploads of the same content."""
    text = re.sub(r"[0-9a-f]{64}", "HASH", reply.text.replace(job, "JOB").replace(reply.url.rpartition("/")[2], "ID"))
    return re.sub(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]+", "TIME", text)


async def test_a_wording_of_another_account_is_not_withdrawn_by_its_number(tmp_path: Path) -> None:
    async with installation(tmp_path) as one, one.signed_in("ann") as ann:
        bureau = one.jobs["bureau"]
        with closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
            db.execute(
                "INSERT INTO wording (client, host, http_status, api_code, message, accepted_at, by, job)"
                " VALUES (?, ?, 200, '200', 'Learner removed', 1.0, 'kim', ?)",
                (bureau.client, bureau.host, bureau.id),
            )
        for number in ("1", "2"):
            refused = await ann.post(f"/jobs/{one.jobs['school'].id}/wordings/withdraw", number=number)
            assert (409, True) == (refused.status, f"no accepted wording {number}" in refused.text)
        assert 1 == len(await one.site.app.wordings.all())


# Tokens


async def test_a_token_is_never_wider_than_its_owner_and_follows_what_becomes_of_them(tmp_path: Path) -> None:
    async with installation(tmp_path) as one:
        app, (school, bureau) = one.site.app, (one.jobs["school"].id, one.jobs["bureau"].id)
        for wider in ("approver", "approver@school", "preparer", "preparer@bureau"):
            with pytest.raises(UserError, match="can't be"):
                await app.tokens.add("t", Access.parse([wider]), by="a test", owner="PIA")
        with pytest.raises(UserError, match="no user 'pi'"):
            await app.tokens.add("t", Access.parse(["preparer@school"]), by="a test", owner="pi")
        async with one.program("sam") as program, one.program("ada", Access.parse(["preparer@school"])) as narrow:
            assert [200, 404] == [(await program.get(f"/jobs/{job}")).status for job in (school, bureau)]
            assert [200, 404] == [(await narrow.get(f"/jobs/{job}")).status for job in (school, bureau)]
            assert 403 == (await narrow.post(f"/jobs/{school}/cancel")).status
            await app.users.change_access("sam", Access.parse(["preparer@school", "admin@bureau"]), by="a test")
            assert 403 == (await program.post(f"/jobs/{school}/cancel")).status
            assert 404 == (await program.get(f"/jobs/{bureau}")).status, "what its owner gets, it does not get"
            await app.users.change_access("sam", Access.parse(["admin@bureau"]), by="a test")
            assert 403 == (await program.get(f"/jobs/{school}")).status
            await app.users.remove_user("sam", by="a test")
            assert 401 == (await program.get("/jobs")).status
            await app.users.add_user("sam", ACCESS["sam"], PASSWORD, by="a test")
            assert 401 == (await program.get("/jobs")).status, "somebody else may have the name now"


# Users


async def test_the_last_admin_for_all_accounts_stays(tmp_path: Path) -> None:
    async with installation(tmp_path) as one:
        users = one.site.app.users
        for narrower in ("admin@school", "approver"):
            with pytest.raises(UserError, match="ada is the last admin for all accounts"):
                await users.change_access("Ada", Access.parse([narrower]), by="a test")
        with pytest.raises(UserError, match="ada is the last admin for all accounts"):
            await users.remove_user("ada", by="a test")
        await users.change_access("sam", Access.parse(["admin"]), by="a test")
        await users.change_access("ada", Access.parse(["admin@school"]), by="a test")
        for name in ACCESS:
            if name != "sam":
                await users.remove_user(name, by="a test")
        await users.remove_user("sam", by="a test")
        assert [] == await users.all(), "without users the page is for this machine"


def test_roles_are_given_listed_and_changed_on_the_command_line(tmp_path: Path) -> None:
    program = Bulkremove(tmp_path / "home", environment())
    program("users")  # makes the home folder
    log_in(program.home, school="s", bureau="b")
    secret = f"{PASSWORD}\n"
    assert 0 == program("users", "add", "ada", "--role", "admin", stdin=secret).returncode
    added = program("users", "add", "jo", "--role", "preparer@school", "--role", "approver@bureau", stdin=secret)
    assert "User jo may sign in as approver@bureau and preparer@school." in added.stdout
    for wrong, word in (
        (("--role", "preparer@schol"), "There is no account 'schol' here. There are: bureau, default, school."),
        (("--role", "owner"), "'owner' is no role: write one of preparer, approver, admin"),
        (("--role", "owner@school"), "is no role"),
        (("--role", "preparer@"), "is no role"),
        (("--role", "preparer@*"), "is no role"),
        (("--role", "preparer", "--role", "admin"), "a second role"),
        ((), "Missing option '--role'"),
    ):
        refused = program("users", "change", "jo", *wrong)
        assert (True, True) == (refused.returncode == 2, word in " ".join(refused.stderr.split())), refused.stderr
    listed = [{**user, "added_at": 0} for user in json.loads(program("users", "--json").stdout)]
    assert [
        {"name": "ada", "role": "admin", "accounts": {}, "added_at": 0},
        {"name": "jo", "role": None, "accounts": {"school": "preparer", "bureau": "approver"}, "added_at": 0},
    ] == listed
    assert 2 == program("tokens", "add", "t", "--role", "approver@school", "--owner", "jo").returncode
    assert 0 == program("tokens", "add", "t", "--role", "approver@bureau", "--owner", "jo").returncode
    assert "User jo is preparer@bureau now." in program("users", "change", "jo", "--role", "preparer@bureau").stdout
    assert "approver@bureau  good, of jo, limited by its owner to preparer@bureau" in program("tokens").stdout
    assert ["preparer@bureau"] == json.loads(program("tokens", "--json").stdout)[0]["as_owner"]
    gone = program("accounts", "remove", "bureau").stdout
    assert "Who had a role for it has none any more: jo, token t." in gone
    assert "no role" in program("users").stdout
    assert "Their tokens are revoked" in program("users", "remove", "jo").stdout
    acts = [(entry["act"], entry["facts"]) for entry in json.loads(program("audit", "--json").stdout)]
    assert ("role_changed", {"user": "jo", "role": "preparer@bureau"}) in acts


# The rules


def test_two_roles_are_joined_to_the_higher_and_limited_to_the_lower_on_each_account() -> None:
    here, everywhere = Access.parse(["admin@a", "preparer@b"]), Access.parse(["approver"])
    assert ["approver", "admin@a"] == here.joined(everywhere).texts == everywhere.joined(here).texts
    assert ["approver@a", "preparer@b"] == here.limited_to(everywhere).texts == everywhere.limited_to(here).texts
    assert (
        []
        == Access().limited_to(everywhere).texts
        == Access.parse(["admin@a"]).limited_to(Access.parse(["admin@b"])).texts
    )
    assert (True, False, True) == (here.is_within(here), here.is_within(everywhere), Access().is_within(here))
    assert not Access().accounts(Permission.LOOK)
    assert "c" not in here.accounts(Permission.LOOK)
    assert "c" in everywhere.accounts(Permission.LOOK)
    assert {"a"} == here.accounts(Permission.APPROVE).names


def test_a_job_of_another_account_is_named_by_neither_id_nor_account() -> None:
    assert "job j" == OtherJob("j", "a").named_for("a")
    assert "a job of another account of this organisation" == OtherJob("j", "a").named_for("b")


def test_what_a_report_says_of_another_accounts_job_names_it_not() -> None:
    own, other = (done_elsewhere(DoneElsewhere(job, 7, Status.REMOVED), []) for job in ("j", ""))
    assert "Job j settled this meanwhile: removed. Not sent." == own.detail
    assert "A job of another account of this organisation settled this meanwhile: removed. Not sent." == other.detail
    own, other = (done_elsewhere(DoneElsewhere(job, 7, Status.UNKNOWN), []) for job in ("j", ""))
    assert ("row 7 of job j" in own.detail, "7" in other.detail) == (True, False)
    assert "a job of another account of this organisation may have done the same" in other.detail
