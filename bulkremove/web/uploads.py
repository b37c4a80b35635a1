"""Uploads: files, people chosen from Zoho's lists and rows of jobs, read into plans, confirmed once.

One that is not confirmed within a day is deleted; until then it is a draft, also after a restart of the server.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import replace

from aiohttp import web

from bulkremove.app import App, Preview
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import Epoch
from bulkremove.domain.enrolment_check import EnrolmentCheck
from bulkremove.domain.errors import FileRefused, PlanNotReady
from bulkremove.domain.job import Job
from bulkremove.domain.permissions import AccountSet
from bulkremove.domain.table import SANDBOX_MARK, Table
from bulkremove.reading.options import ReadOptions
from bulkremove.web.draft_files import MAX_AGE_SECONDS, DraftFiles
from bulkremove.web.incoming_files import IncomingFile, IncomingFiles
from bulkremove.web.problems import PlanNotFound
from bulkremove.web.routes import person
from bulkremove.web.upload import MAX_UPLOADS_OF_PERSON, Upload
from bulkremove.web.uploaded_plans import UploadedPlans


class Uploads:
    """The uploads of one server, and the drafts of those before it."""

    def __init__(self, app: App, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._app, self.plans = app, UploadedPlans(app)
        self._drafts = DraftFiles(app.settings.home, SANDBOX_MARK if app.settings.is_sandbox else app.settings.host)
        self._files = IncomingFiles(app, self._drafts.folder)
        self._clock = clock
        self._uploads: dict[str, tuple[Upload, float]] = {}
        """By id: the upload, and when it was added (seconds of ``clock``)."""
        for draft in self._drafts.load():
            self._uploads[draft.id] = draft, clock() - (time.time() - draft.uploaded_at)

    async def add_form_file(self, request: web.Request) -> Upload:
        """Store and read the file of a form, for the account that the form names before it; or for the only one.

        Raises HTTPRequestEntityTooLarge, HTTPBadRequest, HTTPServiceUnavailable or TimeoutError. A file that can't be
        read raises nothing: ``refusal`` of the upload says why.
        """
        upload = await self._received(request, await self._files.of_form(request))
        await self.read_as(upload, ReadOptions(), by=person(request).name)
        return upload

    async def receive_body(self, request: web.Request, *, name: str, account: str) -> IncomingFile:
        """Store the body of a request as a file; it becomes an upload by ``add_file``, or is deleted.

        Raises what ``add_form_file`` raises. ``account``: empty for that of the settings, or for the only one that the
        person may upload a file for.
        """
        return await self._files.of_body(request, name=name, account=account)

    async def add_file(
        self, request: web.Request, file: IncomingFile, *, options: ReadOptions, include_open: bool
    ) -> Upload:
        """Add an upload of a file that was received, and read it."""
        upload = await self._received(request, file)
        await self.read_as(upload, options, include_open=include_open, by=person(request).name)
        return upload

    async def _received(self, request: web.Request, file: IncomingFile) -> Upload:
        by, seen = person(request).name, person(request).seen
        upload = Upload(self._new_id(), file.name, file.account, seen, [by], Epoch(time.time()), path=file.path)
        await self._app.record(by, AuditAct.UPLOADED, name=file.name, bytes=file.size, account=file.account)
        return self._add(upload)

    def add_retry(self, job: str, *, account: str, unknown_checked: bool, source: str, by: str) -> Upload:
        """Add an upload of the rows of a job that are to be retried; its plan is confirmed like that of a file."""
        retry, seen = (job, unknown_checked), AccountSet.only(account)
        return self._add(Upload(self._new_id(), source, account, seen, [by], Epoch(time.time()), retry=retry))

    def add_put_back(self, job: Job, numbers: frozenset[int] | None, *, by: str) -> Upload:
        """Add an upload of people whom a job removed, to put them back; its plan is confirmed like that of a file.

        ``numbers``: of their rows; None for all.
        """
        put_back, seen = (job.id, numbers), AccountSet.only(job.account)
        name, at = f"Put back: {job.source}", Epoch(time.time())
        return self._add(Upload(self._new_id(), name, job.account, seen, [by], at, put_back=put_back))

    async def preview_rows(self, upload: Upload, *, by: str) -> Preview:
        """Return the plan of rows of a job, as ``preview`` does; the upload is dropped where there is none."""
        try:
            preview = await self.preview(upload, by=by)
        except BaseException:
            del self._uploads[upload.id]
            raise
        await self.save(upload)
        return preview

    async def read_restored(self, upload: Upload, *, by: str) -> bool:
        """Read a draft of an earlier server as it was read there; ``refusal`` of the upload says why that failed.

        Returns whether it was to be read. One that was confirmed, just before that server died, is that job's.
        """
        if not upload.is_restored:
            return False
        async with upload.lock:
            if not upload.is_restored:  # another request has read it meanwhile
                return False
            job = await self._app.jobs.by_upload(upload.id, AccountSet.only(upload.account))
            if job is not None:
                self._set_confirmed(upload, job.id)
            else:
                await self._read_for_display(upload, by)
            upload.is_restored = False
            return True

    async def discard(self, upload: Upload, *, by: str) -> None:
        """Delete an upload whose plan nobody wants. A confirmed one is left."""
        async with upload.lock:
            if upload.job is not None:
                return
            self._delete(upload)
        await self._app.record(by, AuditAct.DISCARDED, name=upload.name, account=upload.account)

    async def preview(self, upload: Upload, *, by: str) -> Preview:
        """Return the upload's plan to be shown, read again if it is not in memory. Raises FileRefused.

        It is also read again in another generation of the storage: a learner's data were erased since.
        """
        async with upload.lock:
            return await self._preview_for_display(upload, by)

    def add_table(
        self, table: Table, check: EnrolmentCheck, generation: str, *, account: str, by: str, seen: AccountSet
    ) -> Upload:
        """Add an upload of people who were chosen from Zoho's lists; its plan is confirmed like that of a file.

        ``generation``: of the storage, before the lists were read.
        """
        upload = Upload(self._new_id(), table.source, account, seen, [by], Epoch(time.time()), table=table, check=check)
        upload.looked_up_in = generation
        return self._add(upload)

    async def include(self, upload: Upload, numbers: Collection[int], *, by: str) -> None:
        """Plan rows too whose person in Zoho is another than in the file, as a person decided. ``numbers``: of them."""
        async with upload.lock:
            if upload.job is not None or upload.check is None:
                return
            table = (await self.plans.of(upload, by)).plan.table
            if upload.check is None:  # it is void since, and the page says so
                return
            rows = [index for index in upload.check.mismatched if table.numbers[index] in numbers]
            upload.check = upload.check.including(rows)
            if by not in upload.prepared_by:
                upload.prepared_by.append(by)
            self.plans.drop(upload)
            await self._preview_for_display(upload, by)
            await self.save(upload)
        plan = self.plans.hash_of(upload)
        await self._app.record(
            by, AuditAct.INCLUDED_MISMATCHED, name=upload.name, rows=len(rows), plan=plan, account=upload.account
        )

    async def read_as(self, upload: Upload, options: ReadOptions, *, include_open: bool = False, by: str) -> None:
        """Read the file with these options; on failure ``refusal`` of the upload says why. A confirmed one is left.

        One whose ids must be looked up is not read here (``lookups``).
        """
        async with upload.lock:
            if upload.job is not None:
                return
            upload.options, upload.include_open, upload.refusal = options, include_open, None
            upload.asked = upload.returned = None  # they were about another plan
            if by not in upload.prepared_by:
                upload.prepared_by.append(by)
            upload.end_lookup()
            upload.check, upload.check_note, upload.lookup, upload.was_checked = None, "", None, False
            if upload.path is not None:
                upload.table = None
            self.plans.drop(upload)
            await self._read_for_display(upload, by)
            await self.save(upload)
        values: dict[str, object] = {"sheet": options.sheet, "columns": dict(options.columns)}
        values |= {"hidden": options.hidden.value, "include_open": include_open}
        values |= {"plan": self.plans.hash_of(upload), "account": upload.account}
        await self._app.record(by, AuditAct.READ, name=upload.name, **values)

    async def confirm(
        self, upload: Upload, submit: Callable[[Preview], Awaitable[str]], *, by: str
    ) -> tuple[str, bool]:
        """Return the id of the job that the plan became, and whether this call made it, with ``submit``.

        Raises ActionRefused, also if the plan was shown in another generation of the storage, and FileRefused if the
        plan has to be read again and can't be.
        """
        async with upload.lock:
            if upload.job is not None:
                return upload.job, False
            if upload.is_restored:  # what Zoho said of its people is not stored, so they could not be put back
                raise PlanNotReady(
                    "The page was restarted since this plan was shown, so Zoho may have to be asked again who these "
                    "learners are. Nothing was sent.",
                    hint="Open the plan again, then confirm it.",
                )
            if upload.returned is not None:
                who, why = upload.returned
                raise PlanNotReady(f"{who} returned this plan: {why} Nothing was sent.", hint="Ask for approval again.")
            if upload.is_looked_up:
                raise PlanNotReady("Zoho is still asked who these learners are. Wait for it, or leave it out.")
            if upload.refusal is not None:
                raise PlanNotReady("This file was refused, so there is nothing to confirm.")
            preview = await self.plans.of(upload, by)
            job = await submit(replace(preview, generation=upload.generation))
            self.plans.drop(upload)
            self._set_confirmed(upload, job)
            return job, True

    def get(self, upload_id: str, seen: AccountSet) -> Upload:
        """Return an upload for one of these accounts by its id. Raises PlanNotFound."""
        self._delete_expired()
        entry = self._uploads.get(upload_id)
        if entry is None or entry[0].account not in seen:
            raise PlanNotFound(
                text="This plan is not kept any more. Make it again: upload the file, or choose the people."
            )
        return entry[0]

    def by_key(self, by: str, key: str) -> Upload | None:
        """Return the upload that this person made with an idempotency key; None if there is none any more."""
        self._delete_expired()
        own = (upload for upload, _ in self._uploads.values() if upload.prepared_by[0] == by)
        return next((upload for upload in own if upload.idempotency_key == key), None)

    def drafts(self, seen: AccountSet) -> list[Upload]:
        """Return the drafts for these accounts, the newest first."""
        self._delete_expired()
        uploads = [upload for upload, _ in self._uploads.values() if upload.account in seen and upload.is_draft]
        return sorted(uploads, key=lambda upload: upload.uploaded_at, reverse=True)

    async def save(self, upload: Upload) -> None:
        """Store what is known of an upload, so that it is a draft of the next server too."""
        await asyncio.to_thread(self._drafts.save, upload)
        if upload.id not in self._uploads or upload.job is not None:  # discarded or confirmed meanwhile
            self._drafts.delete(upload)

    async def _read_for_display(self, upload: Upload, by: str) -> None:
        try:
            if upload.options.match is None or upload.table is not None:
                await self._preview_for_display(upload, by)
        except FileRefused as error:
            upload.refusal = error

    async def _preview_for_display(self, upload: Upload, by: str) -> Preview:
        preview = await self.plans.of(upload, by)
        upload.generation = preview.generation
        return preview

    def _set_confirmed(self, upload: Upload, job: str) -> None:
        """Set the job that a plan became; the journal has all its rows, so nothing else of it is kept."""
        upload.job, upload.table, upload.check = job, None, None
        with suppress(OSError):  # its job is to be started all the same
            self._drafts.delete(upload)

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
                self._delete(upload)

    def _delete(self, upload: Upload) -> None:
        self._drafts.delete(upload)
        upload.end_lookup()
        self.plans.drop(upload)
        self._uploads.pop(upload.id, None)

    def _new_id(self) -> str:
        return secrets.token_urlsafe(9)
