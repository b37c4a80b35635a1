"""One removal, one request: the last line before the wire.

The exact method, host and path are checked once more here, redirects are never followed, aiohttp's hidden
repeat of a DELETE is refused, and an answer is capped in size and time. What aiohttp raises becomes one of two
errors of ours: ``NeverSent`` when no byte can have left, ``Unanswered`` otherwise. It never decides anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from bulkremove import __version__
from bulkremove.config import Settings
from bulkremove.domain.attempt import Permit, Reply
from bulkremove.domain.errors import ExchangeFailed, NeverSent, Unanswered
from bulkremove.domain.operation import REMOVE_LEARNER, Operation
from bulkremove.domain.row import Removal

R = TypeVar("R")

MAX_RESPONSE_BYTES = 64 * 1024
"""Bytes of a body; the documented one has about a hundred."""


async def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Admission:
    """Leave to send now: the permit (slot and attempt are on disk) and the access token to send with."""

    permit: Permit
    token: str
    is_still_valid: Callable[[], Awaitable[bool]] = _always
    """Asked when the connection stands, which may have taken seconds: false when the call must not be made any more."""

    def __repr__(self) -> str:
        return f"Admission({self.permit!r}, token=...)"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request that was admitted, and what came back: a reply or the way it failed."""

    admission: Admission
    reply: Reply | None = None
    failure: ExchangeFailed | None = None
    withdrawn: bool = False
    """The admission did not hold until the connection stood; no byte left."""


class _Request(aiohttp.ClientRequest):
    """A request that looks once more when its connection stands, before a byte leaves."""

    is_still_valid: Callable[[], Awaitable[bool]] = staticmethod(_always)
    is_looking = False
    """While it looks no byte has left, however long that takes."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        self.is_looking = True
        if not await self.is_still_valid():
            raise _Withdrawn
        self.is_looking = False
        return await super().send(conn)


class ZohoClient:
    """The calls of one account. Seconds are real ones; ``exchange`` bounds one call from start to end.

    ``operation``: the only call that may leave for a row. ``on_date`` hears the server's own time of each reply, as
    sent.
    """

    def __init__(
        self,
        base: URL,
        *,
        operation: Operation = REMOVE_LEARNER,
        concurrency: int = 4,
        connect: float = 10.0,
        read: float = 30.0,
        exchange: float = 45.0,
        trust_proxy: bool = False,
        on_date: Callable[[str], None] = lambda date: None,
    ) -> None:
        self._base = base.origin()
        self._operation = operation
        self._on_date = on_date
        self._exchange = exchange
        self._session = aiohttp.ClientSession(
            # A connection carries one call: what a server or a proxy sends too much, or too late, is nobody's answer.
            connector=aiohttp.TCPConnector(limit=concurrency + 1, force_close=True),
            request_class=_Request,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=read),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"bulkremove/{__version__}", "Accept-Encoding": "identity"},
            trust_env=trust_proxy,
        )

    async def close(self) -> None:
        await self._session.close()

    async def remove(self, removal: Removal, admit: Callable[[], Awaitable[Admission | R]]) -> Exchange | R:
        """Send one call once ``admit`` gives an admission; else return what it gave. Its exceptions pass through."""
        exchange: Exchange | None = None
        refusals: list[R] = []

        async def send_when_admitted(
            request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            nonlocal exchange
            if exchange is not None:
                raise Unanswered("The connection broke, and the same attempt is not sent twice.")
            self._check(request, removal)
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
                    exchange = Exchange(admission, withhold(await self._reply(response), admission.token))
            except (aiohttp.ClientError, OSError, ValueError) as error:
                if request.is_looking and isinstance(error, TimeoutError):
                    raise _Withdrawn from None
                raise translate(error) from None
            finally:
                if response is not None and (exchange is None or exchange.reply is None):
                    response.close()
            return response

        method, url = self._operation.method, self._base.with_path(self._operation.path_of(removal.ids))
        try:
            async with self._session.request(method, url, allow_redirects=False, middlewares=(send_when_admitted,)):
                pass
        except _NotAdmitted:
            return refusals[0]
        except (_Withdrawn, ExchangeFailed) as error:
            if exchange is None:
                raise
            failure = error if isinstance(error, ExchangeFailed) else None
            return Exchange(exchange.admission, failure=failure, withdrawn=failure is None)
        assert exchange is not None  # noqa: S101 - narrows the type; a request that succeeded was admitted
        return exchange

    async def post_form(self, url: str, form: Mapping[str, str]) -> Reply:
        """POST a form to the accounts host, for tokens. Raises NeverSent or Unanswered. No slot is needed."""
        try:
            async with (
                asyncio.timeout(self._exchange),
                self._session.post(url, data=dict(form), allow_redirects=False) as response,
            ):
                return await self._reply(response)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise translate(error) from None

    async def _reply(self, response: aiohttp.ClientResponse) -> Reply:
        body = bytearray()
        async for chunk in response.content.iter_chunked(16 * 1024):
            body += chunk
            if len(body) > MAX_RESPONSE_BYTES:
                raise _AnswerTooLarge
        date = response.headers.get("Date")
        self._on_date(date or "")
        return Reply(response.status, bytes(body), response.headers.get("Retry-After"), date)

    def _check(self, request: aiohttp.ClientRequest, removal: Removal) -> None:
        """The one shape of call that may leave: measured, a learner id of ``..`` would mean the whole batch."""
        ids = self._operation.ids_of(request.method, request.url.raw_path_qs)
        if ids != removal.ids or request.url.origin() != self._base:
            raise NeverSent(f"This call is not the planned one ({self._operation.name}) and was not made.")


@asynccontextmanager
async def connected(
    settings: Settings,
    *,
    base: URL | None = None,
    operation: Operation = REMOVE_LEARNER,
    speed: float = 1.0,
    on_date: Callable[[str], None] = lambda date: None,
) -> AsyncIterator[ZohoClient]:
    """A client with the settings' limits; ``base``: another host than theirs; ``speed``: that of the run's clock."""
    client = ZohoClient(
        base or URL(settings.people_url),
        operation=operation,
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
    """``admit`` gave something else than an admission."""


class _Withdrawn(Exception):
    """The admission did not hold until the connection stood."""


def translate(error: Exception) -> ExchangeFailed:
    """Our error for aiohttp's. Whatever does not prove that no byte left counts as having left."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return NeverSent("The name of Zoho's host can't be looked up.")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return NeverSent("No trusted encrypted connection can be made (TLS).")
        case aiohttp.ClientHttpProxyError():
            return NeverSent("The proxy lets no connection through.")
        case aiohttp.ClientConnectorError():
            return NeverSent("No connection can be made.")
        case aiohttp.ConnectionTimeoutError():
            return NeverSent("The connection was not made in time.")
        case aiohttp.InvalidURL():
            return NeverSent("The address is not valid.")
        case TimeoutError():
            return Unanswered("No answer came in time.")
        case aiohttp.ServerDisconnectedError():
            return Unanswered("The connection was closed before an answer came.")
        case aiohttp.ClientPayloadError():
            return Unanswered("The answer broke off.")
        case _AnswerTooLarge():
            return Unanswered("The answer was larger than any answer to this call can be.")
    return Unanswered(f"The connection broke ({type(error).__name__}).")


class _AnswerTooLarge(ValueError):
    pass


def withhold(reply: Reply, secret: str) -> Reply:
    """The reply without the secret: an error page of a proxy may quote the request, and its words are kept."""
    return replace(reply, body=reply.body.replace(secret.encode(), b"(withheld)"))
