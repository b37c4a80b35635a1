"""The settings on the page: who may do what, the accounts at Zoho, the protected learners, and what is wrong."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from bulkremove.app.protected_list import protected_learners
from bulkremove.domain.errors import FileRefused
from bulkremove.domain.permissions import EVERY_ACCOUNT, Access, Role
from bulkremove.reading.options import ReadOptions
from bulkremove.web.browser_names import browser_name
from bulkremove.zoho.accounts import AccountStore, Credentials
from tests.application_fixtures import stored
from tests.cli_fixtures import sandbox
from tests.test_reads import world
from tests.web_fixtures import PASSWORD, Reply, RunningSite, Visitor, running_site, triples

ADMINS = {
    "ada": Access.everywhere(Role.ADMIN),
    "bob": Access.everywhere(Role.ADMIN),
    "sam": Access.parse(["admin@default"]),
}


@asynccontextmanager
async def signed_in(
    tmp_path: Path, name: str = "ada", **settings: object
) -> AsyncIterator[tuple[RunningSite, Visitor]]:
    async with (
        running_site(tmp_path / "home", access=ADMINS, **settings) as one,  # type: ignore[arg-type] # passed on
        one.visitor(known=False) as visitor,
    ):
        await visitor.sign_in(name)
        yield one, visitor


async def ask(visitor: Visitor, path: str, *, password: str = PASSWORD, **fields: str) -> Reply:
    return await visitor.post(f"/settings/{path}", own_password=password, **fields)


def shown_once(reply: Reply) -> str:
    """The password or token that a page shows."""
    found = re.search(r'<div class="note" role="status"><p>[^<]*</p><p><code>([^<]+)</code>', reply.text)
    assert found, reply.text
    return found[1]


async def names(one: RunningSite) -> dict[str, str]:
    return {user.name: str(user.access) for user in await one.app.users.all()}


async def acts(one: RunningSite) -> list[str]:
    return [entry.act for entry in reversed(await one.app.audit.newest(50, EVERY_ACCOUNT))]


# --- who may ---------------------------------------------------------------------------------------------------


async def test_an_admin_of_one_account_sees_no_settings_and_changes_none(tmp_path: Path) -> None:
    async with signed_in(tmp_path, "sam") as (one, visitor):
        assert 'href="/settings"' not in (await visitor.get("/")).text
        for path in ("/settings", "/settings/access", "/settings/accounts", "/settings/protected"):
            assert 403 == (await visitor.get(path)).status, path
        refused = await ask(visitor, "users/add", **{"user": "eve", "role-*": "admin"})
        assert (403, False) == (refused.status, "eve" in await names(one))


async def test_an_admin_of_all_accounts_finds_each_page_of_the_settings(tmp_path: Path) -> None:
    async with signed_in(tmp_path) as (_, visitor):
        assert 'href="/settings"' in (await visitor.get("/")).text
        links = re.findall(r'<li><a href="(/settings[^"]*)"', (await visitor.get("/settings")).text)
        pages = [await visitor.get(path) for path in {*links}]
        assert [200] * 4 == [one.status for one in pages]
        assert not [one for one in pages if "`" in one.text]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("users/add", {"user": "eve", "role-*": "admin"}),
        ("users/roles", {"user": "sam", "role-*": "admin"}),
        ("users/password", {"user": "sam"}),
        ("users/remove", {"user": "sam"}),
        ("tokens/add", {"name": "robot", "role-*": "preparer"}),
        (
            "accounts/connect",
            {"name": "x", "dc": "us", "organization": "A", "client_id": "i", "secret": "s", "code": "c"},
        ),
        ("accounts/disconnect", {"account": "default", "typed": "default"}),
        ("protected/remove", {"entry": "--478"}),
    ],
)
async def test_a_browser_that_was_left_open_gives_nobody_rights(
    tmp_path: Path, path: str, fields: dict[str, str]
) -> None:
    async with signed_in(tmp_path) as (one, visitor):
        before = await names(one)
        for password in ("", "wrong horse battery"):
            refused = await ask(visitor, path, password=password, **fields)
            assert (400, True) == (refused.status, "Your own password is wrong. Nothing was changed." in refused.text)
        assert (before, []) == (await names(one), await one.app.tokens.all())
        assert [] == one.app.accounts.all()


# --- people and programs ----------------------------------------------------------------------------------------


async def test_somebody_who_is_added_signs_in_with_the_password_that_was_shown_once(tmp_path: Path) -> None:
    async with signed_in(tmp_path) as (one, visitor), one.visitor(known=False) as jo:
        added = await ask(visitor, "users/add", **{"user": "jo", "role-default": "approver", "role-*": "preparer"})
        assert "approver@default" in (await names(one))["jo"]
        password = shown_once(added)
        assert password not in (await visitor.get("/settings/access")).text
        assert password not in (await visitor.get("/audit")).text
        await jo.sign_in("jo", password)
        assert "/account" == (await jo.get("/jobs")).url
        again = await ask(visitor, "users/add", **{"user": "jo", "role-*": "admin"})
        assert (400, True) == (again.status, "There is a user" in again.text)


async def test_a_role_is_needed_and_a_made_up_one_is_refused(tmp_path: Path) -> None:
    async with signed_in(tmp_path) as (one, visitor):
        for fields in ({}, {"role-*": "owner"}, {"role-elsewhere": "admin"}):
            refused = await ask(visitor, "users/add", user="jo", **fields)
            assert (400, True) == (refused.status, 'class="alert"' in refused.text)
        assert "jo" not in await names(one)


async def test_roles_passwords_and_users_are_changed_and_the_last_admin_stays(tmp_path: Path) -> None:
    async with signed_in(tmp_path) as (one, visitor), one.visitor(known=False) as bob:
        await bob.sign_in("bob")
        await ask(visitor, "users/roles", **{"user": "bob", "role-*": "preparer"})
        assert "preparer" == (await names(one))["bob"]
        refused = await ask(visitor, "users/roles", **{"user": "ada", "role-*": "preparer"})
        assert "last admin" in refused.text
        assert "`" not in refused.text.partition("<main")[2]
        password = shown_once(await ask(visitor, "users/password", user="bob"))
        assert "/sign-in" == (await bob.get("/jobs")).url
        assert "/account" == (await bob.sign_in("bob", password)).url or (await bob.get("/jobs")).url == "/account"
        await ask(visitor, "users/remove", user="bob")
        assert {"ada", "sam"} == {*await names(one)}
        assert {"role_changed", "password_set", "user_removed"} <= {*await acts(one)}


async def test_a_token_is_shown_once_works_and_is_revoked(tmp_path: Path) -> None:
    async with signed_in(tmp_path) as (one, visitor):
        secret = shown_once(await ask(visitor, "tokens/add", **{"name": "hr", "role-*": "preparer", "owner": "ada"}))
        headers = {"Authorization": f"Bearer {secret}"}
        assert 200 == (await visitor.ask("GET", "/api/v1/jobs", headers=headers)).status
        page = await visitor.get("/settings/access")
        assert ("hr" in page.text, secret in page.text) == (True, False)
        (token,) = await one.app.tokens.all()
        await visitor.post("/settings/tokens/revoke", token=token.id)
        assert 401 == (await visitor.ask("GET", "/api/v1/jobs", headers=headers)).status
        more = await ask(visitor, "tokens/add", **{"name": "hr", "role-*": "admin", "owner": "sam"})
        assert (400, 1) == (more.status, len(await one.app.tokens.all()))


async def test_an_admin_ends_the_session_of_somebody_else_but_not_this_one(tmp_path: Path) -> None:
    async with signed_in(tmp_path) as (one, visitor), one.visitor(known=False) as sam:
        await sam.sign_in("sam")
        page = await visitor.get("/settings/access")
        assert "this one" in page.text
        (other,) = re.findall(r'name="session" value="([^"]+)"', page.text)
        await visitor.post("/settings/sessions/end", session=other)
        assert "/sign-in" == (await sam.get("/jobs")).url
        assert 400 == (await visitor.post("/settings/sessions/end", session=other)).status
        assert 200 == (await visitor.get("/jobs")).status


async def test_the_first_user_is_an_admin_and_the_local_user_is_asked_for_no_password(tmp_path: Path) -> None:
    async with running_site(tmp_path / "home") as one, one.visitor() as visitor:
        assert "own_password" not in (await visitor.get("/settings/access")).text
        refused = await visitor.post("/settings/users/add", **{"user": "jo", "role-*": "approver"})
        assert (400, {}) == (refused.status, await names(one))
        added = await visitor.post("/settings/users/add", **{"user": "jo", "role-*": "admin"})
        assert len(shown_once(added)) > 20
        assert {"jo": "admin"} == await names(one)
        assert "from the next start of the server on" in (await visitor.get("/settings/access")).text


async def test_what_a_refused_form_held_is_still_there(tmp_path: Path) -> None:
    async with signed_in(tmp_path) as (_, visitor):
        assert "from the next start of the server on" not in (await visitor.get("/settings/access")).text
        fields = {"user": "jo", "role-*": "approver"}
        form = (await ask(visitor, "users/add", password="wrong", **fields)).text.partition("Add somebody")[2]
        assert ('value="jo"' in form, "<option selected>approver</option>" in form) == (True, True)
        text = (await ask(visitor, "protected/add", learners="5 6 x", note="why")).text
        assert (">5\n6\nx</textarea>" in text, 'value="why"' in text) == (True, True)
        await ask(visitor, "protected/add", learners="5 6")
        text = (await ask(visitor, "protected/remove", password="wrong", entry="--6")).text
        assert ['value="--6" checked'] == re.findall(r'value="--\d" checked', text)


async def test_a_password_that_confirms_a_change_is_no_sign_in_for_the_audit_log(tmp_path: Path) -> None:
    async with signed_in(tmp_path) as (one, visitor):
        await ask(visitor, "tokens/add", **{"name": "robot", "role-*": "preparer", "owner": "ada"})
        await ask(visitor, "users/password", password="wrong", user="bob")
        assert ["signed_in", "token_added", "sign_in_failed"] == await acts(one)


# --- accounts ---------------------------------------------------------------------------------------------------


async def test_without_an_account_the_page_says_so_first_and_no_plan_can_be_confirmed(tmp_path: Path) -> None:
    async with signed_in(tmp_path, environ={}) as (one, visitor), one.visitor(known=False) as sam:
        assert 'href="/settings/accounts">Connect Zoho<' in (await visitor.get("/")).text
        plan = await visitor.upload(triples(2))
        assert ("Connect it</a>" in plan.text, 'id="number"' in plan.text) == (True, False)
        await sam.sign_in("sam")
        home = await sam.get("/")
        assert ("Ask an admin to connect one" in home.text, "/settings/accounts" in home.text) == (True, False)
    async with signed_in(tmp_path) as (_, visitor):
        assert "Connect Zoho" not in (await visitor.get("/")).text


async def test_another_client_gets_no_roles_by_taking_an_account_s_name(tmp_path: Path) -> None:
    async with signed_in(tmp_path) as (one, visitor):
        store = AccountStore(tmp_path / "home", None)
        store.add("school", Credentials("us", "sandbox-first", "s", "r"), "A")
        fields = {"name": "school", "dc": "us", "organization": "B", "secret": "s", "code": "c"}
        refused = await ask(visitor, "accounts/connect", client_id="sandbox-other", **fields)
        assert (400, True) == (refused.status, "connected with another client id already" in refused.text)
        again = await ask(visitor, "accounts/connect", client_id="sandbox-first", **fields)
        assert (400, False) == (again.status, "another client id" in again.text), "a code for more scopes is welcome"
        assert ["A"] == [account.organization for account in one.app.accounts.all()]


@pytest.mark.slow
async def test_an_account_is_connected_tested_and_disconnected(tmp_path: Path) -> None:
    path = world(tmp_path)
    path.write_text(path.read_text().replace('"client": {', '"client": {"grant_codes": ["one-code"], '))
    with sandbox(path, tmp_path / "log.jsonl") as variables:
        addresses = {"api_url": variables["BULKREMOVE_API_URL"], "accounts_url": variables["BULKREMOVE_ACCOUNTS_URL"]}
        async with signed_in(tmp_path, environ={}, **addresses) as (one, visitor):
            assert "No account is connected" in (await visitor.get("/settings/accounts")).text
            fields = {"name": "school", "dc": "eu", "organization": "Acme", "client_id": "sandbox", "secret": "s"}
            wrong = await ask(visitor, "accounts/connect", **fields, code="another-code")
            assert (400, []) == (wrong.status, one.app.accounts.all())
            assert ('value="Acme"' in wrong.text, "another-code" in wrong.text) == (True, False)
            done = await ask(visitor, "accounts/connect", **fields, code="one-code")
            assert "Connected: account &#39;school&#39;" in done.text
            assert ["school"] == [account.name for account in one.app.accounts.all()]
            tested = await visitor.post("/settings/accounts/test", account="school")
            assert "Problem" not in tested.text, tested.text
            assert 404 == (await visitor.post("/settings/accounts/test", account="other")).status
            untyped = await ask(visitor, "accounts/disconnect", account="school", typed="schol")
            assert (400, 1) == (untyped.status, len(one.app.accounts.all()))
            await ask(visitor, "accounts/disconnect", account="school", typed="school")
            assert [] == one.app.accounts.all()
            assert ["account_connected", "account_disconnected"] == [
                act for act in await acts(one) if "account_" in act
            ]
            log = (await visitor.get("/audit")).text
            assert not [secret for secret in ("one-code", "another-code") if secret in log]


async def test_an_account_whose_job_is_not_over_is_not_disconnected(tmp_path: Path) -> None:
    AccountStore(tmp_path / "home", None).add("default", Credentials("us", "sandbox", "s", "r"), "Acme")
    async with signed_in(tmp_path) as (one, visitor):
        (tmp_path / "leavers.csv").write_text(triples(2))
        preview = await one.app.plans.preview(tmp_path / "leavers.csv", name="leavers.csv", options=ReadOptions())
        job = await stored(one.app, preview, tmp_path)
        refused = await ask(visitor, "accounts/disconnect", account="default", typed="default")
        assert (400, True) == (refused.status, f"Job {job.id}" in refused.text)
        assert 1 == len(one.app.accounts.all())


@pytest.mark.parametrize("name", ["../escaped", "*", "a@b", "", "x" * 65])
async def test_an_account_gets_no_name_that_is_another_file(tmp_path: Path, name: str) -> None:
    async with signed_in(tmp_path) as (one, visitor):
        fields = {"dc": "us", "organization": "A", "client_id": "sandbox", "secret": "s", "code": "c"}
        refused = await ask(visitor, "accounts/connect", name=name, **fields)
        assert (400, []) == (refused.status, one.app.accounts.all())
        assert "not a valid account name" in refused.text or "Fill in every field" in refused.text


# --- protected learners -----------------------------------------------------------------------------------------


async def protected(one: RunningSite) -> set[str]:
    return {*protected_learners(one.app.settings).learners}


async def test_learners_are_protected_from_the_next_plan_on_and_taken_out_again(tmp_path: Path) -> None:
    content = triples(2)
    learners = re.findall(r"(?m)^\d+,\d+,(\d+),", content)
    async with signed_in(tmp_path) as (one, visitor):
        await ask(visitor, "protected/add", learners=f"{learners[0]}\n 999 , 998", note="works council")
        assert {learners[0], "999", "998"} == await protected(one)
        listed = (await visitor.get("/settings/protected?q=WORKS")).text
        assert ("3 entries" in listed, listed.count("<td>works council</td>")) == (True, 3)
        assert "999" not in (await visitor.get("/settings/protected?q=parents")).text
        plan = (await visitor.upload(content)).text
        assert ("Would be removed</dt><dd>1<" in plan, "<dt>Not sent</dt><dd>1<" in plan) == (True, True)
        await ask(visitor, "protected/remove", entry=f"--{learners[0]}")
        assert {"999", "998"} == await protected(one)
        text = (tmp_path / "home" / "protected.csv").read_text()
        assert "Learner ID,Note\n999,works council\n998,works council\n" == text
        assert "Would be removed</dt><dd>2<" in (await visitor.upload(content)).text
        assert ["protected_changed"] * 2 == [act for act in await acts(one) if act == "protected_changed"]


async def test_a_list_of_triples_keeps_its_lines_and_gets_learners_of_all_batches(tmp_path: Path) -> None:
    async with signed_in(tmp_path) as (one, visitor):
        path = tmp_path / "home" / "protected.csv"
        path.write_bytes('\ufeffName;Course ID;Batch ID;Learner ID\nÖ, "x";1;2;3\n;;;4'.encode())
        await ask(visitor, "protected/add", learners="5")
        assert '\ufeffName;Course ID;Batch ID;Learner ID\nÖ, "x";1;2;3\n;;;4\n;;;5\n' == path.read_text("utf-8")
        page = await visitor.get("/settings/protected")
        assert "batch <code>2</code> of course <code>1</code>" in page.text
        await visitor.post_all(
            "/settings/protected/remove", [("own_password", PASSWORD), ("entry", "1-2-3"), ("entry", "--4")]
        )
        assert "\ufeffName;Course ID;Batch ID;Learner ID\n;;;5\n" == path.read_text("utf-8")
        assert {"5"} == await protected(one)


@pytest.mark.parametrize(
    "content",
    [
        b"Learner ID\n007\n",
        b'Learner ID\n="478346000019558003"\n',
        b'Learner ID,Note\n1,"two\nlines"\n',
        b"PK\x03\x04",
        "Learner ID\n1\n".encode("utf-16"),
    ],
    ids=["zeros", "formula", "line break", "workbook", "utf-16"],
)
async def test_a_list_is_changed_by_what_was_asked_for_alone_or_not_at_all(tmp_path: Path, content: bytes) -> None:
    async with signed_in(tmp_path) as (one, visitor):
        path = tmp_path / "home" / "protected.csv"
        path.write_bytes(content)
        for path_of in ("add", "remove"):
            kept = path.read_bytes()
            with suppress(FileRefused):
                before = await protected(one)
                entry = min(before)
                expected = before | {"55"} if path_of == "add" else before - {entry}
                got = await ask(visitor, f"protected/{path_of}", learners="55", entry=f"--{entry}")
                assert got.status in (200, 400)
                assert expected == await protected(one) or (400, kept) == (got.status, path.read_bytes())
                continue
            assert 400 == (await ask(visitor, f"protected/{path_of}", learners="55", entry="--1")).status
            assert kept == path.read_bytes()


async def test_the_last_entry_a_link_and_what_is_no_id_are_refused(tmp_path: Path) -> None:
    async with signed_in(tmp_path) as (one, visitor):
        for text in ("ann@example.com", "47834600001955800X", ""):
            assert 400 == (await ask(visitor, "protected/add", learners=text)).status
        assert not (tmp_path / "home" / "protected.csv").exists()
        await ask(visitor, "protected/add", learners="7")
        last = await ask(visitor, "protected/remove", entry="--7")
        assert ({"7"}, True) == (await protected(one), "The last entry stays" in last.text)
        path = tmp_path / "home" / "protected.csv"
        path.rename(tmp_path / "elsewhere.csv")
        path.symlink_to(tmp_path / "elsewhere.csv")
        refused = await ask(visitor, "protected/add", learners="8")
        assert (400, {"7"}) == (refused.status, await protected(one))
        assert path.is_symlink()


# --- what is wrong ----------------------------------------------------------------------------------------------


async def test_the_page_says_what_is_wrong_and_sends_a_test_notice(tmp_path: Path) -> None:
    async with signed_in(tmp_path) as (one, visitor):
        (tmp_path / "home").chmod(0o755)
        checked = await visitor.post("/settings/checks")
        assert (200, True) == (checked.status, "Others may look into" in checked.text)
        assert "max_removals" in checked.text
        told = await visitor.post("/settings/notice")
        assert "No night is set up here" in told.text
        assert "notice_tested" in await acts(one)


async def test_values_have_units_and_roles_are_told_in_words(tmp_path: Path) -> None:
    both = Access.parse(["admin", "approver@school"])
    site = running_site(tmp_path / "home", access={"kim": both}, retention_days=30)
    async with site as one, one.signed_in("kim") as visitor:
        assert "<td>30 days</td>" in (await visitor.get("/settings")).text
        assert "admin for all accounts, approver for account school" in (await visitor.get("/settings/access")).text


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36 Edg/120.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1 Version/17.0 Safari/604.1",
            "Safari on iPhone",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0", "Firefox on Linux"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("odd\r\nname", "oddname"),
    ],
)
def test_a_browser_is_named_as_people_know_it(agent: str, name: str) -> None:
    assert name == browser_name(agent)
