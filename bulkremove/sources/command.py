"""A command that prints a CSV."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

from bulkremove.domain.errors import SourceFailed
from bulkremove.platform.child_process import child_environment
from bulkremove.sources.download import download
from bulkremove.sources.inbox import Inbox
from bulkremove.sources.interface import SourceFile

MAX_STDERR_BYTES = 500
"""Bytes of what a command wrote last to its standard error that are told to people."""
_USER_INFO = re.compile(r"//[^/\s@]*@")
_SECRET = re.compile(
    r"((?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|credential|authorization|bearer)[\w-]*[\"']?\s*[=:\s]\s*)"
    r"(?:(?:bearer|basic)\s+)?(?:\"[^\"]*\"|'[^']*'|\S+)",
    re.IGNORECASE,
)


class Command:
    """A program and its arguments, run without a shell; its output is used only if it exits with code 0."""

    is_export = True

    def __init__(self, line: str) -> None:
        self._line = line

    def inbox(self, folder: Path) -> Inbox:
        """The ``folder`` that is given."""
        return Inbox(folder)

    async def fetch(self, folder: Path) -> list[SourceFile]:
        """Run the program and save its output as one CSV file in ``folder``. Raises SourceFailed."""
        try:
            arguments = shlex.split(self._line)
        except ValueError:
            raise SourceFailed("The source's command has a quote that is not closed.") from None
        if not arguments:
            raise SourceFailed("The source's command is empty.", hint='Write it as "command PROGRAM ARGUMENTS".')
        return [await download(_output(arguments), folder, f"{Path(arguments[0]).name}.csv")]


async def _output(arguments: list[str]) -> AsyncGenerator[bytes]:
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=child_environment(),
            start_new_session=True,  # so that all that it started ends with it
        )
    )
    try:
        child = await asyncio.shield(starting)
    except asyncio.CancelledError:  # it may run already
        _kill(await starting)
        raise
    except OSError as error:
        raise SourceFailed(f"The source's command can't be started: {error.strerror}.") from None
    assert child.stdout is not None  # noqa: S101 - both are pipes, see above
    assert child.stderr is not None  # noqa: S101 - both are pipes, see above
    stderr_tail = asyncio.create_task(_end_of(child.stderr))
    try:
        while piece := await child.stdout.read(64 * 1024):
            yield piece
        if await child.wait() != 0:
            stderr_text = without_secrets(await stderr_tail)
            raise SourceFailed(
                f"The source's command ended with code {child.returncode}; nothing of it was used."
                + (f" Its last output: {stderr_text}" if stderr_text else "")
            )
    finally:
        stderr_tail.cancel()
        if child.returncode is None:
            _kill(child)
            await child.wait()


def _kill(child: asyncio.subprocess.Process) -> None:
    """Kill a program, and where the system has process groups all that it started."""
    with suppress(ProcessLookupError):  # it has just ended
        if os.name == "posix":
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()


async def _end_of(stream: asyncio.StreamReader) -> bytes:
    """Read a stream to its end, so that its writer never waits, and return the last MAX_STDERR bytes."""
    end = b""
    while piece := await stream.read(64 * 1024):
        end = (end + piece)[-MAX_STDERR_BYTES:]
    return end


def without_secrets(raw: bytes) -> str:
    """What a program wrote to its standard error, on one line, without what looks like a password or a token."""
    text = " ".join("".join(c if c.isprintable() else " " for c in raw.decode("utf-8", "replace")).split())
    return _SECRET.sub(lambda match: f"{match[1]}***", _USER_INFO.sub("//***@", text))
