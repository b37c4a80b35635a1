"""The HTTP server of the sandbox: passes each request to ``zoho``, logs the result, and answers.

A request counts when it arrives, has its effect at once, and is logged before its answer leaves; latency delays only
the answer. Faults that break an answer are carried out here. The server listens on loopback addresses only.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bulkremove.domain.clock import Clock
from bulkremove.domain.errors import SandboxError
from bulkremove.domain.hosts import is_loopback
from bulkremove.domain.row import Removal
from bulkremove.sandbox import replies
from bulkremove.sandbox.employees import Employee
from bulkremove.sandbox.faults import BROKEN, Faults
from bulkremove.sandbox.log import MAX_PATH_LENGTH, Log, LoggedRequest
from bulkremove.sandbox.replies import LockResponse
from bulkremove.sandbox.threshold import CountingRule, Threshold
from bulkremove.sandbox.world import World
from bulkremove.sandbox.world_file import load_world
from bulkremove.sandbox.zoho import Treatment, Zoho

_SHUTDOWN_SECONDS = 0.05
"""Seconds that calls in flight get at a stop; 0 means to aiohttp that there is no limit."""

_logger = logging.getLogger(__name__)
# Malformed HTTP and callers that disconnect are not errors of the sandbox, so they get no traceback.
_logger.addFilter(
    lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError | ConnectionError))
)


class Sandbox:
    """A server of one world, and a context manager that starts and stops it. Seconds are those of ``clock``.

    ``faults``: None for those of the world; ``log``: the file for its request log. Raises SandboxError for an unknown
    ``lock_response``.
    """

    def __init__(
        self,
        world: World,
        *,
        clock: Clock,
        threshold: Threshold,
        faults: Faults | None = None,
        log: Path | None = None,
        lock_response: LockResponse | str = LockResponse.STATUS_422,
    ) -> None:
        if lock_response not in tuple(LockResponse):
            hint = f"There are: {', '.join(LockResponse)}."
            raise SandboxError(f"The sandbox can't answer a locked account with {lock_response!r}.", hint=hint)
        self.world = world
        self.threshold = threshold
        faults = world.faults if faults is None else faults
        self._zoho = Zoho(world, faults, threshold, LockResponse(lock_response))
        self._clock = clock
        self._log = Log(log)
        self._runner: web.ServerRunner | None = None
        self._host = ""
        self._stopping = asyncio.Event()

    @property
    def enrolled(self) -> set[Removal]:
        """The removals that are possible now, one for each learner in a batch; a test may add some."""
        return self._zoho.enrolled

    @property
    def employees(self) -> dict[str, Employee]:
        """The records of the employee form, by number; a test may change them."""
        return self._zoho.employees

    @property
    def employee_threshold(self) -> Threshold:
        """The limit of the employee form."""
        return self._zoho.employee_threshold

    @property
    def removed(self) -> set[Removal]:
        """The removals that requests have made."""
        return self._zoho.removed

    @property
    def requests(self) -> list[LoggedRequest]:
        """Every request that arrived, in order."""
        return self._log.entries

    @property
    def alarms(self) -> list[LoggedRequest]:
        """The requests that could have done damage on the real service, in order."""
        return [entry for entry in self.requests if entry.alarm]

    @property
    def port(self) -> int:
        """The port it listens on. Raises RuntimeError while it is not running."""
        if self._runner is None:
            raise RuntimeError("The sandbox is not running.")
        return int(self._runner.addresses[0][1])

    @property
    def url(self) -> str:
        """Its address, for both the accounts host and the People host."""
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self.port}"

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen on ``host``; port 0 takes a free one.

        Raises SandboxError for an address beyond this machine, and for a port or a log that can't be used.
        """
        if not is_loopback(host):
            hint = "Use 127.0.0.1."
            raise SandboxError(f"The sandbox listens on this machine only, not on {host!r}.", hint=hint)
        if not 0 <= port <= 65_535:
            raise SandboxError(f"{port} is not a valid port.", hint="Ports are 1 to 65535; 0 takes a free one.")
        self._log.open()
        server = web.Server(self._handle, access_log=None, logger=_logger)
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
        self._stopping = asyncio.Event()
        self._host = host
        try:
            await self._runner.setup()
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.stop()
            hint = "Is another sandbox running? Give another --port, or 0 for a free one."
            raise SandboxError(f"The sandbox can't listen on {host}:{port}: {error.strerror}.", hint=hint) from None
        self._zoho.begin(self._clock.monotonic())

    async def stop(self) -> None:
        """Close every connection, also those that still wait for an answer."""
        self._stopping.set()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None
        self._log.close()

    async def __aenter__(self) -> Sandbox:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        body = await request.read() if request.method == "POST" else b""
        form = dict(parse_qsl(body.decode("utf-8", "replace")))
        now = self._clock.monotonic()
        header = request.headers.get("Authorization")
        treatment = self._zoho.answer(request.method, path, query, header=header, form=form, now=now)
        self._log.add(
            LoggedRequest(
                now,
                self._clock.wall(),
                request.method[:20],
                path[:MAX_PATH_LENGTH],
                treatment.removal,
                treatment.effect,
                treatment.status,
                treatment.counted,
                treatment.locked,
                treatment.token_ok,
                None if treatment.fault.kind == "ok" else treatment.fault.kind,
                treatment.alarm,
                treatment.enrolment,
            )
        )
        if treatment.delay:
            await self._clock.sleep(treatment.delay)
        if treatment.fault.kind in BROKEN:
            return await self._break_answer(request, treatment)
        answer = treatment.answer
        return web.Response(
            status=answer.status, body=answer.body, headers=answer.headers, content_type=answer.content_type
        )

    async def _break_answer(self, request: web.BaseRequest, treatment: Treatment) -> web.StreamResponse:
        """Send no answer, or a part of it. The returned response is never sent: the connection is closed by then."""
        transport = request.transport
        kind = treatment.fault.kind
        if transport is None:
            pass  # the caller has disconnected already
        elif kind == "silence":
            await self._stopping.wait()
            transport.abort()
        elif kind == "reset":
            _reset(transport)
        elif kind == "truncated":
            body = treatment.answer.body
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            transport.write(head.encode() + body[: len(body) // 2])
            transport.close()
        else:
            await self._stream_endlessly(request, pause=1.0 if kind == "drip" else 0.0)
        return web.Response()

    async def _stream_endlessly(self, request: web.BaseRequest, *, pause: float) -> None:
        """Send a body without an end: a byte each ``pause`` seconds, or, with 0, as much as the caller reads."""
        response = web.StreamResponse(headers={"Content-Type": replies.JSON})
        chunk = b" " if pause else b" " * 65_536
        try:
            await response.prepare(request)
            while not self._stopping.is_set():
                await response.write(chunk)
                await self._clock.sleep(pause)
        except ConnectionError:
            pass  # the caller has disconnected
        if request.transport:
            request.transport.abort()


def build_sandbox(
    world_path: Path,
    *,
    clock: Clock,
    calls: int = 30,
    window: float = 60.0,
    lock: float = 300.0,
    rule: CountingRule | str = CountingRule.ROLLING,
    lock_response: LockResponse | str = LockResponse.STATUS_422,
    extend: bool = False,
    foreign_per_minute: float = 0.0,
    log: Path | None = None,
) -> Sandbox:
    """Build the sandbox of a world file. ``window`` and ``lock`` are seconds.

    ``foreign_per_minute``: 0 for the world's own. Raises SandboxError for a mistake in the world or in an option.
    """
    world = load_world(world_path)
    faults = world.faults
    if foreign_per_minute:
        faults = replace(faults, foreign_per_minute=foreign_per_minute)
    threshold = Threshold(calls, window, lock, rule, extend=extend)
    return Sandbox(world, clock=clock, threshold=threshold, faults=faults, log=log, lock_response=lock_response)


def _reset(transport: asyncio.Transport) -> None:
    """End the connection with a reset (RST), as a crashed server or a firewall does."""
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
