"""Single sign-on by the proxy: its headers name the person and the groups, and nobody else's headers do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from multidict import CIMultiDict

from bulkremove.config import load
from bulkremove.domain.errors import SettingsError
from bulkremove.domain.permissions import EVERY_ACCOUNT, Access, Role
from bulkremove.web.security import Address
from bulkremove.web.single_sign_on import SignOn
from tests.web_fixtures import RunningSite, running_site

HOST = "bulkremove.example.com"
ROLES = {
    "hr": Access.everywhere(Role.PREPARER),
    "leads": Access.everywhere(Role.APPROVER),
    "it": Access.everywhere(Role.ADMIN),
    "school": Access.parse(["approver@school", "preparer@office"]),
}
CSV = "Course ID,Batch ID,Learner ID\n1,2,3\n"


@asynccontextmanager
async def signed_on_site(tmp_path: Path, *, proxy: str = "127.0.0.1", **settings: object) -> AsyncIterator[RunningSite]:
    sign_on = SignOn("X-Forwarded-Email", "X-Forwarded-Groups", ROLES)
    address = Address(frozenset(), frozenset({HOST}), proxy=proxy, sign_on=sign_on)
    async with running_site(tmp_path, address=address, **settings) as site:  # type: ignore[arg-type] # passed on
        yield site


def headers(name: str | None, groups: str | None, **more: str) -> CIMultiDict[str]:
    found = CIMultiDict({"Host": HOST, "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https", **more})
    if name is not None:
        found["X-Forwarded-Email"] = name
    if groups is not None:
        found["X-Forwarded-Groups"] = groups
    return found


async def ask(site: RunningSite, path: str, sent: CIMultiDict[str], *, method: str = "GET", source: str = "127.0.0.1",
              data: object = None) -> tuple[int, str]:  # fmt: skip
    connector = aiohttp.TCPConnector(local_addr=(source, 0))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.request(method, site.url + path, headers=sent, allow_redirects=False, data=data) as reply,
    ):
        return reply.status, await reply.text()


@pytest.mark.parametrize(
    ("groups", "status", "role"),
    [
        ("hr", 200, "preparer"),
        ("x, hr,it", 200, "admin"),
        ("leads", 200, "approver"),
        ("school", 200, "preparer@office and approver@school"),
        ("school, hr", 200, "preparer and approver@school"),
        ("HR", 403, ""),
        ("", 403, ""),
    ],
)
async def test_the_groups_decide_on_the_role(tmp_path: Path, groups: str, status: int, role: str) -> None:
    async with signed_on_site(tmp_path) as site:
        found, text = await ask(site, "/", headers("Jo@example.com", groups))
        assert (status, True) == (found, f"jo@example.com ({role})" in text or not role)


async def test_the_headers_count_from_the_proxy_only(tmp_path: Path) -> None:
    async with signed_on_site(tmp_path, proxy="127.0.0.2") as site:
        sent = headers("jo@example.com", "it")
        assert 200 == (await ask(site, "/", sent, source="127.0.0.2"))[0]
        assert 403 == (await ask(site, "/", sent, source="127.0.0.1"))[0]
        with pytest.raises(aiohttp.ClientError):
            await ask(site, "/", sent, source="127.0.0.3")
    async with running_site(tmp_path / "without", roles=(Role.ADMIN,)) as site:
        sent["Host"] = site.url[7:]
        assert (303, 403) == tuple([(await ask(site, path, sent))[0] for path in ("/", "/start")])


@pytest.mark.parametrize(
    ("sent", "word"),
    [
        (headers(None, "it"), "did not say who you are"),
        (headers("", "it"), "did not say who you are"),
        (headers("the nightly run", "it"), "holds no name"),
        (headers("token x", "it"), "holds no name"),
        (CIMultiDict([*headers("jo", "it").items(), ("X-Forwarded-Email", "kim")]), "came twice"),
        (CIMultiDict([*headers("jo", "hr").items(), ("X-Forwarded-Groups", "it")]), "came twice"),
    ],
)
async def test_a_request_that_leaves_doubt_about_its_author_is_refused(
    tmp_path: Path, sent: CIMultiDict[str], word: str
) -> None:
    async with signed_on_site(tmp_path) as site:
        status, text = await ask(site, "/", sent)
        assert (403, True) == (status, word in text)


async def test_another_site_can_not_use_the_sign_on_of_a_browser(tmp_path: Path) -> None:
    async with signed_on_site(tmp_path) as site:
        for more in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}):
            sent = headers("jo@example.com", "it", **more)
            assert 403 == (await ask(site, "/uploads", sent, method="POST", data={"file": "x"}))[0]


async def test_nobody_signs_in_here_and_the_api_still_wants_a_token(tmp_path: Path) -> None:
    async with signed_on_site(tmp_path, roles=(Role.ADMIN,)) as site:
        sent = headers("jo@example.com", "it")
        for path in ("/sign-in", "/start", "/account"):
            assert 404 == (await ask(site, path, sent))[0]
        assert 401 == (await ask(site, "/api/v1/jobs", sent))[0]
        token = await site.program(Role.PREPARER)
        assert 200 == (await ask(site, "/api/v1/jobs", headers(None, None, **token)))[0]


async def test_four_eyes_and_the_audit_log_know_the_person_by_the_proxys_name(tmp_path: Path) -> None:
    async with signed_on_site(tmp_path, four_eyes=True) as site:
        origin = {"Origin": f"https://{HOST}", "Sec-Fetch-Site": "same-origin"}
        form = aiohttp.FormData()
        form.add_field("file", CSV.encode(), filename="leavers.csv")
        assert 303 == (await ask(site, "/uploads", headers("jo@x.com", "it", **origin), method="POST", data=form))[0]
        _, home = await ask(site, "/", headers("jo@x.com", "it"))
        upload = home.partition('href="/uploads/')[2].partition('"')[0]
        _, plan = await ask(site, f"/uploads/{upload}", headers("JO@x.com", "it"))
        assert "Somebody else" in plan or "somebody else" in plan
        entries = await site.app.audit.newest(10, EVERY_ACCOUNT)
        assert [("jo@x.com", "read"), ("jo@x.com", "uploaded"), ("jo@x.com", "signed_in")] == [
            (entry.actor, entry.act) for entry in entries
        ]


ALL = {
    "BULKREMOVE_PROXY": "10.0.0.0/24",
    "BULKREMOVE_AUTH_HEADER": "X-Forwarded-Email",
    "BULKREMOVE_AUTH_GROUPS_HEADER": "X-Forwarded-Groups",
    "BULKREMOVE_AUTH_ROLES": "hr=preparer, cn=leads=approver",
}


def test_sign_on_is_set_as_a_whole_and_never_without_a_proxy(tmp_path: Path) -> None:
    home = {"BULKREMOVE_HOME": str(tmp_path)}
    assert (("hr", "preparer"), ("cn=leads", "approver")) == load({}, {**home, **ALL}).auth_roles
    for missing in ALL:
        if missing == "BULKREMOVE_PROXY" or missing.startswith("BULKREMOVE_AUTH"):
            with pytest.raises(SettingsError, match="single sign-on needs"):
                load({}, {**home, **{name: value for name, value in ALL.items() if name != missing}})
    (tmp_path / "bulkremove.toml").write_text('auth_roles = { "hr-leads" = "approver" }\n')
    assert (("hr-leads", "approver"),) == load({}, {**home, **ALL, "BULKREMOVE_AUTH_ROLES": ""}).auth_roles


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTH_HEADER", "Cookie"),
        ("AUTH_HEADER", "X-Forwarded-For"),
        ("AUTH_GROUPS_HEADER", "X-Forwarded-Email"),
        ("AUTH_ROLES", "hr=owner"),
        ("AUTH_ROLES", "hr=owner@school"),
        ("AUTH_ROLES", "hr=preparer@"),
        ("AUTH_ROLES", "hr"),
        ("PROXY", "0.0.0.0/0"),
        ("PROXY", "10.0.0.5/24"),
    ],
)
def test_a_setting_that_would_believe_the_wrong_one_is_refused(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError):
        load({}, {"BULKREMOVE_HOME": str(tmp_path), **ALL, f"BULKREMOVE_{name}": value})


def test_a_group_may_have_roles_on_several_accounts(tmp_path: Path) -> None:
    environ = {"BULKREMOVE_HOME": str(tmp_path), **ALL, "BULKREMOVE_AUTH_ROLES": ""}
    (tmp_path / "bulkremove.toml").write_text('auth_roles = { school = ["approver@school", "preparer@office"] }\n')
    assert (("school", "approver@school"), ("school", "preparer@office")) == load({}, environ).auth_roles
    for wrong in ("5", '["preparer", 5]', '["preparer@"]'):
        (tmp_path / "bulkremove.toml").write_text(f"auth_roles = {{ school = {wrong} }}\n")
        with pytest.raises(SettingsError, match="is no role"):
            load({}, environ)


async def test_a_person_of_a_group_sees_the_accounts_of_its_roles(tmp_path: Path) -> None:
    async with signed_on_site(tmp_path) as site:
        assert "You may upload a file for no account" in (await ask(site, "/", headers("jo@x.com", "school")))[1]
        assert 403 == (await ask(site, "/audit", headers("jo@x.com", "school")))[0]
        assert 200 == (await ask(site, "/audit", headers("jo@x.com", "school, it")))[0]
