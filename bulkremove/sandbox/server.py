"""The stand-in for Zoho People on loopback: the token endpoint, the one removal call, and the truth about both.

A request counts when it arrives, has its effect at once, and is in the log before its answer leaves; latency delays
the answer only. Whatever is not the documented removal is answered 404 and logged, and a DELETE that would take more
than one learner off one batch raises an alarm there. It never listens on anything but this machine.
"""

from __future__ import annotations

import asyncio
import logging
import posixpath
import re
import socket
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qs, unquote

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bulkremove.errors import SettingsError
from bulkremove.model import Clock, Removal, is_loopback
from bulkremove.sandbox import replies, world
from bulkremove.sandbox.faults import BROKEN, OK, Fault, Faults, Turns
from bulkremove.sandbox.log import LONGEST_PATH, Entry, Log
from bulkremove.sandbox.oauth import Tokens
from bulkremove.sandbox.replies import Answer, LockTold
from bulkremove.sandbox.threshold import Foreign, Rule, Threshold
from bulkremove.sandbox.world import World

TOKEN_PATH = "/oauth/v2/token"  # noqa: S105 - a path, not a secret
REVOKE_PATH = "/oauth/v2/token/revoke"
_PARTING = 0.05
"""Seconds that calls in flight get at a stop; 0 would mean to aiohttp: for ever."""
LONGEST_ID = 19
"""Digits; a longer id is no number that Zoho could hold."""

_REMOVAL = re.compile(r"/api/v1/courses/([0-9]+)/batches/([0-9]+)/learners/([0-9]+)", re.ASCII)
_WIDER = (
    (re.compile(r"/api/v1/courses/[^/]+/batches/[^/]+"), "DELETE of a whole batch"),
    (re.compile(r"/api/v1/courses/[^/]+"), "DELETE of a whole course"),
    (re.compile(r"/api/v1/courses/[^/]+/learners/[^/]+"), "DELETE of a learner from a whole course"),
)
_SECRETS = frozenset({"client_secret", "refresh_token", "code", "token", "access_token", "authtoken"})

_logger = logging.getLogger(__name__)
# Bytes that are no HTTP are a caller's mistake: it gets a 400, and nobody needs a traceback for it.
_logger.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))


@dataclass(frozen=True, slots=True)
class _Treatment:
    """What is done about one request: the answer, and how it fails to arrive."""

    answer: Answer
    fault: Fault = OK
    effect: bool = False
    counted: bool = False
    locked: bool = False
    token_ok: bool | None = None
    delay: float = 0.0

    @property
    def status(self) -> int | None:
        return None if self.fault.kind in ("reset", "silence") else self.answer.status


class Sandbox:
    """A server of one world. ``faults``: None for those that the world names. Seconds are those of ``clock``."""

    def __init__(
        self,
        world: World,
        *,
        clock: Clock,
        threshold: Threshold,
        faults: Faults | None = None,
        log: Path | None = None,
        lock_told_as: LockTold | str = LockTold.STATUS_422,
    ) -> None:
        if lock_told_as not in tuple(LockTold):
            hint = f"There are: {', '.join(LockTold)}."
            raise SettingsError(f"{lock_told_as!r} is no way in which the sandbox tells a lock.", hint=hint)
        faults = world.faults if faults is None else faults
        self.world = world
        self.threshold = threshold
        self.enrolled: set[Removal] = world.enrolled()
        """Who is in a batch now; tests may enrol someone anew."""
        self.removed: set[Removal] = set()
        """Who was removed by a request."""
        self._clock = clock
        self._lock_told_as = LockTold(lock_told_as)
        self._turns = Turns(faults)
        self._foreign = Foreign(faults.foreign_per_minute)
        self._tokens = Tokens(world.client)
        self._log = Log(log)
        self._runner: web.ServerRunner | None = None
        self._host = ""
        self._stopping = asyncio.Event()

    @property
    def requests(self) -> list[Entry]:
        """Every request that arrived, in order."""
        return self._log.entries

    @property
    def alarms(self) -> list[Entry]:
        """The requests that would have been a disaster on the real service."""
        return [entry for entry in self.requests if entry.alarm]

    @property
    def port(self) -> int:
        if self._runner is None:
            raise RuntimeError("The sandbox is not running.")
        return int(self._runner.addresses[0][1])

    @property
    def url(self) -> str:
        """Serves as the address of the accounts host and of the People host."""
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self.port}"

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen on ``host``; port 0 takes a free one. Raises SettingsError for an address beyond this machine."""
        if not is_loopback(host):
            hint = "Use 127.0.0.1."
            raise SettingsError(f"The sandbox listens on this machine only, not on {host!r}.", hint=hint)
        self._log.open()
        server = web.Server(self._handle, access_log=None, logger=_logger)
        self._runner = web.ServerRunner(server, shutdown_timeout=_PARTING)
        self._stopping.clear()
        self._host = host
        try:
            await self._runner.setup()
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.stop()
            hint = "Is another sandbox running? Use another port, or 0 for a free one."
            raise SettingsError(f"The sandbox can't listen on {host}:{port}: {error.strerror}.", hint=hint) from None
        self._foreign.until(self._clock.monotonic())

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
        removal = None
        if path in (TOKEN_PATH, REVOKE_PATH) and request.method == "POST":
            form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
            now = self._clock.monotonic()
            treatment = self._grant(form, now) if path == TOKEN_PATH else _Treatment(self._tokens.revoke(form))
        else:
            now = self._clock.monotonic()
            found = _REMOVAL.fullmatch(path) if request.method == "DELETE" and not query else None
            removal = Removal(*found.groups()) if found else None
            treatment = self._call(request, path, removal, now)
        self._log.add(
            Entry(
                now,
                self._clock.wall(),
                request.method[:20],
                path[:LONGEST_PATH],
                removal,
                treatment.effect,
                treatment.status,
                treatment.counted,
                treatment.locked,
                treatment.token_ok,
                None if treatment.fault.kind == "ok" else treatment.fault.kind,
                _alarm(request.method, path, query, removal),
            )
        )
        if treatment.delay:
            await self._clock.sleep(treatment.delay)
        if treatment.fault.kind in BROKEN:
            return await self._break(request, treatment)
        answer = treatment.answer
        return web.Response(
            status=answer.status, body=answer.body, headers=answer.headers, content_type=answer.content_type
        )

    def _call(self, request: web.BaseRequest, path: str, removal: Removal | None, now: float) -> _Treatment:
        """A call of the API, or of something that is none. The order is Zoho's front door's: count, token, call."""
        if not path.startswith("/api/"):
            return _Treatment(replies.NOT_FOUND)
        header = request.headers.get("Authorization")
        objection = self._tokens.objection(header, now)
        for time in self._foreign.until(now):
            self.threshold.arrive(time, foreign=True)
        if not self.threshold.arrive(now):
            left = self.threshold.locked_until - now
            told = replies.locked(
                self._lock_told_as, calls=self.threshold.calls, window=self.threshold.window, left=left
            )
            return _Treatment(told, counted=True, locked=True, token_ok=objection is None)
        if objection or removal is None:
            return _Treatment(objection or replies.NOT_FOUND, counted=True, token_ok=objection is None)
        return self._remove(removal, header)

    def _remove(self, removal: Removal, header: str | None) -> _Treatment:
        learner = removal.learner
        fault = self._turns.removal(learner)
        delay = self._turns.latency(learner)
        if fault.kind == "slow":
            delay += fault.seconds or 0.0
        if fault.kind == "expired_token":
            self._tokens.expire(header)
        canned = replies.canned(fault.kind, learner=learner, path=removal.path, seconds=fault.seconds)
        willing = canned is None and fault.kind not in BROKEN
        effect = (willing or fault.effect) and removal in self.enrolled
        if effect:
            self.enrolled.discard(removal)
            self.removed.add(removal)
        answer = canned or self._truth(removal, fault, removed=effect)
        accepted = fault.kind not in ("401", "expired_token", "blank_credential", "scope_missing")
        return _Treatment(answer, fault, effect, counted=True, token_ok=accepted, delay=delay)

    def _truth(self, removal: Removal, fault: Fault, *, removed: bool) -> Answer:
        if max(map(len, (removal.course, removal.batch, removal.learner))) > LONGEST_ID:
            return replies.BAD_INPUT
        if fault.kind in BROKEN:
            return replies.removed(removal.learner)  # never arrives whole
        if not removed:
            return replies.NOT_FOUND
        if fault.kind == "other_learner":
            return replies.removed(str(int(removal.learner) + 1))
        answer = replies.removed(removal.learner)
        return replace(answer, body=answer.body.replace(b'"200"', b"200")) if fault.kind == "number_code" else answer

    def _grant(self, form: dict[str, str], now: float) -> _Treatment:
        fault = self._turns.token()
        delay = self._turns.latency("") + (fault.seconds or 0.0 if fault.kind == "slow" else 0.0)
        match fault.kind:
            case "ok" | "slow" | "reset" | "silence" | "truncated":
                answer = self._tokens.grant(form, now)
            case "throttled":
                answer = replies.token_throttled(self.world.client.throttled_with)
            case "no_token":
                answer = replies.token_refused("general_error")
            case "invalid_code" | "invalid_client" | "invalid_grant":
                answer = replies.token_refused(fault.kind)
            case kind:
                answer = replies.canned(kind, learner="", path=TOKEN_PATH, seconds=fault.seconds) or replies.NOT_FOUND
        return _Treatment(answer, fault, delay=delay)

    async def _break(self, request: web.BaseRequest, treatment: _Treatment) -> web.StreamResponse:
        """Let the answer not arrive, or not whole. What is returned finds the connection closed."""
        transport = request.transport
        kind = treatment.fault.kind
        if transport is None:
            pass  # the caller has gone already
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
            await self._pour(request, pause=1.0 if kind == "drip" else 0.0)
        return web.Response()

    async def _pour(self, request: web.BaseRequest, *, pause: float) -> None:
        """A body without an end: a byte each ``pause`` seconds, or as much as the caller takes."""
        response = web.StreamResponse(headers={"Content-Type": replies.JSON})
        drop = b" " if pause else b" " * 65_536
        try:
            await response.prepare(request)
            while not self._stopping.is_set():
                await response.write(drop)
                await self._clock.sleep(pause)
        except ConnectionError:
            pass  # the caller has had enough
        if request.transport:
            request.transport.abort()


def build(
    world_path: Path,
    *,
    clock: Clock,
    calls: int = 30,
    window: float = 60.0,
    lock: float = 300.0,
    rule: Rule | str = Rule.ROLLING,
    lock_told_as: LockTold | str = LockTold.STATUS_422,
    extend: bool = False,
    foreign_per_minute: float = 0.0,
    log: Path | None = None,
) -> Sandbox:
    """The sandbox of a world file; ``foreign_per_minute`` other than 0 stands above the world's own.

    Raises SettingsError, also for a world that is wrong.
    """
    found = world.load(world_path)
    faults = found.faults
    if foreign_per_minute:
        faults = replace(faults, foreign_per_minute=foreign_per_minute)
    threshold = Threshold(calls, window, lock, rule, extend=extend)
    return Sandbox(found, clock=clock, threshold=threshold, faults=faults, log=log, lock_told_as=lock_told_as)


def _alarm(method: str, path: str, query: str, removal: Removal | None) -> str | None:
    """What would be a disaster on the real service, which resolves ``..`` and ``%2e`` as every web server does."""
    if query and not _SECRETS.isdisjoint(parse_qs(query, keep_blank_values=True)):
        return "a secret in the address"
    if method != "DELETE" or removal:
        return None
    resolved = posixpath.normpath(unquote(path))
    return next((words for form, words in _WIDER if form.fullmatch(resolved)), "DELETE of something else")


def _reset(transport: asyncio.Transport) -> None:
    """End the connection with a reset (RST), as a crashed server or a firewall does."""
    wire: socket.socket = transport.get_extra_info("socket")
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
