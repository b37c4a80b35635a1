"""`bulkremove serve` as a process, used over HTTP as another program and as a browser use it.

The server of the browser tests needs playwright; this one needs nothing, and a wrapper program can take its place.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlencode

from bulkremove.web.openapi import PREFIX
from tests.cli_fixtures import Bulkremove
from tests.web_fixtures import free_port

FORM = "application/x-www-form-urlencoded"
PATIENCE = 60.0
"""Seconds for one answer, or for a polite end."""
_TRIES = 3
"""Ports that are tried: another process may take a free one first."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read to its end. ``status`` 0: the connection broke before there was one."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 400

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class ServeProcess:
    """One `bulkremove serve` of a home folder; it can be ended and started again, each time on a free port."""

    def __init__(self, bulkremove: Bulkremove) -> None:
        unbuffered = {**bulkremove.env, "PYTHONUNBUFFERED": "1"}
        self._bulkremove = Bulkremove(bulkremove.home, unbuffered, bulkremove.program)
        self.port = 0
        self.token = ""
        """Bearer token of the API's calls."""
        self._cookie = ""
        self._start_link = ""
        self.process: subprocess.Popen[str] | None = None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def signed_in(self) -> bool:
        """Whether a session was opened and not forgotten on this side."""
        return bool(self._cookie)

    def start(self) -> str:
        """Start it; its error output when it ended instead, else nothing."""
        for _ in range(_TRIES):
            said = self._start()
            if "can't be served on" not in said:
                break
        return said

    def _start(self) -> str:
        self.port = free_port()
        self._cookie = self._start_link = ""
        self.process = self._bulkremove.start("serve", "--port", str(self.port))
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        if not first or not self.process.stdout.readline():
            return self._ended()[1] or "no output"
        found = re.search(r"(/start\?token=\S+)", first)
        self._start_link = found[1] if found else ""
        return ""

    def ended_by_itself(self) -> tuple[int, str] | None:
        """Exit code and error output of a server that nobody ended; None otherwise. It is told once."""
        return None if self.process is None or self.running else self._ended()

    def stop(self) -> tuple[int, str]:
        """End it with SIGTERM; its exit code, and its error output."""
        if self.process is None:
            return 0, ""
        if self.running:
            self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self._ended()

    def api(self, method: str, path: str, body: object = None) -> Answer:
        """A call of the HTTP API. ``body``: an object becomes JSON, bytes are sent as they are."""
        headers = {"Authorization": f"Bearer {self.token}"}
        if isinstance(body, dict):
            return self.ask(
                method, PREFIX + path, json.dumps(body).encode(), {**headers, "Content-Type": "application/json"}
            )
        return self.ask(method, PREFIX + path, body if isinstance(body, bytes) else None, headers)

    def sign_in(self, name: str = "", password: str = "") -> bool:
        """Open a session: by the start link while it is good, else with a name and a password."""
        if self._cookie:
            return True
        if self._start_link:
            answer, self._start_link = self.ask("GET", self._start_link), ""
        else:
            answer = self.form("/sign-in", name=name, password=password)
        found = re.match(r"[^;]+", answer.headers.get("Set-Cookie", ""))
        self._cookie = found[0] if found and answer.ok else ""
        return bool(self._cookie)

    def sign_out(self) -> None:
        """Forget the session on this side."""
        self._cookie = ""

    def page(self, path: str) -> Answer:
        """A page of the session that is signed in."""
        return self.ask("GET", path, None, {"Cookie": self._cookie, "Sec-Fetch-Site": "same-origin"})

    def form(self, path: str, **fields: str) -> Answer:
        """Send a form of the session that is signed in; a redirect is not followed."""
        headers = {"Content-Type": FORM, "Origin": f"http://127.0.0.1:{self.port}", "Sec-Fetch-Site": "same-origin"}
        return self.ask("POST", path, urlencode(fields).encode(), {**headers, "Cookie": self._cookie})

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """One request on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, {"Connection": "close", **(headers or {})})
            reply = connection.getresponse()
            return Answer(reply.status, reply.read(), dict(reply.headers))
        except (OSError, HTTPException) as error:
            return Answer(0, str(error).encode())
        finally:
            connection.close()

    def _ended(self) -> tuple[int, str]:
        assert self.process is not None
        process, self.process = self.process, None
        _, said = process.communicate(timeout=PATIENCE)
        return process.returncode, said
