"""Results of use cases: a preview of a plan, a run that has ended, and the used part of an account's quota."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bulkremove.domain.clock import Epoch
from bulkremove.domain.enrolment_check import EnrolmentCheck
from bulkremove.domain.errors import ActionRefused
from bulkremove.domain.job import Job, Tally
from bulkremove.domain.ledger import Quota
from bulkremove.domain.operation import ENROLL_LEARNER
from bulkremove.domain.plan import Plan
from bulkremove.domain.row import Status
from bulkremove.report import utc
from bulkremove.report.json_types import PersonJson, PlanJson

PAGE_SIZE = 50
"""Rows of a page of a table."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan and its forecast: ``seconds`` of the run's clock at the limit, ending at ``ends_at``."""

    plan: Plan
    quota: Quota
    seconds: float
    ends_at: Epoch
    speed: float = 1.0
    made_at: Epoch = Epoch(0.0)
    protected: int = 0
    """Entries of the list of protected learners."""
    is_canary: bool = False
    """Whether a run would send one row alone, since nobody has confirmed the first one on this account yet."""
    planned_at: Epoch | None = None
    """For a retry, and a report as input: when the plan of the first job was made, since what others settled since then
    is left out."""
    retry_of: str | None = None
    include_open: bool = False
    """Whether a person wants rows sent too that other jobs may still send."""
    refusal: ActionRefused | None = None
    """Why a run of this plan would be refused with the present caps."""
    generation: str = ""
    """The generation of the storage before the file was read; another one's plan can't be confirmed."""
    check: EnrolmentCheck | None = None
    """What its enrolment check found; None without one."""
    check_note: str = ""
    """Why there was no enrolment check, for a person; may be empty."""

    @property
    def is_enrolment(self) -> bool:
        """Whether it enrols people whom a job removed."""
        return self.plan.operation == ENROLL_LEARNER

    def courses(self) -> Mapping[str, int]:
        """Removals by course, in order of first appearance."""
        courses: Counter[str] = Counter()
        for (course, _), count in self.plan.batches.items():
            courses[course] += count
        return courses

    def as_json(self) -> PlanJson:
        """The plan for programs; ``seconds`` of the run's clock."""
        plan, table, counts = self.plan, self.plan.table, self.plan.not_sent()
        return {
            "dry_run": True,
            "operation": plan.operation.name,
            "account": plan.account,
            "host": plan.host,
            "sandbox": plan.is_sandbox,
            "source": table.source,
            "kind": table.kind,
            "sheet": table.sheet,
            "header": list(table.header),
            "columns": {"course": table.roles.course, "batch": table.roles.batch, "learner": table.roles.learner},
            "rows": len(table),
            "removals": plan.removals,
            "duplicate": counts.get(Status.DUPLICATE, 0),
            "invalid": counts.get(Status.INVALID, 0),
            "done_before": counts.get(Status.DONE_BEFORE, 0),
            "not_sent": counts.get(Status.NOT_SENT, 0),
            "not_enrolled": counts.get(Status.NOT_ENROLLED, 0),
            "already_enrolled": counts.get(Status.ALREADY_ENROLLED, 0),
            "identity_mismatch": counts.get(Status.IDENTITY_MISMATCH, 0),
            "checked": self.check is not None,
            "people": self._people_json(),
            "protected_list": self.protected,
            "first_row_alone": self.is_canary and plan.removals > 0,
            "accepted_wordings": [
                {"http_status": wording.http_status, "code": wording.api_code, "message": wording.message}
                for wording in plan.accepted_wordings
            ],
            "empty_rows": table.empty_rows,
            "hidden_rows": table.hidden_rows,
            "notes": list(filter(None, [*table.reading_notes, self.check_note])),
            "doubts": [{"code": doubt.code, "ids": doubt.ids, "text": doubt.text} for doubt in plan.doubts],
            "doubtful_ids": plan.doubtful_ids,
            "refusal": str(self.refusal) if self.refusal else None,
            "courses": [{"course": course, "removals": n} for course, n in self.courses().items()],
            "batches": [
                {"course": c, "batch": b, "name": plan.batch_names.get((c, b), ""), "removals": n}
                for (c, b), n in plan.batches.items()
            ],
            "excluded": [
                {"row": table.numbers[i], "status": e.status, "detail": e.detail}
                for i, e in sorted(plan.excluded.items())
            ],
            "open_in": [job.id for job in plan.open_in],
            "calls": plan.removals,
            "seconds": round(self.seconds, 1),
            "ends_at": utc(self.ends_at),
            "plan_hash": plan.hash,
        }

    def _people_json(self) -> list[PersonJson]:
        if self.check is None:
            return []
        return [
            {
                "row": self.plan.table.numbers[index],
                "name": learner.name,
                "email": learner.email,
                "progress": learner.progress,
                "flags": [*self.check.flags.get(index, ())],
            }
            for index, learner in self.check.people.items()
        ]


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that has ended, finished or not. ``retry``: its retry file; ``warning`` is shown before the summary."""

    job: Job
    tally: Tally
    report: Path | None
    retry: Path | None
    summary: str
    warning: str | None

    @property
    def next_step(self) -> str:
        """What a person should do now, in a few words."""
        if unknown := self.tally[Status.UNKNOWN]:
            return f"Look up {unknown:,} unknown"
        if self.job.state.is_over:
            return "Look at its report" if self.tally.needs_person else "Nothing to do"
        return "It goes on by itself" if self.job.auto_resumable else "Look at it, then resume or cancel it"


@dataclass(frozen=True, slots=True)
class QuotaUsage:
    """The used part of an account's quota: ``calls`` of ``limit`` in a window, ``today`` of ``daily`` in 24 hours."""

    calls: int
    limit: int
    today: int
    daily: int | None
    locked: float
    """Seconds of the run's clock until calls are allowed again; 0 while they are."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check of ``bulkremove doctor``. ``hint``: what to do when it failed."""

    name: str
    ok: bool
    message: str
    hint: str = ""
    account: str = ""
    """The account that it is about; empty for the installation and its first account."""

    @property
    def title(self) -> str:
        """Its name, with that of its account where there are several."""
        return f"{self.name} of {self.account}" if self.account else self.name
