"""What the program has acknowledged, and what must therefore be found later, in the journal and in the sandbox's log.

It shares no rule with the product: the rows come from the files that were given, the removals from the sandbox.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from bulkremove.domain.table import SANDBOX_COLUMN
from bulkremove.sandbox import LoggedRequest

CALLS, WINDOW = 30, 60.0
MAX_ATTEMPTS = 3
RULES = ("sound", "kept", "audit", "rows", "plan", "once", "limit", "refused")
"""`sound`: the journal is no damaged file. `kept`: what was acknowledged is there. `audit`: the chain holds, only grows
and has every acknowledged act. `rows`: every row is told, and told truly. `plan`: only what a confirmed plan names is
sent. `once`: no row is sent more often than its attempts say, none again once it is settled. `limit`: never more calls
in a window than allowed, and no lock-out. `refused`: nothing fails without a reason."""
OVER = ("finished", "cancelled", "stopped")
"""States of a job that never change again."""
_OPEN_ROW = ("not_sent", "unknown")
"""How a report tells a row that may still change, while its job is not over."""


class Violation(AssertionError):
    """A rule of ``RULES`` that was broken, and how."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(f"{rule}: {what}")
        assert rule in RULES
        self.rule = rule


def require(holds: object, rule: str, what: object) -> None:
    """Raises Violation unless it holds."""
    if not holds:
        raise Violation(rule, str(what))


@dataclass
class ListFile:
    """A file of rows. ``rows``: its cells; ``kinds``: `planned`, `duplicate` or `invalid`, for each row."""

    name: str
    rows: list[tuple[str, str, str, str]]
    kinds: list[str]
    allowed: bool = False
    """Whether somebody has asked to send its plan, whatever became of that."""

    @property
    def text(self) -> str:
        lines = ("course,batch,learner,reason", *(",".join(row) for row in self.rows))
        return "".join(f"{line}\n" for line in lines)

    @property
    def planned(self) -> set[str]:
        """The learners that its plan removes."""
        return {row[2] for row, kind in zip(self.rows, self.kinds, strict=True) if kind == "planned"}


@dataclass(frozen=True)
class Told:
    """One row of a report."""

    number: int
    cells: tuple[str, ...]
    status: str
    detail: str
    attempts: int

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Told:
        cells = tuple(text for name, text in line["cells"] if name != SANDBOX_COLUMN)
        return cls(int(line["row"]), cells, line["status"], line["detail"] or "", int(line["attempts"]))


@dataclass
class Report:
    """A job's report as it was told last, and the job's state at that time."""

    job: str
    source: str
    state: str
    rows: list[Told]


@dataclass
class Facts:
    """All that was acknowledged. ``missing``: learners whom the sandbox never knew."""

    missing: set[str]
    files: dict[str, ListFile] = field(default_factory=dict)
    users: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Role and password by name."""
    maybe_users: set[str] = field(default_factory=set)
    """Names for which an unfinished command leaves both ends possible."""
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name and secret by id."""
    revoked: set[str] = field(default_factory=set)
    jobs: dict[str, str] = field(default_factory=dict)
    """Name of the file by job."""
    states: dict[str, str] = field(default_factory=dict)
    """By job, as it was listed last."""
    notes: list[tuple[str, int, str]] = field(default_factory=list)
    """Job, row and text."""
    acts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often an act was acknowledged, by act and what it was about."""
    forgotten: set[str] = field(default_factory=set)
    maybe_forgotten: set[str] = field(default_factory=set)
    """Learners whose erasure failed on the way, so that some of their rows may be erased."""
    audit: list[tuple[int, str]] = field(default_factory=list)
    """Number and hash of every entry that was seen."""
    reports: dict[str, Report] = field(default_factory=dict)
    """The last report of each job."""
    settled: dict[str, tuple[list[str], int]] = field(default_factory=dict)
    """By learner whose rows are all settled: the jobs of these rows, and the calls that had arrived by then."""
    lost_calls: Counter[str] = field(default_factory=Counter)
    """By learner: the calls of which no row tells, because a copy of the journal was put back."""
    lost: set[str] = field(default_factory=set)
    """Learners who were called by jobs that are in no journal any more."""

    def act(self, act: str, about: str) -> None:
        """An act was acknowledged, so that the audit log must have it."""
        self.acts[act, about] += 1

    def copied(self, audit: Sequence[Mapping[str, Any]], jobs: Sequence[Mapping[str, Any]]) -> Facts:
        """What must be found in a copy of the journal, which holds these audit entries and jobs."""
        copy = deepcopy(self)
        copy.audit = _chain(audit)
        copy.jobs = {one["job"]: one["source"] for one in jobs}
        copy.states = {one["job"]: one["state"] for one in jobs}
        return copy

    def put_back(self, copy: Facts) -> None:
        """The journal is the copy again; what was done since is done, but nobody is told of it."""
        names = ("users", "tokens", "revoked", "jobs", "states", "notes", "acts", "forgotten", "audit", "reports")
        for name in (*names, "settled"):
            setattr(self, name, deepcopy(getattr(copy, name)))

    def check_lost(self, entries: Sequence[LoggedRequest]) -> None:
        """After a copy was put back: no row that was sent since is left to be sent again. ``entries``: before that."""
        calls, rows = _calls(entries), self._rows()
        self.lost = set(calls) - set(rows)
        self.lost_calls = Counter({learner: calls[learner] for learner in self.lost})
        for learner, told in rows.items():
            known = sum(row.attempts for _, row in told)
            if learner in self.settled and self.settled[learner][0] == [report.job for report, _ in told]:
                known = self.settled[learner][1]
            if calls[learner] <= known:
                continue
            self.lost_calls[learner] = calls[learner] - known
            for report, row in told:
                again = row.status == "not_sent" and report.state not in OVER
                require(not again, "once", f"{learner} was sent since the copy, and is still to be sent: {row}")

    # Checks

    def check_people(self, users: Sequence[Mapping[str, Any]], tokens: Sequence[Mapping[str, Any]]) -> None:
        """The listed users and tokens are those that were acknowledged."""
        listed = {one["name"]: one["role"] for one in users if one["name"] not in self.maybe_users}
        require({name: role for name, (role, _) in self.users.items()} == listed, "kept", f"users: {listed}")
        found = {one["id"]: one for one in tokens}
        lost = [key for key, (name, _) in self.tokens.items() if key not in found or found[key]["name"] != name]
        require(not lost, "kept", f"tokens that are gone: {lost}")
        good = [key for key in self.revoked if found[key]["revoked_at"] is None]
        require(not good, "kept", f"revoked tokens that are good again: {good}")

    def check_jobs(self, jobs: Sequence[Mapping[str, Any]]) -> None:
        """Every known job is listed; one that is over stays so. New ones are known from now on."""
        listed = {one["job"]: one for one in jobs}
        lost = sorted(set(self.jobs) - set(listed))
        require(not lost, "kept", f"jobs that are gone: {lost}")
        for job, one in listed.items():
            require(one["source"] in self.files, "kept", f"job {job} of a file that nobody gave: {one}")
            self.jobs[job] = one["source"]
            before = self.states.get(job)
            require(before not in OVER or before == one["state"], "rows", f"job {job} was {before}: {one}")
            require(before == "held" or before is None or one["state"] != "held", "kept", f"job {job} is held again")
            self.states[job] = one["state"]

    def check_audit(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """The log holds what it held, in the same order, and every acknowledged act. ``entries``: the newest first."""
        chain = _chain(entries)
        seen = len(self.audit)
        require(self.audit == chain[:seen], "audit", f"{seen} entries were seen, and now the log has {len(chain)}")
        self.audit = chain
        acts = Counter((one["act"], about) for one in entries for about in _about(one["facts"]))
        lost = {key: count - acts[key] for key, count in self.acts.items() if acts[key] < count}
        require(not lost, "audit", f"acknowledged acts without an entry: {lost}")

    def check_report(self, report: Report) -> None:
        """A job's report: all rows of its file, no settled row changed, every note there."""
        file = self.files[report.source]
        numbers = [row.number for row in report.rows]
        whole = list(range(2, len(file.rows) + 2))
        if not any(one.source == report.source for one in self.reports.values()) or self._whole(report.job):
            require(whole == numbers, "rows", f"job {report.job} of {file.name} has the rows {numbers}")
        else:
            require(numbers and set(numbers) <= set(whole), "rows", f"the retry {report.job} has the rows {numbers}")
        before = self.reports.get(report.job)
        require(before is None or [row.number for row in before.rows] == numbers, "rows", f"{report.job} lost rows")
        for place, row in enumerate(report.rows):
            self._check_row(report, row, before.rows[place] if before else None, before.state if before else "")
        self.reports[report.job] = report

    def _whole(self, job: str) -> bool:
        known = self.reports.get(job)
        return known is not None and len(known.rows) == len(self.files[known.source].rows)

    def _check_row(self, report: Report, row: Told, before: Told | None, state: str) -> None:
        file, where = self.files[report.source], f"row {row.number} of job {report.job} ({report.source}): {row}"
        cells, kind = file.rows[row.number - 2], file.kinds[row.number - 2]
        if cells[2] in self.forgotten:
            require(not any(row.cells), "kept", f"a forgotten person is told, {where}")
        elif any(row.cells) or cells[2] not in self.maybe_forgotten:
            require(cells == row.cells, "rows", f"other cells than {cells}, {where}")
            for job, number, text in self.notes:
                if (job, number) == (report.job, row.number):
                    require(text in row.detail, "kept", f"the note {text!r} is gone, {where}")
        require(row.attempts <= MAX_ATTEMPTS, "once", f"too many attempts, {where}")
        require((kind == "planned") == (row.status not in ("duplicate", "invalid")), "rows", f"{kind}, {where}")
        if before is not None and (state in OVER or before.status not in _OPEN_ROW):
            require(before.status == row.status, "rows", f"it was settled as {before.status}, {where}")
            require(before.attempts == row.attempts, "once", f"a settled row had {before.attempts}, {where}")

    def check_removals(self, earlier: Sequence[LoggedRequest], later: Sequence[LoggedRequest], *, whole: bool) -> None:
        """All reports against what the sandbox saw: before the reports were made, and after.

        ``whole``: the reports are of one time; else only what needs no report is compared.
        """
        self._check_calls(later)
        if not whole:
            return
        rows, effects = self._rows(), _effects(later)
        sent, after = _calls(earlier), _calls(later)
        for calls in (sent, after):
            calls.subtract({learner: count for learner, count in self.lost_calls.items() if learner in calls})
        done_before = _effects(earlier)
        for learner, count in sent.items():
            require(learner in rows or not count, "plan", f"{learner} was sent, and no job has such a row")
        again = [learner for learner in self.lost if after[learner]]
        require(not again, "once", f"a job sent them, it was lost with the journal, and they were sent again: {again}")
        for learner, told in rows.items():
            self._check_learner(learner, told, sent[learner], after[learner], learner in done_before, effects)

    def _rows(self) -> Mapping[str, Sequence[tuple[Report, Told]]]:
        """The planned rows of all reports, by learner."""
        rows = defaultdict[str, list[tuple[Report, Told]]](list)
        for report in self.reports.values():
            file = self.files[report.source]
            for row in report.rows:
                if file.kinds[row.number - 2] == "planned":
                    rows[file.rows[row.number - 2][2]].append((report, row))
        return rows

    def _check_learner(
        self,
        learner: str,
        told: Sequence[tuple[Report, Told]],
        sent: int,
        after: int,
        removed: bool,
        effects: set[str],
    ) -> None:
        statuses = [row.status for _, row in told]
        words = f"{learner}: {[(report.job, report.state, row) for report, row in told]}"
        attempts = sum(row.attempts for _, row in told)
        require(sent <= attempts, "once", f"{sent} calls, and {attempts} attempts are told of {words}")
        if removed and not self.lost_calls[learner]:
            may = ("removed", "removed_inferred", "unknown")
            require(any(status in may for status in statuses), "rows", f"it was removed, and nobody tells so: {words}")
        for status in statuses:
            if status == "removed":
                require(learner in effects, "rows", f"it was not removed, {words}")
            elif status == "removed_inferred":
                require(learner in effects or learner in self.missing, "rows", f"it is still there, {words}")
            elif status == "not_found":
                gone = learner in self.missing or len(told) > 1
                require(gone or learner not in effects, "rows", f"it was removed by this job, {words}")
        require(statuses.count("removed") <= 1, "rows", f"it was removed twice, {words}")
        over = all(row.status not in _OPEN_ROW or report.state in OVER for report, row in told)
        if not over:
            self.settled.pop(learner, None)
            return
        jobs = [report.job for report, _ in told]
        before = self.settled.get(learner)
        if before is not None and before[0] == jobs:
            # Of the calls before the reports were read: one after that may be of a job that no report names yet.
            require(sent <= before[1], "once", f"it was settled after {before[1]} calls, now {sent}, {words}")
        self.settled[learner] = jobs, after

    def _check_calls(self, entries: Sequence[LoggedRequest]) -> None:
        """What needs no report: who was called at all, how many calls came in a window, no lock, nothing odd."""
        allowed = {learner for file in self.files.values() if file.allowed for learner in file.planned}
        for entry in entries:
            require(not entry.alarm, "plan", entry)
            require(not entry.locked, "limit", entry)
            require(entry.removal is None or entry.removal.learner in allowed, "plan", entry)
        times = [entry.time for entry in entries if entry.counted]
        worst = peak_calls(times)
        require(worst <= CALLS, "limit", f"{worst} calls came in one window")

    # Choices

    def rows(self, *statuses: str, over: bool = True) -> list[tuple[str, int, str]]:
        """Rows with one of the statuses, by job, number and learner; without those that may be forgotten."""
        return [
            (report.job, row.number, learner)
            for report in self.reports.values()
            if report.state in OVER or not over
            for row in report.rows
            if row.status in statuses
            if (learner := self.files[report.source].rows[row.number - 2][2])
            not in self.forgotten | self.maybe_forgotten
        ]

    def in_state(self, *states: str) -> list[str]:
        """The jobs in one of the states, in their order."""
        return sorted(job for job, state in self.states.items() if state in states)


def peak_calls(times: Sequence[float]) -> int:
    """The most calls in any window; ``times`` in ascending order."""
    worst = first = 0
    for last, time in enumerate(times):
        while times[first] <= time - WINDOW:
            first += 1
        worst = max(worst, last - first + 1)
    return worst


def _chain(entries: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    """Number and hash of each entry, the oldest first; ``entries``: the newest first."""
    return [(one["id"], one["hash"]) for one in reversed(entries)]


def _about(facts: Mapping[str, Any]) -> Iterable[str]:
    """What an entry may be looked up by."""
    yield from (str(facts[name]) for name in ("job", "user", "token", "name", "file") if name in facts)
    yield ""


def _calls(entries: Iterable[LoggedRequest]) -> Counter[str]:
    return Counter(entry.removal.learner for entry in entries if entry.removal)


def _effects(entries: Iterable[LoggedRequest]) -> set[str]:
    return {entry.removal.learner for entry in entries if entry.removal and entry.effect}
