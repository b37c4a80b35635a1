"""Retention: deletes old rows and files, and erases one learner's data on request; totals stay.

The audit log stays whole: it holds no cell of any file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bulkremove.app.accounts import Accounts
from bulkremove.app.backup import sweep_copies
from bulkremove.app.context import Context
from bulkremove.app.erasure import Erasure, erase_from, search_files
from bulkremove.app.protected_list import protected_learners
from bulkremove.app.results import QuotaUsage
from bulkremove.domain.clock import Epoch, later
from bulkremove.domain.errors import BulkremoveError, ConsentMissing, LocalFileFailed, NotAuthorized, SettingsError
from bulkremove.domain.job import Job
from bulkremove.report.metrics import Figures
from bulkremove.sources import source_of
from bulkremove.sources.inbox import Inbox, sandbox_inbox
from bulkremove.storage import Storage

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class DeletionCounts:
    """How much retention deleted: ``jobs`` whose rows were deleted, and ``files``."""

    jobs: int
    files: int


class Retention:
    """Retention of one context's data: in its journal, its home folder and the inbox of its nightly runs."""

    def __init__(self, context: Context, accounts: Accounts) -> None:
        self._context, self._accounts, self._storage = context, accounts, context.storage

    async def tidy(self) -> DeletionCounts:
        """Delete rows and files that are older than ``retention_days``; returns how many.

        The caller makes sure that the clock is right: one that is a year ahead would delete everything.
        """
        settings, now = self._context.settings, self._context.clock.wall()
        await self._storage.erasure.resume_deletions()
        tidied = await expire(self._storage, settings.home, self._inboxes(), now=now, days=settings.retention_days)
        if tidied.jobs or tidied.files:
            await self._context.record("retention", "deleted", jobs=tidied.jobs, files=tidied.files)
            await self._storage.shrink()
        return tidied

    async def find_learner(self, learner: str) -> Erasure:
        """Where a learner's data are. Raises ConsentMissing for one with rows still to be sent, or without data."""
        if open_rows := await self._storage.erasure.open_rows_of(learner):
            raise ConsentMissing(
                f"{open_rows} row(s) of this learner are still to be sent, so nothing was erased.",
                hint="Let their jobs end, or cancel them.",
            )
        home, inboxes = self._context.settings.home, self._inboxes()
        editable = [home / "reports", home / "uploads", *_ended_folders(inboxes)]
        waiting = [folder for inbox in inboxes for folder in (inbox.path, inbox.working_folder)]
        files, by_hand = await search_files(learner, editable, waiting)
        rows = await self._storage.erasure.rows_of(learner)
        erasure = Erasure(learner, rows, files, (*by_hand, *await self._outside(learner, rows)))
        if not erasure.found:
            raise ConsentMissing(
                f"No job and no kept file knows the learner id {learner}, so nothing was changed.",
                hint="Check the id; it is compared as a whole.",
            )
        return erasure

    async def _outside(self, learner: str, rows: Mapping[str, int]) -> list[str]:
        """Sentences about a learner's data in files that this program must not change."""
        sentences, own_folders = [], _ended_folders(self._inboxes())
        for job in [await self._storage.jobs.get(job_id) for job_id in rows]:
            if Path(job.folder) not in own_folders:
                sentences.append(
                    f"The file and the report of job {job.id} in {job.folder} are yours and were not searched."
                )
        protected = protected_learners(self._context.settings)
        if learner in protected.learners or any(learner == removal.learner for removal in protected.removals):
            sentences.append("The protected list names this learner, and was not changed.")
        return sentences

    async def forget(self, erasure: Erasure, *, by: str) -> list[str]:
        """Erase a learner's data, first in the journal; returns sentences about what could not be erased.

        The audit log records that it was done, without the id.
        """
        rows = sum((await self._storage.erasure.erase(erasure.learner)).values())
        failures = []
        if remaining := sum(erasure.rows.values()) - rows:
            failures.append(f"{remaining} row(s) were left as they are: a job that sends them has begun meanwhile.")
        files = 0
        for path, match in erasure.files.items():
            try:
                await asyncio.to_thread(erase_from, path, match)
                files += 1
            except BulkremoveError as error:
                failures.append(str(error))
        sweep_copies(self._context.settings.home)
        await self._context.record(by, "forgot", rows=rows, files=files, failed=len(failures))
        if not await self._storage.overwrite_deleted():
            failures.append(
                "The journal's write-ahead log still holds what was erased, since another process was reading it. "
                "It is emptied when the last process that uses the journal ends, such as `bulkremove serve`."
            )
        return failures

    async def figures(self) -> Figures:
        """The figures for Prometheus."""
        rows, jobs, lockouts = await self._storage.jobs.counts(self._context.settings.host)
        try:
            allowance = await self._accounts.allowance()
        except (NotAuthorized, SettingsError, LocalFileFailed):  # no account yet, so no call was ever made
            allowance = QuotaUsage(0, self._context.settings.quota.calls, 0, None, 0.0)
        nightly = self._storage.nightly
        return Figures(
            rows,
            jobs,
            lockouts,
            allowance.calls,
            allowance.today,
            allowance.limit,
            allowance.locked,
            await nightly.last_good(sandbox=self._context.settings.sandbox_host),
            await nightly.waiting_notices(),
        )

    def _inboxes(self) -> list[Inbox]:
        settings = self._context.settings
        copies = sandbox_inbox(settings.home)
        if not settings.nightly_source:
            return [copies]
        return [source_of(settings.nightly_source, self._context.environ).inbox(settings.home), copies]


async def expire(storage: Storage, home: Path, inboxes: list[Inbox], *, now: Epoch, days: int) -> DeletionCounts:
    """Delete rows and files of jobs that ended over ``days`` days ago, and inbox files that old; 0 deletes nothing."""
    if not days:
        return DeletionCounts(0, 0)
    cutoff, jobs, files = later(now, -days * DAY), 0, 0
    for job in await storage.jobs.page():
        if job.state.over and not job.rows_deleted and (job.finished_at or job.created_at) < cutoff:
            for path in own_files(home, inboxes, job):
                path.unlink(missing_ok=True)
                files += 1
            await storage.erasure.delete_rows(job.id)
            jobs += 1
    for path in (path for folder in _ended_folders(inboxes) for path in _files(folder)):
        if path.stat().st_ctime < cutoff:
            path.unlink(missing_ok=True)
            files += 1
    return DeletionCounts(jobs, files)


def own_files(home: Path, inboxes: list[Inbox], job: Job) -> list[Path]:
    """The reports and retry files of a job in this program's folders; those in a person's own folder are theirs."""
    folders, prefixes = [home / "reports", *_ended_folders(inboxes)], (f"{job.id}-", f".{job.id}-")
    return [path for folder in folders for path in _files(folder) if path.name.startswith(prefixes)]


def _ended_folders(inboxes: list[Inbox]) -> list[Path]:
    """The inboxes' folders of files that nightly runs have dealt with."""
    return [folder for inbox in inboxes for folder in (inbox.done, inbox.held)]


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in sorted(folder.iterdir()) if path.is_file())
