"""A real Chromium and a real `bulkremove serve`, for tests and for the pictures in the documents."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock
from playwright.sync_api import Browser, sync_playwright

from tests.cli_fixtures import PROGRAM, environment
from tests.web_fixtures import free_port

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PACKAGES = ("chromium", "libatomic1")
"""What a bare Debian lacks: the browser, and what the program that playwright drives it with is linked to."""
_TURNS = FileLock(Path(tempfile.gettempdir()) / f"bulkremove-tests-browser-{os.getuid()}.lock")
"""apt-get serves one at a time; tests run side by side."""


class NoBrowser(Exception):
    """No browser can be started here; says why."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The page can't be tried in a browser: {why}")


@contextmanager
def browser() -> Iterator[Browser]:
    """A Chromium without a window; what it needs is installed where that is possible. NoBrowser where it is not."""
    sandbox = os.geteuid() != 0  # Chromium's own sandbox can't be had as root
    with ExitStack() as stack:
        path = _installed()
        try:
            chromium = stack.enter_context(sync_playwright()).chromium
            found = stack.enter_context(closing(chromium.launch(executable_path=path, chromium_sandbox=sandbox)))
        except Exception as error:  # a driver that ends at once is a bare Exception
            lines = str(error).splitlines() or [repr(error)]
            said = next((line for line in lines if "[err]" in line), lines[0])
            raise NoBrowser(f"{path} does not start ({said})") from error
        yield found


def _installed() -> str:
    """Where a Chromium is."""
    with _TURNS:
        missing = _missing()
        if missing and sys.platform == "linux" and os.geteuid() == 0 and shutil.which("apt-get"):
            quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            for command in (["update"], ["install", "-y", *PACKAGES]):
                subprocess.run(["apt-get", *command], env=quiet, capture_output=True, check=False)
            missing = _missing()
    found = _chromium()
    if missing or found is None:
        raise NoBrowser(f"{missing}; try: apt-get install {' '.join(PACKAGES)}")
    return found


def _chromium() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def _missing() -> str:
    """What stands between us and a browser; empty: nothing is known to."""
    if _chromium() is None:
        return "there is no Chromium"
    asked = subprocess.run(
        [sys.executable, "-m", "playwright", "--version"], capture_output=True, text=True, check=False
    )
    if asked.returncode == 0:
        return ""
    words = asked.stderr.strip() or f"it ends with {asked.returncode}"
    return f"playwright's driver does not start ({words.splitlines()[-1]})"


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
