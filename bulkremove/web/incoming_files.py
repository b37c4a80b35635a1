"""Files that requests send: streamed to a private folder under random names, limited in size, time and number."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import BodyPartReader, http_exceptions, web

from bulkremove.app import App
from bulkremove.web.account_choice import account_of
from bulkremove.web.responses import MAX_FORM_BYTES
from bulkremove.web.routes import person

UPLOAD_SECONDS = 120.0
"""Seconds from the first byte of a request's body to the last."""
MAX_UPLOADS_AT_ONCE = 16
"""Requests that may send a file at the same time; more get 503."""
MAX_NAME_LENGTH = 200
"""Characters of a file's name that are displayed."""
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """A file that was received completely. ``name``: as the user gave it, to be displayed only."""

    path: Path
    name: str
    account: str
    size: int
    digest: str
    """The SHA-256 (hex) of its bytes."""


class IncomingFiles:
    """The files that one server receives. ``folder``: where they are stored."""

    def __init__(self, app: App, folder: Path) -> None:
        self._app, self._folder = app, folder
        self._max_bytes = app.settings.largest_upload * 1024 * 1024
        self._transfers = 0

    async def of_form(self, request: web.Request) -> IncomingFile:
        """Receive the file of a form, for the account that the form names before it; or for the only one.

        Raises HTTPRequestEntityTooLarge, HTTPBadRequest, HTTPServiceUnavailable or TimeoutError.
        """
        if request.content_length is not None and request.content_length > self._max_bytes + MAX_FORM_BYTES:
            raise self._too_large(request.content_length)
        with self._transfer():
            try:
                async with asyncio.timeout(UPLOAD_SECONDS):
                    form, account = await request.multipart(), ""
                    part = await form.next()
                    if isinstance(part, BodyPartReader) and part.name == "account":
                        account = (await part.read_chunk(MAX_NAME_LENGTH)).decode()
                        part = await form.next()
                    if not isinstance(part, BodyPartReader) or part.name != "file" or not part.filename:
                        raise web.HTTPBadRequest(text="Choose a file first.")
                    account = account_of(self._app, person(request), account)
                    return await self._store(_chunks(part), part.filename, account)
            except (ValueError, LookupError, http_exceptions.HttpProcessingError):  # a malformed body
                raise web.HTTPBadRequest(text="This form has no file. Choose a file first.") from None

    async def of_body(self, request: web.Request, *, name: str, account: str) -> IncomingFile:
        """Receive the body of a request as a file. Raises what ``of_form`` raises.

        ``account``: empty for that of the settings, or for the only one that the person may upload a file for.
        """
        account = account_of(self._app, person(request), account, default=self._app.settings.account)
        with self._transfer():
            async with asyncio.timeout(UPLOAD_SECONDS):
                return await self._store(request.content.iter_chunked(_CHUNK_BYTES), name, account)

    @contextmanager
    def _transfer(self) -> Iterator[None]:
        """Count a file that is being sent. Raises HTTPServiceUnavailable when there are too many."""
        if self._transfers >= MAX_UPLOADS_AT_ONCE:
            raise web.HTTPServiceUnavailable(text="Too many files are being uploaded. Try again in a minute.")
        self._transfers += 1
        try:
            yield
        finally:
            self._transfers -= 1

    async def _store(self, chunks: AsyncIterator[bytes], name: str, account: str) -> IncomingFile:
        """Write the chunks to a new file, which is deleted if that fails. Raises HTTPRequestEntityTooLarge."""
        path, size, digest = self._folder / secrets.token_urlsafe(9), 0, hashlib.sha256()
        try:
            with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > self._max_bytes:
                        raise self._too_large(size)
                    file.write(chunk)
                    digest.update(chunk)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return IncomingFile(path, _displayable(name), account, size, digest.hexdigest())

    def _too_large(self, size: int) -> web.HTTPException:
        text = f"The file is larger than {self._app.settings.largest_upload} MB. Nothing of it was kept."
        return web.HTTPRequestEntityTooLarge(self._max_bytes, size, text=text)


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(_CHUNK_BYTES):
        yield chunk


def _displayable(name: str) -> str:
    """Return a file's name cut to size, with ``?`` for what can't be encoded: some browsers send undecodable bytes."""
    return name.encode("utf-8", "replace").decode()[:MAX_NAME_LENGTH]
