"""Retention no more of people than is needed: old rows and files go, one person's data go at once, totals stay.

The audit log stays whole: it holds no cell of any file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bulkremove.app.accounts import Accounts
from bulkremove.app.backup import sweep_copies
from bulkremove.app.context import Context
from bulkremove.app.plans import protected_learners
from bulkremove.app.results import Allowance
from bulkremove.domain.errors import BulkremoveError, ConsentMissing, LocalFileFailed, NotAuthorized, SettingsError
from bulkremove.domain.job import Job
from bulkremove.sources import source_of
from bulkremove.sources.inbox import Inbox
from bulkremove.storage import Storage

if TYPE_CHECKING:  # erasing reads files, which pulls pandas in
    from bulkremove.app.erasure import Erasure
    from bulkremove.report.metrics import Figures

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Tidied:
    """What retention deleted: the rows of so many jobs, and so many files."""

    jobs: int
    files: int


class Retention:
    """What one context keeps: in its journal, in its home folder, and in the folder of its nightly runs."""

    def __init__(self, context: Context, accounts: Accounts) -> None:
        self._context, self._accounts, self._storage = context, accounts, context.storage

    async def tidy(self) -> Tidied:
        """Delete what is older than ``retention_days``, and say how much that was.

        The caller makes sure that the clock is right: one that is a year ahead would delete everything.
        """
        settings, now = self._context.settings, self._context.clock.wall()
        await self._storage.erasure.delete_rows_left()
        tidied = await expire(self._storage, settings.home, self._inboxes(), now=now, days=settings.retention_days)
        if tidied.jobs or tidied.files:
            await self._context.record("retention", "deleted", jobs=tidied.jobs, files=tidied.files)
            await self._storage.shrink()
        return tidied

    async def find_learner(self, learner: str) -> Erasure:
        """Where a learner's data stand. Raises ConsentMissing for one who is still to be removed, or not known."""
        from bulkremove.app.erasure import Erasure, search_files

        if open_rows := await self._storage.erasure.open_rows_of(learner):
            raise ConsentMissing(
                f"{open_rows} row(s) of this learner are still to be sent, so nothing was erased.",
                hint="Let their jobs end, or cancel them.",
            )
        home, folders = self._context.settings.home, self._inboxes()
        kept = [home / "reports", home / "uploads", *(place for one in folders for place in (one.done, one.held))]
        waiting = [place for one in folders for place in (one.path, one.working_folder)]
        files, by_hand = await search_files(learner, kept, waiting)
        rows = await self._storage.erasure.rows_of(learner)
        found = Erasure(learner, rows, files, (*by_hand, *await self._outside(learner, rows)))
        if not found.found:
            raise ConsentMissing(
                f"No job and no kept file knows the learner id {learner}, so nothing was changed.",
                hint="Check the id; it is compared as a whole.",
            )
        return found

    async def _outside(self, learner: str, rows: Mapping[str, int]) -> list[str]:
        """Sentences about places that are not ours to change."""
        said, ours = [], {place for one in self._inboxes() for place in (one.done, one.held)}
        for job in [await self._storage.jobs.get(job_id) for job_id in rows]:
            if Path(job.folder) not in ours:
                said.append(f"The file and the report of job {job.id} in {job.folder} are yours and were not searched.")
        protected = protected_learners(self._context.settings)
        if learner in protected.learners or any(learner == one.learner for one in protected.removals):
            said.append("The protected list names this learner, and was not changed.")
        return said

    async def forget(self, found: Erasure, *, by: str) -> list[str]:
        """Erase a learner's data where they were found; sentences about what could not be changed.

        The journal comes first; the audit log keeps that it was done, without the id.
        """
        from bulkremove.app.erasure import erase_from

        rows = sum((await self._storage.erasure.erase(found.learner)).values())
        failed = []
        if left := sum(found.rows.values()) - rows:
            failed.append(f"{left} row(s) were left as they are: a job that sends them has begun meanwhile.")
        files = 0
        for path, place in found.files.items():
            try:
                await asyncio.to_thread(erase_from, path, place)
                files += 1
            except BulkremoveError as error:
                failed.append(str(error))
        sweep_copies(self._context.settings.home)
        await self._context.record(by, "forgot", rows=rows, files=files, failed=len(failed))
        if not await self._storage.overwrite_deleted():
            failed.append(
                "The journal's write-ahead log still holds what was erased, since another process was reading it. "
                "It is emptied when the last process that uses the journal ends, such as `bulkremove serve`."
            )
        return failed

    async def figures(self) -> Figures:
        """What is measured, for Prometheus."""
        from bulkremove.report.metrics import Figures

        rows, jobs, lockouts = await self._storage.jobs.counts()
        try:
            used = await self._accounts.allowance()
        except (NotAuthorized, SettingsError, LocalFileFailed):  # no account yet: nothing was ever called
            used = Allowance(0, self._context.settings.quota.calls, 0, None, 0.0)
        nightly = self._storage.nightly
        return Figures(
            rows,
            jobs,
            lockouts,
            used.calls,
            used.today,
            used.limit,
            used.locked,
            await nightly.last_good(),
            await nightly.waiting_notices(),
        )

    def _inboxes(self) -> list[Inbox]:
        settings = self._context.settings
        if not settings.nightly_source:
            return []
        return [source_of(settings.nightly_source, self._context.environ).inbox(settings.home)]


async def expire(storage: Storage, home: Path, inboxes: list[Inbox], *, now: float, days: int) -> Tidied:
    """Delete the rows and files of jobs that are over for so many days. 0 days: never."""
    if not days:
        return Tidied(0, 0)
    then, jobs, files = now - days * DAY, 0, 0
    for job in await storage.jobs.page():
        if job.state.over and not job.dropped and (job.finished_at or job.created_at) < then:
            for path in own_files(home, inboxes, job):
                path.unlink(missing_ok=True)
                files += 1
            await storage.erasure.delete_rows(job.id)
            jobs += 1
    for inbox in inboxes:
        for place in (inbox.done, inbox.held):
            for path in _files(place):
                if path.stat().st_ctime < then:
                    path.unlink(missing_ok=True)
                    files += 1
    return Tidied(jobs, files)


def own_files(home: Path, inboxes: list[Inbox], job: Job) -> list[Path]:
    """The reports and retry files of a job in folders of ours; what lies in a person's own folder is theirs."""
    ours = [home / "reports", *(place for inbox in inboxes for place in (inbox.done, inbox.held))]
    return [path for place in ours for path in _files(place) if path.name.startswith((f"{job.id}-", f".{job.id}-"))]


def _files(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from (path for path in sorted(place.iterdir()) if path.is_file())
