"""One admitted attempt, one request: on real sockets, with the session that ships."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from yarl import URL

from bulkremove.domain.attempt import Attempt, PendingRow, Permit
from bulkremove.domain.clock import Epoch, Monotonic
from bulkremove.domain.errors import NeverSent, Unanswered
from bulkremove.domain.row import Removal
from bulkremove.zoho.client import Admission, Exchange, ZohoClient
from bulkremove.zoho.connection_errors import translate
from bulkremove.zoho.response_parser import parse

REMOVAL = Removal("1", "2", "3")
ATTEMPT = Attempt(1, Epoch(0.0), Monotonic(0.0), "boot")
PERMIT = Permit(PendingRow("job", 0, 2, REMOVAL), ATTEMPT, 1, ATTEMPT.sent_mono)
OK = b'{"code": "200", "learnerId": "3", "message": "success"}'


async def admit() -> Admission[Permit]:
    return Admission(PERMIT, "token")


@asynccontextmanager
async def server(answer: bytes | None) -> AsyncIterator[tuple[URL, list[bytes]]]:
    """Answers every request with these bytes and closes; None resets. The requests it saw."""
    seen: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
        except asyncio.IncompleteReadError:
            return
        if answer is None:
            writer.transport.abort()
            return
        writer.write(answer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield URL(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"), seen
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)  # real time: what was cut off is told to those who still read


def http(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def send(base: URL, removal: Removal = REMOVAL, **options: object) -> Exchange[Permit]:
    people = ZohoClient(base, **options)  # type: ignore[arg-type] # options by name
    try:
        exchange = await people.send_row(removal, admit)
        assert exchange is not None
        return exchange
    finally:
        await people.close()


async def test_the_one_shape_of_call_leaves_with_the_token() -> None:
    async with server(http("200 OK", OK)) as (base, seen):
        exchange = await send(base)
    assert exchange.reply is not None
    assert (200, OK) == (exchange.reply.status, exchange.reply.body)
    assert seen[0].startswith(b"DELETE /api/v1/courses/1/batches/2/learners/3 HTTP/1.1\r\n")
    assert b"Authorization: Zoho-oauthtoken token\r\n" in seen[0]


@pytest.mark.parametrize("answer", [None, b"", b"HTTP/1.1 200", http("200 OK", OK)[:-9]])
async def test_a_dropped_connection_is_unanswered_and_not_repeated(answer: bytes | None) -> None:
    async with server(answer) as (base, seen):
        exchange = await send(base)
    assert isinstance(exchange.failure, Unanswered)
    assert 1 == len(seen)


async def test_whatever_fails_between_an_answer_and_its_caller_leaves_the_request_unanswered() -> None:
    def fail(date: str) -> None:
        raise OverflowError(date)

    async with server(http("200 OK", OK)) as (base, _):
        exchange = await send(base, on_date=fail)
    assert isinstance(exchange.failure, Unanswered)


@pytest.mark.parametrize("token", ["200", "e", "success"])
async def test_a_token_that_is_a_word_of_the_answer_does_not_spoil_it(token: str) -> None:
    async def admit_with() -> Admission[Permit]:
        return Admission(PERMIT, token)

    async with server(http("200 OK", OK)) as (base, _):
        people = ZohoClient(base)
        exchange = await people.send_row(REMOVAL, admit_with)
        await people.close()
    assert exchange.reply is not None
    assert OK == exchange.reply.body


async def test_of_two_retry_after_headers_the_longer_counts() -> None:
    async with server(http("429 Too Many", b"{}", "Retry-After: 1", "Retry-After: 3000")) as (base, _):
        exchange = await send(base)
    assert exchange.reply is not None
    assert 3000.0 == parse(exchange.reply, now=Epoch(0.0)).wait


@pytest.mark.parametrize(
    ("headers", "age"),
    [
        ((), 0),
        (("Age: 0",), 0),
        (("Age: 42",), 42),
        (("Age: 0", "age:  7 "), 7),
        (("Age: 0, 7",), 7),
        (("Age: soon",), 0),
        ((f"Age: {'9' * 5000}",), 999_999_999),
    ],
)
async def test_how_long_a_cache_has_kept_a_reply_is_known(headers: tuple[str, ...], age: int) -> None:
    async with server(http("200 OK", OK, *headers)) as (base, _):
        exchange = await send(base)
    assert exchange.reply is not None
    assert age == exchange.reply.age


async def test_a_last_look_that_takes_too_long_withdraws_the_request_of_which_no_byte_left() -> None:
    async def never() -> bool:
        await asyncio.sleep(60)
        return True

    async def admit_slowly() -> Admission[Permit]:
        return Admission(PERMIT, "token", never)

    async with server(http("200 OK", OK)) as (base, seen):
        people = ZohoClient(base, exchange=0.2)
        exchange = await people.send_row(REMOVAL, admit_slowly)
        await people.close()
    assert exchange is not None
    assert (True, None, None) == (exchange.withdrawn, exchange.failure, exchange.reply)
    assert [] == seen


async def test_a_redirect_is_not_followed() -> None:
    async with server(http("200 OK", OK)) as (other, unseen):
        async with server(http("307 Moved", b"", f"Location: {other}/api")) as (base, _):
            exchange = await send(base)
        assert exchange.reply is not None
        assert (307, []) == (exchange.reply.status, unseen)


@pytest.mark.parametrize("learner", ["..", "../..", "3?x=1", "3/", "", "3#x", "%2e%2e", "\uff13", "4" * 20])
async def test_no_other_path_ever_leaves(learner: str) -> None:
    async with server(http("200 OK", OK)) as (base, seen):
        with pytest.raises(NeverSent):
            await send(base, Removal("1", "2", learner))
    assert [] == seen


async def test_an_endless_answer_is_cut_off() -> None:
    async with server(http("200 OK", b" " * 200_000)) as (base, _):
        assert isinstance((await send(base)).failure, Unanswered)


async def test_a_silent_server_is_given_up() -> None:
    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(silence, "127.0.0.1", 0) as listening:
        base = URL(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
        assert isinstance((await send(base, read=0.1)).failure, Unanswered)
        assert isinstance((await send(base, exchange=0.1)).failure, Unanswered)
        await asyncio.sleep(0.01)  # real time: the server hears that its caller has gone


async def test_nothing_left_where_nobody_listens() -> None:
    listening = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    listening.close()
    await listening.wait_closed()
    assert isinstance((await send(URL(f"http://127.0.0.1:{port}"))).failure, NeverSent)


async def test_proxy_variables_are_ignored_unless_set_on_purpose(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(http("200 OK", OK)) as (proxy, sniffed), server(http("200 OK", OK)) as (base, seen):
        monkeypatch.setenv("http_proxy", str(proxy))
        monkeypatch.setenv("no_proxy", "")
        await send(base)
        assert (0, 1) == (len(sniffed), len(seen))


def errors_below(kind: type[BaseException]) -> list[type[BaseException]]:
    return [kind, *(one for below in kind.__subclasses__() for one in errors_below(below))]


BEFORE = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    aiohttp.ClientHttpProxyError,
)


@pytest.mark.parametrize("kind", sorted(set(errors_below(aiohttp.ClientError)), key=str))
def test_every_error_of_aiohttp_is_ours_and_counts_as_sent_unless_proven_otherwise(kind: type[Exception]) -> None:
    error = kind.__new__(kind)
    ours = translate(error)
    assert isinstance(ours, NeverSent if issubclass(kind, BEFORE) else Unanswered)
    assert kind.__name__ not in str(ours), "HR reads this text"
