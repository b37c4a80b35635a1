"""Files on their way in: streamed to a private folder under names of our own, capped, looked at, confirmed once.

The name a file had is only ever shown. What was not confirmed within an hour is deleted.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import BodyPartReader, web

from bulkremove.app import Preview
from bulkremove.errors import FileRefused
from bulkremove.private_files import private_folder
from bulkremove.reading import ReadOptions

LARGEST_UPLOAD = 10 * 1024 * 1024
"""Bytes."""
LONGEST_UPLOAD = 120.0
"""Seconds from the first byte to the last."""
KEPT = 3600.0
"""Seconds that a file waits for its confirmation."""
MOST_UPLOADS = 20


@dataclass(slots=True)
class Upload:
    """One file that came in. Exactly one of ``preview`` and ``refusal`` is set once it was read."""

    id: str
    name: str
    path: Path
    came_at: float
    options: ReadOptions = field(default_factory=ReadOptions)
    preview: Preview | None = None
    refusal: FileRefused | None = None
    job: str | None = None
    """The job that it was confirmed as; a second confirmation leads there too."""


class Uploads:
    """The files that wait. ``folder`` is private and emptied at the start: nothing of an earlier run is confirmed."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = private_folder(folder)
        self._clock = clock
        self._found: dict[str, Upload] = {}
        for path in self._folder.iterdir():
            path.unlink()

    async def receive(self, request: web.Request) -> Upload:
        """Store the form's file. Raises HTTPRequestEntityTooLarge, or HTTPBadRequest when there is none."""
        self._forget_old()
        async with asyncio.timeout(LONGEST_UPLOAD):
            part = await (await request.multipart()).next()
            if not isinstance(part, BodyPartReader) or part.name != "file" or not part.filename:
                raise web.HTTPBadRequest(text="Choose a file first.")
            upload = Upload(secrets.token_urlsafe(9), part.filename, Path(), self._clock())
            upload.path = self._folder / upload.id
            try:
                await self._store(part, upload.path)
            except BaseException:
                upload.path.unlink(missing_ok=True)
                raise
        self._found[upload.id] = upload
        return upload

    async def _store(self, part: BodyPartReader, path: Path) -> None:
        size = 0
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            while piece := await part.read_chunk(64 * 1024):
                size += len(piece)
                if size > LARGEST_UPLOAD:
                    raise web.HTTPRequestEntityTooLarge(LARGEST_UPLOAD, size, text="The file is larger than 10 MB.")
                file.write(piece)

    def of_preview(self, preview: Preview, *, name: str) -> Upload:
        """A preview that came from no file, such as a retry, to be looked at and confirmed like any other."""
        self._forget_old()
        upload = Upload(secrets.token_urlsafe(9), name, self._folder / "none", self._clock(), preview=preview)
        self._found[upload.id] = upload
        return upload

    def get(self, upload_id: str) -> Upload:
        """Raises HTTPNotFound."""
        found = self._found.get(upload_id)
        if found is None:
            raise web.HTTPNotFound(text="This upload is not kept any more. Upload the file again.")
        return found

    def discard(self, upload: Upload) -> None:
        """Delete the file; its preview stays for whoever looks."""
        upload.path.unlink(missing_ok=True)

    def _forget_old(self) -> None:
        oldest = sorted(self._found.values(), key=lambda one: one.came_at)
        for place, one in enumerate(oldest):
            if len(oldest) - place >= MOST_UPLOADS or self._clock() - one.came_at > KEPT:
                self.discard(one)
                del self._found[one.id]
