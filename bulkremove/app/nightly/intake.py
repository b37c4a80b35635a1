"""Intake: makes jobs of the files that a nightly run finds in its inbox, or holds the files for a person.

It may be killed at any moment: the next run finds each file in one folder of the inbox and each row in the journal.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from bulkremove.app.confirmations import Confirmations
from bulkremove.app.context import Context
from bulkremove.app.enrolment_checks import EnrolmentChecks
from bulkremove.app.jobs import Jobs
from bulkremove.app.leavers import LeaverSearch
from bulkremove.app.night_sources import read_options
from bulkremove.app.nightly.held_files import HeldFiles
from bulkremove.app.nightly.hold_rules import BASELINE_RUNS, reasons_to_hold
from bulkremove.app.nightly.incoming_files import IncomingFiles
from bulkremove.app.nightly.intake_notices import (
    notices_about,
    notify_of_file_not_taken,
)
from bulkremove.app.nightly.killed_runs import Beginning
from bulkremove.app.nightly.leavers_source import SUPERSEDED, LeaversSource
from bulkremove.app.nightly.people_put_back import put_back_reason
from bulkremove.app.nightly.result import NIGHTLY_RUN, NightlyResult, scheduled_text
from bulkremove.app.notices import Outbox
from bulkremove.app.plans import Plans
from bulkremove.app.results import Preview
from bulkremove.config.source_kind import LEAVERS
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import DAY_SECONDS, Epoch, later, seconds_between
from bulkremove.domain.command_text import joined
from bulkremove.domain.errors import FileRefused, SourceFailed
from bulkremove.domain.ids import without_ids
from bulkremove.domain.job import EndReason, Job, JobState
from bulkremove.domain.permissions import AccountSet
from bulkremove.engine.progress import Stop
from bulkremove.sources.inbox import Inbox, original_name
from bulkremove.storage.interface.nightly import TakenFile
from bulkremove.storage.interface.records import IntakeResult, Record


class Intake:
    """Takes in the files of a night's source."""

    def __init__(
        self,
        context: Context,
        jobs: Jobs,
        plans: Plans,
        enrolment_checks: EnrolmentChecks,
        confirmations: Confirmations,
        outbox: Outbox,
        leavers: LeaverSearch,
    ) -> None:
        self._context, self._jobs, self._plans, self._outbox = context, jobs, plans, outbox
        self._enrolment_checks, self._confirmations = enrolment_checks, confirmations
        self._storage, self._sandbox, self._night = context.storage, context.settings.sandbox_host, context.night
        self._key = {"night": self._night.name, "sandbox": self._sandbox}
        self._began_at, self._removals, self._stop = context.clock.wall(), 0, Stop()
        home = context.settings.home
        folder = self._night.sandbox_folder(home) if self._sandbox else self._night.export_folder(home)
        source = LeaversSource(
            leavers, context.storage, Inbox(folder), plans.removals_to_send, sandbox=bool(self._sandbox)
        )
        self.incoming = IncomingFiles(context, outbox, source)
        self.held_files = HeldFiles(jobs, self.incoming.find_earlier)

    def begin(self, beginning: Beginning, stop: Stop) -> None:
        """Begin a nightly run: its own jobs do not count for the baseline, and its files' removals count together.

        After ``stop`` no file is begun, and one whose enrolment check has not ended is left to the next run.
        """
        self._began_at, self._removals, self._stop = beginning.at, beginning.removals, stop
        self.incoming.began_at = beginning.at

    async def process_files(
        self, inbox: Inbox, result: NightlyResult, rerun_name: str | None
    ) -> AsyncGenerator[str, None]:
        """Take in the files of the inbox one by one; yields the ids of jobs that may run now.

        ``rerun_name``: the name of a held file whose content was run before and is to be run once more.
        """
        if rerun_name is not None and not (self._sandbox and (inbox.path / rerun_name).is_file()):
            inbox.bring_back(rerun_name)
        for path in inbox.working_files():
            if job_id := await self._process_or_report(inbox, path, result, rerun_name):
                yield job_id
        for path, is_complete in list(inbox.incoming_files(self._context.clock.wall())):
            if path.name != rerun_name and not is_complete:  # a held file that is asked for anew is complete
                result.unfinished.append(path.name)
            elif not self._stop.requested and (
                job_id := await self._process_or_report(inbox, path, result, rerun_name)
            ):
                yield job_id

    async def _process_or_report(
        self, inbox: Inbox, path: Path, result: NightlyResult, rerun_name: str | None
    ) -> str | None:
        """Take in one file; if it can't be moved or read, report that, so that the others are taken all the same."""
        is_taken = path.parent == inbox.working_folder
        try:
            taken = path if is_taken else inbox.take(path)
            if taken is None:
                return None
            return await self._process(inbox, taken, result, is_rerun=not is_taken and path.name == rerun_name)
        except SourceFailed as failed:
            result.failures.append(str(failed))
            await notify_of_file_not_taken(self._outbox, path, failed, at=self._context.clock.wall())
            return None

    async def _process(self, inbox: Inbox, path: Path, result: NightlyResult, *, is_rerun: bool) -> str | None:
        """Make a job of a file in ``working``, which a killed run may have left there; its id if it may run now."""
        nightly, name = self._storage.nightly, original_name(path)
        key = inbox.digest(path)
        earlier = await nightly.taken(key, **self._key)
        if earlier is not None and earlier.working_name == path.name:  # a killed nightly run left it here
            if earlier.held:
                inbox.move_to(path, inbox.held_folder)
                return None
            if earlier.job:
                inbox.move_to(path, inbox.done_folder)
                job = await self._jobs.find(earlier.job)
                # A held one waits for a person, a scheduled one for its day; a paused one was looked at already.
                return job.id if job.state in (JobState.READY, JobState.RUNNING) else None
        elif earlier is not None and not is_rerun and (repeated := await self.incoming.skip_reason(earlier)):
            await self._set_aside_repeated(inbox, path, repeated, result)
            return None
        if self.incoming.leavers.is_superseded(name) and not is_rerun:
            inbox.move_to(path, inbox.done_folder)
            result.unchanged.append(f"{name}: {SUPERSEDED}")
            return None
        planned_at = None if is_rerun else await self.incoming.planned_before(earlier)
        await nightly.record_taken(key, name, path.name, **self._key, at=self._context.clock.wall())
        try:
            with inbox.open(path) as file:
                preview = await self.preview(file, name)
        except FileRefused as refused:
            await self._storage.record(IntakeResult(key, **self._key, job=None, held=without_ids(str(refused))))
            # The refusal quotes cells, and a notice may be read by more people than the file.
            held_file = joined([str(inbox.held_folder / name)])
            hint = f"`bulkremove preview {held_file}` says which cells, and how to correct them."
            text = f"It is damaged, empty or doubtful: {hint}"
            await self._hold(inbox, path, key, str(refused), result, notice_text=text)
            return None
        if preview is None:  # the file stays in working
            return None
        if planned_at is not None:
            preview = replace(preview, planned_at=planned_at)
        why = await self.reasons_to_hold(preview, path, earlier=None if is_rerun else earlier)
        delay = self._night.delay_days
        due_at = later(self._context.clock.wall(), delay * DAY_SECONDS) if delay and not why else None

        def records(job: Job) -> list[Record]:
            notices = notices_about(self._outbox, job, preview.plan.removals)
            return [IntakeResult(key, **self._key, job=job.id, held=job.reason), *notices]

        folder = inbox.held_folder if why else inbox.done_folder
        job = await self._confirmations.submit_nightly(
            preview, records, folder=folder, hold_reason=why, due_at=due_at, by=NIGHTLY_RUN
        )
        inbox.move_to(path, inbox.held_folder if job.reason else inbox.done_folder)
        if job.reason:
            result.hold(name, job.reason, job.id)
        if job.due_at is not None:
            result.scheduled.append(scheduled_text(f"{job.source} ({job.id})", job.due_at))
        return job.id if job.state is JobState.READY else None

    async def _set_aside_repeated(self, inbox: Inbox, path: Path, why: str, result: NightlyResult) -> None:
        """Hold a file whose content was taken before; one that each run finds anew goes to ``done`` instead."""
        name = original_name(path)
        if self.incoming.finds_all_again:
            inbox.move_to(path, inbox.done_folder)
            result.unchanged.append(f"{name}: {why}")
            return
        await self._hold(inbox, path, path.name, f"{why} {self.incoming.again(name)}", result)

    async def preview(self, file: Path | BinaryIO, name: str) -> Preview | None:
        """The plan of a file, after its enrolment check; None if the run was stopped meanwhile. Raises FileRefused."""
        own = AccountSet.only(self._context.settings.account)
        preview = await self._plans.preview_in_subprocess(file, name=name, options=read_options(self._night), seen=own)
        return await self._stop.cancelling(self._enrolment_checks.check_unattended(preview, seen=own))

    async def reasons_to_hold(self, preview: Preview, path: Path, *, earlier: TakenFile | None = None) -> str | None:
        """Why a person must look at the plan first, in sentences; None when it may run, which counts its removals.

        ``earlier``: when the same content was taken before, if it was.
        """
        client_and_host = preview.plan.client, preview.plan.host
        sizes, last = list[int](), None
        if self._storage.exists:  # a dry run makes no journal
            last = await self._storage.jobs.newest_nightly(
                *client_and_host, night=self._night.name, now=self._context.clock.wall()
            )
            sizes = await self._storage.nightly.sizes(
                *client_and_host, night=self._night.name, before=self._began_at, count=BASELINE_RUNS
            )
        why = reasons_to_hold(
            preview,
            night=self._night,
            four_eyes=self._context.settings.four_eyes,
            sizes=sizes,
            tonight=self._removals,
            header_before=last.header if last else None,
            protected_before=int(last.options.get("protected", 0)) if last else None,
            age=seconds_between(_changed_at(path), self._context.clock.wall()),
        )
        last_job = await self._jobs.find(earlier.job) if earlier is not None and earlier.job else None
        if last_job is not None and last_job.reason_code is EndReason.CANCELLED:  # a person said no to these very rows
            why = f"{why or ''} Job {last_job.id} of the same content was cancelled.".strip()
        rows = (row.cells for row in preview.plan.table.rows())
        if back := self.incoming.leavers.who_is_back(preview.plan.table.header, rows):
            why = f"{why or ''} {back}".strip()
        # Where the plan counts from an earlier one, whoever was put back since is left out when it runs.
        if self._night.source != LEAVERS and preview.planned_at is None:
            why = f"{why or ''} {await put_back_reason(preview.plan, self._storage)}".strip() or None
        if why is None:
            self._removals += preview.plan.removals
        return why

    async def _hold(
        self, inbox: Inbox, path: Path, notice_key: str, why: str, result: NightlyResult, *, notice_text: str = ""
    ) -> None:
        """Hold a file that no job was made of. ``notice_text``: for the notice, where it must not say ``why``."""
        name = original_name(path)
        body = f"{name} is held, and nothing of it was sent. {notice_text or why}"
        await self._outbox.add(f"held:{notice_key}", f"held: {name}. Look at the file", body)
        whose = {"host": self._context.settings.host, "account": self._context.settings.account}
        await self._context.record(NIGHTLY_RUN, AuditAct.HELD, name=name, night=self._night.name, **whose)
        inbox.move_to(path, inbox.held_folder)
        result.hold(name, why)


def _changed_at(path: Path) -> Epoch:
    return Epoch(path.lstat().st_mtime)
