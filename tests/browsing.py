"""A real Chromium and a real `bulkremove serve`, for tests and for the pictures in the documents."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.house import free_port
from tests.programs import PROGRAM, environment

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
INSTALL = "apt-get install -y chromium"


def chromium() -> str | None:
    """Where a Chromium is; it is installed where that is possible. None where there is none and can be none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found or sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("apt-get"):
        return found
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"]):
        subprocess.run(command, capture_output=True, check=False)
    return shutil.which("chromium")


@contextmanager
def browser(path: str) -> Iterator[Browser]:
    """The Chromium at ``path``, without a window."""
    with sync_playwright() as playwright:
        sandbox = os.geteuid() != 0  # Chromium's own sandbox can't be had as root
        found = playwright.chromium.launch(executable_path=path, chromium_sandbox=sandbox)
        try:
            yield found
        finally:
            found.close()


@dataclass
class Server:
    """`bulkremove serve` as a process, which can be killed and started again on the same port."""

    home: Path
    variables: dict[str, str]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None
    said: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> str:
        """The link to open; empty when people sign in."""
        self.process = subprocess.Popen(
            [*PROGRAM, "--home", str(self.home), "serve", "--port", str(self.port)],
            env=environment(PYTHONUNBUFFERED="1", **self.variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self.said = [self.process.stdout.readline(), self.process.stdout.readline()]
        found = re.search(r"http://\S+/start\?token=\S+", self.said[0])
        return found[0] if found else ""

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.communicate()

    def stop(self) -> str:
        """End it politely; what it said at last."""
        assert self.process is not None
        if self.process.poll() is not None:
            return ""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=20)
        assert self.process.stdout is not None
        with self.process.stdout as said:
            return said.read()  # not communicate(): it leaves out what was read ahead


@contextmanager
def served(home: Path, variables: dict[str, str]) -> Iterator[tuple[Server, str]]:
    """A server and the link that it printed."""
    server = Server(home, variables)
    try:
        yield server, server.start()
    finally:
        server.stop()
