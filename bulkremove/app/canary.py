"""The canary: the first run of an account sends one row alone, and a person says whether that learner is gone.

What Zoho answers to a removal is known from documents and observations, not from each account. So the other rows wait
until somebody has seen in Zoho People that the first removal did what it should (docs/decisions/0011-consent.md).
"""

from __future__ import annotations

from collections.abc import Iterable

from bulkremove.app.consent import check_sandbox_match
from bulkremove.app.context import Context
from bulkremove.domain.errors import ConsentMissing
from bulkremove.domain.hosts import is_sandbox
from bulkremove.domain.job import Job
from bulkremove.storage.interface.canaries import Canary, RemovedRow
from bulkremove.storage.interface.records import Act, JobEvent

FIRST_ROW_ALONE = "Only one row was sent, since nobody has confirmed a removal on this account yet."


class Canaries:
    """The canaries of one context's accounts."""

    def __init__(self, context: Context) -> None:
        self._context, self._store = context, context.storage.canaries

    async def is_due(self, client: str, host: str) -> bool:
        """Whether no removal of this client was confirmed yet. A sandbox needs none, unless the settings ask for it."""
        if is_sandbox(host) and self._context.settings.canary != "always":
            return False
        return not self._context.storage.exists or await self._store.find(client, host) is None

    async def check(self, job: Job) -> bool:
        """Whether a run of the job may send one row only. Raises ConsentMissing while a removal waits for an answer.

        The error names no learner: it may be recorded or sent in a notice.
        """
        if not await self.is_due(job.client, job.host):
            return False
        if row := await self._store.last_removed(job.client, job.host):
            if row.account != job.account:  # a second name of the client's account, whose jobs others may look after
                raise ConsentMissing(
                    "One row was sent alone for another account with the same client at Zoho, and nobody has confirmed "
                    "it yet. Nothing more is sent until somebody has answered.",
                    hint="`bulkremove jobs --json` names the command for it.",
                    page_hint="Somebody who may approve for that account answers on the page of its job.",
                )
            gone = (
                f"If the learner is gone: `bulkremove canary {row.job} --gone`, or the page of job {row.job}. If not, "
                "cancel the job and ask for help."
            )
            question = _question_without_ids(row)
            raise ConsentMissing(
                f"{question} Nothing more is sent until somebody has answered.",
                hint=gone if row.removal else _again(row.job),
                page_hint=f"Answer on the page of job {row.job}."
                + (" If the learner is not gone, cancel the job and ask for help." if row.removal else ""),
            )
        return True

    async def waiting(self, job: Job) -> RemovedRow | None:
        """The removal of this job that waits for a person's answer, if any."""
        if not await self.is_due(job.client, job.host):
            return None
        row = await self._store.last_removed(job.client, job.host)
        return row if row is not None and row.job == job.id else None

    async def waiting_jobs(self, jobs: Iterable[Job]) -> frozenset[str]:
        """The ids of the jobs whose removal waits for an answer, by one look for each client of ``jobs``."""
        waiting = set[str]()
        for client, host in {(job.client, job.host) for job in jobs}:
            if await self.is_due(client, host) and (row := await self._store.last_removed(client, host)):
                waiting.add(row.job)
        return frozenset(waiting)

    async def question(self, job: Job) -> str:
        """What a person must look up before anything more is sent for the job's account; empty if nothing.

        It names the learner, so it is shown and never stored.
        """
        row = await self.waiting(job)
        return _question(row) if row else ""

    async def add_event(self, job: Job) -> None:
        """Record that a removal of the job waits for an answer, if one does."""
        if row := await self.waiting(job):
            text = _question_without_ids(row)
            await self._context.storage.record(JobEvent(job.id, "canary", text, self._context.clock.wall()))

    async def confirm(self, job: Job, *, by: str) -> None:
        """Record that a person saw that the learner is gone.

        Raises ConsentMissing if there is nothing to confirm, or if nobody can know any more who the learner was.
        """
        check_sandbox_match(job, self._context.settings)
        row = await self.waiting(job)
        if row is None:
            raise ConsentMissing(f"No removal of job {job.id} waits to be confirmed.")
        if row.removal is None:
            raise ConsentMissing(
                f"{_question(row)} Nothing was confirmed.",
                hint=_again(job.id),
                page_hint=f"Answer on the page of job {job.id}.",
            )
        if row.still_there:
            raise ConsentMissing(
                f"Row {row.number} of job {job.id} was noted as still there, so this removal did nothing. Nothing was "
                "confirmed.",
                hint=f"If the learner is gone after all: `bulkremove note {job.id} {row.number} --gone`, then answer "
                "again. If not, cancel the job and ask for help.",
                page_hint=f"If the learner is gone after all, note this for row {row.number}, then answer again. If "
                "not, cancel the job and ask for help.",
            )
        at = self._context.clock.wall()
        entry = Act(by, "canary_confirmed", {"job": job.id, "client": job.client, "host": job.host}, at)
        event = JobEvent(job.id, "canary_confirmed", f"{by} saw that the first learner is gone.", at)
        await self._store.add(Canary(job.client, job.host, at, by, job.id), entry, event)

    async def give_up(self, job: Job, *, by: str) -> None:
        """Record that nobody can confirm the removal any more, so that the next run sends one row alone again.

        Raises ConsentMissing if there is none, or if the learner can still be looked up.
        """
        check_sandbox_match(job, self._context.settings)
        row = await self.waiting(job)
        if row is None:
            raise ConsentMissing(f"No removal of job {job.id} waits to be confirmed.")
        if row.removal is not None:
            raise ConsentMissing(f"This learner can still be looked up. {_question(row)}")
        at = self._context.clock.wall()
        entry = Act(by, "canary_given_up", {"job": job.id, "client": job.client, "host": job.host}, at)
        text = f"{by} said that nobody can look the first learner up any more: one row is sent alone again."
        await self._context.storage.record(entry, JobEvent(job.id, "canary_given_up", text, at))


def _question(row: RemovedRow) -> str:
    if row.removal is None:
        return _question_without_ids(row)
    text = f": {row.text!r}" if row.text else ""
    return (
        f"One row was sent alone: row {row.number}, learner {row.removal.learner} in batch {row.removal.batch}. Zoho "
        f"answered {_answer(row)}{text}. Look this learner up in Zoho People: are they gone from the batch?"
    )


def _question_without_ids(row: RemovedRow) -> str:
    """The question without the learner's id and without Zoho's words, which may name the learner."""
    if row.number is None:
        return (
            f"Job {row.job} removed learners, or may have, before anybody had confirmed a removal on this account, and "
            "its rows were deleted after their time. So nobody can look them up any more, and nothing is confirmed."
        )
    if row.removal is None:
        return (
            f"One row was sent alone: row {row.number} of job {row.job}. The data of this learner were erased before "
            "anybody had confirmed the removal, so nobody can look them up any more."
        )
    return (
        f"One row was sent alone: row {row.number} of job {row.job}. Zoho answered {_answer(row)}. Look this learner "
        "up in Zoho People: are they gone from the batch?"
    )


def _again(job_id: str) -> str:
    return f"To send one row alone again: `bulkremove canary {job_id} --again`, or the page of job {job_id}."


def _answer(row: RemovedRow) -> str:
    status = f"HTTP {row.http_status}" if row.http_status else ""
    code = f"code {row.api_code}" if row.api_code else ""
    return ", ".join(filter(None, [status, code])) or "nothing that could be read"
