"""A whole run against the sandbox, in virtual time over real sockets and a real journal, and the truth about it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from yarl import URL

from bulkremove.cli.exit_codes import of_job
from bulkremove.config import Settings
from bulkremove.domain.attempt import Outcome
from bulkremove.domain.job import EndReason, Job, JobState, Tally
from bulkremove.domain.ledger import Quota
from bulkremove.domain.permissions import EVERY_ACCOUNT
from bulkremove.domain.plan import PlannedRow
from bulkremove.domain.row import Removal, Roles, Row, Status
from bulkremove.engine.fair_queue import FairQueue
from bulkremove.engine.job_run import JobRun
from bulkremove.engine.progress import Progress, Stop
from bulkremove.sandbox import Batch, Client, CountingRule, Fault, Faults, LockResponse, Sandbox, Threshold, World
from bulkremove.storage.sqlite import SqliteStorage
from bulkremove.zoho.accounts import Credentials
from bulkremove.zoho.client import open_client
from bulkremove.zoho.oauth import AccessTokens
from tests.virtual_time import VirtualClock, run

COURSE, BATCH = "478346000019558100", "478346000019558200"
WIRE = 0.0005
"""Real seconds in which sockets of this process may speak before virtual time jumps."""


def learner(index: int) -> str:
    """The ``index``-th learner of the sandbox's batch, from 0."""
    return str(478346000019559000 + index)


def removal(index: int) -> Removal:
    return Removal(COURSE, BATCH, learner(index))


def faults(texts: Mapping[int, Sequence[str]], **others: object) -> Faults:
    """What the calls for the ``index``-th learner meet, in the words of a world file."""
    learners = {learner(i): tuple(map(Fault.parse, sequence)) for i, sequence in texts.items()}
    return Faults(learners=learners, **others)  # type: ignore[arg-type] # the caller names the fields of Faults


@dataclass
class Played:
    """What a run came to, and what the sandbox saw."""

    job: Job
    outcomes: list[Outcome]
    events: list[str]
    sandbox: Sandbox
    progress: list[Progress] = field(default_factory=list)

    @property
    def statuses(self) -> list[Status]:
        return [outcome.status for outcome in self.outcomes]

    @property
    def exit_code(self) -> int:
        """What the command line would end with."""
        return of_job(self.job, Tally.of(self.statuses))

    @property
    def renewals(self) -> int:
        """Access tokens that were asked for after the first."""
        return sum(entry.path.startswith("/oauth/v2/token") for entry in self.sandbox.requests) - 1

    @property
    def calls(self) -> list[str]:
        """The learners that the sandbox was asked to remove, in order."""
        return [entry.removal.learner for entry in self.sandbox.requests if entry.removal]


@dataclass
class Stage:
    """A sandbox with ``enrolled`` learners, and jobs over the first ``rows`` of them. A stage can be played again."""

    home: Path
    rows: int = 1
    enrolled: int | None = None
    faults: Faults = field(default_factory=Faults)
    rule: CountingRule = CountingRule.ROLLING
    told: LockResponse = LockResponse.STATUS_422
    quota: Quota = field(default_factory=Quota)
    threshold: Threshold | None = None
    concurrency: int = 4
    scope: str = "ZOHOPEOPLE.training.ALL"
    expect_missing: bool = False
    clock: VirtualClock = field(default_factory=VirtualClock)
    seed: int = 1
    stop_after: float | None = None
    """Virtual seconds after which the run is asked to stop, as by Ctrl-C."""
    sandbox: Sandbox | None = None
    between: float = 0.0
    """Virtual seconds that pass before a run begins."""

    def play(self) -> Played:
        """Run the job to its end, or go on with it when it was run before."""
        return run(self._play, wire=WIRE)

    async def _play(self) -> Played:
        await self.clock.sleep(self.between)
        enrolled = self.rows if self.enrolled is None else self.enrolled
        batch = Batch(COURSE, BATCH, "A batch", tuple(learner(i) for i in range(enrolled)))
        client = Client("sandbox-client", "secret", "refresh", scope=self.scope)
        threshold = self.threshold or Threshold(self.quota.calls, self.quota.window, self.quota.lock, self.rule)
        if self.sandbox is None:
            self.sandbox = Sandbox(
                World("Org", client, (batch,)),
                clock=self.clock,
                threshold=threshold,
                faults=self.faults,
                lock_response=self.told,
            )
        sandbox = self.sandbox
        limit = (self.quota.calls, self.quota.window)
        settings = Settings(self.home, limit=limit, lock=self.quota.lock, concurrency=self.concurrency)
        storage = SqliteStorage(self.home, self.clock)
        progress: list[Progress] = []
        stop = Stop()
        if self.stop_after is not None:
            asyncio.get_running_loop().call_later(
                self.stop_after, stop.request, "Stopped by Ctrl-C.", EndReason.INTERRUPTED
            )
        async with sandbox:
            host = f"127.0.0.1:{sandbox.port}"
            if not await storage.jobs.page(accounts=EVERY_ACCOUNT):
                await storage.jobs.create(self._job(host), self._rows())
            job_run = JobRun(
                storage,
                await storage.jobs.get("job"),
                settings=settings,
                clock=self.clock,
                random=random.Random(self.seed).random,
                ledger="ledger",
                queue=FairQueue(settings.quota),
                stop=stop,
                on_progress=progress.append,
                expect_missing=self.expect_missing,
            )
            async with open_client(settings, base=URL(sandbox.url)) as zoho:
                tokens = AccessTokens(
                    Credentials("us", client.client_id, client.client_secret, client.refresh_token),
                    accounts_url=sandbox.url,
                    home=self.home,
                    clock=self.clock,
                    post=zoho.post_form,
                )
                job = await job_run.run(zoho, tokens)
        events = [name for _, name, _ in await storage.jobs.events("job")]
        played = Played(job, await storage.rows.export(job, list), events, sandbox, progress)
        storage.close()
        return played

    def _job(self, host: str) -> Job:
        header = ("Course ID", "Batch ID", "Learner ID")
        return Job("job", "default", host, "leavers.csv", "", None, header, Roles(0, 1, 2), "hash", JobState.READY)

    def _rows(self) -> list[PlannedRow]:
        return [PlannedRow(Row(i + 2, (COURSE, BATCH, learner(i))), removal(i), None) for i in range(self.rows)]
