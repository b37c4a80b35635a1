"""Where nights find their files: a folder that others drop them into, a command, or a web address.

A file is taken by an atomic rename into ``working`` and ends in ``done`` or ``held``, so that it is always in exactly
one place, whoever dies when. Nothing here reads what a file says, and nothing is ever deleted.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import shlex
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from bulkremove.domain.errors import SourceFailed

QUIET_SECONDS = 60.0
"""Seconds since its last change after which a file counts as whole; a mark NAME.ready beside it says so at once."""
MARK = ".ready"
FETCH_TIMEOUT = 600.0
"""Seconds that a command or a web address may take."""
MAX_FETCH_BYTES = 100 * 1024 * 1024
"""Bytes."""
_UNFINISHED = (".part", ".partial", ".tmp", ".filepart", ".crdownload", MARK)


class Folder:
    """A folder of files. ``working``, ``done`` and ``held`` lie within it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.working_folder, self.done, self.held = (path / name for name in ("working", "done", "held"))

    def prepare(self) -> None:
        """Make the places within it. Raises SourceFailed when the folder itself is not there."""
        if not self.path.is_dir():
            raise SourceFailed(
                f"The folder {self.path} is not there, so nobody knows whether there was something to do.",
                hint="Check that it is mounted and may be read.",
            )
        try:
            for place in (self.working_folder, self.done, self.held):
                place.mkdir(exist_ok=True)
        except OSError as error:
            raise SourceFailed(f"The folder {self.path} can't be used: {error.strerror}.") from None

    def waiting(self, now: float) -> Iterator[tuple[Path, bool]]:
        """The dropped files, the oldest first, and whether each has come to rest and can be read. Raises SourceFailed.

        ``now``: epoch seconds, of the clock that the files' times are from.
        """
        found = []
        try:
            names = {entry.name for entry in os.scandir(self.path)}
            for name in names:
                path = self.path / name
                if name.startswith((".", "~$")) or name.endswith(_UNFINISHED) or not path.is_file():
                    continue
                changed = path.stat().st_mtime
                rests = f"{name}{MARK}" in names or now - changed >= QUIET_SECONDS
                found.append((changed, name, rests and _readable(path)))
        except OSError as error:
            raise SourceFailed(f"The folder {self.path} can't be read: {error.strerror}.") from None
        for _, name, rests in sorted(found):
            yield self.path / name, rests

    def take(self, path: Path) -> Path | None:
        """The file's place in ``working``; None when another host was quicker."""
        target = self.working_folder / f"{secrets.token_hex(4)}~{path.name}"
        try:
            path.rename(target)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceFailed(f"{path} can't be taken: {error.strerror}.") from None
        path.with_name(f"{path.name}{MARK}").unlink(missing_ok=True)
        return target

    def bring_back(self, name: str) -> None:
        """Move a file from ``held`` to where files are dropped, never over another one. Raises SourceFailed."""
        held, target = self.held / name, self.path / name
        if Path(name).name != name or not held.is_file():
            raise SourceFailed(f"There is no file {name!r} in {self.held}.")
        if target.exists():
            raise SourceFailed(f"A file {name!r} lies there already.", hint="Let a night take that one first.")
        held.rename(target)

    def working(self) -> list[Path]:
        """The files that are taken, also by a night that died."""
        return sorted(self.working_folder.iterdir())

    def put(self, path: Path, place: Path) -> Path:
        """Move a file from ``working`` to ``done`` or ``held``, never over another one."""
        name, number = original_name(path), 1
        target = place / name
        while target.exists():
            number += 1
            target = place / f"{Path(name).stem}-{number}{Path(name).suffix}"
        path.rename(target)
        return target


def folder_of(source: str, home: Path) -> Folder:
    """Where the files of a source are; what a command or an address gives is kept in the home folder."""
    return Folder(Path(source).expanduser().absolute() if is_folder(source) else home / "nightly")


def is_folder(source: str) -> bool:
    """Whether a source is a folder, not a command or an address."""
    return not source.startswith(("command ", "https://", "http://"))


def _readable(path: Path) -> bool:
    """Whether its first byte can be had; a file that is locked or lost on its network waits."""
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError:
        return False
    return True


def original_name(path: Path) -> str:
    """The name under which a file in ``working`` was dropped."""
    return path.name.partition("~")[2] or path.name


def digest(path: Path) -> str:
    """SHA-256 (hex) of the file's bytes. Raises SourceFailed."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceFailed(f"{path} can't be read: {error.strerror}.") from None


async def fetch(source: str, folder: Path, token: str | None) -> Path:
    """What a command or an https address yields, as a file in ``folder``, which is there. Raises SourceFailed.

    ``source``: ``command ...`` or a URL; ``token``: a bearer token for the URL, or None.
    """
    target = folder / f"{time.strftime('%Y%m%d-%H%M%S')}.csv"
    partial = folder / f"{target.name}.part"
    try:
        with os.fdopen(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            async with asyncio.timeout(FETCH_TIMEOUT):
                pieces = _of_command(source) if source.startswith("command ") else _of_url(source, token)
                size = 0
                async for piece in pieces:
                    size += len(piece)
                    if size > MAX_FETCH_BYTES:
                        raise SourceFailed("The source gives more than 100 MB; nothing of it was used.")
                    file.write(piece)
        partial.rename(target)
        target.with_name(f"{target.name}{MARK}").touch()  # it is whole
    except TimeoutError:
        raise SourceFailed(f"The source did not end within {FETCH_TIMEOUT / 60:.0f} minutes.") from None
    except OSError as error:
        raise SourceFailed(f"What the source gave can't be kept: {error.strerror}.") from None
    finally:
        partial.unlink(missing_ok=True)
    return target


async def _of_url(source: str, token: str | None) -> AsyncIterator[bytes]:
    import aiohttp

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        async with (
            aiohttp.ClientSession(headers=headers, trust_env=False) as session,
            session.get(source, allow_redirects=False) as reply,
        ):
            if reply.status != 200:
                raise SourceFailed(f"The source's address answered with {reply.status}; nothing of it was used.")
            async for piece in reply.content.iter_chunked(64 * 1024):
                yield piece
    except aiohttp.ClientError as error:
        raise SourceFailed(f"The source's address can't be read ({type(error).__name__}).") from None


async def _of_command(source: str) -> AsyncIterator[bytes]:
    words = shlex.split(source.removeprefix("command "))
    try:
        child = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError as error:
        raise SourceFailed(f"The source's command can't be started: {error.strerror}.") from None
    try:
        assert child.stdout is not None  # noqa: S101 - asked for above
        while piece := await child.stdout.read(64 * 1024):
            yield piece
        if await child.wait() != 0:
            raise SourceFailed(f"The source's command ended with code {child.returncode}; nothing of it was used.")
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
