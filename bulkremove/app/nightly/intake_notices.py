"""Notices about the files of a nightly run, and about the jobs that are made of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from bulkremove.app.notices import Outbox
from bulkremove.config import PROTECTED_FILE
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import SourceFailed
from bulkremove.domain.job import APPROVAL_DAYS, Job
from bulkremove.domain.plural import pluralize
from bulkremove.platform.local_time import local
from bulkremove.sources.inbox import original_name
from bulkremove.storage.interface.records import Notice


def notices_about(outbox: Outbox, job: Job, removals: int) -> tuple[Notice, ...]:
    """The notice about a job that is held or scheduled; none about others, which are told when they have run."""
    if job.reason:
        text = (
            f"{job.source} is held, and nothing of it was sent. {job.reason} To run it all the same: "
            f"`bulkremove approve {job.id}`, or the page. It expires in {APPROVAL_DAYS} days."
        )
        return outbox.notices(f"held:{job.id}", f"held: {job.source}. Approve or cancel it", text)
    if job.due_at is not None:
        text = (
            f"{job.source} removes {pluralize(removals, 'learner')} on {local(job.due_at):%Y-%m-%d}. "
            f"`bulkremove cancel {job.id}` keeps it from running; who is in {PROTECTED_FILE} by then is not removed."
        )
        return outbox.notices(f"announced:{job.id}", f"announced: {job.source}. Cancel it if it is wrong", text)
    return ()


async def notify_of_obstacles(outbox: Outbox, folder: Path, obstacles: Iterable[str]) -> None:
    """Notify people of the entries of a source's folder that can't be taken."""
    for sentence in obstacles:
        await outbox.add(f"left:{sentence}", "something is left in the folder. Move it away", f"{folder}: {sentence}")


async def notify_of_file_not_taken(outbox: Outbox, file: Path, why: SourceFailed, *, at: Epoch) -> None:
    """Notify people of a file that can't be moved or read, once a day."""
    day, subject = f"{local(at):%Y-%m-%d}", f"not taken: {original_name(file)}. Look at the folder"
    await outbox.add(f"not_taken:{day}:{file.name}", subject, str(why))


async def notify_of_leavers_not_read(outbox: Outbox, failures: Collection[str], *, at: Epoch) -> None:
    """Notify people, once a day, that it is not known in what some leavers are enrolled."""
    if failures:
        subject = "what leavers are enrolled in could not be read. Look at its reason"
        await outbox.add(f"leavers:{local(at):%Y-%m-%d}", subject, "\n".join(failures))
