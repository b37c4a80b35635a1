"""Every address of the page against every stranger: the host, the site, the session and the role, in this order."""

from __future__ import annotations

import asyncio
import html
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import aiohttp
import pytest
from multidict import CIMultiDict

from bulkremove.domain.permissions import Role
from bulkremove.web.routes import API
from bulkremove.web.security import Address
from tests.web_fixtures import RunningSite, Visitor, running_site, triples

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Attacked:
    """What is known of an address: the least role, None for those whom everybody may ask, and what a POST takes."""

    least: Role | None
    content_type: str = ""


P, A, D = Role.PREPARER, Role.APPROVER, Role.ADMIN
TABLE = {
    ("GET", "/static/page.css"): Attacked(None),
    ("GET", "/static/pico.min.css"): Attacked(None),
    ("GET", "/static/icons.css"): Attacked(None),
    ("GET", "/static/check.svg"): Attacked(None),
    ("GET", "/static/check-dark.svg"): Attacked(None),
    ("GET", "/static/chevron.svg"): Attacked(None),
    ("GET", "/static/icon.svg"): Attacked(None),
    ("GET", "/static/icon-attention.svg"): Attacked(None),
    ("GET", "/static/icon-done.svg"): Attacked(None),
    ("GET", "/static/icon-running.svg"): Attacked(None),
    ("GET", "/static/icon-waiting.svg"): Attacked(None),
    ("GET", "/static/page.js"): Attacked(P),
    ("GET", "/static/htmx.min.js"): Attacked(P),
    ("GET", "/static/htmx-sse.min.js"): Attacked(P),
    ("GET", "/static/LICENSES.txt"): Attacked(P),
    ("GET", "/healthz"): Attacked(None),
    ("GET", "/start"): Attacked(None),
    ("GET", "/sign-in"): Attacked(None),
    ("POST", "/sign-in"): Attacked(None, FORM),
    ("POST", "/sign-out"): Attacked(P, FORM),
    ("GET", "/account"): Attacked(P),
    ("POST", "/account/password"): Attacked(P, FORM),
    ("POST", "/account/sessions/{session}/end"): Attacked(P, FORM),
    ("GET", "/"): Attacked(P),
    ("GET", "/jobs"): Attacked(P),
    ("GET", "/people"): Attacked(P),
    ("GET", "/nights"): Attacked(P),
    ("GET", "/help"): Attacked(P),
    ("GET", "/template.xlsx"): Attacked(P),
    ("POST", "/uploads"): Attacked(P, "multipart/form-data"),
    ("GET", "/uploads/{upload}"): Attacked(P),
    ("POST", "/uploads/{upload}"): Attacked(P, FORM),
    ("GET", "/uploads/{upload}/plan.csv"): Attacked(P),
    ("GET", "/uploads/{upload}/lookup"): Attacked(P),
    ("POST", "/uploads/{upload}/lookup"): Attacked(P, FORM),
    ("POST", "/uploads/{upload}/mismatched"): Attacked(P, FORM),
    ("POST", "/uploads/{upload}/confirm"): Attacked(A, FORM),
    ("POST", "/uploads/{upload}/ask"): Attacked(P, FORM),
    ("POST", "/uploads/{upload}/return"): Attacked(A, FORM),
    ("GET", "/find"): Attacked(P),
    ("GET", "/find/{course}"): Attacked(P),
    ("GET", "/find/{course}/{batch}"): Attacked(P),
    ("POST", "/find/{course}/{batch}"): Attacked(P, FORM),
    ("GET", "/jobs/{job}"): Attacked(P),
    ("GET", "/jobs/{job}/events"): Attacked(P),
    ("GET", "/jobs/{job}/rows"): Attacked(P),
    ("GET", "/jobs/{job}/report.{ending}"): Attacked(P),
    ("GET", "/jobs/{job}/{rows}.csv"): Attacked(P),
    ("POST", "/jobs/{job}/pause"): Attacked(P, FORM),
    ("POST", "/jobs/{job}/resume"): Attacked(A, FORM),
    ("POST", "/jobs/{job}/approve"): Attacked(A, FORM),
    ("POST", "/jobs/{job}/cancel"): Attacked(A, FORM),
    ("POST", "/jobs/{job}/canary"): Attacked(A, FORM),
    ("POST", "/jobs/{job}/retry"): Attacked(A, FORM),
    ("GET", "/jobs/{job}/put-back"): Attacked(P),
    ("POST", "/jobs/{job}/put-back"): Attacked(P, FORM),
    ("POST", "/jobs/{job}/mail"): Attacked(P, FORM),
    ("POST", "/jobs/{job}/notes"): Attacked(A, FORM),
    ("POST", "/jobs/{job}/wordings"): Attacked(A, FORM),
    ("POST", "/jobs/{job}/wordings/withdraw"): Attacked(A, FORM),
    ("GET", "/audit"): Attacked(D),
    ("GET", "/audit.csv"): Attacked(D),
    ("GET", "/settings"): Attacked(D),
    ("POST", "/settings/checks"): Attacked(D, FORM),
    ("POST", "/settings/notice"): Attacked(D, FORM),
    ("GET", "/settings/accounts"): Attacked(D),
    ("POST", "/settings/accounts/connect"): Attacked(D, FORM),
    ("POST", "/settings/accounts/test"): Attacked(D, FORM),
    ("POST", "/settings/accounts/disconnect"): Attacked(D, FORM),
    ("GET", "/settings/access"): Attacked(D),
    ("POST", "/settings/users/add"): Attacked(D, FORM),
    ("POST", "/settings/users/roles"): Attacked(D, FORM),
    ("POST", "/settings/users/password"): Attacked(D, FORM),
    ("POST", "/settings/users/remove"): Attacked(D, FORM),
    ("POST", "/settings/tokens/add"): Attacked(D, FORM),
    ("POST", "/settings/tokens/revoke"): Attacked(D, FORM),
    ("POST", "/settings/sessions/end"): Attacked(D, FORM),
    ("GET", "/settings/protected"): Attacked(D),
    ("POST", "/settings/protected/add"): Attacked(D, FORM),
    ("POST", "/settings/protected/remove"): Attacked(D, FORM),
    ("GET", "/metrics"): Attacked(P),
    ("GET", "/api/v1/openapi.json"): Attacked(None),
    ("POST", "/api/v1/plans"): Attacked(P),
    ("GET", "/api/v1/plans"): Attacked(P),
    ("GET", "/api/v1/plans/{plan}"): Attacked(P),
    ("DELETE", "/api/v1/plans/{plan}"): Attacked(P),
    ("GET", "/api/v1/plans/{plan}/rows"): Attacked(P),
    ("POST", "/api/v1/plans/{plan}/mismatched"): Attacked(P, "application/json"),
    ("POST", "/api/v1/plans/{plan}/confirm"): Attacked(A, "application/json"),
    ("GET", "/api/v1/jobs"): Attacked(P),
    ("GET", "/api/v1/jobs/{job}"): Attacked(P),
    ("GET", "/api/v1/jobs/{job}/rows"): Attacked(P),
    ("GET", "/api/v1/jobs/{job}/events"): Attacked(P),
    ("GET", "/api/v1/jobs/{job}/events/stream"): Attacked(P),
    ("GET", "/api/v1/jobs/{job}/report.{ending}"): Attacked(P),
    ("GET", "/api/v1/jobs/{job}/{rows}.csv"): Attacked(P),
    ("GET", "/api/v1/jobs/{job}/canary"): Attacked(P),
    ("POST", "/api/v1/jobs/{job}/pause"): Attacked(P),
    ("POST", "/api/v1/jobs/{job}/resume"): Attacked(A),
    ("POST", "/api/v1/jobs/{job}/approve"): Attacked(A, "application/json"),
    ("POST", "/api/v1/jobs/{job}/retry"): Attacked(A, "application/json"),
    ("POST", "/api/v1/jobs/{job}/notes"): Attacked(A, "application/json"),
    ("GET", "/api/v1/jobs/{job}/put-back"): Attacked(P),
    ("POST", "/api/v1/jobs/{job}/put-back"): Attacked(P, "application/json"),
    ("POST", "/api/v1/jobs/{job}/cancel"): Attacked(A),
    ("POST", "/api/v1/jobs/{job}/canary"): Attacked(A),
    ("GET", "/no/such/page"): Attacked(P),
    ("DELETE", "/jobs/{job}"): Attacked(P),
    ("PUT", "/api/v1/jobs"): Attacked(P),
    ("POST", "/uploads/{upload}/discard"): Attacked(P, FORM),  # the last one: it takes the upload away
}
NO_DOORS = {("GET", "/no/such/page"): 404, ("DELETE", "/jobs/{job}"): 405, ("PUT", "/api/v1/jobs"): 405}
FILLED = {"{session}": "x", "{upload}": "x", "{job}": "x", "{plan}": "x", "{ending}": "csv", "{rows}": "retry"}
FILLED |= {"{course}": "1", "{batch}": "2"}


def address(path: str) -> str:
    for name, value in FILLED.items():
        path = path.replace(name, value)
    return path


def headers(
    one: RunningSite, path: str, known: Attacked, role: Role | None, tokens: dict[Role, dict[str, str]]
) -> dict[str, str]:
    """What an honest request for that address carries."""
    found = {"Origin": one.url, "Sec-Fetch-Site": "same-origin"}
    if known.content_type:
        found["Content-Type"] = (
            f"{known.content_type}; boundary=b" if "multipart" in known.content_type else known.content_type
        )
    if path.startswith(API) and role is not None:
        found |= tokens[role]
    return found


async def test_the_table_names_every_address_of_the_app(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one:
        found = {(route.method, route.resource.canonical) for route in one.site.router.routes() if route.resource}
    assert found == set(TABLE) - set(NO_DOORS)


async def test_every_address_is_shut_in_the_right_order(tmp_path: Path) -> None:
    async with running_site(tmp_path, roles=(P, A, D)) as one:
        tokens = {role: await one.program(role) for role in Role}
        async with aiohttp.ClientSession() as session:
            stranger = Visitor(one, session)
            for (method, path), known in TABLE.items():
                if path == "/healthz":
                    continue
                place = address(path)
                honest = headers(one, path, known, None, tokens)

                async def status(method: str = method, place: str = place, **changed: str) -> int:
                    asked = {name: value for name, value in {**honest, **changed}.items() if value}  # noqa: B023 - at once
                    return (await stranger.ask(method, place, headers=asked, allow_redirects=False)).status

                where = f"{method} {path}"
                assert 421 == await status(Host="evil.example"), where
                assert 421 == await status(Host="evil.example", **{"Sec-Fetch-Site": "cross-site"}), (
                    f"{where}: host first"
                )
                assert 403 == await status(**{"Sec-Fetch-Site": "cross-site"}), where
                assert 415 == await status(**{"Content-Encoding": "deflate"}), f"{where}: never decompressed"
                assert 403 == await status(**{"Sec-Fetch-Site": "same-site"}), where
                assert 403 == await status(Origin="http://evil.example"), where
                assert 403 == await status(Origin="null", **{"Sec-Fetch-Site": ""}), where
                assert 403 == await status(Origin=one.url.replace("http", "https")), where
                if method == "POST" and not path.startswith(API):
                    assert 403 == await status(Origin="", **{"Sec-Fetch-Site": ""}), f"{where}: from nowhere"
                if known.least is not None:
                    wanted = 401 if path.startswith(API) else 303 if method == "GET" else 403
                    assert wanted == await status(), f"{where}: nobody"
                    assert wanted == await status(Cookie=f"{one.cookie}=guessed", Authorization="Bearer guessed"), where


async def test_every_address_asks_for_its_role_and_its_content_type(tmp_path: Path) -> None:
    async with running_site(tmp_path, roles=(P, A, D)) as one:
        tokens = {role: await one.program(role) for role in Role}
        for role in Role:
            async with one.visitor(known=False) as visitor:
                assert (await visitor.sign_in(role.value)).status == 200
                for (method, path), known in TABLE.items():
                    if known.least is None or path == "/sign-out":
                        continue
                    asked = headers(one, path, known, role, tokens)
                    body = b"--b--\r\n" if "multipart" in known.content_type else None
                    allowed = list(Role).index(role) >= list(Role).index(known.least)
                    got = await visitor.ask(method, address(path), headers=asked, data=body, allow_redirects=False)
                    where = f"{role} {method} {path}: {got.status} {got.text[:200]}"
                    if not allowed:
                        assert 403 == got.status, where
                        continue
                    assert got.status == NO_DOORS.get((method, path), got.status), where
                    assert got.status in (200, 201, 303, 400, 404, 405, 409, 422, 503), (
                        where
                    )  # 503: no Zoho is there to be asked
                    if known.content_type:
                        wrong = {**asked, "Content-Type": "text/plain"}
                        got = await visitor.ask(method, address(path), headers=wrong, data=b"x", allow_redirects=False)
                        assert 415 == got.status, where


async def test_every_answer_carries_the_headers_that_shut_the_browser(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor, one.visitor(known=False) as stranger:
        for reply in (
            await visitor.get("/"),
            await visitor.get("/static/page.js"),
            await visitor.get("/nowhere"),
            await visitor.upload("nonsense"),
            await stranger.get("/"),
            await stranger.get("/static/page.css"),
            await stranger.ask("GET", "/", headers={"Host": "evil.example"}),
        ):
            policy = reply.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert "nosniff" == reply.headers["X-Content-Type-Options"]
            assert "no-referrer" == reply.headers["Referrer-Policy"]
            assert "bulkremove" == reply.headers["Server"]
            assert "Python" not in str(reply.headers)
        assert "no-store" == (await visitor.get("/")).headers["Cache-Control"]


class Tags(HTMLParser):
    """All start tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


async def test_no_page_has_script_or_style_of_its_own_and_none_loads_from_elsewhere(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        for reply in await visitor.get("/"), await visitor.upload(triples(3)), await visitor.get("/audit"):
            for tag, attributes in Tags(reply.text).found:
                assert "style" not in (tag, *attributes)
                assert not [name for name in attributes if name.startswith("on")]
                assert tag != "script" or str(attributes.get("src")).startswith("/static/")
                assert all((attributes.get(name) or "/")[0] in "/?#" for name in ("src", "href", "action"))


async def test_the_start_link_is_good_once(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one:
        link = f"/start?token={one.sessions.start_token}"
        async with one.visitor(known=False) as first, one.visitor(known=False) as second:
            assert 403 == (await first.get("/start?token=guessed")).status
            opened = await first.ask("GET", link, allow_redirects=False)
            cookie = opened.headers["Set-Cookie"]
            assert (303, "/") == (opened.status, opened.headers["Location"])
            assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/"))
            assert 200 == (await first.get("/")).status
            assert 403 == (await second.get(link)).status
            assert 403 == (await second.get("/")).status


FORWARDED = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
"""What a proxy must say of each request."""


async def test_a_cookie_is_for_tls_only_where_there_is_tls(tmp_path: Path) -> None:
    by_proxy = Address(frozenset(), frozenset({"bulkremove.example.com"}), proxy="127.0.0.1")
    async with running_site(tmp_path, address=by_proxy) as one, one.visitor(known=False) as visitor:
        told = {**FORWARDED, "X-Forwarded-Host": "bulkremove.example.com"}
        link = f"/start?token={one.sessions.start_token}"
        assert "Secure" in (await visitor.ask("GET", link, headers=told, allow_redirects=False)).headers["Set-Cookie"]


async def test_forwarded_headers_count_from_the_named_proxy_only(tmp_path: Path) -> None:
    told = {**FORWARDED, "X-Forwarded-Host": "bulkremove.example.com"}
    names = frozenset({"bulkremove.example.com"})
    for proxy, host, wanted in (
        ("127.0.0.1", "", 303),
        ("127.0.0.0/30", "", 303),
        ("10.0.0.9", "", 403),
        ("127.0.0.2/31", "", 403),
        ("", "evil.example", 421),
    ):
        place = Address(frozenset(), names, proxy=proxy)
        async with (
            running_site(tmp_path / (proxy or "none").replace("/", "-"), address=place, roles=(D,)) as one,
            one.visitor(known=False) as visitor,
        ):
            asked = {**told, **({"Host": host} if host else {})}
            got = await visitor.ask("GET", "/", headers=asked, allow_redirects=False)
            assert wanted == got.status


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"X-Forwarded-For": ""}, "X-Forwarded-For must be the browser's IP address"),
        ({"X-Forwarded-For": "192.0.2.7:4711"}, "it has '192.0.2.7:4711'"),
        ({"X-Forwarded-Proto": ""}, "X-Forwarded-Proto must be https"),
        ({"X-Forwarded-Proto": "http"}, "it has 'http'"),
    ],
)
async def test_a_proxy_that_does_not_say_who_asks_is_told_what_is_missing(
    tmp_path: Path, changed: dict[str, str], word: str
) -> None:
    place = Address(frozenset(), frozenset({"bulkremove.example.com"}), proxy="127.0.0.1")
    async with running_site(tmp_path, address=place, roles=(D,)) as one, one.visitor(known=False) as visitor:
        headers = {"Host": "bulkremove.example.com", **FORWARDED, **changed}
        reply = await visitor.ask("GET", "/sign-in", headers=headers)
        assert (502, True) == (reply.status, word in html.unescape(reply.text))


async def test_the_proxys_own_word_is_the_last_one(tmp_path: Path) -> None:
    place = Address(frozenset(), frozenset({"bulkremove.example.com"}), proxy="127.0.0.1")
    async with running_site(tmp_path, address=place, roles=(D,)) as one, one.visitor(known=False) as visitor:
        statuses = []
        for i in range(6):
            headers = CIMultiDict({"Origin": "https://bulkremove.example.com", "Host": "bulkremove.example.com"})
            headers["X-Forwarded-Proto"] = "https"
            headers.add("X-Forwarded-For", f"10.9.9.{i}")  # the client's own
            headers.add("X-Forwarded-For", "192.0.2.7")  # the proxy's
            data = {"name": "jo", "password": "guessed"}
            statuses.append((await visitor.ask("POST", "/sign-in", headers=headers, data=data)).status)
        assert 429 == statuses[-1]


async def test_a_server_that_is_for_its_proxy_only_answers_nobody_else(tmp_path: Path) -> None:
    place = Address(frozenset(), frozenset({"bulkremove.example.com"}), proxy="10.0.0.9")
    async with running_site(tmp_path, address=place, roles=(D,)) as one, one.visitor(known=False) as visitor:
        assert 403 == (await visitor.get("/sign-in", Host="bulkremove.example.com")).status


@pytest.mark.parametrize(
    "path", ["/static/../server.py", "/static/%2e%2e/server.py", "/static/page.css/../../security.py"]
)
async def test_no_file_outside_can_be_asked_for(tmp_path: Path, path: str) -> None:
    async with running_site(tmp_path) as one:
        reader, writer = await asyncio.open_connection(*one.url.removeprefix("http://").split(":"))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {one.url[7:]}\r\nConnection: close\r\n\r\n".encode())
        answer = (await reader.read()).split(b"\r\n")[0]
        writer.close()
        assert any(code in answer for code in (b"403", b"404"))


async def test_who_asks_for_more_than_they_may_is_refused_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_site(tmp_path, roles=(Role.PREPARER,)) as one, one.visitor(known=False) as visitor:
        await visitor.sign_in("preparer")
        assert 403 == (await visitor.get("/audit")).status
    assert "preparer (preparer) may not audit, asked for by <PlainResource  /audit>" in caplog.text
