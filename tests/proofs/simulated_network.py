"""The wire in memory: what aiohttp writes reaches a simulated Zoho People late, once or never, and so do its answers.

What Zoho does about a request is the sandbox's own ``Zoho``; here stands only what befalls the bytes. Nothing is shared
with the product but the parsing of HTTP that aiohttp does.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl

from bulkremove.sandbox.replies import CannedResponse
from bulkremove.sandbox.zoho import Treatment, Zoho
from tests.proofs.simulated_machine import Machine, Process, current

LATEST = 100.0
"""Seconds after which no request arrives any more: given up after 45, then the grace of 60 that slots are held for."""
_TOO_LARGE = b"x" * 16_384


@dataclass(frozen=True)
class Weather:
    """What befalls requests: shares of all, 0 to 1, and seconds."""

    latency: float = 0.3
    tail: float = 8.0
    """1 in 50 takes up to this long."""
    refused: float = 0.0
    """Connections that are not made."""
    lost: float = 0.0
    """Requests that never arrive, the connection being reset."""
    late: float = 0.0
    """Requests that arrive up to ``LATEST`` seconds after they left."""
    cut: float = 0.0
    """Answers of which only a part arrives."""


class Witness(Protocol):
    """Who hears what happens on the wire. Times are the machine's."""

    def leaves(self, process: Process, method: str, path: str, now: float) -> None: ...
    def arrives(self, process: Process, treatment: Treatment, now: float) -> None: ...
    def delivered(self, process: Process, treatment: Treatment, now: float) -> None: ...


class Network:
    """Zoho People and the way to it."""

    def __init__(self, machine: Machine, zoho: Zoho, weather: Weather, dice: random.Random, witness: Witness) -> None:
        self._machine, self._zoho, self._weather, self._dice, self._witness = machine, zoho, weather, dice, witness
        machine.connect, machine.wire = self._connect, self._wire

    async def _connect(self) -> None:
        await asyncio.sleep(self._dice.uniform(0.0, 0.2))
        if self._dice.random() < self._weather.refused:
            raise ConnectionRefusedError

    def _wire(self, protocol: asyncio.Protocol) -> _Wire:
        process = current.get()
        assert process is not None
        return _Wire(self, protocol, process)

    def later(self, seconds: float, act: Callable[..., None], *args: object) -> None:
        """Do something that belongs to no process."""
        self._machine.call_later(seconds, act, *args, context=contextvars.Context())

    def leaves(self, wire: _Wire, head: bytes, body: bytes) -> None:
        method, path = head.split(b" ", 2)[:2]
        self._witness.leaves(wire.process, method.decode(), path.decode(), self._machine.time())
        fate, weather = self._dice.random(), self._weather
        if fate < weather.lost:
            self.later(self._way(), wire.lost, ConnectionResetError())
        else:
            late = fate < weather.lost + weather.late
            self.later(self._dice.uniform(1.0, LATEST) if late else self._way(), self._arrives, wire, head, body)

    def _way(self) -> float:
        """Seconds of one direction."""
        weather = self._weather
        slow = self._dice.random() < 0.02
        return self._dice.uniform(0.0, weather.tail if slow else weather.latency)

    def _arrives(self, wire: _Wire, head: bytes, body: bytes) -> None:
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        path, _, query = target.partition("?")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        now = self._machine.time()
        form = dict(parse_qsl(body.decode()))
        treatment = self._zoho.answer(method, path, query, header=headers.get("Authorization"), form=form, now=now)
        self._witness.arrives(wire.process, treatment, now)
        self.later(treatment.delay + self._way(), self._answers, wire, treatment)

    def _answers(self, wire: _Wire, treatment: Treatment) -> None:
        answer = _rendered(treatment.answer)
        cut = self._dice.randrange(1, len(answer))
        match treatment.fault.kind:
            case "silence":
                return
            case "reset":
                wire.lost(ConnectionResetError())
            case "truncated":
                wire.receive(answer[:cut])
                wire.lost(None)
            case "endless" | "drip":
                wire.receive(answer.replace(b"Content-Length", b"X-Length") + _TOO_LARGE * 5)
            case _ if self._dice.random() < self._weather.cut:
                wire.receive(answer[:cut])
                wire.lost(self._dice.choice([None, ConnectionResetError()]))
            case _:
                wire.receive(answer[:cut])
                self.later(self._dice.uniform(0.0, 0.01), self._rest, wire, treatment, answer[cut:])

    def _rest(self, wire: _Wire, treatment: Treatment, rest: bytes) -> None:
        if wire.receive(rest):
            self._witness.delivered(wire.process, treatment, self._machine.time())


class _Wire(asyncio.Transport):
    """The client's end of one connection."""

    def __init__(self, network: Network, protocol: asyncio.Protocol, process: Process) -> None:
        super().__init__()
        self.process = process
        self._network, self._protocol = network, protocol
        self._context = contextvars.copy_context()
        self._sent = b""
        self._closed = False

    def write(self, data: Any) -> None:
        if self._closed or self.process.dead:
            return
        self._sent += bytes(data)
        head, end, rest = self._sent.partition(b"\r\n\r\n")
        if end and len(rest) >= _length(head):
            self._sent = b""
            self._network.leaves(self, head, rest)

    def receive(self, data: bytes) -> bool:
        """Bytes from the other side; False when nobody is there any more."""
        if self._closed or self.process.dead:
            return False
        self._context.run(self._protocol.data_received, data)
        return True

    def lost(self, error: Exception | None) -> None:
        """The other side is gone."""
        if not self._closed and not self.process.dead:
            if error is None:
                self._context.run(self._protocol.eof_received)
            self._end(error)

    def _end(self, error: Exception | None) -> None:
        self._closed = True
        asyncio.get_running_loop().call_soon(self._protocol.connection_lost, error, context=self._context)

    def close(self) -> None:
        if not self._closed:
            self._end(None)

    abort = close

    def is_closing(self) -> bool:
        return self._closed

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0


def _length(head: bytes) -> int:
    found = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return int(found[0].partition(b":")[2]) if found else 0


def _rendered(answer: CannedResponse) -> bytes:
    headers = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body)), **answer.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {answer.status} X\r\n{lines}\r\n".encode() + answer.body
