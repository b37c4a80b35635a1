"""A proxy in front of the sandbox that breaks one exchange at a chosen point, in a chosen way; the rest it passes on.

It works with plain blocking sockets in threads of its own, so that a reset is a reset and half a header is half a
header. Before a connection is made, reset and end of stream are the same: it is refused.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
from collections.abc import Callable
from enum import Enum, StrEnum
from typing import Self


class Point(Enum):
    """How far the exchange comes."""

    BEFORE_CONNECT = 1
    AFTER_CONNECT = 2
    HALF_HEADER = 3
    BEFORE_EFFECT = 4
    AFTER_EFFECT = 5
    IN_ANSWERS_HEADER = 6
    IN_BODY = 7
    AFTER_BODY = 8


class Way(StrEnum):
    RESET = "reset"
    END = "end of stream"
    SILENCE = "silence"
    KILLED = "our own process killed"


class BreakingProxy:
    """Breaks the first exchange, then lets everything through. ``victim``: gives the process to kill, by id."""

    def __init__(self, upstream: int, point: Point, way: Way, victim: Callable[[], int]) -> None:
        self._upstream, self._point, self._way, self._victim = upstream, point, way, victim
        self.broken = threading.Event()
        """Set once the exchange was broken."""
        self._over = threading.Event()
        self._held: list[socket.socket] = []
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        if self._point is not Point.BEFORE_CONNECT:
            self._listener.listen(16)
            self._thread.start()
        elif self._way in (Way.SILENCE, Way.KILLED):
            self._listener.listen(0)  # with its place taken, the kernel answers nobody
            self._held += [self._knock() for _ in range(2)]
        return self

    def heal(self) -> None:
        """Where no connection was made: from now on they are."""
        self.broken.set()
        while self._held:
            self._held.pop().close()
        self._listener.listen(16)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.close()
        for one in self._held:
            one.close()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _knock(self) -> socket.socket:
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", self.port))
        return one

    def _serve(self) -> None:
        self._listener.settimeout(0.05)
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            connection.settimeout(30)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        try:
            while not self._over.is_set():
                first = not self.broken.is_set()
                if first and self._point is Point.AFTER_CONNECT:
                    return self._break(client)
                if first and self._point is Point.HALF_HEADER:
                    return self._half_a_header(client)
                request = _until(client, b"\r\n\r\n")
                if not request:
                    return None
                if first and self._point is Point.BEFORE_EFFECT:
                    return self._break(client)
                head, body = self._forward(request)
                if first:
                    return self._answer_in_part(client, head, body)
                client.sendall(head + body)
        except OSError:
            return None
        finally:
            if client not in self._held:
                client.close()

    def _half_a_header(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._upstream)) as server:
            server.sendall(client.recv(60))
            self._break(client)

    def _forward(self, request: bytes) -> tuple[bytes, bytes]:
        """The sandbox's whole answer: header and body."""
        with socket.create_connection(("127.0.0.1", self._upstream), timeout=30) as server:
            server.sendall(request)
            answer = _until(server, b"\r\n\r\n")
            head, _, body = answer.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
            while len(body) < length:
                body += server.recv(4096)
        return head + b"\r\n\r\n", body

    def _answer_in_part(self, client: socket.socket, head: bytes, body: bytes) -> None:
        part = {
            Point.AFTER_EFFECT: b"",
            Point.IN_ANSWERS_HEADER: head[: len(head) // 2],
            Point.IN_BODY: head + body[: len(body) // 2],
            Point.AFTER_BODY: head + body,
        }[self._point]
        if self._way is Way.KILLED:
            os.kill(self._victim(), signal.SIGSTOP)  # it must not take in what it will never live to write down
        client.sendall(part)
        self._break(client)

    def _break(self, client: socket.socket) -> None:
        self.broken.set()
        match self._way:
            case Way.RESET:
                if self._point is Point.AFTER_BODY:
                    _until(client, b"never", most=0.2)  # what was sent must have been read: a reset would take it back
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case Way.END:
                client.shutdown(socket.SHUT_WR)
                _until(client, b"never")
            case Way.SILENCE:
                self._held.append(client)
            case Way.KILLED:
                os.kill(self._victim(), signal.SIGKILL)


def _until(connection: socket.socket, end: bytes, most: float = 30.0) -> bytes:
    """What comes, up to ``end``; less where the other side closes first or ``most`` seconds pass."""
    connection.settimeout(most)
    data = b""
    try:
        while end not in data and (piece := connection.recv(4096)):
            data += piece
    except TimeoutError:
        pass
    return data
