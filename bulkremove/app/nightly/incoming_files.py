"""What a nightly run finds: the source, the inbox that it fills or is copied to, and what was taken before.

A run against a sandbox takes copies of the source's files, in an inbox of its own, and leaves the source as it is.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import ExitStack
from pathlib import Path

from bulkremove.app.context import Context
from bulkremove.app.night_sources import night_source
from bulkremove.app.nightly.intake_notices import notify_of_leavers_not_read, notify_of_obstacles
from bulkremove.app.nightly.leavers_source import SUPERSEDED, LeaversSource
from bulkremove.app.nightly.repeated_content import planned_before, skip_reason
from bulkremove.app.nightly.result import NightlyResult
from bulkremove.app.notices import Outbox
from bulkremove.config.source_kind import LEAVERS
from bulkremove.domain.clock import Epoch
from bulkremove.domain.command_text import joined
from bulkremove.domain.errors import SourceFailed
from bulkremove.platform.secure_files import private_folder
from bulkremove.sources import Source, SourceFile
from bulkremove.sources.inbox import Inbox
from bulkremove.storage.interface.nightly import TakenFile


class IncomingFiles:
    """The files of a night's source. ``began_at``: when the run began; what was taken since is of this run."""

    def __init__(self, context: Context, outbox: Outbox, leavers: LeaversSource) -> None:
        self._context, self._outbox, self.leavers = context, outbox, leavers
        self._storage, self._sandbox, self._night = context.storage, context.settings.sandbox_host, context.night
        self._key = {"night": self._night.name, "sandbox": self._sandbox}
        self._export_folder = self._night.export_folder(context.settings.home)
        self.began_at = context.clock.wall()

    @property
    def source(self) -> Source:
        """Where the files come from. Raises SourceFailed for an address of an unknown kind."""
        return self.leavers if self._night.source == LEAVERS else night_source(self._night, self._context)

    @property
    def inbox(self) -> Inbox:
        """The folder that files are taken from. Raises SourceFailed for an address of an unknown kind."""
        inbox = self.source.inbox(self._export_folder)
        return Inbox(self._night.sandbox_folder(self._context.settings.home)) if self._sandbox else inbox

    @property
    def finds_all_again(self) -> bool:
        """Whether each run finds all contents anew, changed or not: those of an export, or of copies for a sandbox."""
        return self.source.is_export or bool(self._sandbox)

    async def fill(self, result: NightlyResult, rerun_name: str | None, inbox_lock: ExitStack) -> Inbox:
        """The inbox, after an export, or copies, have been put there. Raises SourceFailed or LocalFileFailed.

        ``inbox_lock``: keeps other hosts from the inbox until it is closed.
        """
        source, inbox = self.source, self.inbox
        if self.finds_all_again:
            private_folder(inbox.path)
        inbox.prepare()
        inbox_lock.enter_context(inbox.locked())
        if self._sandbox:
            await self._copy_files(inbox, result, rerun_name)
        elif source.is_export:
            await source.fetch(inbox.path)
            await self.leavers.remember()
        self.leavers.tell(result)
        await notify_of_leavers_not_read(self._outbox, result.failures, at=self._context.clock.wall())
        result.obstacles += self.obstacles()
        await notify_of_obstacles(self._outbox, inbox.path, result.obstacles)
        return inbox

    def obstacles(self) -> list[str]:
        """Return a sentence for each entry of the source's folder that can't be taken. Raises SourceFailed."""
        real = self.source.inbox(self._export_folder)
        return real.obstacles() if real.path.is_dir() else []

    @property
    def can_compare(self) -> bool:
        """Whether earlier plans may go on: a night for leavers must know first who has come back."""
        return self._night.source != LEAVERS or self.leavers.found is not None

    async def look(self, scratch: Path, result: NightlyResult) -> AsyncGenerator[tuple[SourceFile, bool]]:
        """Iterate over what a real run would take in now, and whether it is complete. An export goes to ``scratch``."""
        source = self.source
        inbox = source.inbox(self._export_folder)
        if source.is_export:
            for file in await source.fetch(scratch):
                yield file, True
        if not source.is_export or inbox.path.exists():
            inbox.check()
            for path, is_complete in inbox.incoming_files(self._context.clock.wall()):
                if self.leavers.is_superseded(path.name):
                    result.unchanged.append(f"{path.name}: {SUPERSEDED}")
                else:
                    yield SourceFile(path, path.name), is_complete

    async def _copy_files(self, inbox: Inbox, result: NightlyResult, rerun_name: str | None) -> None:
        """Copy what a real run would take in now to the ``inbox``, and what a run took before if it is asked for."""
        source = self.source.inbox(self._export_folder)
        async for file, is_complete in self.look(inbox.path, result):
            try:
                if not is_complete:
                    result.unfinished.append(file.name)
                elif file.path.parent == inbox.path:
                    continue  # an export, which was written there
                elif file.name != rerun_name and (why := await self.why_repeated(file.path)):
                    result.unchanged.append(f"{file.name}: {why} {self.again(file.name)}")
                else:
                    inbox.copy(file.path, source)
            except SourceFailed as failed:
                if file.path.exists():  # else a real run has taken it meanwhile
                    result.failures.append(str(failed))
        if rerun_name is not None and rerun_name in (path.name for path in source.held_folder.glob("*")):
            inbox.copy(source.held_folder / rerun_name, source)

    async def why_repeated(self, path: Path) -> str:
        """Why a file is not planned, as its content was taken before; empty if it is. Raises SourceFailed."""
        earlier = await self.find_earlier(path)
        return await self.skip_reason(earlier) if earlier is not None else ""

    async def find_earlier(self, path: Path) -> TakenFile | None:
        """The record of the file's content, if it was taken before. Raises SourceFailed."""
        if not self._storage.exists:
            return None
        return await self._storage.nightly.taken(Inbox(path.parent).digest(path), **self._key)

    async def skip_reason(self, earlier: TakenFile) -> str:
        """Why the content of that record is not planned anew; empty if it is."""
        is_present_state = self._night.source == LEAVERS and earlier.taken_at < self.began_at
        return await skip_reason(
            earlier, self._context, is_export=self.source.is_export, is_present_state=is_present_state
        )

    async def planned_before(self, earlier: TakenFile | None) -> Epoch | None:
        """When the plan was made whose content an export has again, unchanged; None for a new list."""
        is_new = not self.source.is_export or self._night.source == LEAVERS
        return None if is_new else await planned_before(earlier, self._context)

    def again(self, name: str) -> str:
        """The sentence that says how a file is run although its content was taken before."""
        return f"`bulkremove nightly --night {self._night.name} --again {joined([name])}` runs it anew."
