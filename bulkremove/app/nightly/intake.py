"""Intake: the files of a nightly run, from where they lie to a job in the journal, or to where a person looks at them.

It may be killed anywhere: the next one finds each file in its place and each row in the journal.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from bulkremove.app.context import Context
from bulkremove.app.jobs import Jobs
from bulkremove.app.nightly.hold_rules import BASELINE_RUNS, why_held
from bulkremove.app.nightly.result import NIGHTLY_RUN, NightlyResult
from bulkremove.app.notices import Outbox
from bulkremove.app.plans import Plans
from bulkremove.app.results import Preview
from bulkremove.config import PROTECTED_FILE
from bulkremove.domain.errors import FileRefused, SourceFailed
from bulkremove.domain.job import Job
from bulkremove.platform.local_time import local
from bulkremove.platform.secure_files import private_folder
from bulkremove.reading.options import ReadOptions
from bulkremove.sources import Source, source_of
from bulkremove.sources.inbox import Inbox, digest, original_name
from bulkremove.storage.interface.nightly import Taken
from bulkremove.storage.interface.records import IntakeResult, Notice, Record

DAY = 86_400.0


class Intake:
    """The files of one context's ``nightly_source``."""

    def __init__(self, context: Context, jobs: Jobs, plans: Plans, outbox: Outbox) -> None:
        self._context, self._jobs, self._plans, self._outbox = context, jobs, plans, outbox
        self._storage = context.storage

    @property
    def source(self) -> Source:
        """Where the files come from. Raises SourceFailed when none is set."""
        text = self._context.settings.nightly_source
        if not text:
            raise SourceFailed(
                "There is no nightly_source.", hint="Set it in bulkremove.toml: a folder, or an address."
            )
        return source_of(text, self._context.environ)

    @property
    def inbox(self) -> Inbox:
        """Where the files are taken from. Raises SourceFailed when there is no source."""
        return self.source.inbox(self._context.settings.home)

    async def fill(self) -> Inbox:
        """The inbox, with what the source gives now where that is an export. Raises SourceFailed."""
        source, inbox = self.source, self.inbox
        if source.is_export:
            private_folder(inbox.path)
            await source.fetch(inbox.path)
        inbox.prepare()
        return inbox

    async def take(
        self, inbox: Inbox, result: NightlyResult, again: str | None, stopping: Callable[[], bool]
    ) -> AsyncGenerator[str, None]:
        """Take in what lies there, one file after the other; the ids of jobs that may run now.

        ``again``: the name of a held file whose content was run before and is to be run once more. Once ``stopping``,
        no file is begun.
        """
        if again is not None:
            inbox.bring_back(again)
        for path in inbox.working():
            if job_id := await self._take(inbox, path, result, anew=False):
                yield job_id
        for path, is_whole in list(inbox.waiting(self._context.clock.wall())):
            if path.name != again and not is_whole:
                result.waiting.append(path.name)
            elif not stopping() and (taken := inbox.take(path)) is not None:
                job_id = await self._take(inbox, taken, result, anew=path.name == again)
                if job_id:
                    yield job_id

    async def _take(self, inbox: Inbox, path: Path, result: NightlyResult, *, anew: bool) -> str | None:
        """Bring a file from ``working``, where a killed run may have left it, to its place; a job that may run."""
        nightly, name = self._storage.nightly, original_name(path)
        key = digest(path)
        before = await nightly.taken(key)
        if before is not None and before.place == path.name:  # a killed nightly run left it here
            if before.held:
                inbox.put(path, inbox.held)
                return None
            if before.job:
                inbox.put(path, inbox.done)
                return None if (await self._jobs.find(before.job)).state.over else before.job
        elif before is not None and not anew and (before.job or before.held):
            await self._taken_before(inbox, path, before, result)
            return None
        await nightly.take(key, name, path.name, at=self._context.clock.wall())
        try:
            preview = await self.read(path, name)
        except FileRefused as refused:
            await self._storage.record(IntakeResult(key, None, str(refused)))
            # The refusal names cells, and a notice may be read by more people than the file.
            look = f"`bulkremove preview {inbox.held / name}` says which cells, and how to mend them."
            words = f"It is damaged, empty or doubtful: {look}"
            await self._hold(inbox, path, key, str(refused), result, words=words)
            return None
        why_not, delay = await self.why_held(preview, path), self._context.settings.delay_days
        due = self._context.clock.wall() + delay * DAY if delay and not why_not else None
        place = inbox.held if why_not else inbox.done

        def records(job: Job) -> list[Record]:
            notice = self._announcement(job, preview, why_not) if why_not or due else None
            return [IntakeResult(key, job.id, why_not or ""), *filter(None, [notice])]

        job = await self._plans.submit_nightly(preview, records, folder=place, held=why_not, due_at=due, by=NIGHTLY_RUN)
        inbox.put(path, place)
        if why_not:
            result.held.append(f"{name}: {why_not}")
        return None if why_not or due else job.id

    async def _taken_before(self, inbox: Inbox, path: Path, before: Taken, result: NightlyResult) -> None:
        """A content that was taken before is not run twice; an export that has not changed is no news either."""
        if self.source.is_export:
            inbox.put(path, inbox.done)
            return
        when = f"{local(before.taken_at):%Y-%m-%d %H:%M}"
        name = original_name(path)
        again = f"`bulkremove nightly --again {name}` runs it anew."
        why = f"Its content was taken before, as {before.name} on {when}. {again}"
        await self._hold(inbox, path, path.name, why, result)

    async def read(self, path: Path, name: str) -> Preview:
        """The plan of a file. Raises FileRefused."""
        return await self._plans.preview_apart(path, name=name, options=ReadOptions())

    async def why_held(self, preview: Preview, path: Path) -> str | None:
        """Why a person must look at the plan first, in sentences; None when it may run."""
        last = await self._storage.jobs.newest_nightly()
        return why_held(
            preview.plan,
            self._context.settings,
            sizes=await self._storage.nightly.sizes(BASELINE_RUNS),
            header_before=last.header if last else None,
            age=self._context.clock.wall() - _changed_at(path),
        )

    async def _hold(
        self, inbox: Inbox, path: Path, key: str, why: str, result: NightlyResult, *, words: str = ""
    ) -> None:
        name = original_name(path)
        body = f"{name} was put aside and nothing of it was sent. {words or why}"
        await self._outbox.add(f"held:{key}", f"held: {name}", body)
        await self._context.record(NIGHTLY_RUN, "held", name=name)
        inbox.put(path, inbox.held)
        result.held.append(f"{name}: {why}")

    def _announcement(self, job: Job, preview: Preview, why: str | None) -> Notice | None:
        if why:
            words = (
                f"{job.source} was put aside and nothing of it was sent. {why} To run it all the same: "
                f"`bulkremove approve {job.id}`, or the page. It expires in 7 days."
            )
            return self._outbox.notice(f"held:{job.id}", f"held: {job.source}", words)
        if job.due_at is not None:
            words = (
                f"{job.source} removes {preview.plan.removals:,} learners on {local(job.due_at):%Y-%m-%d}. "
                f"`bulkremove cancel {job.id}` keeps it from running; who is in {PROTECTED_FILE} by then is not "
                "removed."
            )
            return self._outbox.notice(f"announced:{job.id}", f"announced: {job.source}", words)
        return None


def _changed_at(path: Path) -> float:
    return path.stat().st_mtime
