"""The listening socket: limits on connections and on the time that a request may take to arrive, before any sign-in.

A stranger who opens many connections, sends a byte a minute or a compressed body must neither stop the page nor use up
the descriptors and the time that the running jobs need.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from bulkremove.web.security import HEADERS, Address

MAX_CONNECTIONS = 300
"""Connections at the same time; a run needs some 20 of the 1,024 descriptors that systems commonly allow."""
MAX_CONNECTIONS_OF_SOURCE = 60
"""Connections from one IP address at the same time, the proxy's aside; a browser opens about six."""
IDLE_SECONDS = 30.0
"""Seconds until a connection is closed on which no complete request head has arrived."""
LINGERING_SECONDS = 5.0
"""Seconds for which the rest of a body is read after its request was answered."""
SHUTDOWN_SECONDS = 2.0
"""Seconds for which a server that ends waits for responses that it still sends."""
HANDSHAKE_SECONDS = 10.0
"""Seconds for the TLS handshake."""


_THIS_MACHINE = ("127.0.0.1", "::1")
"""Where the checks of a container or a service manager come from, which ask for ``/healthz`` past the proxy."""


@asynccontextmanager
async def listening(
    site: web.Application, listener: socket.socket, address: Address, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Serve the site on the socket while the context lasts."""
    runner = web.AppRunner(site, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        assert runner.server is not None  # noqa: S101 - narrows the type; set up above
        connections = _Connections(runner.server, address)
        server = await asyncio.get_running_loop().create_server(
            connections.accept, sock=listener, ssl=tls, ssl_handshake_timeout=HANDSHAKE_SECONDS if tls else None
        )
        try:
            yield
        finally:
            server.close()
    finally:
        await runner.cleanup()


class _Connections:
    """The open connections, counted by IP address."""

    def __init__(self, server: web.Server, address: Address) -> None:
        self._server, self._address = server, address
        self.by_source: Counter[str] = Counter()

    def accept(self) -> asyncio.Protocol:
        return _Connection(self, self._server)

    def may_open(self, source: str) -> bool:
        is_proxy = self._address.is_proxy(source)
        if self._address.proxy and not is_proxy and source not in _THIS_MACHINE:
            return False
        return self.by_source.total() < MAX_CONNECTIONS and (
            is_proxy or self.by_source[source] < MAX_CONNECTIONS_OF_SOURCE
        )


class _Connection(web.RequestHandler):
    """One connection; what aiohttp answers by itself carries our headers."""

    __slots__ = ("_connections", "_source")

    def __init__(self, connections: _Connections, server: web.Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            auto_decompress=False,  # security refuses compressed bodies; aiohttp would decompress them all the same
            keepalive_timeout=IDLE_SECONDS,  # also closes a connection on which a request head does not end
            lingering_time=LINGERING_SECONDS,
        )
        self._connections, self._source = connections, ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        source = str((transport.get_extra_info("peername") or ("",))[0])
        if not self._connections.may_open(source):
            assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
            transport.abort()
            return
        self._source = source
        self._connections.by_source[source] += 1
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._source:
            self._connections.by_source[self._source] -= 1
            self._source = ""
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the response was sent already")
        response = web.Response(status=status, text="This is no request that the server understands.")
        response.headers.update(HEADERS)
        response.force_close()
        return response
