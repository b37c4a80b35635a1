"""Intake: makes jobs of the files that a nightly run finds in its inbox, or holds the files for a person.

It may be killed at any moment: the next run finds each file in one folder of the inbox and each row in the journal.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from bulkremove.app.context import Context
from bulkremove.app.jobs import Jobs
from bulkremove.app.nightly.hold_rules import BASELINE_RUNS, reasons_to_hold
from bulkremove.app.nightly.result import NIGHTLY_RUN, NightlyResult
from bulkremove.app.notices import Outbox
from bulkremove.app.plans import Plans
from bulkremove.app.results import Preview
from bulkremove.config import PROTECTED_FILE
from bulkremove.domain.clock import Epoch, later, seconds_between
from bulkremove.domain.errors import FileRefused, SourceFailed
from bulkremove.domain.job import Job, JobState
from bulkremove.platform.local_time import local
from bulkremove.platform.secure_files import private_folder
from bulkremove.reading.options import ReadOptions
from bulkremove.sources import Source, SourceFile, source_of
from bulkremove.sources.inbox import Inbox, digest, original_name
from bulkremove.storage.interface.nightly import TakenFile
from bulkremove.storage.interface.records import IntakeResult, Notice, Record

DAY = 86_400.0


class Intake:
    """Takes in the files of the ``nightly_source``."""

    def __init__(self, context: Context, jobs: Jobs, plans: Plans, outbox: Outbox) -> None:
        self._context, self._jobs, self._plans, self._outbox = context, jobs, plans, outbox
        self._storage = context.storage
        self.begin()

    def begin(self) -> None:
        """Begin a nightly run: its own jobs are no baseline, and the removals of its files are counted together."""
        self._began_at, self._removals = self._context.clock.wall(), 0

    @property
    def source(self) -> Source:
        """Where the files come from. Raises SourceFailed when none is set."""
        text = self._context.settings.nightly_source
        if not text:
            raise SourceFailed(
                "There is no nightly_source.", hint="Set it in bulkremove.toml: a folder, an address or a command."
            )
        return source_of(text, self._context.environ)

    @property
    def inbox(self) -> Inbox:
        """The folder that files are taken from. Raises SourceFailed when no source is set."""
        return self.source.inbox(self._context.settings.home)

    async def fill(self) -> Inbox:
        """The inbox, after an export has been fetched into it. Raises SourceFailed or LocalFileFailed."""
        source, inbox = self.source, self.inbox
        if source.is_export:
            private_folder(inbox.path)
            await source.fetch(inbox.path)
        inbox.prepare()
        return inbox

    async def look(self, scratch: Path) -> AsyncGenerator[tuple[SourceFile, bool]]:
        """Iterate over what a run would take in now, and whether it is whole. An export goes to ``scratch``."""
        source, inbox = self.source, self.inbox
        if source.is_export:
            for file in await source.fetch(scratch):
                yield file, True
        if not source.is_export or inbox.path.exists():
            inbox.prepare()
            for path, is_whole in inbox.dropped_files(self._context.clock.wall()):
                yield SourceFile(path, path.name), is_whole

    async def take_in(
        self, inbox: Inbox, result: NightlyResult, again: str | None, stopping: Callable[[], bool]
    ) -> AsyncGenerator[str, None]:
        """Take in the files of the inbox one by one; yields the ids of jobs that may run now.

        ``again``: the name of a held file whose content was run before and is to be run once more. While ``stopping``
        returns true, no file is begun.
        """
        if again is not None:
            inbox.bring_back(again)
        for path in inbox.working():
            if job_id := await self._take_in(inbox, path, result, is_again=False):
                yield job_id
        for path, is_whole in list(inbox.dropped_files(self._context.clock.wall())):
            if path.name != again and not is_whole:  # a held file that is asked for anew is whole
                result.unfinished.append(path.name)
            elif not stopping() and (taken := inbox.claim(path)) is not None:
                job_id = await self._take_in(inbox, taken, result, is_again=path.name == again)
                if job_id:
                    yield job_id

    async def _take_in(self, inbox: Inbox, path: Path, result: NightlyResult, *, is_again: bool) -> str | None:
        """Make a job of a file in ``working``, which a killed run may have left there; its id if it may run now."""
        nightly, name = self._storage.nightly, original_name(path)
        key = digest(path)
        earlier = await nightly.taken(key)
        if earlier is not None and earlier.place == path.name:  # a killed nightly run left it here
            if earlier.held:
                inbox.put(path, inbox.held)
                return None
            if earlier.job:
                inbox.put(path, inbox.done)
                job = await self._jobs.find(earlier.job)
                # A held job waits for its day or for a person; a paused one was looked at in this run already.
                return job.id if job.state in (JobState.READY, JobState.RUNNING) else None
        elif earlier is not None and not is_again and (earlier.job or earlier.held):
            await self._put_repeated(inbox, path, earlier, result)
            return None
        await nightly.take(key, name, path.name, at=self._context.clock.wall())
        try:
            preview = await self.preview(path, name)
        except FileRefused as refused:
            await self._storage.record(IntakeResult(key, None, str(refused)))
            # The refusal quotes cells, and a notice may be read by more people than the file.
            hint = f"`bulkremove preview {inbox.held / name}` says which cells, and how to mend them."
            text = f"It is damaged, empty or doubtful: {hint}"
            await self._hold(inbox, path, key, str(refused), result, notice_text=text)
            return None
        why, delay = await self.reasons_to_hold(preview, path), self._context.settings.delay_days
        due_at = later(self._context.clock.wall(), delay * DAY) if delay and not why else None

        def records(job: Job) -> list[Record]:
            notice = self._notice_about(job, preview) if job.state is JobState.HELD else None
            return [IntakeResult(key, job.id, job.reason), *filter(None, [notice])]

        folder = inbox.held if why else inbox.done
        job = await self._plans.submit_nightly(preview, records, folder=folder, held=why, due_at=due_at, by=NIGHTLY_RUN)
        inbox.put(path, inbox.held if job.reason else inbox.done)
        if job.reason:
            result.held.append(f"{name}: {job.reason}")
        return None if job.state is JobState.HELD else job.id

    async def _put_repeated(self, inbox: Inbox, path: Path, earlier: TakenFile, result: NightlyResult) -> None:
        """Hold a file whose content was taken before; an unchanged export goes to ``done`` without a notice."""
        if self.source.is_export:
            inbox.put(path, inbox.done)
            return
        when = f"{local(earlier.taken_at):%Y-%m-%d %H:%M}"
        name = original_name(path)
        hint = f"`bulkremove nightly --again {name}` runs it anew."
        why = f"Its content was taken before, as {earlier.name} on {when}. {hint}"
        await self._hold(inbox, path, path.name, why, result)

    async def preview(self, path: Path, name: str) -> Preview:
        """The plan of a file. Raises FileRefused."""
        settings = self._context.settings
        options = ReadOptions(only=settings.nightly_only, header_row=settings.nightly_header_row)
        return await self._plans.preview_in_subprocess(path, name=name, options=options)

    async def reasons_to_hold(self, preview: Preview, path: Path) -> str | None:
        """Why a person must look at the plan first, in sentences; None when it may run, which counts its removals."""
        whose = preview.plan.client, preview.plan.host
        last = await self._storage.jobs.newest_nightly(*whose)
        why = reasons_to_hold(
            preview,
            self._context.settings,
            sizes=await self._storage.nightly.sizes(*whose, before=self._began_at, count=BASELINE_RUNS),
            tonight=self._removals,
            header_before=last.header if last else None,
            protected_before=int(last.options.get("protected", 0)) if last else None,
            age=seconds_between(_changed_at(path), self._context.clock.wall()),
        )
        if why is None:
            self._removals += preview.plan.removals
        return why

    async def _hold(
        self, inbox: Inbox, path: Path, notice_key: str, why: str, result: NightlyResult, *, notice_text: str = ""
    ) -> None:
        """Hold a file that no job was made of. ``notice_text``: for the notice, where it must not say ``why``."""
        name = original_name(path)
        body = f"{name} is held, and nothing of it was sent. {notice_text or why}"
        await self._outbox.add(f"held:{notice_key}", f"held: {name}", body)
        await self._context.record(NIGHTLY_RUN, "held", name=name)
        inbox.put(path, inbox.held)
        result.held.append(f"{name}: {why}")

    def _notice_about(self, job: Job, preview: Preview) -> Notice | None:
        if job.reason:
            text = (
                f"{job.source} is held, and nothing of it was sent. {job.reason} To run it all the same: "
                f"`bulkremove approve {job.id}`, or the page. It expires in 7 days."
            )
            return self._outbox.notice(f"held:{job.id}", f"held: {job.source}", text)
        if job.due_at is not None:
            text = (
                f"{job.source} removes {preview.plan.removals:,} learners on {local(job.due_at):%Y-%m-%d}. "
                f"`bulkremove cancel {job.id}` keeps it from running; who is in {PROTECTED_FILE} by then is not "
                "removed."
            )
            return self._outbox.notice(f"announced:{job.id}", f"announced: {job.source}", text)
        return None


def _changed_at(path: Path) -> Epoch:
    return Epoch(path.stat().st_mtime)
