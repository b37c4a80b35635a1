"""The source of a night that asks Zoho who has left: an export, with a row for each of their enrolments."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

from bulkremove.app.leavers import LeaverSearch, LeaversFound
from bulkremove.app.nightly.result import NightlyResult
from bulkremove.domain.attempt import Outcome
from bulkremove.domain.errors import BulkremoveError, JournalFailed, SourceFailed
from bulkremove.domain.job import Job
from bulkremove.domain.row import Status
from bulkremove.report.leavers_file import RECORD_COLUMN, leavers_csv
from bulkremove.sources import SourceFile
from bulkremove.sources.download import download
from bulkremove.sources.inbox import Inbox
from bulkremove.storage import Storage

NAME = "zoho-leavers.csv"


class LeaversSource:
    """``Source`` of the leavers of one account. ``found``: what the last ``fetch`` has found out."""

    is_export = True

    def __init__(self, search: LeaverSearch, storage: Storage, *, sandbox: bool) -> None:
        self._search, self._storage, self._sandbox = search, storage, sandbox
        self.found: LeaversFound | None = None

    def inbox(self, folder: Path) -> Inbox:
        """The ``folder`` that is given."""
        return Inbox(folder)

    async def fetch(self, folder: Path) -> list[SourceFile]:
        """Save the enrolments of leavers, if there are any, as one CSV file in ``folder``. Raises SourceFailed."""
        self.found = None
        try:
            found = await self._search.find(remembers=True)
        except JournalFailed:
            raise
        except BulkremoveError as error:
            raise SourceFailed(f"Who has left could not be read from Zoho. {error.message}", hint=error.hint) from None
        files = []
        if found.rows:
            content = leavers_csv([row.cells for row in found.rows], sandbox=self._sandbox)
            files = [await download(_piece(content), folder, NAME)]
        self.found = found
        return files

    async def remember(self) -> None:
        """Remember what was found, once its file is where a nightly run takes it from."""
        if self.found is not None:
            await self._search.remember(self.found)

    async def who_came_back(self, job: Job) -> str:
        """Why an earlier job of leavers must be looked at first, in a sentence; empty if all in it have left.

        It compares the rows still to be sent with those who have left tonight.
        """
        if self.found is None or RECORD_COLUMN not in job.header:
            return ""
        leavers, column = {one.id for one in self.found.leavers.leavers}, job.header.index(RECORD_COLUMN)

        def count(outcomes: Iterator[Outcome]) -> int:
            is_open = (Status.NOT_SENT, Status.UNKNOWN)
            return sum(one.status in is_open and one.cells[column] not in leavers for one in outcomes)

        back = await self._storage.rows.export(job, count)
        return f"{back:,} of its rows are of people who do not count as leavers any more." if back else ""

    def tell(self, result: NightlyResult) -> None:
        """Add what was found beside enrolments, if leavers were looked for."""
        if self.found is not None:
            result.notes += self.found.notes
            result.failures += dict.fromkeys(self.found.failures)


async def _piece(content: bytes) -> AsyncGenerator[bytes]:
    yield content
