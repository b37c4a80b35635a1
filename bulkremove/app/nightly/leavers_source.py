"""The source of a night that asks Zoho who has left: an export, with a row for each of their enrolments."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from bulkremove.app.caps import last_decision
from bulkremove.app.leavers import LeaverSearch, LeaversFound
from bulkremove.app.nightly.result import NightlyResult
from bulkremove.domain.attempt import Outcome
from bulkremove.domain.errors import BulkremoveError, JournalFailed, SourceFailed
from bulkremove.domain.event_names import EventName
from bulkremove.domain.job import Job
from bulkremove.domain.leavers_list import RECORD_COLUMN, is_leavers_list
from bulkremove.domain.plural import pluralize
from bulkremove.domain.row import Removal, Status
from bulkremove.report.leavers_file import leavers_csv
from bulkremove.sources import SourceFile
from bulkremove.sources.download import download, is_download
from bulkremove.sources.inbox import Inbox, original_name
from bulkremove.storage import Storage

NAME = "zoho-leavers.csv"
NOT_COMPARED = (
    "Its people had left when it was made, and its night does not ask Zoho any more, so who has come back is not known."
)
SUPERSEDED = "An earlier list of leavers. There is a new one in its place."


class LeaversSource:
    """``Source`` of the leavers of one account. ``found``: what the last ``fetch`` has found out.

    ``inbox``: that of the night; ``still_to_send``: the removals that jobs of the organisation may still send.


    A file that a stopped or killed run has not made a plan of is superseded by the next one, whose people have still
    left: the courses of all leavers are read again then, whoever was asked for before.
    """

    is_export = True

    def __init__(
        self,
        search: LeaverSearch,
        storage: Storage,
        inbox: Inbox,
        still_to_send: Callable[[], Awaitable[Collection[Removal]]],
        *,
        sandbox: bool,
    ) -> None:
        self._search, self._storage, self._inbox, self._sandbox = search, storage, inbox, sandbox
        self._still_to_send = still_to_send
        self.found: LeaversFound | None = None
        self._name = ""
        """Of the file that the last ``fetch`` has written."""
        self._left_out = 0
        """Enrolments that the last ``fetch`` has left out, since other jobs may still remove them."""

    def inbox(self, folder: Path) -> Inbox:
        """The ``folder`` that is given."""
        return Inbox(folder)

    async def fetch(self, folder: Path) -> list[SourceFile]:
        """Save the enrolments of leavers, if there are any, as one CSV file in ``folder``. Raises SourceFailed."""
        self.found, self._name, self._left_out = None, "", 0
        try:
            found = await self._search.find(remembers=True, asks_again=self._has_unprocessed())
        except JournalFailed:
            raise
        except BulkremoveError as error:
            raise SourceFailed(f"Who has left could not be read from Zoho. {error.message}", hint=error.hint) from None
        still_to_send = await self._still_to_send()
        rows = [row for row in found.rows if Removal(*row.cells[:3]) not in still_to_send]
        self._left_out, files = len(found.rows) - len(rows), []
        if rows:
            content = leavers_csv([row.cells for row in rows], sandbox=self._sandbox)
            files = [await download(_piece(content), folder, NAME)]
            self._name = files[0].path.name
        self.found = found
        return files

    async def remember(self) -> None:
        """Remember what was found, once its file is where a nightly run takes it from."""
        if self.found is not None:
            await self._search.remember(self.found)

    def is_superseded(self, name: str) -> bool:
        """Whether a file of this name is a list of leavers of an earlier run, in whose place there is a new one."""
        return self.found is not None and is_download(name, NAME) and name != self._name

    async def who_came_back(self, job: Job) -> str:
        """Why an earlier job of leavers must be looked at first, in a sentence; empty if all in it have left.

        It compares the rows still to be sent with those who have left tonight. Where the night does not ask who
        that is, as when its source was changed, a person's approval must do.
        """
        if self.found is None and is_leavers_list(job.header):
            return "" if await last_decision(self._storage, job) is EventName.APPROVED else NOT_COMPARED
        is_open = (Status.NOT_SENT, Status.UNKNOWN)

        def compare(outcomes: Iterator[Outcome]) -> str:
            return self.who_is_back(job.header, (one.cells for one in outcomes if one.status in is_open))

        return await self._storage.rows.export(job, compare)

    def who_is_back(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
        """The same for the rows of a file, which a person may have given anew."""
        if self.found is None or RECORD_COLUMN not in header:
            return ""
        leavers, column = {one.id for one in self.found.leavers.leavers}, header.index(RECORD_COLUMN)
        back = sum(cells[column] not in leavers for cells in rows)
        return f"{back:,} of its rows are of people who do not count as leavers any more." if back else ""

    def tell(self, result: NightlyResult) -> None:
        """Add what was found beside enrolments, if leavers were looked for."""
        if self.found is not None:
            result.notes += self.found.notes
            if self._left_out:
                left_out = pluralize(self._left_out, "enrolment of a leaver is", "enrolments of leavers are")
                result.notes.append(f"{left_out} still to be removed by other plans.")
            result.failures += dict.fromkeys(self.found.failures)

    def _has_unprocessed(self) -> bool:
        """Whether a stopped or killed run may have left a file that no plan was made of."""
        folders = (self._inbox.path, self._inbox.working_folder)
        return any(is_download(original_name(path), NAME) for folder in folders for path in folder.glob(f"*{NAME}"))


async def _piece(content: bytes) -> AsyncGenerator[bytes]:
    yield content
