"""The canary: an account's first run sends only one row, and a person checks in Zoho People that it had its effect.

How Zoho responds to a removal is known from documentation and from observing other accounts, not for this account. So
the remaining rows wait until a person has confirmed the first one (docs/decisions/0011-consent.md). Enrolments have
their own canary.
"""

from __future__ import annotations

from collections.abc import Iterable

from bulkremove.app.consent import check_sandbox_match
from bulkremove.app.context import Context
from bulkremove.domain.attempt import Note
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.errors import CanaryPending, JobUnsuitable
from bulkremove.domain.event_names import EventName
from bulkremove.domain.hosts import is_sandbox
from bulkremove.domain.job import Job
from bulkremove.domain.operation import ENROLL_LEARNER, Words
from bulkremove.storage.interface.canaries import Canary, ChangedRow
from bulkremove.storage.interface.records import Act, JobEvent

FIRST_ROW_ALONE = "Only one row was sent, since nobody has confirmed the first {} on this account yet."


class Canaries:
    """The canaries of all accounts of a context."""

    def __init__(self, context: Context) -> None:
        self._context, self._store = context, context.storage.canaries

    async def is_due(self, client: str, host: str, operation: str) -> bool:
        """Whether no call of this operation has been confirmed for the client yet.

        A sandbox needs no confirmation, unless the settings require it.
        """
        if is_sandbox(host) and self._context.settings.canary != "always":
            return False
        return not self._context.storage.exists or await self._store.find(client, host, operation) is None

    async def must_send_one_row(self, job: Job) -> bool:
        """Whether a run of the job must send only one row. Raises CanaryPending while a row waits for an answer.

        The error does not name the learner, since it may be recorded or sent in a notice.
        """
        if not await self.is_due(job.client, job.host, job.operation):
            return False
        if row := await self._store.last_changed(job.client, job.host, job.operation):
            if (
                row.account != job.account
            ):  # another name for the same client, whose jobs other people may be responsible for
                raise CanaryPending(
                    "One row was sent alone for another account with the same client at Zoho, and nobody has confirmed "
                    "it yet. Nothing more is sent until somebody has answered.",
                    hint="`bulkremove jobs --json` names the command for it.",
                    page_hint="Somebody who may approve for that account answers on the page of its job.",
                )
            confirm_hint = (
                f"If the learner is {job.words.proven}: `bulkremove canary {row.job} --{confirming_answer(job)}`, or "
                f"the page of job {row.job}. If not, cancel the job and ask for help."
            )
            question = _question_without_ids(row, job.words)
            raise CanaryPending(
                f"{question} Nothing more is sent until somebody has answered.",
                hint=confirm_hint if row.removal else _again(row.job),
                page_hint=f"Answer on the page of job {row.job}."
                + (
                    f" If the learner is not {job.words.proven}, cancel the job and ask for help."
                    if row.removal
                    else ""
                ),
            )
        return True

    async def waiting(self, job: Job) -> ChangedRow | None:
        """Return the row of this job that waits for a person's answer, if there is one."""
        if not await self.is_due(job.client, job.host, job.operation):
            return None
        row = await self._store.last_changed(job.client, job.host, job.operation)
        return row if row is not None and row.job == job.id else None

    async def waiting_jobs(self, jobs: Iterable[Job]) -> frozenset[str]:
        """Return the ids of jobs with a row that waits for an answer, with one query for each client of ``jobs``."""
        waiting = set[str]()
        for key in {(job.client, job.host, job.operation) for job in jobs}:
            if await self.is_due(*key) and (row := await self._store.last_changed(*key)):
                waiting.add(row.job)
        return frozenset(waiting)

    async def question(self, job: Job) -> str:
        """Return what a person must look up before anything more is sent for the job's account; empty if nothing.

        The text names the learner, so it is shown and never stored.
        """
        row = await self.waiting(job)
        return _question(row, job.words) if row else ""

    async def add_event(self, job: Job) -> None:
        """Record an event if a row of the job waits for an answer."""
        if row := await self.waiting(job):
            text = _question_without_ids(row, job.words)
            await self._context.storage.record(JobEvent(job.id, EventName.CANARY, text, self._context.clock.wall()))

    async def confirm(self, job: Job, *, by: str) -> None:
        """Record that a person has seen that the first row had its effect.

        Raises JobUnsuitable if there is nothing to confirm, and CanaryPending if the learner is no longer known.
        """
        check_sandbox_match(job, self._context.settings)
        row = await self.waiting(job)
        if row is None:
            raise JobUnsuitable(f"No {job.words.noun} of job {job.id} waits to be confirmed.")
        if row.removal is None:
            raise CanaryPending(
                f"{_question(row, job.words)} Nothing was confirmed.",
                hint=_again(job.id),
                page_hint=f"Answer on the page of job {job.id}.",
            )
        if row.noted is job.refuting:
            noted, proven = job.refuting.value.replace("_", " "), job.words.proven
            note = "still-there" if job.is_enrolment else "gone"
            raise CanaryPending(
                f"Row {row.number} of job {job.id} was noted as {noted}, so this {job.words.noun} did nothing. Nothing "
                "was confirmed.",
                hint=f"If the learner is {proven} after all: `bulkremove note {job.id} {row.number} --{note}`, "
                "then answer again. If not, cancel the job and ask for help.",
                page_hint=f"If the learner is {proven} after all, note this for row {row.number}, then answer again. "
                "If not, cancel the job and ask for help.",
            )
        at = self._context.clock.wall()
        if row.number is not None and row.noted is not job.proving:  # an unknown row has this answer from now on, too
            noted_by = Act(by, AuditAct.NOTED, {"job": job.id, "row": row.number, "result": job.proving}, at)
            await self._context.storage.rows.add_note(job.id, row.number, Note(at, by, "", job.proving), noted_by)
        entry = Act(by, AuditAct.CANARY_CONFIRMED, {"job": job.id, "client": job.client, "host": job.host}, at)
        event = JobEvent(
            job.id, EventName.CANARY_CONFIRMED, f"{by} saw that the first learner is {job.words.proven}.", at
        )
        await self._store.add(Canary(job.client, job.host, job.operation, at, by, job.id), entry, event)

    async def give_up(self, job: Job, *, by: str) -> None:
        """Record that nobody can confirm the row any more, so that the next run sends only one row again.

        Raises JobUnsuitable if no row waits, and CanaryPending if the learner can still be looked up.
        """
        check_sandbox_match(job, self._context.settings)
        row = await self.waiting(job)
        if row is None:
            raise JobUnsuitable(f"No {job.words.noun} of job {job.id} waits to be confirmed.")
        if row.removal is not None:
            raise CanaryPending(f"This learner can still be looked up. {_question(row, job.words)}")
        at = self._context.clock.wall()
        entry = Act(by, AuditAct.CANARY_GIVEN_UP, {"job": job.id, "client": job.client, "host": job.host}, at)
        text = f"{by} said that nobody can look the first learner up any more: one row is sent alone again."
        await self._context.storage.record(entry, JobEvent(job.id, EventName.CANARY_GIVEN_UP, text, at))


def confirming_answer(job: Job) -> str:
    """Return the answer that confirms a row of this job: ``enrolled`` or ``gone``."""
    return "enrolled" if job.is_enrolment else "gone"


def _question(row: ChangedRow, words: Words) -> str:
    if row.removal is None:
        return _question_without_ids(row, words)
    text = f": {row.text!r}" if row.text and row.http_status else ""  # else it is our own text, not Zoho's
    who = f"{'employee record' if words is ENROLL_LEARNER.words else 'learner'} {row.removal.learner}"
    if row.person and (about := ", ".join(filter(None, [row.person.name, row.person.email]))):
        who = f"{about} ({who})"
    return (
        f"One row was sent alone: row {row.number}, {who} in batch {row.removal.batch}. Zoho "
        f"answered {_answer(row)}{text}. Look this learner up in Zoho People: are they {words.proven}?"
    )


def _question_without_ids(row: ChangedRow, words: Words) -> str:
    """Return the question without the learner's id and the text of the response, which may name the learner."""
    if row.number is None:
        return (
            f"Job {row.job} {words.done} learners, or may have, before anybody had confirmed the first {words.noun} "
            "on this account, and its rows were deleted after their time. So nobody can look them up any more, and "
            "nothing is confirmed."
        )
    if row.removal is None:
        return (
            f"One row was sent alone: row {row.number} of job {row.job}. The data of this learner were erased before "
            f"anybody had confirmed the {words.noun}, so nobody can look them up any more."
        )
    return (
        f"One row was sent alone: row {row.number} of job {row.job}. Zoho answered {_answer(row)}. Look this learner "
        f"up in Zoho People: are they {words.proven}?"
    )


def _again(job_id: str) -> str:
    return f"To send one row alone again: `bulkremove canary {job_id} --again`, or the page of job {job_id}."


def _answer(row: ChangedRow) -> str:
    status = f"HTTP {row.http_status}" if row.http_status else ""
    code = f"code {row.api_code}" if row.api_code else ""
    return ", ".join(filter(None, [status, code])) or "nothing that could be read"
