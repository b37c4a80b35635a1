"""Answers that nobody should send: too large, endless, nested, contradictory, doubled, late, from elsewhere.

A plain socket plays the server, so that nothing of what it sends is mended by a library. What must hold: no row is told
as removed, or as gone, because of an answer that was not given to its very own call; and the program stays small.
"""

from __future__ import annotations

import csv
import gzip
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

import pytest

from tests.cli_fixtures import Bulkremove, crowd, environment, sandbox
from tests.conftest import Proving
from tests.proofs.test_wire_cells import PROMPT

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")

MOST_MEMORY = 300
"""Megabytes of the whole program, pandas among them."""
OWN = "An answer is credited to its own call alone; no redirect, proxy variable or netrc is heeded"
ROOT = Path(__file__).parent.parent.parent
_LEARNER = re.compile(rb"DELETE \S+/learners/(\d+) ")
Script = Callable[[int, str, socket.socket], bool]
"""Given the number of the request, from 0, its learner, and the connection: whether the connection goes on."""


@dataclass
class Server:
    """Answers each DELETE by ``script``; remembers whom it named and all of what came."""

    script: Script
    asked: list[str] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    @contextmanager
    def listening(self) -> Iterator[int]:
        """Its port."""
        listener = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=self._serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(20)
            try:
                while (request := connection.recv(65536)) and (found := _LEARNER.match(request)):
                    self.requests.append(request)
                    self.asked.append(found[1].decode())
                    if not self.script(len(self.asked) - 1, self.asked[-1], connection):
                        return
            except OSError:
                return


def success(learner: str) -> bytes:
    return answer(b'{"code": "200", "learnerId": "%s", "message": "success"}' % learner.encode())


def answer(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


NOT_FOUND = answer(b'{"code": "404", "message": "Not found"}', "404 Not Found")


def _always(data: bytes) -> Script:
    def script(number: int, learner: str, connection: socket.socket) -> bool:
        connection.sendall(data)
        return True

    return script


def _endlessly(start: bytes, piece: bytes) -> Script:
    def script(number: int, learner: str, connection: socket.socket) -> bool:
        connection.sendall(start)
        until = time.monotonic() + 10
        for data in repeat(piece):
            if time.monotonic() > until:
                break
            connection.sendall(data)
        return False

    return script


def _run(
    folder: Path, server: Server, *, rows: int = 2, more: Mapping[str, str] | None = None
) -> tuple[list[dict[str, str]], int]:
    """The report's rows, and the most memory (megabytes) that the program took."""
    world, file = crowd(folder, rows)
    with sandbox(world, folder / "log.jsonl") as variables, server.listening() as port:
        there = {"BULKREMOVE_API_URL": f"http://127.0.0.1:{port}", "BULKREMOVE_LIMIT": "100000/60s"}
        env = environment(**{**variables, **PROMPT, **there, "PYTHONPATH": str(ROOT), **(more or {})})
        bulkremove = Bulkremove(folder / "home", env, program=(sys.executable, "-m", "tests.proofs.measured"))
        done = bulkremove("run", str(file), "--yes", "--report", str(folder / "report.csv"))
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 3, 5), done.stderr
    with (folder / "report.csv").open(encoding="utf-8-sig", newline="") as report:
        return list(csv.DictReader(report)), int(re.findall(r"peak (\d+) MB", done.stderr)[0])


GZIP = "Content-Encoding: gzip\r\n"
HOSTILE: dict[str, Callable[[], Script]] = {
    "2 GB behind gzip": lambda: _always(answer(gzip.compress(bytes(2**20)) * 2048, headers=GZIP)),
    "an endless body": lambda: _endlessly(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b"[" * 65536),
    "an endless chunk": lambda: _endlessly(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", b"[" * 65536
    ),
    "endless headers": lambda: _endlessly(b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n" * 1000),
    "an endless header": lambda: _endlessly(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 65536),
    "early hints for ever": lambda: _endlessly(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100),
    "continue for ever": lambda: _endlessly(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "100,000 brackets": lambda: _always(answer(b"[" * 30_000 + b"]" * 30_000)),
    "nested objects": lambda: _always(answer(b'{"code":' * 5_000 + b"200" + b"}" * 5_000)),
    "two codes, the good one first": lambda: _always(answer(b'{"code": "200", "code": 500, "message": "success"}')),
    "two codes, the good one last": lambda: _always(answer(b'{"code": 500, "code": "200", "message": "success"}')),
    "success with an error": lambda: _always(answer(b'{"code": "200", "message": "success", "error": "no"}')),
    "two lengths": lambda: _always(answer(b'{"code": "200", "message": "success"}', headers="Content-Length: 5\r\n")),
    "no HTTP": lambda: _always(b'{"code": "200", "message": "success"}\r\n\r\n'),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_answer_that_nobody_should_send_removes_nothing_and_takes_little(
    name: str, tmp_path: Path, proving: Proving
) -> None:
    rows, memory = _run(tmp_path, Server(HOSTILE[name]()), rows=1)
    assert {row["status"] for row in rows} <= {"unknown", "not_sent"}
    assert memory < MOST_MEMORY
    proving.figure("A hostile answer never counts as a removal and takes little memory", f"{name}: {memory} MB")


def _honestly(number: int, learner: str, connection: socket.socket) -> bool:
    connection.sendall(success(learner))
    return True


def _late(number: int, learner: str, connection: socket.socket) -> bool:
    """The first answer comes after it was given up, all the others at once."""
    if number == 0:
        time.sleep(2.5)
        connection.sendall(NOT_FOUND)
        return False
    connection.sendall(success(learner))
    return True


def _doubled(pause: float) -> Script:
    """The first answer is sent twice, and calls on that connection get no other one."""

    def script(number: int, learner: str, connection: socket.socket) -> bool:
        if number == 0:
            connection.sendall(NOT_FOUND)
            time.sleep(pause)
            connection.sendall(NOT_FOUND)
            return True
        connection.sendall(success(learner))
        return True

    return script


def test_a_late_answer_is_nobodys(tmp_path: Path, proving: Proving) -> None:
    server = Server(_late)
    rows, _ = _run(tmp_path, server, rows=3)
    assert ["removed"] * 3 == [row["status"] for row in rows]
    assert ["2", "1", "1"] == sorted((row["attempts"] for row in rows), reverse=True)
    proving.figure(OWN, "a late answer is nobody's")


@pytest.mark.parametrize("pause", [0.0, 0.005, 0.05])
def test_a_surplus_answer_is_not_credited_to_the_next_row(pause: float, tmp_path: Path, proving: Proving) -> None:
    rows, _ = _run(tmp_path, Server(_doubled(pause)), rows=4)
    assert ["not_found", "removed", "removed", "removed"] == [row["status"] for row in rows]
    proving.figure(OWN, "a doubled answer is nobody's")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_to_no_connection(status: int, tmp_path: Path, proving: Proving) -> None:
    elsewhere = Server(_always(success("1")))
    with elsewhere.listening() as port:
        there = f"Location: http://127.0.0.1:{port}/api/v1/courses/1/batches/1/learners/1\r\n"
        rows, _ = _run(tmp_path, Server(_always(answer(b"", f"{status} Moved", there))))
    assert 0 == elsewhere.connections
    assert {row["status"] for row in rows} <= {"not_sent", "unknown"}
    proving.figure(OWN, "no connection to where a redirect points")


def test_proxy_variables_and_netrc_are_not_heeded(tmp_path: Path, proving: Proving) -> None:
    sniffer = Server(_always(success("1")))

    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login spy password spied\n")
    (tmp_path / ".netrc").chmod(0o600)
    with sniffer.listening() as port:
        proxy = f"http://127.0.0.1:{port}"
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
        named = {**dict.fromkeys(names, proxy), "NO_PROXY": "", "no_proxy": ""}
        home = {"HOME": str(tmp_path), "NETRC": str(tmp_path / ".netrc")}
        server = Server(_honestly)
        rows, _ = _run(tmp_path, server, more={**named, **home})
    assert 0 == sniffer.connections
    assert 2 == len(server.asked)
    assert {"removed"} == {row["status"] for row in rows}
    proving.figure(OWN, "no connection to the proxy of six variables")
