"""The canary: the first run of an account sends one row alone, and a person says whether that learner is gone.

What Zoho answers to a removal is known from documents and observations, not from each account. So the other rows wait
until somebody has seen in Zoho People that the first removal did what it should (docs/decisions/0011-consent.md).
"""

from __future__ import annotations

from bulkremove.app.consent import check_not_real
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
        """Whether a run of the job may send one row only. Raises ConsentMissing while a removal waits for an answer."""
        if not await self.is_due(job.client, job.host):
            return False
        if row := await self._store.last_removed(job.client, job.host):
            raise ConsentMissing(
                f"{_question(row)} Nothing more is sent until somebody has answered.",
                hint=f"If the learner is gone: `bulkremove canary {row.job} --gone`, or the page of job {row.job}. If "
                "not, cancel the job and ask for help.",
                page_hint=f"If the learner is gone, say so on the page of job {row.job}. If not, cancel the job and "
                "ask for help.",
            )
        return True

    async def question(self, job: Job) -> str:
        """What a person must look up before anything more is sent for the job's account; empty if nothing."""
        if not await self.is_due(job.client, job.host):
            return ""
        row = await self._store.last_removed(job.client, job.host)
        return _question(row) if row is not None and row.job == job.id else ""

    async def confirm(self, job: Job, *, by: str) -> None:
        """Record that a person saw that the learner is gone. Raises ConsentMissing if there is nothing to confirm."""
        check_not_real(job, self._context.settings)
        if not await self.question(job):
            raise ConsentMissing(f"No removal of job {job.id} waits to be confirmed.")
        at = self._context.clock.wall()
        entry = Act(by, "canary_confirmed", {"job": job.id, "client": job.client, "host": job.host}, at)
        event = JobEvent(job.id, "canary_confirmed", f"{by} saw that the first learner is gone.", at)
        await self._store.add(Canary(job.client, job.host, at, by, job.id), entry, event)


def _question(row: RemovedRow) -> str:
    status = f"HTTP {row.http_status}" if row.http_status else ""
    code = f"code {row.api_code}" if row.api_code else ""
    answer = ", ".join(filter(None, [status, code, row.text and repr(row.text)])) or "nothing that could be read"
    return (
        f"One row was sent alone: row {row.number}, learner {row.removal.learner} in batch {row.removal.batch}. Zoho "
        f"answered {answer}. Look this learner up in Zoho People: are they gone from the batch?"
    )
