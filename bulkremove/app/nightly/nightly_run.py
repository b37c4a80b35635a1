"""One night: take what is due, judge it, run it or keep it for a person, tell people, and tidy up.

A pass may be killed anywhere: the next one finds each file in its place and each row in the journal. Whatever a person
must decide is held, and a night never runs what it holds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bulkremove.app.nightly.hold_rules import why_held
from bulkremove.domain.errors import BulkremoveError, FileRefused, JobBusy, JournalFailed, NoticeFailed, SourceFailed
from bulkremove.domain.model import EndReason, Job, JobState
from bulkremove.sources import Folder, digest, fetch, folder_of, is_folder, original_name
from bulkremove.storage import Storage
from bulkremove.storage.base import IntakeResult, Notice, Record, Taken

if TYPE_CHECKING:  # they pull pandas and aiohttp in
    from bulkremove.app.application import App
    from bulkremove.app.notifier import Notices
    from bulkremove.app.results import Ended, Preview
    from bulkremove.engine.progress import Stop

EXPIRES = 7 * 86_400.0
"""Seconds after which a plan that nobody approved is given up."""
NIGHT = "the night"
"""Who acts, for the audit log."""
DAY = 86_400.0
LONGEST_RETRY = 3600.0
"""Seconds between two tries to send a notice, at most."""
WINDOW_OVER = "The time window for nights is over; it goes on in the next night."


@dataclass(slots=True)
class Pass:
    """What a night came to. ``exit_code``: the worst of all, as a command ends with it."""

    ran: list[Job] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    """Files that are still being written."""
    trouble: list[str] = field(default_factory=list)
    deleted: str = ""
    """What retention deleted, in a sentence."""
    plans: list[Preview] = field(default_factory=list)
    """What a dry run showed."""

    @property
    def exit_code(self) -> int:
        codes = [job.exit_code for job in self.ran] + [4] * bool(self.held) + [5] * bool(self.trouble)
        return max(codes, default=0)

    @property
    def good(self) -> bool:
        return not self.held and not self.trouble and all(job.exit_code == 0 for job in self.ran)


class Drive(Protocol):
    """Runs a job to its end (``JobSupervisor.drive``)."""

    async def __call__(self, job_id: str, *, stop: Stop, by: str) -> Ended: ...


class Nights:
    """The nights of one app. ``notices``: how people are told; ``drive``: how a job is run."""

    def __init__(self, app: App, storage: Storage, notices: Notices, drive: Drive) -> None:
        self._app, self._storage, self._notices, self._drive = app, storage, notices, drive

    @property
    def folder(self) -> Folder:
        """Where the files of the nights are. Raises SourceFailed when none is set."""
        return folder_of(self._settled(), self._app.settings.home)

    def _settled(self) -> str:
        source = self._app.settings.night_source
        if not source:
            raise SourceFailed("There is no night_source.", hint="Set it in bulkremove.toml: a folder, or an address.")
        return source

    async def run(self, *, stop: Stop, again: str | None = None, night: date | None = None) -> Pass:
        """One pass. Raises JobBusy when another one runs, SourceFailed without a source.

        ``again``: the name of a held file whose content was run before and is to be run once more; ``night``: the local
        date that it belongs to, today without it.
        """
        self._settled()
        async with self._claimed():
            return await self._run(stop, again, night or _local(self._app.clock.wall()).date())

    @asynccontextmanager
    async def _claimed(self) -> AsyncIterator[None]:
        """Only one pass at a time. A journal that can't be written is told the dead man's switch, if nothing else."""
        async with AsyncExitStack() as held:
            try:
                await held.enter_async_context(self._storage.claims.hold("night"))
            except JournalFailed:
                await self._notices.ping("/fail")
                raise
            yield

    async def last_date(self) -> date | None:
        """The local date of the last night that started or was left out."""
        last = await self._storage.nightly.last_date()
        return date.fromisoformat(last) if last else None

    async def leave_out(self, night: date, why: str) -> None:
        """A night is not run at all; people are told."""
        notice = self._notice(f"left_out:{night}", f"the night of {night} was left out", why)
        await self._storage.nightly.leave_out(night.isoformat(), notice, at=self._app.clock.wall())

    async def tell_late(self, night: date) -> None:
        """A night starts long after its time; people are told, since it says that something was off."""
        words = f"The night of {night} could not start in time and starts only now."
        await self._tell(f"late:{night}", f"the night of {night} is late", words)

    async def dry_run(self) -> Pass:
        """Tonight's plans; takes nothing, holds nothing, removes nothing."""
        found = Pass()
        folder = self.folder
        folder.prepare()
        for path, rests in folder.waiting(self._app.clock.wall()):
            if not rests:
                found.waiting.append(path.name)
                continue
            try:
                shown = await self._read(path, path.name)
                found.plans.append(shown)
                if why := await self._why_held(shown, path):
                    found.held.append(f"{path.name}: {why}")
            except FileRefused as refused:
                found.held.append(f"{path.name}: {refused}")
        return found

    async def tell_all(self) -> int:
        """Send the notices that wait and are due; how many still wait."""
        now = self._app.clock.wall()
        for notice in await self._storage.nightly.due_notices(now):
            try:
                attachment = Path(notice.attachment) if notice.attachment else None
                await self._notices.send(notice.subject, notice.body, attachment)
            except NoticeFailed:
                wait = min(60.0 * 2**notice.tries, LONGEST_RETRY)
                await self._storage.nightly.notice_failed(notice.key, next_at=now + wait)
            else:
                await self._storage.nightly.notice_sent(notice.key, at=self._app.clock.wall())
        return await self._storage.nightly.waiting_notices()

    async def test_notice(self) -> int:
        """Send a notice that says that notices arrive; to how many addresses. Raises NoticeFailed."""
        await self._notices.send("bulkremove: a test", "If you read this, notices arrive.", None)
        return self._notices.addresses

    # A pass

    async def _run(self, stop: Stop, again: str | None, of: date) -> Pass:
        clock, found = self._app.clock, Pass()
        self._app.clock_skew = None  # a clock that was right in the last run may have been set since
        night = await self._storage.nightly.begin(of.isoformat(), at=clock.wall())
        await self._notices.ping("/start")
        try:
            await self._expire()
            folder = await self._prepared(found)
            until = self._app.schedule().open_until(clock.wall())
            if until is None:
                found.trouble.append("It is outside the time window for nights, so nothing was taken and nothing sent.")
                stop.ask(WINDOW_OVER, 5, code=EndReason.WINDOW_CLOSED, auto_resumable=True)
            closing = asyncio.create_task(self._close_window(stop, until or clock.wall()))
            try:
                await self._go_on(stop, found)
                if folder is not None:
                    await self._take_all(folder, stop, found, again)
            finally:
                closing.cancel()
            await self._tidy(found)
        except (BulkremoveError, OSError) as error:  # the folder may vanish between any two looks at it
            found.trouble.append(str(error))
            await self._tell(f"night:{night}", "the night did not end well", str(error))
        await self._storage.nightly.end(night, at=clock.wall(), good=found.good)
        await self.tell_all()
        await self._notices.ping("" if found.good else "/fail")
        await self._write_metrics()
        return found

    async def _tidy(self, found: Pass) -> None:
        """Retention, once a reply of Zoho's in this run has shown that this machine's clock is right."""
        skew = self._app.clock_skew
        if skew is None:
            return
        if abs(skew) >= DAY:
            words = f"This machine's clock and Zoho's differ by {abs(skew) / DAY:.0f} days, so nothing was deleted."
            found.trouble.append(f"{words} Set the clock (NTP).")
            return
        tidied = await self._app.retention.tidy()
        if tidied.jobs or tidied.files:
            days = self._app.settings.retention_days
            found.deleted = f"Older than {days} days: rows of {tidied.jobs:,} job(s) and {tidied.files:,} file(s)."

    async def _write_metrics(self) -> None:
        from bulkremove.report.metrics import text

        if self._app.settings.metrics_file:
            _replace(Path(self._app.settings.metrics_file), text(await self._app.retention.figures()))

    async def _prepared(self, found: Pass) -> Folder | None:
        """The folder, filled by its command or address where that is the source; None, and people told, without it."""
        folder, settings = self.folder, self._app.settings
        try:
            if not is_folder(settings.night_source):
                folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
                await fetch(settings.night_source, folder.path, self._app.source_token)
            folder.prepare()
        except SourceFailed as failed:
            found.trouble.append(str(failed))
            day = f"{_local(self._app.clock.wall()):%Y-%m-%d}"
            await self._tell(f"source:{day}", "the night's source is not there", str(failed))
            return None
        return folder

    async def _expire(self) -> None:
        now = self._app.clock.wall()
        for job in await self._app.jobs.all(JobState.HELD):
            if job.due_at is None and now - job.created_at > EXPIRES:
                await self._app.jobs.cancel(job.id, by=NIGHT)
                words = f"Nobody approved the plan of {job.source} ({job.id}) within 7 days, so it was given up."
                await self._tell(f"expired:{job.id}", f"the plan of {job.source} has expired", words)

    async def _go_on(self, stop: Stop, found: Pass) -> None:
        """Jobs of earlier nights: approved, due by their delay, left by a kill, or paused by what time mends."""
        now = self._app.clock.wall()
        states = (JobState.HELD, JobState.READY, JobState.RUNNING, JobState.PAUSED)
        for job in reversed(await self._app.jobs.all(*states)):
            if stop.asked:
                return
            if job.origin != "night" or (job.state is JobState.PAUSED and not job.auto_resumable):
                continue
            if job.state is JobState.HELD:
                if job.due_at is None or job.due_at > now:
                    continue
                await self._storage.jobs.release(job.id, lambda job: None, by=NIGHT)
            await self._run_job(job.id, stop, found)

    async def _take_all(self, folder: Folder, stop: Stop, found: Pass, again: str | None) -> None:
        if again is not None:
            folder.bring_back(again)
        for path in folder.working():
            await self._one(folder, path, stop, found, anew=False)
        for path, rests in list(folder.waiting(self._app.clock.wall())):
            if path.name != again and not rests:
                found.waiting.append(path.name)
            elif not stop.asked and (taken := folder.take(path)) is not None:
                await self._one(folder, taken, stop, found, anew=path.name == again)

    async def _one(self, folder: Folder, path: Path, stop: Stop, found: Pass, *, anew: bool) -> None:
        """A file in ``working``, from its content to its place; also one that a killed night left there."""
        nightly, name = self._storage.nightly, original_name(path)
        key = digest(path)
        before = await nightly.taken(key)
        if before is not None and before.place == path.name:  # a killed night left it here
            if before.held:
                folder.put(path, folder.held)
                return
            if before.job:
                await self._finish(folder, path, before.job, stop, found)
                return
        elif before is not None and not anew and (before.job or before.held):
            await self._again(folder, path, before, found)
            return
        await nightly.take(key, name, path.name, at=self._app.clock.wall())
        try:
            shown = await self._read(path, name)
        except FileRefused as refused:
            await self._storage.record(IntakeResult(key, None, str(refused)))
            # The refusal names cells, and a notice may be read by more people than the file.
            look = f"`bulkremove preview {folder.held / name}` says which cells, and how to mend them."
            words = f"It is damaged, empty or doubtful: {look}"
            await self._hold_file(folder, path, key, str(refused), found, told=words)
            return
        why_not, delay = await self._why_held(shown, path), self._app.settings.delay_days
        due = self._app.clock.wall() + delay * DAY if delay and not why_not else None
        place = folder.held if why_not else folder.done

        def records(job: Job) -> list[Record]:
            notice = self._announcement(job, shown, why_not) if why_not or due else None
            return [IntakeResult(key, job.id, why_not or ""), *filter(None, [notice])]

        job = await self._app.plans.submit_night(shown, records, folder=place, held=why_not, due_at=due)
        if why_not or due:
            folder.put(path, place)
            if why_not:
                found.held.append(f"{name}: {why_not}")
            return
        await self._finish(folder, path, job.id, stop, found)

    async def _again(self, folder: Folder, path: Path, before: Taken, found: Pass) -> None:
        """A content that was taken before is not run twice; an export that has not changed is no news either."""
        if not is_folder(self._app.settings.night_source):
            folder.put(path, folder.done)
            return
        when = f"{_local(before.taken_at):%Y-%m-%d %H:%M}"
        name = original_name(path)
        again = f"`bulkremove nightly --again {name}` runs it anew."
        why = f"Its content was taken before, as {before.name} on {when}. {again}"
        await self._hold_file(folder, path, path.name, why, found)

    async def _finish(self, folder: Folder, path: Path, job_id: str, stop: Stop, found: Pass) -> None:
        """Run a file's job as far as it goes tonight; the file is done with, since the journal has all its rows."""
        folder.put(path, folder.done)
        if not stop.asked and not (await self._app.jobs.find(job_id)).state.over:
            await self._run_job(job_id, stop, found)

    async def _run_job(self, job_id: str, stop: Stop, found: Pass) -> None:
        from bulkremove.report import counts_in_words

        try:
            ended = await self._drive(job_id, stop=stop.part(), by=NIGHT)
        except JobBusy:
            return  # the page or a person goes on with it right now
        except BulkremoveError as error:
            found.trouble.append(f"Job {job_id}: {error}")
            await self._tell(f"failed:{job_id}:{await self._runs(job_id)}", f"job {job_id} could not run", str(error))
            return
        found.ran.append(ended.job)
        words = " ".join(filter(None, (ended.warning, ended.summary, ended.job.reason)))
        subject = f"{ended.job.state.value}: {ended.job.source}: {counts_in_words(ended.tally)}"
        await self._tell(f"ended:{job_id}:{await self._runs(job_id)}", subject, words, ended.report)

    async def _close_window(self, stop: Stop, until: float) -> None:
        clock = self._app.clock
        while True:
            rest = until - clock.wall()
            if rest <= 0:
                stop.ask(WINDOW_OVER, 5, code=EndReason.WINDOW_CLOSED, auto_resumable=True)
                return
            await clock.sleep(min(rest, 60.0))

    # Inside

    async def _read(self, path: Path, name: str) -> Preview:
        from bulkremove.reading import ReadOptions

        return await self._app.plans.preview_apart(path, name=name, options=ReadOptions())

    async def _why_held(self, shown: Preview, path: Path) -> str | None:
        from bulkremove.app.nightly.hold_rules import NIGHTS

        last = await self._storage.jobs.newest_nightly()
        return why_held(
            shown.plan,
            self._app.settings,
            sizes=await self._storage.nightly.sizes(NIGHTS),
            header_before=last.header if last else None,
            age=self._app.clock.wall() - _changed_at(path),
        )

    async def _hold_file(self, folder: Folder, path: Path, key: str, why: str, found: Pass, *, told: str = "") -> None:
        name = original_name(path)
        words = f"{name} was put aside and nothing of it was sent. {told or why}"
        await self._tell(f"held:{key}", f"held: {name}", words)
        await self._app.record(NIGHT, "held", name=name)
        folder.put(path, folder.held)
        found.held.append(f"{name}: {why}")

    def _announcement(self, job: Job, shown: Preview, why: str | None) -> Notice | None:
        if why:
            words = (
                f"{job.source} was put aside and nothing of it was sent. {why} To run it all the same: "
                f"`bulkremove approve {job.id}`, or the page. It expires in 7 days."
            )
            return self._notice(f"held:{job.id}", f"held: {job.source}", words)
        if job.due_at is not None:
            words = (
                f"{job.source} removes {shown.plan.removals:,} learners on {_local(job.due_at):%Y-%m-%d}. "
                f"`bulkremove cancel {job.id}` keeps it from running; who is in keep.csv by then is not removed."
            )
            return self._notice(f"announced:{job.id}", f"announced: {job.source}", words)
        return None

    async def _tell(self, key: str, subject: str, body: str, attachment: Path | None = None) -> None:
        """Put a notice into the outbox."""
        await self._storage.record(self._notice(key, subject, body, attachment))

    def _notice(self, key: str, subject: str, body: str, attachment: Path | None = None) -> Notice:
        """A notice for the outbox; no ids and no names of learners are in its words."""
        subject = f"bulkremove{' SANDBOX' if self._app.settings.sandbox else ''}: {subject}"
        return Notice(key, subject, body, str(attachment) if attachment else None, self._app.clock.wall())

    async def _runs(self, job_id: str) -> int:
        """How often the job was run so far; each run is told once."""
        return sum(name == "started" for _, name, _ in await self._storage.jobs.events(job_id))


def _replace(path: Path, metrics: bytes) -> None:
    """Put the metrics where a collector reads them; a folder that can't be written is a warning."""
    path = path.expanduser()
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(metrics)
        partial.chmod(0o644)
        partial.replace(path)
    except OSError as error:
        logging.getLogger(__name__).warning("The metrics can't be written to %s: %s", path, error.strerror)


def _changed_at(path: Path) -> float:
    return path.stat().st_mtime


def _local(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).astimezone()
