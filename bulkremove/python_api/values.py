"""The values that the Python API gives: plans, jobs, progress and results. They are snapshots, and never change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bulkremove.domain import job as domain
from bulkremove.domain.attempt import Outcome
from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import JobState, Tally
from bulkremove.domain.row import Status
from bulkremove.engine import progress as engine

if TYPE_CHECKING:  # pandas takes 0.4 s, which a program that asks for no frame need not wait
    import pandas as pd

    from bulkremove.app import Preview


@dataclass(frozen=True, slots=True)
class Plan:
    """The dry run: what would be removed, and when it would be done. ``hash`` names exactly this plan."""

    hash: str
    """What ``submit`` is given as ``confirm``; it changes with each byte of the plan."""
    account: str
    source: str
    """The name of the file or of the rows, as people see it."""
    rows: int
    removals: int
    """The rows that would be sent."""
    excluded: Mapping[Status, int]
    """The rows that would not be sent, by status."""
    ends_at: datetime
    """When it would be done at the limit, in UTC, if it began now."""
    seconds: float
    """How long it would take at the limit."""
    refusal: str | None
    """Why ``submit`` would refuse it, such as a cap; None if it would not."""
    notes: tuple[str, ...]
    """What a person should know about how the rows were read."""
    doubts: tuple[str, ...]
    """Signs that the ids were damaged before they came here; a person must compare them with Zoho People first."""
    doubtful_ids: int
    """How many ids that is about: what ``submit`` is given as ``compared``."""
    open_in: tuple[str, ...]
    """The ids of the jobs that may still send rows of it, which are left out here."""
    first_row_alone: bool
    """Whether its run would send one row alone, until a person has confirmed that one."""
    sandbox: bool
    """Whether it goes to a sandbox, and not to Zoho People."""
    preview: Preview = field(repr=False, compare=False)
    """The plan as the program itself has it; no part of the API that is kept from version to version."""

    @classmethod
    def of(cls, preview: Preview) -> Plan:
        """The plan of a preview."""
        plan, facts = preview.plan, preview.as_json()
        return cls(
            hash=plan.hash,
            account=plan.account,
            source=plan.table.source,
            rows=len(plan.table),
            removals=plan.removals,
            excluded=dict(plan.not_sent()),
            ends_at=_utc(preview.ends_at),
            seconds=preview.seconds / preview.speed,
            refusal=facts["refusal"],
            notes=tuple(facts["notes"]),
            doubts=tuple(doubt.text for doubt in plan.doubts),
            doubtful_ids=plan.doubtful_ids,
            open_in=tuple(job.id for job in plan.open_in),
            first_row_alone=facts["first_row_alone"],
            sandbox=plan.is_sandbox,
            preview=preview,
        )

    def to_frame(self) -> pd.DataFrame:
        """Its rows: the three ids, ``row``, ``planned`` (``remove`` or the status) and ``detail``."""
        from bulkremove.python_api.frames import plan_frame

        return plan_frame(self.preview.plan)


@dataclass(frozen=True, slots=True)
class Job:
    """A plan that was confirmed and stored, as it stood when it was asked for."""

    id: str
    state: JobState
    reason: str
    """Why its last run ended early, or why it is held, in a sentence; empty otherwise."""
    account: str
    source: str
    plan_hash: str
    created_at: datetime
    rows: int
    open: int
    """The rows that are not settled yet."""
    counts: Mapping[Status, int]
    """The settled rows by status."""
    sandbox: bool

    @classmethod
    def of(cls, job: domain.Job, tally: Tally) -> Job:
        """The present state of a stored job."""
        counts = {status: count for status, count in tally.counts.items() if count}
        created_at, rows = _utc(job.created_at), tally.total
        return cls(
            job.id,
            job.state,
            job.reason,
            job.account,
            job.source,
            job.plan_hash,
            created_at,
            rows,
            tally.open,
            counts,
            job.is_sandbox,
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands."""

    job: str
    done: int
    """The rows that are settled, with those that were never to be sent."""
    total: int
    counts: Mapping[Status, int]
    """The settled rows by status."""
    waiting: str | None
    """What the next row waits for: ``pace``, ``window``, ``locked``, ``failing``, ``unreachable``, ``probe``,
    ``allowance``; None while calls are under way."""
    seconds_left: float
    """How long the rows that are left take at the limit, without the present wait."""
    message: str
    """A change of state as a sentence; empty when only the numbers have changed."""

    @classmethod
    def of(cls, progress: engine.Progress, *, speed: float) -> Progress:
        """The progress that a run reports. ``speed``: that of the run's clock."""
        tally = progress.tally
        counts = {status: count for status, count in tally.counts.items() if count}
        waiting = progress.waiting.value if progress.waiting else None
        done, left = tally.total - tally.open, progress.eta / speed
        return cls(progress.job.id, done, tally.total, counts, waiting, left, progress.message)


@dataclass(frozen=True, slots=True)
class Result:
    """The rows of a job and what became of them, as they stood when they were asked for."""

    job: Job
    summary: str
    """In one line, whose counts add up to the rows."""
    warning: str | None
    """What a person must know first, such as rows whose fate is unknown."""
    report: Path | None
    """The report of its last run by this client; None without one."""
    outcomes: tuple[Outcome, ...] = field(repr=False, compare=False)
    """The rows as the program itself has them; no part of the API that is kept from version to version."""
    stored: domain.Job = field(repr=False, compare=False)
    """The job as the program itself has it, as ``outcomes``."""

    @property
    def needs_person(self) -> bool:
        """Whether a person must look at any row: refused, unknown, invalid, not sent, or of another person."""
        return Tally(self.job.counts, self.job.open).needs_person

    def to_frame(self) -> pd.DataFrame:
        """Its rows: the three ids as they were given, as text, and the columns of the report from ``row`` on.

        Merged with the rows that were given on these three columns, each id is found by its digits.
        """
        from bulkremove.python_api.frames import result_frame

        return result_frame(self.stored, self.outcomes)


def _utc(at: Epoch) -> datetime:
    return datetime.fromtimestamp(at, UTC)
