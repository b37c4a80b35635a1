"""The source of a night that asks Zoho who has left: an export, with a row for each of their enrolments."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

from bulkremove.app.leavers import LeaverSearch, LeaversFound
from bulkremove.domain.errors import BulkremoveError, JournalFailed, SourceFailed
from bulkremove.report.leavers_file import leavers_csv
from bulkremove.sources import SourceFile
from bulkremove.sources.download import download
from bulkremove.sources.inbox import Inbox

NAME = "zoho-leavers.csv"


class LeaversSource:
    """``Source`` of the leavers of one account. ``found``: what the last ``fetch`` has found out."""

    is_export = True

    def __init__(self, search: LeaverSearch, *, sandbox: bool) -> None:
        self._search, self._sandbox = search, sandbox
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


async def _piece(content: bytes) -> AsyncGenerator[bytes]:
    yield content
