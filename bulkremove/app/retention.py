"""Retention: deletes old rows and files, and erases one learner's data on request; totals stay.

The audit log stays complete: it holds no cell of any file.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bulkremove.app.backup import without_copies
from bulkremove.app.canary import Canaries
from bulkremove.app.context import Context
from bulkremove.app.erasure import Erasure, FileMatch, Folders, erase_from, search_files
from bulkremove.app.jobs import Jobs
from bulkremove.app.night_sources import night_inboxes
from bulkremove.app.protected_list import protected_learners
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import DAY_SECONDS, Epoch, later
from bulkremove.domain.errors import (
    BulkremoveError,
    JobBusy,
    JobUnsuitable,
    JournalFailed,
    LearnerNotFound,
    LocalFileFailed,
)
from bulkremove.domain.job import Job
from bulkremove.domain.permissions import EVERY_ACCOUNT
from bulkremove.domain.plural import pluralize
from bulkremove.platform.open_folder import open_folder
from bulkremove.sources.inbox import Inbox
from bulkremove.storage import Storage
from bulkremove.storage.interface.claims import ClaimKind
from bulkremove.storage.interface.records import Act


@dataclass(frozen=True, slots=True)
class DeletionCounts:
    """How much retention deleted: ``jobs`` whose rows were deleted, and ``files``."""

    jobs: int
    files: int


class Retention:
    """Retention of one context's data: in its journal, its home folder and the inbox of its nightly runs."""

    def __init__(self, context: Context, jobs: Jobs, canaries: Canaries) -> None:
        self._context, self._storage = context, context.storage
        self._jobs, self._canaries = jobs, canaries

    async def delete_expired(self) -> DeletionCounts:
        """Delete rows and files that are older than ``retention_days``; returns how many. One night at a time does so.

        The caller makes sure that the clock is right: one that is a year ahead would delete everything.
        """
        try:
            async with self._storage.claims.hold(ClaimKind.RETENTION):
                return await self._tidy()
        except JobBusy:
            return DeletionCounts(0, 0)  # another night does it

    async def _tidy(self) -> DeletionCounts:
        settings, now = self._context.settings, self._context.clock.wall()
        await self._storage.erasure.resume_deletions()
        await self._storage.reads.delete_old(
            reads_before=later(now, -settings.retention_days * DAY_SECONDS) if settings.retention_days else Epoch(0.0),
            listings_before=later(now, -settings.listing_minutes * 60.0),
        )
        if settings.retention_days:
            await self._storage.leavers.forget_people(before=later(now, -settings.retention_days * DAY_SECONDS))
        tidied = await expire(
            self._storage, settings.home, night_inboxes(self._context), now=now, days=settings.retention_days
        )
        if tidied.jobs or tidied.files:
            await self._context.record("retention", AuditAct.DELETED, jobs=tidied.jobs, files=tidied.files)
            await self._storage.shrink()
        return tidied

    async def find_learner(self, learner: str) -> Erasure:
        """Where a learner's data are. Raises JobUnsuitable while rows are still to be sent, or LearnerNotFound."""
        await self._jobs.remove_abandoned()
        if open_rows := await self._storage.erasure.open_rows_of(learner):
            raise _rows_open_error(open_rows)
        files, manual_steps = await self._search(learner)
        rows = await self._storage.erasure.rows_of(learner)
        texts = await self._storage.erasure.texts_of(learner)
        manual_steps = (*manual_steps, *await self._canaries_of(learner, rows), *await self._outside(learner, rows))
        erasure = Erasure(learner, rows, texts, files, manual_steps)
        if not erasure.has_matches:
            raise LearnerNotFound(
                f"No job and no kept file knows the learner id {learner}, so nothing was changed.",
                hint="Check the id; it is compared as a whole.",
            )
        return erasure

    async def _search(self, learner: str) -> tuple[Mapping[Path, FileMatch], tuple[str, ...]]:
        home, inboxes = self._context.settings.home, night_inboxes(self._context)
        waiting = [folder for inbox in inboxes for folder in (inbox.path, inbox.working_folder)]
        folders = Folders(_own_folders(home, inboxes), home / "uploads", waiting, self._storage.kept_copies())
        return await search_files(learner, folders)

    async def _canaries_of(self, learner: str, rows: Mapping[str, int]) -> list[str]:
        """Sentences about first rows that nobody can confirm any more once the learner's data are erased."""
        jobs = [await self._storage.jobs.get(job_id) for job_id in rows]
        waiting = [await self._canaries.waiting(job) for job in jobs]
        return [
            f"Nobody has confirmed the first {job.words.noun} of this account, row {row.number} of job {row.job}. Look "
            "this learner up first: after that nobody can, and one row must be sent alone again."
            for job, row in zip(jobs, waiting, strict=True)
            if row is not None
            and row.removal is not None
            # The person of an enrolment has the learner id that they had before.
            and learner == (row.person.id if job.is_enrolment and row.person else row.removal.learner)
        ]

    async def _outside(self, learner: str, rows: Mapping[str, int]) -> list[str]:
        """Sentences about a learner's data in files that this program must not change."""
        sentences, own_folders = [], _own_folders(self._context.settings.home, night_inboxes(self._context))
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

        The audit log records that it was done, without the id. Raises ActionRefused or JobBusy, and then nothing has
        changed, when a row may still be sent by now, or a plan is being confirmed for long; JournalFailed.
        """
        learner, failures, files = erasure.learner, list[str](), 0
        at = self._context.clock.wall()
        async with self._jobs.claim_plan():  # no job is stored meanwhile, and a plan made before is refused after it
            await self._jobs.remove_abandoned()
            if not await self._storage.erasure.erase(
                learner, lambda rows: Act(by, AuditAct.FORGOT, {"rows": rows}, at)
            ):
                raise _rows_open_error(await self._storage.erasure.open_rows_of(learner))
        # Whether or not the id was found in them, and before the files, among which they are.
        files += _delete_copies(self._storage, self._context.settings.home, lambda status: True)
        for path, match in erasure.files.items():
            try:
                await asyncio.to_thread(erase_from, path, match, home=self._context.settings.home)
                files += 1
            except BulkremoveError as error:
                failures.append(str(error))
        try:
            with without_copies(self._context.settings.home):
                pass
        except JournalFailed as error:
            failures.append(f"A copy of the journal may still hold what was erased. {error}")
        failures += await self._new_matches(erasure)
        if erasure.files or failures:
            await self._context.record(by, AuditAct.FORGOT_FILES, files=files, failed=len(failures))
        if not await self._storage.overwrite_deleted():
            failures.append(
                "The journal's write-ahead log still holds what was erased, since another process was reading it. "
                "It is emptied when the last process that uses the journal ends, such as the page's server."
            )
        return failures

    async def _new_matches(self, erasure: Erasure) -> list[str]:
        """Sentences about files that name the learner and did not before: written meanwhile, or moved there."""
        try:
            files, manual_steps = await self._search(erasure.learner)
        except LocalFileFailed as error:
            return [str(error)]
        run_again_hint = "Run the command again."
        new = [
            f"{path} names this learner, and did not before. {run_again_hint}"
            for path in files
            if path not in erasure.files
        ]
        return new + [
            f"{sentence} {run_again_hint}" for sentence in manual_steps if sentence not in erasure.manual_steps
        ]


def _rows_open_error(rows: int) -> JobUnsuitable:
    open_rows = pluralize(rows, "row of this learner is", "rows of this learner are")
    return JobUnsuitable(
        f"{open_rows} still to be sent, so nothing was erased.",
        hint="Let their jobs end, or cancel them.",
    )


async def expire(storage: Storage, home: Path, inboxes: list[Inbox], *, now: Epoch, days: int) -> DeletionCounts:
    """Delete rows and files of jobs that ended over ``days`` days ago, and inbox files that old; 0 deletes nothing."""
    if not days:
        return DeletionCounts(0, 0)
    cutoff, jobs, files = later(now, -days * DAY_SECONDS), 0, 0
    for job in await _due(storage, cutoff):
        prefixes = (f"{job.id}-", f".{job.id}-")
        for folder in _own_folders(home, inboxes):
            files += _delete_files(folder, home, lambda name, _: name.startswith(prefixes))  # noqa: B023 - called at once
        await storage.erasure.delete_rows(job.id)
        jobs += 1
    for folder in _ended_folders(inboxes):
        files += _delete_files(folder, home, lambda _, status: status.st_ctime < cutoff)
    files += _delete_copies(storage, home, lambda status: status.st_ctime < cutoff)
    return DeletionCounts(jobs, files)


async def _due(storage: Storage, cutoff: Epoch) -> list[Job]:
    """The jobs that ended before ``cutoff``, without those whose rows another job needs.

    A row that another job may still send, or be made to retry, is left out if a job has settled it since. So that job's
    rows are kept until those of the other are deleted.
    """
    due = {
        job.id: job
        for job in await storage.jobs.page(accounts=EVERY_ACCOUNT)
        if job.state.is_over and not job.rows_deleted and (job.finished_at or job.created_at) < cutoff
    }
    needed_by = {job_id: await storage.erasure.jobs_with_open_removals_of(job_id) for job_id in due}
    while needed := [job_id for job_id in due if not due.keys() >= set(needed_by[job_id])]:
        for job_id in needed:
            del due[job_id]
    return [*due.values()]


def _own_folders(home: Path, inboxes: list[Inbox]) -> list[Path]:
    """The folders of reports of the page's jobs, and of files that nightly runs have dealt with."""
    return [home / "reports", *_ended_folders(inboxes)]


def _ended_folders(inboxes: list[Inbox]) -> list[Path]:
    """The inboxes' folders of files that nightly runs have dealt with."""
    return [folder for inbox in inboxes for folder in (inbox.done_folder, inbox.held_folder)]


def _delete_copies(storage: Storage, home: Path, is_due: Callable[[os.stat_result], bool]) -> int:
    """Delete copies of the journal that were kept before upgrades; returns how many. Raises LocalFileFailed."""
    names = {path.name for path in storage.kept_copies()}
    return _delete_files(home, home, lambda name, status: name in names and is_due(status)) if names else 0


def _delete_files(folder: Path, home: Path, is_due: Callable[[str, os.stat_result], bool]) -> int:
    """Delete files of one of this program's folders by name and status; returns how many. Raises LocalFileFailed."""
    count = 0
    if not os.path.lexists(folder):
        return count
    with open_folder(folder, is_own=folder.parent != home) as opened:
        for name in opened.files():
            with suppress(FileNotFoundError):  # it was moved meanwhile
                if is_due(name, opened.status(name)):
                    opened.remove(name)
                    count += 1
    return count
