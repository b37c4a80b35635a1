"""Files in ``held``: they leave it when their job has ended; those that no job was made of wait for a person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from bulkremove.app.jobs import Jobs
from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import APPROVAL_SECONDS, is_recent
from bulkremove.sources.inbox import Inbox
from bulkremove.storage.interface.nightly import TakenFile


class HeldFiles:
    """The held files of a night. ``taken``: the record of a file's content, if it was taken."""

    def __init__(self, jobs: Jobs, taken: Callable[[Path], Awaitable[TakenFile | None]]) -> None:
        self._jobs, self._taken = jobs, taken

    async def put_away(self, inbox: Inbox) -> None:
        """Move held files whose job has ended to ``done``; not those of a content that an earlier file had."""
        for path in inbox.held_files():
            taken = await self._taken(path)
            job = await self._jobs.find(taken.job) if taken is not None and taken.job else None
            if (
                job is not None
                and job.state.is_over
                and (job.folder, job.source) == (str(inbox.held_folder), path.name)
            ):
                inbox.move_to(path, inbox.done_folder)

    async def waiting(self, inbox: Inbox, *, now: Epoch) -> list[str]:
        """Sentences about files that no job was made of, until somebody takes them away, for as long as plans wait."""
        if not inbox.held_folder.is_dir():
            return []
        records = [(path.name, await self._taken(path)) for path in inbox.held_files()]
        return [
            f"{name}: {taken.held} Deal with it, then take it out of {inbox.held_folder}."
            for name, taken in records
            if taken is not None and not taken.job and taken.held and is_recent(taken.taken_at, now, APPROVAL_SECONDS)
        ]
