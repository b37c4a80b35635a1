"""Plans of uploads: read from the file, the job or the lists that they come from, whenever they are not in memory.

Only the plan shown last is in memory; another one is made again, and its hash shows that it is the same.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from bulkremove.app import App, Preview
from bulkremove.domain.errors import FileRefused
from bulkremove.domain.table import Table
from bulkremove.web.fair_share import FairShare
from bulkremove.web.upload import MAX_UPLOADS_OF_PERSON, Upload

MAX_READS_AT_ONCE = 2
"""Files that are read at the same time, each in a process of its own, for one person one after the other."""
CHECK_IS_VOID = (
    "The rows of this plan are others than when Zoho was asked who the learners are, or somebody's data were erased "
    "since. So what Zoho said is not used; ask again."
)


class UploadedPlans:
    """The plans of the uploads of one server."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._previews: dict[str, Preview] = {}
        """By the upload's id: at most one, the newest."""
        self._reading = asyncio.Semaphore(MAX_READS_AT_ONCE)
        self._readers = FairShare(1, waiting=MAX_UPLOADS_OF_PERSON)

    def app_of(self, upload: Upload) -> App:
        """The use cases of an upload's account."""
        return self._app.for_account(upload.account)

    async def of(self, upload: Upload, by: str) -> Preview:
        """Return the plan of an upload, which the caller has locked. Raises FileRefused.

        It is read again in another generation of the storage: a learner's data were erased since.
        """
        preview = self._previews.get(upload.id)
        if preview is None or preview.generation != await self._app.plans.generation():
            async with self._readers.turn(by), self._reading:
                self._previews.clear()  # before the next one is made, or memory would hold two
                # What other jobs did counts from when the file came, also when the plan is made again from it.
                preview = await self._read(upload)
                preview = replace(preview, made_at=min(preview.made_at, upload.uploaded_at))
            self.show(upload, preview)
        return preview

    def show(self, upload: Upload, preview: Preview) -> None:
        """Keep a plan that was made of an upload meanwhile, as the one to be shown."""
        self._previews = {upload.id: preview}
        upload.removals, upload.words = preview.plan.removals, preview.plan.operation.words

    def drop(self, upload: Upload) -> None:
        """Forget the plan of an upload: it is confirmed, deleted, or made in another way from now on."""
        self._previews.pop(upload.id, None)

    def hash_of(self, upload: Upload) -> str:
        """Return the hash of the upload's plan; empty when the plan is not in memory."""
        preview = self._previews.get(upload.id)
        return preview.plan.hash if preview else ""

    async def read_table(self, upload: Upload) -> Table:
        """Read the file of an upload without planning it. Raises FileRefused."""
        if upload.path is None or not upload.path.exists():
            raise FileRefused("This upload is not kept any more.", hint="Upload the file again.")
        async with self._readers.turn(upload.prepared_by[-1]), self._reading:
            options = self.app_of(upload).plans.for_reading(upload.options)
            return await self._app.context.read_untrusted(upload.path, name=upload.name, options=options)

    async def _read(self, upload: Upload) -> Preview:
        plans = self.app_of(upload).plans
        is_void = upload.looked_up_in != await plans.generation()
        if is_void and upload.table is not None:
            upload.table = upload.check = None
            upload.refusal = FileRefused(
                "The data of a learner were erased since Zoho was asked about these people.",
                hint="Choose them or give their file again.",
            )
            raise upload.refusal
        preview = await self._read_unchecked(upload)
        if upload.check is not None and (is_void or not upload.check.covers(preview.plan)):
            upload.check, upload.check_note = None, CHECK_IS_VOID
        if upload.check is None:
            return replace(preview, check_note=upload.check_note)
        return await plans.checked(preview, upload.check, seen=upload.seen)

    async def _read_unchecked(self, upload: Upload) -> Preview:
        plans = self.app_of(upload).plans
        if upload.table is not None:
            return await plans.preview_table(upload.table, include_open=upload.include_open, seen=upload.seen)
        if upload.retry is not None:
            return await plans.retry(upload.retry[0], unknown_checked=upload.retry[1])
        if upload.put_back is not None:
            return await self.app_of(upload).reenrolments.preview(*upload.put_back)
        if upload.path is None or upload.job is not None:
            raise FileRefused("This plan was confirmed; its rows are in the job.")
        if not upload.path.exists():  # another process has just erased the data of a learner in it
            raise FileRefused("This upload is not kept any more.", hint="Upload the file again.")
        if upload.options.match is not None:
            raise FileRefused("The ids of these people were not looked up yet.", hint="Upload the file again.")
        return await plans.preview_in_subprocess(
            upload.path,
            name=upload.name,
            options=upload.options,
            seen=upload.seen,
            include_open=upload.include_open,
        )
