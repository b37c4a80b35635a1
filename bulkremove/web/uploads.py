"""Files on their way in: streamed to a private folder under names of our own, capped, looked at, confirmed once.

The name a file had is only ever shown. What was not confirmed within a day is deleted. Only the plan looked at last is
kept in memory; another one is made again from its file, and its hash shows that it is the same.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import BodyPartReader, http_exceptions, web

from bulkremove.app import App, Preview
from bulkremove.domain.errors import ConsentMissing, FileRefused
from bulkremove.platform.secure_files import private_folder
from bulkremove.reading.options import ReadOptions
from bulkremove.web.security import MAX_FORM_BYTES

UPLOAD_TIMEOUT = 120.0
"""Seconds from the first byte to the last."""
MAX_UPLOADS_AT_ONCE = 16
"""Files that may be on their way at the same time; a slow one holds up nobody."""
MAX_READS_AT_ONCE = 2
"""Files that are read at the same time, each in a process of its own."""
MAX_AGE = 24 * 3600.0
"""Seconds that a file waits for its confirmation."""
MAX_UPLOADS = 50
MAX_NAME_LENGTH = 200
"""Characters of a file's name that are shown."""
_PIECE = 64 * 1024


@dataclass(slots=True)
class Upload:
    """A file that came in, or the rows of a job to try again."""

    id: str
    name: str
    by: list[str]
    """Who gave it, and who else said how it is to be read: all who shaped its plan."""
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
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while it is read or confirmed, so that a slow old reading never covers a new one."""


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
        self._reading = asyncio.Semaphore(MAX_READS_AT_ONCE)
        for path in self._folder.iterdir():
            path.unlink()

    async def of_form(self, request: web.Request, *, by: str) -> Upload:
        """Store the file of a form. Raises HTTPRequestEntityTooLarge, HTTPBadRequest or HTTPServiceUnavailable."""
        if request.content_length is not None and request.content_length > self._largest + MAX_FORM_BYTES:
            raise self._too_large(request.content_length)
        with self._one_more():
            try:
                async with asyncio.timeout(UPLOAD_TIMEOUT):
                    part = await (await request.multipart()).next()
                    if not isinstance(part, BodyPartReader) or part.name != "file" or not part.filename:
                        raise web.HTTPBadRequest(text="Choose a file first.")
                    upload = await self._store(_pieces(part), part.filename, by)
            except (ValueError, LookupError, http_exceptions.HttpProcessingError):  # a body that is no such form
                raise web.HTTPBadRequest(text="This is no form with a file. Choose a file first.") from None
        await self.read_as(upload, ReadOptions(), by=by)
        return upload

    async def of_body(self, request: web.Request, *, name: str, options: ReadOptions, by: str) -> Upload:
        """Store the body of a request. Raises as ``of_form``."""
        with self._one_more():
            async with asyncio.timeout(UPLOAD_TIMEOUT):
                upload = await self._store(request.content.iter_chunked(_PIECE), name, by)
        await self.read_as(upload, options, by=by)
        return upload

    def of_job(self, job: str, *, unknown_checked: bool, source: str, by: str) -> Upload:
        """The rows of a job to try again, to be looked at and confirmed like any file."""
        return self._keep(Upload(self._new_id(), source, [by], time.time(), retry=(job, unknown_checked)))

    async def preview(self, upload: Upload) -> Preview:
        """The upload's plan. Raises FileRefused when it can't be read as it is."""
        async with upload.lock:
            return await self._preview(upload)

    async def read_as(self, upload: Upload, options: ReadOptions, *, by: str) -> None:
        """Read the file again in another way; ``refusal`` tells when that does not work either."""
        async with upload.lock:
            if upload.job is not None:
                return
            upload.options, upload.refusal = options, None
            upload.by += [by] * (by not in upload.by)
            self._held.pop(upload.id, None)
            try:
                await self._preview(upload)
            except FileRefused as refused:
                upload.refusal = refused
        said = {"sheet": options.sheet, "columns": dict(options.columns), "hidden": options.hidden.value}
        await self._app.record(by, "read", name=upload.name, plan=self.fingerprint(upload), **said)

    async def confirm(self, upload: Upload, submit: Callable[[Preview], Awaitable[str]]) -> tuple[str, bool]:
        """The job that the plan became, by ``submit`` or before; whether it is new. Raises ConsentMissing."""
        async with upload.lock:
            if upload.job is not None:
                return upload.job, False
            if upload.refusal is not None:
                raise ConsentMissing("This file was refused, so there is nothing to confirm.")
            upload.job = await submit(await self._preview(upload))
            self._held.pop(upload.id, None)
            if upload.path is not None:
                upload.path.unlink(missing_ok=True)  # the job has all rows in the journal
            return upload.job, True

    def fingerprint(self, upload: Upload) -> str:
        """The hash of the plan that was made last; empty when it is not in memory."""
        held = self._held.get(upload.id)
        return held.plan.fingerprint if held else ""

    def get(self, upload_id: str) -> Upload:
        """Raises HTTPNotFound."""
        self._sweep()
        found = self._found.get(upload_id)
        if found is None:
            raise web.HTTPNotFound(text="This upload is not kept any more. Upload the file again.")
        return found[0]

    def waiting(self) -> list[Upload]:
        """Plans that nobody has confirmed yet, the newest first."""
        self._sweep()
        found = [upload for upload, _ in self._found.values() if upload.job is None and upload.refusal is None]
        return sorted(found, key=lambda one: one.came_at, reverse=True)

    async def _preview(self, upload: Upload) -> Preview:
        held = self._held.get(upload.id)
        if held is None:
            async with self._reading:
                self._held.clear()  # before the next one is made, or memory would hold two
                held = await self._read(upload)
            self._held = {upload.id: held}
            upload.removals = held.plan.removals
        return held

    async def _read(self, upload: Upload) -> Preview:
        if upload.retry is not None:
            return await self._app.plans.retry(upload.retry[0], unknown_checked=upload.retry[1])
        if upload.path is None or upload.job is not None:
            raise FileRefused("This plan was confirmed; its rows are in the job.")
        return await self._app.plans.preview_apart(upload.path, name=upload.name, options=upload.options)

    @contextmanager
    def _one_more(self) -> Iterator[None]:
        if self._under_way >= MAX_UPLOADS_AT_ONCE:
            raise web.HTTPServiceUnavailable(text="Too many files are on their way right now. Try again in a minute.")
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    async def _store(self, pieces: AsyncIterator[bytes], name: str, by: str) -> Upload:
        upload, size = Upload(self._new_id(), _shown(name), [by], time.time()), 0
        path = upload.path = self._folder / upload.id
        try:
            with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                async for piece in pieces:
                    size += len(piece)
                    if size > self._largest:
                        raise self._too_large(size)
                    file.write(piece)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        await self._app.record(by, "uploaded", name=upload.name, bytes=size)
        return self._keep(upload)

    def _too_large(self, size: int) -> web.HTTPException:
        most = self._app.settings.largest_upload
        words = f"The file is larger than {most} MB. Nothing of it was kept."
        return web.HTTPRequestEntityTooLarge(self._largest, size, text=words)

    def _keep(self, upload: Upload) -> Upload:
        self._sweep(room=1)
        self._found[upload.id] = upload, self._clock()
        return upload

    def _sweep(self, *, room: int = 0) -> None:
        """Delete what has waited too long, and the oldest beyond what is kept."""
        oldest = sorted(self._found.values(), key=lambda one: one[1])
        for place, (one, kept_at) in enumerate(oldest):
            if len(oldest) - place > MAX_UPLOADS - room or self._clock() - kept_at > MAX_AGE:
                if one.path is not None:
                    one.path.unlink(missing_ok=True)
                self._held.pop(one.id, None)
                del self._found[one.id]

    def _new_id(self) -> str:
        return secrets.token_urlsafe(9)


async def _pieces(part: BodyPartReader) -> AsyncIterator[bytes]:
    while piece := await part.read_chunk(_PIECE):
        yield piece


def _shown(name: str) -> str:
    """A file's name as it can be shown: some browsers send bytes that are no text."""
    return name.encode("utf-8", "replace").decode()[:MAX_NAME_LENGTH]
