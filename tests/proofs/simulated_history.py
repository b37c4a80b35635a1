"""One seed, one history: what is in the files, what the day brings, and who is killed when.

Three doors of the product are used as a person uses them: preview, submit and run, by processes that die and are
started again by an operator. Everything that chance decides is drawn from the seed; virtual time makes hours of it.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import random
import shutil
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bulkremove.app import App
from bulkremove.app.consent import Consent
from bulkremove.config import Settings
from bulkremove.domain.errors import BulkremoveError
from bulkremove.domain.job import EndReason, FrontEnd, JobState
from bulkremove.domain.row import Removal
from bulkremove.engine.progress import Stop
from bulkremove.reading.options import ReadOptions
from bulkremove.sandbox import Batch, Client, CountingRule, Fault, Faults, LockResponse, Threshold, World
from bulkremove.sandbox.faults import TOKEN_KINDS, Latency
from bulkremove.sandbox.zoho import Zoho
from bulkremove.storage.sqlite import SqliteStorage
from tests.proofs.invariants import Violation, Witness
from tests.proofs.simulated_machine import Machine, Process, run
from tests.proofs.simulated_network import Network, Weather
from tests.virtual_time import VirtualClock

ROWS = 50
"""Of all files of a history together."""
MOST_RUNS = 10
"""Starts of one job, the last of which nobody kills."""
URL = "http://127.0.0.1:8030"
COURSES = ("478346000019558100", "478346000019558101")
BATCH = "478346000019558200"
_MEMORY = Path("/dev/shm")  # noqa: S108 - a file system in memory, where there is one
_FAULTS = (
    *("reset_after_effect", "reset_before_effect", "500", "500_after_effect", "502", "503:30", "504_after_effect"),
    *("silence", "silence_after_effect", "truncated", "truncated_after_effect", "endless", "drip_after_effect"),
    *("empty_200", "empty_200_after_effect", "202", "204_after_effect", "contradictory", "unknown_json_after_effect"),
    *("from_cache", "from_cache_after_effect"),
    *("403", "400", "401", "expired_token", "429", "429:20", "422", "limit_text_502", "limit_text_502_after_effect"),
    *("slow:20", "slow:44", "slow:50", "number_code", "other_learner"),
)
_HALTING = (
    "html_200",
    "html_200_after_effect",
    "html_404",
    "gateway_404",
    "html_502",
    "301",
    "303",
    "scope_missing",
    "wrong_data_centre",
)
_TOKEN_FAULTS = ("ok", "slow:4", "throttled", "no_token", "html_200", "empty_200", "reset", "truncated", "500", "429")


@dataclass(frozen=True)
class File:
    """The rows of one file: their triples, or None for a row that can't be read."""

    rows: tuple[Removal | None, ...]

    @property
    def text(self) -> str:
        lines = (",".join((row.course, row.batch, row.learner)) if row else "oops,,?" for row in self.rows)
        return "course,batch,learner\n" + "".join(f"{line}\n" for line in lines)


@dataclass
class History:
    """What chance has decided. ``kills``: how likely a process is killed."""

    seed: int
    dice: random.Random
    files: dict[str, File]
    world: World
    threshold: Threshold
    told: LockResponse
    weather: Weather
    concurrency: int
    kills: float
    steps_of_the_clock: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Told:
    """How a history went: the first violation, if any, and the whole trace."""

    seed: int
    violation: Violation | None
    trace: Sequence[str]
    statuses: Sequence[str]

    @property
    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()


def drawn(seed: int, rows: int = ROWS) -> History:
    """The history of this seed."""
    dice = random.Random(seed)
    several = dice.choice((1, 1, 2, 3))
    learners = [Removal(dice.choice(COURSES), BATCH, str(478346000019559000 + i)) for i in range(rows + 10)]
    enrolled = [one for i, one in enumerate(learners) if i >= rows or dice.random() > 0.05]
    files = {}
    for number in range(several):
        own: list[Removal | None] = list(learners[number:rows:several])
        if several > 1 and dice.random() < 0.3:
            own[-1] = learners[0]  # two files name the same learner
        for index in range(1, len(own)):
            fate = dice.random()
            if fate < 0.03:
                own[index] = own[index - 1]
            elif fate < 0.05:
                own[index] = None
        files[f"p{number}"] = File(tuple(own))
    batches = tuple(
        Batch(course, BATCH, "B", tuple(one.learner for one in enrolled if one.course == course)) for course in COURSES
    )
    client = Client("sandbox-client", "secret", "refresh", expires_in=dice.choice((3600, 3600, 400)))
    bad = dice.random()  # how bad a day it is
    kinds = dice.sample(_FAULTS, dice.randint(0, 6)) + (dice.sample(_HALTING, 1) if dice.random() < 0.3 else [])
    rates = {Fault.parse(kind): dice.uniform(0.005, 0.12) * bad for kind in kinds}
    faults = Faults(
        rates=rates,
        token=tuple(Fault.parse(dice.choice(_TOKEN_FAULTS), TOKEN_KINDS) for _ in range(6))
        if dice.random() < 0.3
        else (),
        latency=Latency(0.2, 8.0),
        foreign_per_minute=dice.choice((0.0, 0.0, 0.0, 3.0, 10.0, 25.0)),
        seed=seed,
    )
    rule = dice.choice((CountingRule.ROLLING, CountingRule.FIXED, CountingRule.FIRST_CALL))
    return History(
        seed,
        dice,
        files,
        World("Org", client, batches, faults),
        Threshold(30, 60.0, 300.0, rule, extend=dice.random() < 0.5),
        dice.choice(tuple(LockResponse)),
        Weather(
            latency=dice.choice((0.05, 0.3, 1.0)),
            tail=dice.choice((1.0, 8.0, 40.0)),
            refused=dice.choice((0.0, 0.0, 0.1)) * bad,
            lost=dice.choice((0.0, 0.05)) * bad,
            late=dice.choice((0.0, 0.03)) * bad,
            cut=dice.choice((0.0, 0.05)) * bad,
        ),
        dice.choice((1, 4, 4, 8)),
        dice.choice((0.0, 0.5, 0.9)),
        [(dice.uniform(0, 900), dice.choice((-7200.0, -30.0, 45.0, 3600.0))) for _ in range(dice.choice((0, 0, 1, 3)))],
    )


def play(seed: int, rows: int = ROWS) -> Told:
    """What came of the history of this seed."""
    folder = Path(tempfile.mkdtemp(prefix="bulkremove-", dir=_MEMORY if _MEMORY.is_dir() else None))
    try:
        return run(lambda machine: _Play(machine, drawn(seed, rows), folder)())
    finally:
        shutil.rmtree(folder)


class _Play:
    def __init__(self, machine: Machine, history: History, folder: Path) -> None:
        self._machine, self._history, self._folder = machine, history, folder
        self._dice = history.dice
        self._clock = VirtualClock()
        self._living: set[Process] = set()
        self._settings = Settings(
            folder / "home", api_url=URL, accounts_url=URL, concurrency=history.concurrency, max_invalid=100.0
        )
        threshold = history.threshold
        self._witness = Witness(
            self._settings.home,
            threshold.calls,
            threshold.window,
            threshold.lock,
            {name: file.rows for name, file in history.files.items()},
            machine.time,
            lambda seconds, act: network.later(seconds, act),
        )
        zoho = Zoho(history.world, history.world.faults, threshold, history.told)
        network = Network(machine, zoho, history.weather, self._dice, self._witness)
        zoho.begin(machine.time())
        machine.disk.on_commit = self._witness.committed
        for at, seconds in history.steps_of_the_clock:
            network.later(at, self._step_clock, seconds)

    async def __call__(self) -> Told:
        for name, file in self._history.files.items():
            app = self._app()
            preview = await app.plans.preview(io.BytesIO(file.text.encode()), name=f"{name}.csv", options=ReadOptions())
            job = await app.confirmations.submit(
                preview,
                consent=Consent(yes=True, compared=preview.plan.doubtful_ids),  # its courses share a batch
                folder=self._folder,
                prepared_by=["ann"],
                by="ann",
                front_end=FrontEnd.COMMAND,
            )
            self._witness.jobs[name] = job.id
            app.close()
        await asyncio.gather(*map(self._operate, self._history.files))
        await self._verify()
        for mistake in self._machine.mistakes:
            self._witness.fail("", f"{type(mistake).__name__}: {mistake}")
        statuses = await self._statuses()
        self._witness.close()
        return Told(self._history.seed, self._witness.violation, self._witness.trace, statuses)

    async def _operate(self, name: str) -> None:
        """Start the job again and again until it is over."""
        for number in range(MOST_RUNS):
            if self._witness.violation or await self._run(f"{name}/{number}", last=number == MOST_RUNS - 1):
                return
            await asyncio.sleep(self._dice.choice((0.1, 5.0, 60.0, 400.0, 1200.0)))
            if self._dice.random() < 0.1:
                self._reboot()

    async def _run(self, label: str, *, last: bool) -> bool:
        """One start of the job's process; whether the job is over and reported."""
        process = self._process(label, last)
        self._witness.note(f"{label} starts")
        over: list[bool] = []
        self._living.add(process)
        process.start(lambda: self._main(process, over))
        await process.over.wait()
        self._living.discard(process)
        self._witness.note(f"{label} {'was killed' if process.dead else 'ended'}: {over}")
        await self._verify()
        return over == [True]

    async def _verify(self) -> None:
        while self._machine.disk.busy():  # noqa: ASYNC110 - no event tells that nobody writes just now
            await asyncio.sleep(0)
        await self._witness.verify()

    def _process(self, label: str, last: bool) -> Process:
        dice, process = self._dice, Process(label)
        if last or dice.random() >= self._history.kills:
            return process
        early = dice.random() < 0.3
        match dice.randrange(6):
            case 0:
                process.dies_before_commit = dice.randint(1, 20 if early else 200)
            case 1:
                process.dies_after_commit = dice.randint(1, 20 if early else 200)
            case 2:
                process.disk_full_at_commit = dice.randint(1, 20 if early else 200)
            case 3:
                process.lies_at_commit = dice.randint(1, 20 if early else 200)
            case _:
                process.dies_at_step = dice.randint(1, 200 if early else 1000)
        return process

    async def _main(self, process: Process, over: list[bool]) -> None:
        name = process.name.partition("/")[0]
        app, stop = self._app(), Stop()
        if self._dice.random() < 0.1:  # somebody presses Ctrl-C
            self._machine.call_later(
                self._dice.uniform(0.0, 200.0), stop.request, "Interrupted.", EndReason.INTERRUPTED
            )
        try:
            rows_left = (await app.jobs.tally(await app.jobs.find(self._witness.jobs[name]))).open
            ended = await app.runs.run(
                self._witness.jobs[name],
                stop=stop,
                on_progress=lambda progress: None,
                by="ann",
                expect_missing=True,
                front_end=FrontEnd.COMMAND,
                rows_reviewed=rows_left,
            )
        except BulkremoveError as error:
            self._witness.note(f"{process.name}: {type(error).__name__}: {error}")
            return
        except Exception as error:
            if not process.dead:
                self._witness.fail("", "".join(traceback.format_exception(error)))
            return
        finally:
            app.close()
        self._witness.note(f"{process.name}: {ended.summary}")
        if ended.report is not None:
            with ended.report.open(encoding="utf-8-sig", newline="") as file:
                self._witness.ended(list(csv.DictReader(file)), name)
        over.append(ended.job.state is not JobState.PAUSED and ended.report is not None)

    def _app(self) -> App:
        client = self._history.world.client
        environ = {
            "BULKREMOVE_CLIENT_ID": client.client_id,
            "BULKREMOVE_CLIENT_SECRET": client.client_secret,
            "BULKREMOVE_REFRESH_TOKEN": client.refresh_token,
        }
        return App(
            self._settings,
            environ=environ,
            clock=self._clock,
            random=random.Random(self._dice.random()),
            storage=lambda settings, clock: SqliteStorage(settings.home, clock, databases={}),  # owned by each process
        )

    def _reboot(self) -> None:
        self._witness.note("the machine is started anew")
        for process in list(self._living):
            process.kill()
        self._clock.reboot()

    def _step_clock(self, seconds: float) -> None:
        self._witness.note(f"somebody sets the clock by {seconds:g} s")
        self._clock.step_wall(seconds)

    async def _statuses(self) -> list[str]:
        app = self._app()
        jobs = await app.jobs.all()
        found = [outcome.status.value for job in jobs for outcome in await app.reports.outcomes(job)]
        app.close()
        return found
