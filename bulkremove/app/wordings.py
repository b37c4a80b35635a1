"""Accepted wordings: a person lets another message than "success" prove a removal, for one client on one host.

Zoho's documented success is known, its live one is not. A message that differs leaves each row unanswered. Once
somebody has looked such rows up and found the learners gone, exactly this message can be accepted for the account;
plans that are made after that hold it (docs/decisions/0011-consent.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from bulkremove.app.consent import check_sandbox_match, is_same_person
from bulkremove.app.context import Context
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import ConsentMissing, WordingRejected
from bulkremove.domain.event_names import EventName
from bulkremove.domain.job import Job
from bulkremove.domain.operation import REMOVE_LEARNER, PlannedOperation
from bulkremove.domain.wording import is_acceptable
from bulkremove.storage.interface.records import Act, JobEvent
from bulkremove.storage.interface.wordings import AcceptedWording, WordingEvidence

MIN_LEARNERS = 2
"""Learners for whom a wording must have come, so that it is not about one person."""


class Wordings:
    """The accepted wordings of one context's storage."""

    def __init__(self, context: Context) -> None:
        self._context, self._store = context, context.storage.wordings

    async def all(self) -> list[AcceptedWording]:
        """All accepted wordings, of all accounts."""
        return await self._store.all()

    async def accepted(
        self, client: str, host: str, operation: PlannedOperation = REMOVE_LEARNER
    ) -> list[AcceptedWording]:
        """Those of a client on a host. They prove removals, so there are none for another operation."""
        is_known = client and operation == REMOVE_LEARNER and self._context.storage.exists
        return await self._store.accepted(client, host) if is_known else []

    async def candidates(self, job: Job) -> list[tuple[WordingEvidence, str]]:
        """The wordings of a job's rows that were found to be gone, each with why it can't be accepted, or nothing."""
        accepted = {candidate.wording for candidate in await self.accepted(job.client, job.host)}
        evidence = [
            candidate for candidate in await self._store.evidence_of_job(job.id) if candidate.wording not in accepted
        ]
        return [(candidate, _missing_evidence(candidate)) for candidate in evidence]

    async def accept(self, job_id: str, number: int, *, by: str) -> AcceptedWording:
        """Accept the wording that a job's row was answered with. Raises WordingRejected without enough evidence."""
        job, at = await self._context.storage.jobs.get(job_id), self._context.clock.wall()
        check_sandbox_match(job, self._context.settings)

        def decide(evidence: WordingEvidence | None) -> tuple[AcceptedWording, Sequence[Act | JobEvent]]:
            if evidence is None or not is_acceptable(evidence.wording.message):
                raise WordingRejected(
                    f"The answer to row {number} of job {job.id} can't be accepted as a removal. Nothing was changed.",
                    hint="Acceptable is an HTTP 200 or 201 with code 200 whose message alone is unknown, is plain "
                    "English of at most 300 characters, and names a removal but no failure, id, number or quotation.",
                )
            if why := _missing_evidence(evidence):
                raise WordingRejected(f"These words can't be accepted yet: {evidence.wording}. {why}")
            if self._context.settings.four_eyes and is_same_person(evidence.gone_by, by):
                raise ConsentMissing(
                    f"Two people must agree (four_eyes): {by} found the learner of row {number} gone, so somebody "
                    "else has to accept these words. Nothing was changed."
                )
            accepted = AcceptedWording(evidence.client, evidence.host, evidence.wording, at, by, job.id)
            facts = {"job": job.id, "row": number, "wording": str(evidence.wording), "client": evidence.client}
            text = f"{by} accepted {evidence.wording} as the proof of a removal, for plans that are made from now on."
            return accepted, [
                Act(by, AuditAct.WORDING_ACCEPTED, {**facts, "host": evidence.host}, at),
                JobEvent(job.id, EventName.WORDING_ACCEPTED, text, at),
            ]

        return await self._store.accept(job.id, number, decide)

    async def withdraw(self, number: int, *, job: Job | None, by: str) -> None:
        """Withdraw an accepted wording, also for jobs that run; what only it proves to be removed becomes unknown.

        ``job``: only one that counts for this job's client; None: any. Raises WordingRejected for an unknown number.
        """
        at: Epoch = self._context.clock.wall()
        known = await self.all() if job is None else await self.accepted(job.client, job.host)
        for wording in known:
            if wording.number == number:
                check_sandbox_match(await self._context.storage.jobs.get(wording.job), self._context.settings)
        act = Act(by, AuditAct.WORDING_WITHDRAWN, {"number": number, **({"job": job.id} if job else {})}, at)
        is_known = any(wording.number == number for wording in known)
        if not is_known or not await self._store.withdraw(number, f"{by} withdrew it", act):
            raise WordingRejected(
                f"There is no accepted wording {number}.", hint="`bulkremove wordings` lists them.", page_hint=""
            )


def _missing_evidence(evidence: WordingEvidence) -> str:
    """Why the evidence is not enough, and what to do; empty if it is."""
    row = f"row {evidence.number}"
    if evidence.still_there:
        return f"The learner of {evidence.still_there} got the same answer and was still there, as somebody noted."
    if not evidence.gone_by:
        return f"Look the learner of {row} up in Zoho People, and note that they are gone."
    if not evidence.is_only:
        return (
            f"Another attempt for {row} was answered differently, perhaps in another job, and may have removed the "
            "learner. Name another row."
        )
    if evidence.learners < MIN_LEARNERS:
        return "They came for one learner only, so they may be about this person. A second learner must get them too."
    return ""
