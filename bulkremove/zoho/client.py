"""The HTTP client: one removal or one read is one request, and nothing else is sent for it.

Method, host, path and query are checked against the planned call before each request. Redirects are never followed,
aiohttp's hidden repeat of a request is refused, and a reply is limited in size and time. Exceptions of aiohttp become
``NeverSent`` when no byte can have left, ``Unanswered`` otherwise. What a reply means is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from bulkremove.config import Settings
from bulkremove.domain.attempt import Permit, ReadPermit, Reply
from bulkremove.domain.errors import BulkremoveError, ExchangeFailed, NeverSent, NoDescriptors, Unanswered
from bulkremove.domain.operation import REMOVE_LEARNER, Call, Operation
from bulkremove.domain.row import Removal
from bulkremove.domain.version import __version__
from bulkremove.zoho.connection_errors import ReplyTooLarge, translate

P = TypeVar("P", Permit, ReadPermit)
R = TypeVar("R")

MAX_AGE_SECONDS = 999_999_999
"""Largest time of an Age header; a longer one counts as this."""
MAX_RESPONSE_BYTES = 64 * 1024
"""Largest body of an answer to a removal; the documented one has about a hundred bytes."""
MAX_READ_BYTES = 4 * 1024 * 1024
"""Largest body of an answer to a read: some hundred records."""

MIN_SECRET_LENGTH = 8


async def _always_valid() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Admission(Generic[P]):
    """Permission to send now: the permit (its slot is on disk) and the access token to send with."""

    permit: P
    token: str
    is_still_valid: Callable[[], Awaitable[bool]] = _always_valid
    """Called when the connection is open, which may have taken seconds; False: the call must not be made any more."""

    def __repr__(self) -> str:
        return f"Admission({self.permit!r}, token=...)"


@dataclass(frozen=True, slots=True)
class Exchange(Generic[P]):
    """One request that was admitted, with its reply or its failure."""

    admission: Admission[P]
    reply: Reply | None = None
    failure: ExchangeFailed | None = None
    withdrawn: bool = False
    """The admission was no longer valid when the connection was open; no byte left."""
    no_descriptors: bool = False
    """It was withdrawn because this machine lets the program open no connection."""


class _Request(aiohttp.ClientRequest):
    """A request that checks its admission again when its connection is open, before a byte leaves."""

    is_still_valid: Callable[[], Awaitable[bool]] = staticmethod(_always_valid)
    is_checking = False
    """While True no byte has left, so a time-out then means that nothing was sent."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        self.is_checking = True
        if not await self.is_still_valid():
            raise _Withdrawn
        self.is_checking = False
        return await super().send(conn)


class ZohoClient:
    """An HTTP client for the calls of one account.

    ``operations``: the only ones whose calls are made. ``connect`` and ``read``: time-outs in real seconds;
    ``exchange``: the limit for one call from start to end. ``on_date`` gets the Date header of each reply, as sent.
    """

    def __init__(
        self,
        base: URL,
        *,
        operations: tuple[Operation, ...] = (REMOVE_LEARNER,),
        concurrency: int = 4,
        connect: float = 10.0,
        read: float = 30.0,
        exchange: float = 45.0,
        trust_proxy: bool = False,
        on_date: Callable[[str], None] = lambda date: None,
    ) -> None:
        self._base = base.origin()
        self._operations = operations
        self._on_date = on_date
        self._exchange = exchange
        self._session = aiohttp.ClientSession(
            # One call per connection, so that a late or repeated reply can't be taken for that of the next row
            # (docs/decisions/0008-one-connection-a-call.md).
            connector=aiohttp.TCPConnector(limit=concurrency + 1, force_close=True),
            request_class=_Request,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=read),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"bulkremove/{__version__}", "Accept-Encoding": "identity"},
            trust_env=trust_proxy,
        )

    async def close(self) -> None:
        """Close all connections; no call can be made afterwards."""
        await self._session.close()

    async def send_row(
        self, removal: Removal, admit: Callable[[], Awaitable[Admission[Permit] | R]]
    ) -> Exchange[Permit] | R:
        """Send the call of one row by the client's first operation, as ``send`` does."""
        return await self.send(self._operations[0].call(removal.ids), admit)

    async def send(self, call: Call, admit: Callable[[], Awaitable[Admission[P] | R]]) -> Exchange[P] | R:
        """Send one request if ``admit`` returns an admission, else return its result. Its exceptions propagate."""
        limit = MAX_READ_BYTES if call.operation.method == "GET" else MAX_RESPONSE_BYTES
        exchange: Exchange[P] | None = None
        refusals: list[R] = []

        async def send_when_admitted(
            request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            nonlocal exchange
            if exchange is not None:
                raise Unanswered("The connection broke, and the same attempt is not sent twice.")
            self._check(request, call)
            admission = await admit()
            if not isinstance(admission, Admission):
                refusals.append(admission)
                raise _NotAdmitted
            exchange = Exchange(admission)
            assert isinstance(request, _Request)  # noqa: S101 - narrows the type; the session makes no other
            request.is_still_valid = admission.is_still_valid
            request.headers["Authorization"] = f"Zoho-oauthtoken {admission.token}"
            response: aiohttp.ClientResponse | None = None
            try:
                async with asyncio.timeout(self._exchange):
                    response = await send(request)
                    exchange = Exchange(admission, redact(await self._reply(response, limit), admission.token))
            except (BulkremoveError, _Withdrawn):
                raise
            except Exception as error:  # whatever it is, the request may have left
                if request.is_checking and isinstance(error, TimeoutError):
                    raise _Withdrawn from None
                raise translate(error) from None
            finally:
                if response is not None and (exchange is None or exchange.reply is None):
                    response.close()
            return response

        method, url = call.operation.method, self._base.with_path(call.path).with_query(call.query)
        try:
            async with self._session.request(method, url, allow_redirects=False, middlewares=(send_when_admitted,)):
                pass
        except _NotAdmitted:
            return refusals[0]
        except (_Withdrawn, ExchangeFailed) as error:
            if exchange is None:
                raise
            if isinstance(error, NoDescriptors):
                return Exchange(exchange.admission, withdrawn=True, no_descriptors=True)
            failure = error if isinstance(error, ExchangeFailed) else None
            return Exchange(exchange.admission, failure=failure, withdrawn=failure is None)
        assert exchange is not None  # noqa: S101 - narrows the type; a request that succeeded was admitted
        return exchange

    async def post_form(self, url: str, form: Mapping[str, str]) -> Reply:
        """POST a form to the token endpoint; this takes no slot. Raises NeverSent or Unanswered."""
        return await self._send("POST", url, dict(form))

    async def probe_host(self, url: str) -> Reply:
        """Make a HEAD request without credentials, to see whether a host answers. Raises NeverSent or Unanswered."""
        return await self._send("HEAD", url)

    async def _send(self, method: str, url: str, form: dict[str, str] | None = None) -> Reply:
        try:
            async with (
                asyncio.timeout(self._exchange),
                self._session.request(method, url, data=form, allow_redirects=False) as response,
            ):
                return await self._reply(response)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise translate(error) from None

    async def _reply(self, response: aiohttp.ClientResponse, limit: int = MAX_RESPONSE_BYTES) -> Reply:
        body = bytearray()
        async for chunk in response.content.iter_chunked(16 * 1024):
            body += chunk
            if len(body) > limit:
                raise ReplyTooLarge
        date = response.headers.get("Date")
        self._on_date(date or "")
        retry_after = "\n".join(response.headers.getall("Retry-After", []))
        return Reply(response.status, bytes(body), retry_after, date, _age(response.headers.getall("Age", [])))

    def _check(self, request: aiohttp.ClientRequest, call: Call) -> None:
        """Raise NeverSent unless this is the planned call: an id of ``..`` would mean the whole batch (measured)."""
        url, operation = request.url, call.operation
        is_planned = call.is_made_by(request.method, url.raw_path, tuple(url.query.items()))
        if operation not in self._operations or not is_planned or url.origin() != self._base:
            raise NeverSent(f"This call is not the planned one ({operation.name}) and was not made.")


@asynccontextmanager
async def open_client(
    settings: Settings,
    *,
    base: URL | None = None,
    operations: tuple[Operation, ...] = (REMOVE_LEARNER,),
    speed: float = 1.0,
    on_date: Callable[[str], None] = lambda date: None,
) -> AsyncIterator[ZohoClient]:
    """A client with the limits of the settings. ``base`` replaces their host; ``speed``: that of the run's clock."""
    client = ZohoClient(
        base or URL(settings.people_url),
        operations=operations,
        concurrency=settings.concurrency,
        connect=settings.connect_timeout,
        read=settings.read_timeout,
        exchange=settings.quota.exchange / speed,
        trust_proxy=settings.trust_proxy,
        on_date=on_date,
    )
    try:
        yield client
    finally:
        await client.close()


class _NotAdmitted(Exception):
    """``admit`` returned something other than an admission."""


class _Withdrawn(Exception):
    """The admission was no longer valid when the connection was open."""


def redact(reply: Reply, secret: str) -> Reply:
    """Remove the secret from a reply: a proxy's error page may quote the request, and part of its text is stored.

    A shorter one than any token of Zoho's may be a word of the answer itself, such as 200, which must not be lost.
    """
    if len(secret) < MIN_SECRET_LENGTH:
        return reply
    return replace(reply, body=reply.body.replace(secret.encode(), b"(withheld)"))


def _age(headers: Iterable[str]) -> int:
    """The longest time of some Age headers, in seconds, MAX_AGE_SECONDS at most; 0 for what is not a number."""
    ages = re.findall(r"(?a:\d+)", ",".join(headers))
    return max((int(age) if len(age) < len(str(MAX_AGE_SECONDS)) else MAX_AGE_SECONDS for age in ages), default=0)
