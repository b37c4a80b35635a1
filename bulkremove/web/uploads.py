"""Uploaded files: streamed to a private folder, limited in size, read into a plan, confirmed once.

A file is stored under a random name; the name that the user gave it is only displayed. An upload that is not confirmed
within a day is deleted. Only the plan shown last is in memory; another one is made again from its file, and its hash
shows that it is the same.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from aiohttp import BodyPartReader, http_exceptions, web

from bulkremove.app import App, Preview
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import ConsentMissing, FileRefused
from bulkremove.domain.permissions import AccountSet
from bulkremove.platform.secure_files import private_folder
from bulkremove.reading.options import ReadOptions
from bulkremove.web.account_choice import account_of
from bulkremove.web.fair_share import FairShare
from bulkremove.web.responses import MAX_FORM_BYTES
from bulkremove.web.routes import person
from bulkremove.web.upload import Upload

UPLOAD_SECONDS = 120.0
"""Seconds from the first byte of a request's body to the last."""
MAX_UPLOADS_AT_ONCE = 16
"""Requests that may send a file at the same time; more get 503."""
MAX_READS_AT_ONCE = 2
"""Files that are read at the same time, each in a process of its own, for one person one after the other."""
MAX_AGE_SECONDS = 24 * 3600.0
"""Seconds after which an upload is deleted, at the next use of any upload."""
MAX_UPLOADS_OF_PERSON = 20
"""Uploads of one person that are stored; one more deletes their oldest, never that of somebody else."""
MAX_NAME_LENGTH = 200
"""Characters of a file's name that are displayed."""
_CHUNK_BYTES = 64 * 1024


class Uploads:
    """The uploads of one server. Their private folder is emptied at the start, so none outlives a restart."""

    def __init__(self, app: App, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._max_bytes = app.settings.largest_upload * 1024 * 1024
        self._folder = private_folder(app.settings.home / "uploads")
        self._clock = clock
        self._uploads: dict[str, tuple[Upload, float]] = {}
        """By id: the upload, and when it was added (seconds of ``clock``)."""
        self._previews: dict[str, Preview] = {}
        """By the upload's id: at most one, the newest."""
        self._transfers = 0
        self._reading = asyncio.Semaphore(MAX_READS_AT_ONCE)
        self._readers = FairShare(1, waiting=MAX_UPLOADS_OF_PERSON)
        for path in self._folder.iterdir():
            path.unlink(missing_ok=True)

    async def add_form_file(self, request: web.Request) -> Upload:
        """Store and read the file of a form, for the account that the form names before it; or for the only one.

        Raises HTTPRequestEntityTooLarge, HTTPBadRequest, HTTPServiceUnavailable or TimeoutError. A file that can't be
        read raises nothing: ``refusal`` of the upload says why.
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
                    upload = await self._store(request, _chunks(part), part.filename, account)
            except (ValueError, LookupError, http_exceptions.HttpProcessingError):  # a malformed body
                raise web.HTTPBadRequest(text="This form has no file. Choose a file first.") from None
        await self.read_as(upload, ReadOptions(), by=person(request).name)
        return upload

    async def add_body(
        self, request: web.Request, *, name: str, account: str, options: ReadOptions, include_open: bool
    ) -> Upload:
        """Store and read the body of a request as a file. Raises what ``add_form_file`` raises.

        ``account``: empty for that of the settings, or for the only one that the person may upload a file for.
        """
        account = account_of(self._app, person(request), account, default=self._app.settings.account)
        with self._transfer():
            async with asyncio.timeout(UPLOAD_SECONDS):
                upload = await self._store(request, request.content.iter_chunked(_CHUNK_BYTES), name, account)
        await self.read_as(upload, options, include_open=include_open, by=person(request).name)
        return upload

    def add_retry(self, job: str, *, account: str, unknown_checked: bool, source: str, by: str) -> Upload:
        """Add an upload of the rows of a job that are to be retried; its plan is confirmed like that of a file."""
        retry, seen = (job, unknown_checked), AccountSet.only(account)
        return self._add(Upload(self._new_id(), source, account, seen, [by], Epoch(time.time()), retry=retry))

    async def preview(self, upload: Upload, *, by: str) -> Preview:
        """Return the upload's plan to be shown, read again if it is not in memory. Raises FileRefused.

        It is also read again in another generation of the storage: a learner's data were erased since.
        """
        async with upload.lock:
            return await self._preview_for_display(upload, by)

    async def read_as(self, upload: Upload, options: ReadOptions, *, include_open: bool = False, by: str) -> None:
        """Read the file with these options; on failure ``refusal`` of the upload says why. A confirmed one is left."""
        async with upload.lock:
            if upload.job is not None:
                return
            upload.options, upload.include_open, upload.refusal = options, include_open, None
            if by not in upload.prepared_by:
                upload.prepared_by.append(by)
            self._previews.pop(upload.id, None)
            try:
                await self._preview_for_display(upload, by)
            except FileRefused as error:
                upload.refusal = error
        values: dict[str, object] = {"sheet": options.sheet, "columns": dict(options.columns)}
        values |= {"hidden": options.hidden.value, "include_open": include_open}
        values |= {"plan": self.fingerprint(upload), "account": upload.account}
        await self._app.record(by, "read", name=upload.name, **values)

    async def confirm(
        self, upload: Upload, submit: Callable[[Preview], Awaitable[str]], *, by: str
    ) -> tuple[str, bool]:
        """Return the id of the job that the plan became, and whether this call made it, with ``submit``.

        Raises ConsentMissing, also if the plan was shown in another generation of the storage, and FileRefused if the
        plan has to be read again and can't be.
        """
        async with upload.lock:
            if upload.job is not None:
                return upload.job, False
            if upload.refusal is not None:
                raise ConsentMissing("This file was refused, so there is nothing to confirm.")
            preview = await self._preview(upload, by)
            upload.job = await submit(replace(preview, generation=upload.generation))
            self._previews.pop(upload.id, None)
            if upload.path is not None:
                upload.path.unlink(missing_ok=True)  # the journal has all rows of the job
            return upload.job, True

    def fingerprint(self, upload: Upload) -> str:
        """Return the hash of the upload's plan; empty when the plan is not in memory."""
        preview = self._previews.get(upload.id)
        return preview.plan.hash if preview else ""

    def get(self, upload_id: str, seen: AccountSet) -> Upload:
        """Return an upload for one of these accounts by its id. Raises HTTPNotFound."""
        self._delete_expired()
        entry = self._uploads.get(upload_id)
        if entry is None or entry[0].account not in seen:
            raise web.HTTPNotFound(text="This upload is not kept any more. Upload the file again.")
        return entry[0]

    def waiting(self, seen: AccountSet) -> list[Upload]:
        """Return the uploads for these accounts whose plans are not confirmed yet, the newest first."""
        self._delete_expired()
        uploads = [
            upload
            for upload, _ in self._uploads.values()
            if upload.job is None and upload.refusal is None and upload.account in seen
        ]
        return sorted(uploads, key=lambda upload: upload.uploaded_at, reverse=True)

    async def _preview_for_display(self, upload: Upload, by: str) -> Preview:
        preview = await self._preview(upload, by)
        upload.generation = preview.generation
        return preview

    async def _preview(self, upload: Upload, by: str) -> Preview:
        preview = self._previews.get(upload.id)
        if preview is None or preview.generation != await self._app.plans.generation():
            async with self._readers.turn(by), self._reading:
                self._previews.clear()  # before the next one is made, or memory would hold two
                # What other jobs did counts from when the file came, also when the plan is made again from it.
                preview = await self._read(upload)
                preview = replace(preview, made_at=min(preview.made_at, upload.uploaded_at))
            self._previews = {upload.id: preview}
            upload.removals = preview.plan.removals
        return preview

    async def _read(self, upload: Upload) -> Preview:
        if upload.retry is not None:
            return await self.app_of(upload).plans.retry(upload.retry[0], unknown_checked=upload.retry[1])
        if upload.path is None or upload.job is not None:
            raise FileRefused("This plan was confirmed; its rows are in the job.")
        if not upload.path.exists():  # another process has just erased the data of a learner in it
            raise FileRefused("This upload is not kept any more.", hint="Upload the file again.")
        return await self.app_of(upload).plans.preview_in_subprocess(
            upload.path,
            name=upload.name,
            options=upload.options,
            seen=upload.seen,
            include_open=upload.include_open,
        )

    def app_of(self, upload: Upload) -> App:
        """The use cases of an upload's account."""
        return self._app if upload.account == self._app.settings.account else self._app.for_account(upload.account)

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

    async def _store(self, request: web.Request, chunks: AsyncIterator[bytes], name: str, account: str) -> Upload:
        """Write the chunks to a new file, which is deleted if that fails. Raises HTTPRequestEntityTooLarge."""
        by, seen, size = person(request).name, person(request).seen, 0
        upload = Upload(self._new_id(), _displayable(name), account, seen, [by], Epoch(time.time()))
        path = upload.path = self._folder / upload.id
        try:
            with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > self._max_bytes:
                        raise self._too_large(size)
                    file.write(chunk)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        await self._app.record(by, "uploaded", name=upload.name, bytes=size, account=account)
        return self._add(upload)

    def _too_large(self, size: int) -> web.HTTPException:
        text = f"The file is larger than {self._app.settings.largest_upload} MB. Nothing of it was kept."
        return web.HTTPRequestEntityTooLarge(self._max_bytes, size, text=text)

    def _add(self, upload: Upload) -> Upload:
        self._uploads[upload.id] = upload, self._clock()
        self._delete_expired()
        return upload

    def _delete_expired(self) -> None:
        """Delete the uploads older than MAX_AGE, and the oldest of a person who has more than MAX_UPLOADS_OF_PERSON.

        Those are deleted as well whose files are gone: they named a learner whose data another process has erased.
        """
        counts = Counter[str]()
        for upload, added_at in sorted(self._uploads.values(), key=lambda entry: entry[1], reverse=True):
            counts[upload.prepared_by[0]] += 1
            is_erased = upload.job is None and upload.path is not None and not upload.path.exists()
            is_old = self._clock() - added_at > MAX_AGE_SECONDS
            if is_erased or is_old or counts[upload.prepared_by[0]] > MAX_UPLOADS_OF_PERSON:
                if upload.path is not None:
                    upload.path.unlink(missing_ok=True)
                self._previews.pop(upload.id, None)
                del self._uploads[upload.id]

    def _new_id(self) -> str:
        return secrets.token_urlsafe(9)


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(_CHUNK_BYTES):
        yield chunk


def _displayable(name: str) -> str:
    """Return a file's name cut to size, with ``?`` for what can't be encoded: some browsers send undecodable bytes."""
    return name.encode("utf-8", "replace").decode()[:MAX_NAME_LENGTH]
