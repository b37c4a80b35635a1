"""The page where users see to their own account: passwords, one-time passwords, sessions, known browsers."""

from __future__ import annotations

import re
from pathlib import Path

from bulkremove.domain.permissions import Role
from tests.web_fixtures import PASSWORD, running_site, triples

NEW = "another long password"


async def test_users_change_their_own_password_and_stay_signed_in(tmp_path: Path) -> None:
    async with running_site(tmp_path, roles=(Role.PREPARER,)) as one, one.strangers() as (here, elsewhere):
        for visitor in (here, elsewhere):
            await visitor.sign_in("preparer")
        for fields, says in (
            ({"old": "wrong", "new": NEW, "again": NEW}, "present password is wrong"),
            ({"old": PASSWORD, "new": NEW, "again": "other"}, "differ"),
            ({"old": PASSWORD, "new": "short", "again": "short"}, "12 to 200 characters"),
            ({"old": PASSWORD, "new": "password1234", "again": "password1234"}, "easily guessed"),
            ({"old": PASSWORD, "new": PASSWORD, "again": PASSWORD}, "is the present one"),
        ):
            assert says in (await here.post("/account/password", **fields)).text
        changed = await here.post("/account/password", old=PASSWORD, new=NEW, again=NEW)
        assert ("/account?changed=1", True) == (changed.url, "Your password was changed" in changed.text)
        assert "/sign-in" == (await elsewhere.get("/")).url
        assert "wrong" in (await elsewhere.sign_in("preparer")).text
        assert "/" == (await elsewhere.sign_in("preparer", NEW)).url


async def test_a_stolen_session_does_not_guess_the_password(tmp_path: Path) -> None:
    async with running_site(tmp_path, roles=(Role.PREPARER,)) as one, one.visitor(known=False) as thief:
        await thief.sign_in("preparer")
        replies = [await thief.post("/account/password", old=f"guess {i}", new=NEW, again=NEW) for i in range(5)]
        assert [403, 403, 403, 429, 429] == [reply.status for reply in replies]


async def test_a_one_time_password_must_be_replaced_before_anything_else(tmp_path: Path) -> None:
    async with running_site(tmp_path, roles=(Role.APPROVER,)) as one, one.visitor(known=False) as visitor:
        await one.app.users.set_password("approver", "given by an admin 7", by="an admin", one_time=True)
        signed_in = await visitor.sign_in("approver", "given by an admin 7")
        assert "/account" == signed_in.url
        assert "set by somebody else" in signed_in.text
        assert "/account" == (await visitor.get("/")).url
        assert 403 == (await visitor.upload(triples(2))).status
        assert 200 == (await visitor.get("/static/page.js")).status
        await visitor.post("/account/password", old="given by an admin 7", new=NEW, again=NEW)
        assert "/" == (await visitor.get("/")).url
        assert "/" == (await visitor.sign_in("approver", NEW)).url


async def test_users_see_and_end_their_own_sessions_only(tmp_path: Path) -> None:
    async with (
        running_site(tmp_path, roles=(Role.PREPARER, Role.ADMIN)) as one,
        one.strangers() as (here, elsewhere),
        one.visitor(known=False) as other,
    ):
        await here.sign_in("preparer")
        await elsewhere.ask(
            "POST",
            "/sign-in",
            data={"name": "preparer", "password": PASSWORD},
            headers={"Origin": one.url, "User-Agent": "Lost laptop <b>"},
        )
        await other.sign_in("admin")
        page = await here.get("/account")
        assert "Lost laptop &lt;b&gt;" in page.text
        assert 1 == page.text.count("this one")
        (ended,) = re.findall(r"/account/sessions/([0-9a-f]+)/end", page.text)
        assert ended not in (await other.get("/account")).text
        assert 404 == (await other.post(f"/account/sessions/{ended}/end")).status
        assert "/" == (await elsewhere.get("/")).url
        assert "/account" == (await here.post(f"/account/sessions/{ended}/end")).url
        assert "/sign-in" == (await elsewhere.get("/")).url
        assert 404 == (await here.post(f"/account/sessions/{ended}/end")).status


async def test_the_local_user_sees_sessions_and_no_password(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        page = await visitor.get("/account")
        assert "this one" in page.text
        assert "password" not in page.text.lower()
        assert 409 == (await visitor.post("/account/password", old="a", new=NEW, again=NEW)).status


async def test_a_browser_that_signed_in_once_is_known(tmp_path: Path) -> None:
    async with running_site(tmp_path, roles=(Role.PREPARER,)) as one, one.strangers() as (known, unknown):
        await known.sign_in("preparer")
        await known.post("/sign-out")
        for _ in range(4):
            last = await unknown.sign_in("preparer", "guessed")
        assert 429 == last.status, "all of this machine's browsers have one address"
        assert "/" == (await known.sign_in("preparer")).url
