"""A command that prints a CSV."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncGenerator
from pathlib import Path

from bulkremove.domain.errors import SourceFailed
from bulkremove.sources.download import download
from bulkremove.sources.inbox import Inbox
from bulkremove.sources.interface import SourceFile


class Command:
    """A program and its arguments, run without a shell; its output is used only if it exits with code 0."""

    is_export = True

    def __init__(self, line: str) -> None:
        self._line = line

    def inbox(self, home: Path) -> Inbox:
        """The folder ``nightly`` in ``home``."""
        return Inbox(home / "nightly")

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
    try:
        child = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise SourceFailed(f"The source's command can't be started: {error.strerror}.") from None
    try:
        assert child.stdout is not None  # noqa: S101 - stdout is a pipe, see above
        while piece := await child.stdout.read(64 * 1024):
            yield piece
        if await child.wait() != 0:
            raise SourceFailed(f"The source's command ended with code {child.returncode}; nothing of it was used.")
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
