"""Random histories of lists, runs, undos, retries and reports of a few people; the sandbox is the truth.

The rule: a job that was decided on before somebody wanted a person back never removes that person. A retry, and a
report that is given as input, are as old as their first job.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bulkremove.app import Consent, Preview
from bulkremove.domain.attempt import LookupResult
from bulkremove.domain.errors import BulkremoveError
from bulkremove.domain.job import FrontEnd, Job
from bulkremove.domain.row import Removal, Status
from bulkremove.reading.options import ReadOptions
from tests.test_enrolment_check import leavers
from tests.test_put_back_since import planned, report_of
from tests.test_reads import BATCH, COURSE, learner
from tests.test_reenrolment import NEW_LEARNER, Home, record

PEOPLE, STEPS = 4, 22
ANSWERS = (
    ("reset_after_effect", "ok"),
    ("reset_after_effect", "500", "500", "500"),
    ("500", "ok", "reset_after_effect", "500", "500"),
    ("ok", "ok"),
)
"""How the sandbox may answer the calls for one person, in turn."""


def faults_of(dice: random.Random) -> dict[str, Sequence[str]]:
    """The answers for each person, whose removal and enrolment name different ids."""
    return {id_(index): dice.choice(ANSWERS) for index in range(PEOPLE) for id_ in (learner, record)}


@dataclass
class History:
    """A history in one home folder. ``violations``: sentences; it goes on after one."""

    one: Home
    dice: random.Random
    trace: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    _decided: dict[str, int] = field(default_factory=dict)
    """By job: when it was decided on."""
    _wanted: list[tuple[int, str, str]] = field(default_factory=list)
    """Since when a learner is wanted back, and by which job."""
    _waiting: list[Job] = field(default_factory=list)
    _over: list[Job] = field(default_factory=list)
    _reports: list[tuple[Path, int]] = field(default_factory=list)
    _now: int = 0

    async def play(self) -> None:
        """Take the steps; one that is refused changes nothing."""
        steps: list[Callable[[], Awaitable[None]]] = [self._new, self._new, self._undo, self._undo, *[self._run] * 5]
        steps += [self._note, self._cancel, self._retry, self._report, self._give, self._enrol_by_hand]
        for _ in range(STEPS):
            step = self.dice.choice(steps)
            try:
                await step()
            except BulkremoveError as refused:
                self.trace.append(f"{getattr(step, '__name__', '')} was refused: {refused.message[:90]}")

    async def _submit(self, preview: Preview, decided: int | None = None) -> Job:
        self._now += 1
        consent = Consent(yes=True, compared=preview.plan.doubtful_ids or None)
        job = await self.one.app.confirmations.submit(
            preview,
            consent=consent,
            front_end=FrontEnd.COMMAND,
            folder=self.one.folder,
            prepared_by=("jo",),
            by="jo",
        )
        self._decided[job.id] = self._now if decided is None else decided
        self._waiting.append(job)
        self.trace.append(f"planned {job.id}: {await self.one.statuses(job)}")
        return job

    async def _perhaps_checked(self, preview: Preview) -> Preview:
        if self.dice.random() < 0.5:
            return preview
        return await self.one.app.enrolment_checks.check(preview, is_asked=True)

    async def _new(self) -> None:
        file = leavers(self.one.folder, self.dice.sample(range(PEOPLE), self.dice.randint(1, 3)))
        wants_open = self.dice.random() < 0.7
        preview = await self.one.app.plans.preview(
            file, name="list.csv", options=ReadOptions(), include_open=wants_open
        )
        preview = await self._perhaps_checked(preview)
        if preview.plan.removals:
            await self._submit(preview)

    async def _run(self) -> None:
        if not self._waiting:
            return
        job = self._waiting.pop(self.dice.randrange(len(self._waiting)))
        before = self.one.here()
        await self.one.run(job)
        self.trace.append(f"ran {job.id}: {await self.one.statuses(job)}")
        self._over.append(job)
        if job.is_enrolment:
            await self._keep_ids(job)
            return
        for gone in before - self.one.here():
            for since, who, by in self._wanted:
                if who == gone and since > self._decided[job.id]:
                    self.violations.append(f"{job.id} removed {gone}, whom {by} wanted back since")

    async def _keep_ids(self, job: Job) -> None:
        """Who was put back gets their old id again, so that older lists name them still."""
        for row in await self.one.app.reports.outcomes(job):
            if row.status is Status.ENROLLED:
                self.one.enrolled.add(Removal(COURSE, BATCH, row.cells[3]))
        self.one.enrolled -= {one for one in self.one.enrolled if one.learner.startswith(NEW_LEARNER)}

    async def _cancel(self) -> None:
        if not self._waiting:
            return
        job = self._waiting.pop(self.dice.randrange(len(self._waiting)))
        await self.one.app.jobs.cancel(job.id, by="jo")
        self.trace.append(f"cancelled {job.id}")
        self._wanted = [wish for wish in self._wanted if wish[2] != job.id]  # before its first call
        self._over.append(job)

    def _removals(self, *more: Job) -> list[Job]:
        return [job for job in [*self._over, *more] if not job.is_enrolment]

    async def _undo(self) -> None:
        if not (jobs := self._removals()):
            return
        preview = await self._perhaps_checked(await self.one.app.reenrolments.preview(self.dice.choice(jobs).id, None))
        back = await self._submit(preview)
        rows = await self.one.app.reports.outcomes(back)
        self._wanted += [(self._now, row.cells[3], back.id) for row in rows if row.status is not Status.DONE_BEFORE]

    async def _retry(self) -> None:
        if not (jobs := self._removals()):
            return
        job = self.dice.choice(jobs)
        preview = await self.one.app.plans.retry(job.id, unknown_checked=self.dice.random() < 0.5)
        await self._submit(await self._perhaps_checked(preview), self._decided[job.id])

    async def _report(self) -> None:
        if not (jobs := self._removals(*self._waiting)):
            return
        job = self.dice.choice(jobs)
        path = await report_of(self.one, job, f"report{len(self._reports)}-{job.id}.csv")
        self._reports.append((path, self._decided[job.id]))

    async def _give(self) -> None:
        if not self._reports:
            return
        path, decided = self.dice.choice(self._reports)
        preview = await planned(self.one, path, check=self.dice.random() < 0.5)
        if preview.plan.removals:
            await self._submit(preview, decided)

    async def _note(self) -> None:
        if not self._over:
            return
        job = self.dice.choice(self._over)
        for row in await self.one.app.reports.outcomes(job):
            if row.status is Status.UNKNOWN:
                who = row.cells[3 if job.is_enrolment else 2]
                seen = LookupResult.STILL_THERE if who in self.one.here() else LookupResult.GONE
                await self.one.app.jobs.add_note(job.id, row.number, "", result=seen, by="jo")

    async def _enrol_by_hand(self) -> None:
        self.one.enrolled.add(Removal(COURSE, BATCH, learner(self.dice.randrange(PEOPLE))))
        async with self.one.app.listings.open(is_fresh=True) as lists:
            await lists.roster(COURSE, BATCH)
