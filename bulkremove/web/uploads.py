"""Files on their way in: streamed to a private folder under names of our own, capped, looked at, confirmed once.

The name a file had is only ever shown. What was not confirmed within a day is deleted. Only the plan looked at last is
kept in memory; another one is made again from its file, and its hash shows that it is the same.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import BodyPartReader, web

from bulkremove.app import App, Preview
from bulkremove.errors import FileRefused
from bulkremove.private_files import private_folder
from bulkremove.reading import ReadOptions

LONGEST_UPLOAD = 120.0
"""Seconds from the first byte to the last."""
MOST_AT_ONCE = 16
"""Files that may be on their way at the same time; a slow one holds up nobody."""
MOST_READ_AT_ONCE = 2
"""Files that are read at the same time, each in a process of its own."""
KEPT = 24 * 3600.0
"""Seconds that a file waits for its confirmation."""
MOST_UPLOADS = 50
_PIECE = 64 * 1024


@dataclass(slots=True)
class Upload:
    """A file that came in, or the rows of a job to try again."""

    id: str
    name: str
    by: str
    """Who gave it."""
    came_at: float
    """Epoch seconds."""
    path: Path | None = None
    retry: tuple[str, bool] | None = None
    """The job whose rows these are, and whether its unknown rows are among them."""
    options: ReadOptions = field(default_factory=ReadOptions)
    refusal: FileRefused | None = None
    removals: int = 0
    job: str | None = None
    """The job that it was confirmed as; a second confirmation leads there too."""


class Uploads:
    """The files that wait. ``folder`` is private and emptied at the start: nothing of an earlier run is confirmed."""

    def __init__(self, app: App, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._largest = app.settings.largest_upload * 1024 * 1024
        self._folder = private_folder(app.settings.home / "uploads")
        self._clock = clock
        self._found: dict[str, tuple[Upload, float]] = {}
        self._held: dict[str, Preview] = {}
        self._under_way = 0
        self._reading = asyncio.Semaphore(MOST_READ_AT_ONCE)
        for path in self._folder.iterdir():
            path.unlink()

    async def of_form(self, request: web.Request, *, by: str) -> Upload:
        """Store the file of a form. Raises HTTPRequestEntityTooLarge, HTTPBadRequest or HTTPServiceUnavailable."""
        try:
            part = await (await request.multipart()).next()
        except ValueError:  # a body that is no such form
            part = None
        if not isinstance(part, BodyPartReader) or part.name != "file" or not part.filename:
            raise web.HTTPBadRequest(text="Choose a file first.")
        return await self._receive(_pieces(part), part.filename, ReadOptions(), by)

    async def of_body(self, request: web.Request, *, name: str, options: ReadOptions, by: str) -> Upload:
        """Store the body of a request. Raises as ``of_form``."""
        return await self._receive(request.content.iter_chunked(_PIECE), name, options, by)

    def of_job(self, job: str, *, unknown_checked: bool, source: str, by: str) -> Upload:
        """The rows of a job to try again, to be looked at and confirmed like any file."""
        return self._keep(Upload(self._new_id(), source, by, time.time(), retry=(job, unknown_checked)))

    async def look(self, upload: Upload) -> Preview:
        """The upload's plan. Raises FileRefused when it can't be read as it is."""
        held = self._held.get(upload.id)
        if held is None:
            async with self._reading:
                self._held.clear()  # before the next one is made, or memory would hold two
                held = await self._read(upload)
            self._held = {upload.id: held}
            upload.removals = held.plan.removals
        return held

    async def read_as(self, upload: Upload, options: ReadOptions) -> None:
        """Read the file again in another way; ``refusal`` tells when that does not work either."""
        upload.options = options
        self._held.pop(upload.id, None)
        upload.refusal = None
        try:
            await self.look(upload)
        except FileRefused as refused:
            upload.refusal = refused

    def get(self, upload_id: str) -> Upload:
        """Raises HTTPNotFound."""
        found = self._found.get(upload_id)
        if found is None:
            raise web.HTTPNotFound(text="This upload is not kept any more. Upload the file again.")
        return found[0]

    def waiting(self) -> list[Upload]:
        """Plans that nobody has confirmed yet, the newest first."""
        found = [upload for upload, _ in self._found.values() if upload.job is None and upload.refusal is None]
        return sorted(found, key=lambda one: one.came_at, reverse=True)

    def confirmed(self, upload: Upload, job: str) -> None:
        """It has become a job, which has all rows in the journal; the file is deleted."""
        upload.job = job
        self._held.pop(upload.id, None)
        if upload.path is not None:
            upload.path.unlink(missing_ok=True)

    async def _read(self, upload: Upload) -> Preview:
        if upload.retry is not None:
            return self._app.retry(upload.retry[0], unknown_checked=upload.retry[1])
        if upload.path is None or upload.job is not None:
            raise FileRefused("This plan was confirmed; its rows are in the job.")
        return await self._app.preview_apart(upload.path, name=upload.name, options=upload.options)

    async def _receive(self, pieces: AsyncIterator[bytes], name: str, options: ReadOptions, by: str) -> Upload:
        if self._under_way >= MOST_AT_ONCE:
            raise web.HTTPServiceUnavailable(text="Too many files are on their way right now. Try again in a minute.")
        upload = Upload(self._new_id(), name, by, time.time())
        upload.path = self._folder / upload.id
        self._under_way += 1
        try:
            async with asyncio.timeout(LONGEST_UPLOAD):
                size = await self._store(pieces, upload.path)
        except BaseException:
            upload.path.unlink(missing_ok=True)
            raise
        finally:
            self._under_way -= 1
        self._app.record(by, "uploaded", name=name, bytes=size)
        self._keep(upload)
        await self.read_as(upload, options)
        return upload

    async def _store(self, pieces: AsyncIterator[bytes], path: Path) -> int:
        size = 0
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            async for piece in pieces:
                size += len(piece)
                if size > self._largest:
                    most = self._app.settings.largest_upload
                    raise web.HTTPRequestEntityTooLarge(
                        self._largest, size, text=f"The file is larger than {most} MB. Nothing of it was kept."
                    )
                file.write(piece)
        return size

    def _keep(self, upload: Upload) -> Upload:
        now = self._clock()
        oldest = sorted(self._found.values(), key=lambda one: one[1])
        for place, (one, kept_at) in enumerate(oldest):
            if len(oldest) - place >= MOST_UPLOADS or now - kept_at > KEPT:
                if one.path is not None:
                    one.path.unlink(missing_ok=True)
                self._held.pop(one.id, None)
                del self._found[one.id]
        self._found[upload.id] = upload, now
        return upload

    def _new_id(self) -> str:
        return secrets.token_urlsafe(9)


async def _pieces(part: BodyPartReader) -> AsyncIterator[bytes]:
    while piece := await part.read_chunk(_PIECE):
        yield piece
