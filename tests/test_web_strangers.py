"""What strangers may cost before any sign-in: connections, slow requests, compressed bodies, malformed ones."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from bulkremove.domain.permissions import Role
from bulkremove.web import connections, responses
from bulkremove.web.security import Address
from tests.web_fixtures import RunningSite, running_site

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(one: RunningSite, count: int, source: str = "127.0.0.1") -> AsyncIterator[list[Streams]]:
    """Connections that have sent nothing yet."""
    host, port = one.url.removeprefix("http://").split(":")
    opened = [await asyncio.open_connection(host, int(port), local_addr=(source, 0)) for _ in range(count)]
    try:
        yield opened
    finally:
        for _, writer in opened:
            writer.close()


async def said(streams: Streams, request: bytes = b"") -> bytes:
    """What the server says until it closes the connection; nothing if it closes it at once."""
    reader, writer = streams
    try:
        writer.write(request)
        return await reader.read()
    except ConnectionError:
        return b""


FORWARDED = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n"


def asked(one: RunningSite, path: str = "/healthz", headers: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {one.url[7:]}\r\n{headers}Connection: close\r\n\r\n".encode()


async def test_connections_of_one_source_and_of_all_are_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS_OF_SOURCE", 3)
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 5)
    async with running_site(tmp_path) as one:
        async with connected(one, 3) as opened, connected(one, 1) as fourth:
            assert b"" == await said(fourth[0], asked(one))
            async with connected(one, 2, "127.0.0.2") as others, connected(one, 1, "127.0.0.3") as sixth:
                assert b"" == await said(sixth[0], asked(one))
                assert (await said(others[0], asked(one))).startswith(b"HTTP/1.1 200")
            assert (await said(opened[0], asked(one))).endswith(b"ok")
        async with connected(one, 1) as later:
            assert (await said(later[0], asked(one))).endswith(b"ok")


async def test_the_proxy_is_not_capped_like_one_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS_OF_SOURCE", 1)
    address = Address(frozenset(), frozenset({"bulkremove.example.com"}), proxy="127.0.0.2")
    async with running_site(tmp_path, address=address) as one, connected(one, 3, "127.0.0.2") as opened:
        assert [True] * 3 == [(await said(streams, asked(one))).endswith(b"ok") for streams in opened]


async def test_only_the_proxy_and_this_machine_may_connect_where_there_is_a_proxy(tmp_path: Path) -> None:
    address = Address(frozenset(), frozenset({"bulkremove.example.com"}), proxy="127.0.0.2")
    async with running_site(tmp_path, address=address, roles=(Role.ADMIN,)) as one:
        answers = {}
        for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
            async with connected(one, 2, source) as (first, second):
                health, page = await said(first, asked(one)), await said(second, asked(one, "/sign-in", FORWARDED))
                answers[source] = health[9:12], page[9:12]
    assert {"127.0.0.1": (b"200", b"403"), "127.0.0.2": (b"200", b"200"), "127.0.0.3": (b"", b"")} == answers


@pytest.mark.parametrize(
    "begin",
    [b"", b"GET / HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nX-Slow: "],
    ids=["nothing", "half a head", "half a second head"],
)
async def test_a_head_that_does_not_end_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin: bytes
) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.3)
    async with running_site(tmp_path) as one, connected(one, 1) as opened:
        reader, writer = opened[0]
        writer.write(begin)
        answers = 0
        with suppress(ConnectionError):  # it may be reset, since the server has not read the last byte
            if begin.count(b"healthz"):
                assert (await reader.readline()).startswith(b"HTTP/1.1 200")
                answers = 1
            while not reader.at_eof():  # a byte at a time keeps it open no longer
                writer.write(b"a")
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        answers += (await reader.readline()).count(b"HTTP/1.1")
        assert answers == begin.count(b"healthz")


async def test_a_form_that_does_not_end_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(connections, "LINGERING_SECONDS", 0.2)
    async with running_site(tmp_path, roles=(Role.ADMIN,)) as one, connected(one, 1) as opened:
        head = (
            f"POST /sign-in HTTP/1.1\r\nHost: {one.url[7:]}\r\nOrigin: {one.url}\r\nContent-Length: 100\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n\r\nname="
        )
        assert b"408" in (await said(opened[0], head.encode())).split(b"\r\n")[0]


async def test_a_compressed_body_is_never_decompressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LINGERING_SECONDS", 5.0)
    body = zlib.compress(b"name=" + bytes(50_000_000))
    async with running_site(tmp_path, roles=(Role.ADMIN,)) as one, connected(one, 1) as opened:
        head = (
            f"POST /sign-in HTTP/1.1\r\nHost: {one.url[7:]}\r\nOrigin: {one.url}\r\nContent-Encoding: deflate\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        with monkeypatch.context() as patch:
            patch.setattr("aiohttp.http_parser.DeflateBuffer.__init__", lambda *_: pytest.fail("it was decompressed"))
            answer = await said(opened[0], head.encode() + body)
    assert b"415" in answer.split(b"\r\n")[0]


@pytest.mark.parametrize(
    "request_line", [b"GET / HTTP/9.9", b"\x16\x03\x01\x02\x00", b"GET /\x00 HTTP/1.1", b"G" * 20_000]
)
async def test_what_is_no_request_gets_our_headers_and_no_version(tmp_path: Path, request_line: bytes) -> None:
    async with running_site(tmp_path) as one, connected(one, 1) as opened:
        answer = await said(opened[0], request_line + b"\r\nHost: x\r\n\r\n")
    assert b" 400 " in answer.split(b"\r\n")[0]
    assert b"Server: bulkremove\r\n" in answer
    assert b"nosniff" in answer
    assert b"aiohttp" not in answer


async def test_health_is_told_to_everybody_and_says_nothing_else(tmp_path: Path) -> None:
    async with running_site(tmp_path, roles=(Role.ADMIN,)) as one, one.visitor(known=False) as stranger:
        reply = await stranger.ask("GET", "/healthz", headers={"Host": "evil.example"})
        assert (200, "ok") == (reply.status, reply.text)


async def test_a_new_sign_in_ends_the_old_session(tmp_path: Path) -> None:
    async with running_site(tmp_path, roles=(Role.ADMIN, Role.PREPARER)) as one, one.visitor(known=False) as visitor:
        await visitor.sign_in("admin")
        cookie = {"Cookie": f"{one.cookie}={visitor.cookie(one.cookie)}"}
        async with one.visitor(known=False) as thief:
            assert "Sign out" in (await thief.get("/", **cookie)).text
            await visitor.sign_in("preparer")
            assert "/sign-in" == (await thief.get("/", **cookie)).url


async def test_cookies_are_bound_to_this_server(tmp_path: Path) -> None:
    async with running_site(tmp_path / "local") as one:
        assert f"bulkremove-{one.url.rpartition(':')[2]}" == one.cookie
    for address in (Address(frozenset(), proxy="127.0.0.1"), Address(frozenset(), tls=True)):
        assert "__Host-bulkremove" == address.cookie


async def test_browsers_come_back_over_tls_only_also_behind_a_proxy(tmp_path: Path) -> None:
    address = Address(frozenset(), frozenset({"bulkremove.example.com"}), proxy="127.0.0.1")
    site = running_site(tmp_path / "proxy", address=address, roles=(Role.ADMIN,))
    async with site as one, one.visitor(known=False) as visitor:
        told = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
        assert "max-age" in (await visitor.get("/sign-in", **told)).headers["Strict-Transport-Security"]
    async with running_site(tmp_path / "local") as one, one.visitor() as visitor:
        assert "Strict-Transport-Security" not in (await visitor.get("/")).headers
