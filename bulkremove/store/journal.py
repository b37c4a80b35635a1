"""Jobs, their rows and every attempt: intent before, outcome after.

``open_attempt`` is committed before a byte leaves, ``close_attempt`` before the row counts as done; a row that
is found in ``sending`` later had an unanswered attempt. The shared allowance is in ``ledgers``, users and tokens are in
``people``, and who did what is in ``audit``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from bulkremove.errors import JobNotFound, JournalFailed
from bulkremove.model import (
    Attempt,
    Errand,
    Finding,
    Job,
    JobState,
    KeepList,
    Outcome,
    PlannedRow,
    Removal,
    Roles,
    RowState,
    Status,
    Tally,
)
from bulkremove.store.audit import Audit
from bulkremove.store.database import Database
from bulkremove.store.ledgers import Ledgers
from bulkremove.store.nights import Nights
from bulkremove.store.people import People

T = TypeVar("T")

_EVENTS = logging.getLogger("bulkremove.events")
"""What happens to jobs, for whoever keeps logs; silent until somebody listens."""

_PAGE = 500
_OPEN = (RowState.SENDING, RowState.PENDING)


class Journal:
    """The journal in ``home``. Raises JournalFailed whenever the disk refuses; then nothing may be sent."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._db = Database(home / "journal.db")
        self.ledgers = Ledgers(self._db)
        self.people = People(self._db)
        self.audit = Audit(self._db)
        self.nights = Nights(self._db)

    def close(self) -> None:
        self._db.close()

    def transaction(self) -> AbstractContextManager[None]:
        """One durable transaction over all that is called inside."""
        return self._db.transaction()

    async def durably(self, write: Callable[[], T]) -> T:
        """What ``write`` returns, once it is on disk; who comes in the same turn of the loop shares the commit."""
        return await self._db.durably(write)

    async def in_thread(self, work: Callable[[Journal], T]) -> T:
        """What ``work`` gives, done beside the event loop; it is handed a journal of its own in the same home."""

        def apart() -> T:
            journal = Journal(self._home)
            try:
                return work(journal)
            finally:
                journal.close()

        return await asyncio.to_thread(apart)

    # Jobs

    def create(self, job: Job, rows: Iterable[PlannedRow]) -> None:
        """Store a confirmed plan as a job, all of it or nothing."""
        with self.transaction():
            self._db.execute(
                "INSERT INTO job (id, account, host, source, folder, sheet, header, roles, plan_hash, state,"
                " reason, created_at, retry_of, options, prepared_by, confirmed_by, origin, due_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                *(job.id, job.account, job.host, job.source, job.folder, job.sheet),
                *(json.dumps(job.header), json.dumps(tuple(job.roles)), job.plan_hash, job.state),
                *(job.reason, job.created_at, job.retry_of, json.dumps(dict(job.options))),
                *(job.prepared_by, job.confirmed_by, job.origin, job.due_at),
            )
            self._db.executemany(
                "INSERT INTO row (job, position, number, cells, course, batch, learner, state, detail)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (_row_values(job.id, position, planned) for position, planned in enumerate(rows)),
            )

    def job(self, job_id: str) -> Job:
        """The job of that id. Raises JobNotFound."""
        found = self._db.execute("SELECT * FROM job WHERE id = ?", job_id)
        for job in _jobs(found):
            return job
        raise JobNotFound(f"The journal knows no job {job_id!r}.", hint="`bulkremove jobs` lists those it knows.")

    def jobs(self) -> list[Job]:
        """All jobs, the newest first."""
        return list(_jobs(self._db.execute("SELECT * FROM job ORDER BY created_at DESC, id DESC")))

    def begin(self, job_id: str) -> None:
        """A process drives the job from now on."""
        self._db.execute(
            "UPDATE job SET state = 'running', reason = '', finished_at = NULL, goes_on = 0 WHERE id = ?", job_id
        )

    def end(
        self,
        job_id: str,
        state: JobState,
        *,
        reason: str,
        exit_code: int,
        at: float,
        seconds: float = 0.0,
        worst_minute: int = 0,
        goes_on: bool = False,
    ) -> None:
        """The job's run is over. ``seconds`` and ``worst_minute`` are this run's; they are added and compared."""
        self._db.execute(
            "UPDATE job SET state = ?, reason = ?, exit_code = ?, finished_at = ?, seconds = seconds + ?,"
            " worst_minute = max(worst_minute, ?), goes_on = ? WHERE id = ?",
            *(state, reason, exit_code, at, seconds, worst_minute, int(goes_on), job_id),
        )

    def give_up_open_rows(self, job_id: str, *, why: str, unknown: str, at: float) -> None:
        """Settle what is left of a job that ended for good: ``not_sent``, or ``unknown`` after an open attempt."""
        with self.transaction():
            for state, status, detail in (
                (RowState.PENDING, Status.NOT_SENT, why),
                (RowState.SENDING, Status.UNKNOWN, unknown),
            ):
                self._db.execute(
                    "UPDATE row SET state = ?, detail = ?, finished_at = ? WHERE job = ? AND state = ?",
                    *(status, detail, at, job_id, state),
                )

    def release(self, job_id: str, *, by: str) -> bool:
        """A held job may run; False when it is not held."""
        changed = self._db.execute(
            "UPDATE job SET state = 'ready', reason = '', confirmed_by = ? WHERE id = ? AND state = 'held'", by, job_id
        )
        return changed.rowcount == 1

    def keep(self, job_id: str, kept: KeepList, *, why: str, at: float) -> int:
        """Settle the open rows of protected learners, none of which is sent any more; how many there were.

        They are ``not_sent``, or ``unknown`` after an attempt that may have had an effect.
        """
        with self.transaction():
            found = self._db.execute(
                "SELECT position, state, course, batch, learner FROM row"
                " WHERE job = ? AND state IN ('pending', 'sending')",
                job_id,
            ).fetchall()
            protected = [(position, state) for position, state, *ids in found if Removal(*ids) in kept]
            self._db.executemany(
                "UPDATE row SET state = ?, detail = ?, finished_at = ? WHERE job = ? AND position = ?",
                (
                    (Status.NOT_SENT if state == RowState.PENDING else Status.UNKNOWN, why, at, job_id, position)
                    for position, state in protected
                ),
            )
        return len(protected)

    def drop_rows(self, job_id: str) -> None:
        """Delete the rows of a job that is over, and all that hangs on them; its totals stay."""
        with self.transaction():
            totals = {status.value: count for status, count in self.tally(job_id).counts.items()}
            self._db.execute("UPDATE job SET totals = ? WHERE id = ?", json.dumps(totals), job_id)
            self._db.execute("DELETE FROM finding WHERE job = ?", job_id)
            self._db.execute("DELETE FROM attempt WHERE job = ?", job_id)
            self._db.execute("DELETE FROM row WHERE job = ?", job_id)

    def forget(self, learner: str) -> Mapping[str, int]:
        """Empty the cells and ids of a learner's settled rows; how many, by job."""
        found: dict[str, int] = {}
        with self.transaction():
            for job, position, cells in self._db.execute(
                "SELECT job, position, cells FROM row WHERE learner = ? OR (learner IS NULL AND holds(cells, ?))",
                *(learner, learner.casefold()),
            ).fetchall():
                empty = json.dumps([""] * len(json.loads(cells)))
                self._db.execute(
                    "UPDATE row SET cells = ?, learner = CASE WHEN learner IS NULL THEN NULL ELSE '' END,"
                    " detail = 'This person is forgotten.' WHERE job = ? AND position = ?"
                    " AND state NOT IN ('pending', 'sending')",
                    *(empty, job, position),
                )
                self._db.execute(
                    "UPDATE attempt SET text = '', learner = '' WHERE job = ? AND position = ?", job, position
                )
                self._db.execute("DELETE FROM finding WHERE job = ? AND position = ?", job, position)
                found[job] = found.get(job, 0) + 1
        return found

    def open_rows_of(self, learner: str) -> int:
        """How many rows of a learner are still to be sent."""
        found = self._db.execute(
            "SELECT count(*) FROM row WHERE learner = ? AND state IN ('pending', 'sending')", learner
        )
        return int(found.fetchone()[0])

    def figures(self) -> tuple[dict[str, int], dict[str, int], int]:
        """Rows by state, jobs by state, and lock-outs, over all jobs."""
        rows = Counter(dict(self._db.execute("SELECT state, count(*) FROM row GROUP BY state")))
        for (totals,) in self._db.execute("SELECT totals FROM job WHERE totals IS NOT NULL"):
            rows.update(json.loads(totals))
        jobs = dict(self._db.execute("SELECT state, count(*) FROM job GROUP BY state"))
        lockouts = self._db.execute("SELECT coalesce(sum(lockouts), 0) FROM job").fetchone()[0]
        return dict(rows), jobs, int(lockouts)

    def backup(self, path: Path) -> None:
        """A sound copy of the whole journal, also while it is written to. Raises JournalFailed."""
        self._db.backup(path)

    def compact(self) -> None:
        """Give the disk back what was deleted; whoever works with the journal goes on."""
        self._db.compact()

    # Rows

    def tally(self, job_id: str, *, as_reported: bool = False) -> Tally:
        """How many rows have which status. ``as_reported``: open rows count as what ``outcomes`` tells them as."""
        totals = self._db.execute("SELECT totals FROM job WHERE id = ?", job_id).fetchone()
        if totals is not None and totals[0] is not None:
            return Tally({Status(status): count for status, count in json.loads(totals[0]).items()})
        counts = dict(self._db.execute("SELECT state, count(*) FROM row WHERE job = ? GROUP BY state", job_id))
        pending, sending = counts.pop(RowState.PENDING, 0), counts.pop(RowState.SENDING, 0)
        found = Counter({Status(state): count for state, count in counts.items()})
        if as_reported:
            return Tally(found + Counter({Status.NOT_SENT: pending, Status.UNKNOWN: sending}))
        return Tally(found, pending + sending)

    def outcomes(self, job: Job) -> Iterator[Outcome]:
        """Every row of the job in file order, as a report tells it now.

        A row that is still open is told as ``not_sent``, or as ``unknown`` when an attempt may have had an effect.
        """
        last, findings = -1, self.findings(job.id)
        while page := self._db.execute(
            "SELECT position, number, cells, state, detail, http_status, api_code, attempts, first_sent_at,"
            " finished_at FROM row WHERE job = ? AND position > ? ORDER BY position LIMIT ?",
            *(job.id, last, _PAGE),
        ).fetchall():
            for values in page:
                yield _outcome(values, job, findings)
            last = page[-1][0]

    def some_outcomes(self, job: Job, *, status: Status | None, text: str, skip: int, most: int) -> list[Outcome]:
        """The rows of a job that have a status and hold a text in some cell (letters' case aside), in file order."""
        states = [state.value for state in (*Status, *RowState) if status in (None, _told(state, "", job)[0])]
        wanted = text.casefold()
        found = self._db.execute(
            "SELECT position, number, cells, state, detail, http_status, api_code, attempts, first_sent_at,"
            " finished_at FROM row WHERE job = ? AND state IN (SELECT value FROM json_each(?))"
            " AND (? = '' OR holds(cells, ?)) ORDER BY position LIMIT ? OFFSET ?",
            *(job.id, json.dumps(states), wanted, wanted, most, skip),
        )
        findings = self.findings(job.id)
        return [_outcome(values, job, findings) for values in found]

    def errands(self, job_id: str) -> Iterator[Errand]:
        """The rows still to be sent: first those with an open attempt, whose time runs out, then in file order."""
        for state in _OPEN:
            last = -1
            while page := self._db.execute(
                "SELECT position, number, course, batch, learner FROM row"
                " WHERE job = ? AND position > ? AND state = ? ORDER BY position LIMIT ?",
                *(job_id, last, state, _PAGE),
            ).fetchall():
                before = self._attempts(job_id, page[0][0], page[-1][0])
                for position, number, course, batch, learner in page:
                    yield Errand(job_id, position, number, Removal(course, batch, learner), tuple(before[position]))
                last = page[-1][0]

    def _attempts(self, job_id: str, first: int, last: int) -> Mapping[int, list[Attempt]]:
        """By position, those that never left among them: their numbers are taken."""
        found = self._db.execute(
            "SELECT position, number, sent_at, sent_mono, boot, finding, http_status, api_code, text FROM attempt"
            " WHERE job = ? AND position BETWEEN ? AND ? ORDER BY position, number",
            *(job_id, first, last),
        )
        attempts = defaultdict[int, list[Attempt]](list)
        for position, *values in found:
            attempts[position].append(Attempt(*values))
        return attempts

    def numbers(self, job_id: str) -> set[int]:
        """The rows' numbers as the spreadsheet shows them."""
        return {number for (number,) in self._db.execute("SELECT number FROM row WHERE job = ?", job_id)}

    # Attempts

    def open_attempt(self, errand: Errand, attempt: Attempt, ledger: str) -> None:
        """The intent: this row is about to be sent. To be committed before a byte leaves."""
        self._db.execute(
            "INSERT INTO attempt (job, position, number, ledger, sent_at, sent_mono, boot)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(errand.job, errand.position, attempt.number, ledger),
            *(attempt.sent_at, attempt.sent_mono, attempt.boot),
        )
        changed = self._db.execute(
            "UPDATE row SET state = 'sending', attempts = attempts + 1, first_sent_at = coalesce(first_sent_at, ?)"
            " WHERE job = ? AND position = ? AND state IN ('pending', 'sending')",
            *(attempt.sent_at, errand.job, errand.position),
        )
        if changed.rowcount != 1:
            raise JournalFailed(f"Row {errand.number} of job {errand.job} is settled already; it is not sent again.")

    def close_attempt(self, errand: Errand, attempt: Attempt, *, at: float, learner: str | None, left: bool) -> None:
        """The raw outcome of an attempt. One of which no byte left (``left``) is deleted."""
        if not left:
            self._withdraw(errand, attempt)
            return
        self._db.execute(
            "UPDATE attempt SET answered_at = ?, finding = ?, http_status = ?, api_code = ?, text = ?, learner = ?"
            " WHERE job = ? AND position = ? AND number = ?",
            *(at, attempt.finding, attempt.http_status, attempt.api_code, attempt.text, learner),
            *(errand.job, errand.position, attempt.number),
        )
        if learner is not None and learner != errand.removal.learner:
            self._db.execute("UPDATE job SET mismatched = mismatched + 1 WHERE id = ?", errand.job)
        self._db.execute(
            "UPDATE row SET http_status = ?, api_code = ? WHERE job = ? AND position = ?",
            *(attempt.http_status, attempt.api_code, errand.job, errand.position),
        )

    def _withdraw(self, errand: Errand, attempt: Attempt) -> None:
        """Delete an attempt that never left, so that a network or a disk that fails for hours adds no rows."""
        self._db.execute(
            "DELETE FROM attempt WHERE job = ? AND position = ? AND number = ?",
            *(errand.job, errand.position, attempt.number),
        )
        self._db.execute(
            "UPDATE row SET state = CASE attempts WHEN 1 THEN 'pending' ELSE state END, attempts = attempts - 1,"
            " first_sent_at = CASE attempts WHEN 1 THEN NULL ELSE first_sent_at END"
            " WHERE job = ? AND position = ?",
            *(errand.job, errand.position),
        )

    def mark(self, errand: Errand, state: RowState | Status, detail: str, *, at: float) -> None:
        """Where the row stands after an attempt. A settled row is never marked again."""
        changed = self._db.execute(
            "UPDATE row SET state = ?, detail = ?, finished_at = ?"
            " WHERE job = ? AND position = ? AND state IN ('pending', 'sending')",
            *(state, detail, at if isinstance(state, Status) else None, errand.job, errand.position),
        )
        if changed.rowcount != 1:
            raise JournalFailed(f"Row {errand.number} of job {errand.job} is settled already and can't change.")

    def sent_mono(self, ledger: str, boot: str, since: float) -> list[float]:
        """When the account's calls left since ``since`` (monotonic seconds of this boot), in ascending order."""
        found = self._db.execute(
            "SELECT sent_mono FROM attempt WHERE ledger = ? AND boot = ? AND sent_mono >= ?"
            " AND finding IS NOT 'never_sent' ORDER BY sent_mono",
            *(ledger, boot, since),
        )
        return [time for (time,) in found]

    def calls_since(self, ledger: str, then: float) -> int:
        """How many calls of the account left since ``then`` (epoch seconds)."""
        found = self._db.execute(
            "SELECT count(*) FROM attempt WHERE ledger = ? AND sent_at >= ? AND finding IS NOT 'never_sent'",
            ledger,
            then,
        )
        return int(found.fetchone()[0])

    def nth_last_call(self, ledger: str, n: int) -> float | None:
        """When (epoch seconds) the ``n``-th last call of the account left; None if there were fewer."""
        found = self._db.execute(
            "SELECT sent_at FROM attempt WHERE ledger = ? AND finding IS NOT 'never_sent'"
            " ORDER BY sent_at DESC LIMIT 1 OFFSET ?",
            *(ledger, n - 1),
        ).fetchone()
        return None if found is None else float(found[0])

    def removed_at(self, job_id: str) -> list[float]:
        """When (epoch seconds) each removal of the job was settled, in ascending order."""
        found = self._db.execute(
            "SELECT finished_at FROM row WHERE job = ? AND state IN ('removed', 'removed_inferred') ORDER BY 1", job_id
        )
        return [at for (at,) in found]

    def first_call_after(self, job_id: str, then: float) -> float | None:
        """When (epoch seconds) the job's first call after ``then`` left; None if there was none."""
        found = self._db.execute(
            "SELECT min(sent_at) FROM attempt WHERE job = ? AND sent_at > ? AND finding IS NOT 'never_sent'",
            job_id,
            then,
        )
        at: float | None = found.fetchone()[0]
        return at

    # What people found out

    def find_out(self, job_id: str, number: int, finding: Finding) -> bool:
        """Keep what was found about the unknown row of that number; False if the job has none such."""
        row = self._db.execute(
            "SELECT position FROM row WHERE job = ? AND number = ? AND state = 'unknown'", job_id, number
        ).fetchone()
        if row is None:
            return False
        self._db.execute(
            "INSERT INTO finding (job, position, at, author, text) VALUES (?, ?, ?, ?, ?)",
            *(job_id, row[0], finding.at, finding.author, finding.text),
        )
        return True

    def findings(self, job_id: str) -> Mapping[int, list[Finding]]:
        """By position, the oldest first."""
        found = defaultdict[int, list[Finding]](list)
        for position, *values in self._db.execute(
            "SELECT position, at, author, text FROM finding WHERE job = ? ORDER BY id", job_id
        ):
            found[position].append(Finding(*values))
        return found

    # Events

    def note(self, job_id: str, name: str, text: str, *, at: float) -> None:
        """Something that a person will want to read later. ``locked`` also counts as a lock-out of the job."""
        with self.transaction():
            self._db.execute("INSERT INTO event (job, at, name, text) VALUES (?, ?, ?, ?)", job_id, at, name, text)
            if name == "locked":
                self._db.execute("UPDATE job SET lockouts = lockouts + 1 WHERE id = ?", job_id)
        if _EVENTS.isEnabledFor(logging.INFO):
            _EVENTS.info("%s", text, extra={"event": name, "job": job_id, "account": self.job(job_id).account})

    def reported(self, job_id: str) -> bool:
        """Whether the report of the job's last run was put into place; a kill may come before that."""
        found = self._db.execute(
            "SELECT name FROM event WHERE job = ? AND name IN ('started', 'reported') ORDER BY id DESC LIMIT 1", job_id
        ).fetchone()
        return found is not None and found[0] == "reported"

    def events(self, job_id: str) -> list[tuple[float, str, str]]:
        """When (epoch seconds), the stable name, and the words, oldest first."""
        found = self._db.execute("SELECT at, name, text FROM event WHERE job = ? ORDER BY id", job_id)
        return [(at, name, text) for at, name, text in found]


def _row_values(job_id: str, position: int, planned: PlannedRow) -> tuple[object, ...]:
    removal, exclusion = planned.removal, planned.exclusion
    ids = (removal.course, removal.batch, removal.learner) if removal else (None, None, None)
    state = exclusion.status if exclusion else RowState.PENDING
    cells = json.dumps(planned.row.cells)  # ASCII with escapes: a lone surrogate survives it
    return job_id, position, planned.row.number, cells, *ids, state, exclusion.detail if exclusion else ""


def _outcome(values: tuple[Any, ...], job: Job, findings: Mapping[int, Sequence[Finding]]) -> Outcome:
    position, number, cells, state, detail, status, code, attempts, first_sent_at, finished_at = values
    told, words = _told(state, detail, job)
    return Outcome(
        position,
        number,
        tuple(json.loads(cells)),
        told,
        words,
        status,
        code,
        attempts,
        first_sent_at,
        finished_at,
        tuple(findings.get(position, ())),
    )


def _told(state: str, detail: str, job: Job) -> tuple[Status, str]:
    if state == RowState.PENDING:
        return Status.NOT_SENT, job.reason or "Not sent yet."
    if state == RowState.SENDING:
        return Status.UNKNOWN, f"An attempt got no answer. {job.reason or 'The job is still running.'}"
    return Status(state), detail


def _jobs(found: sqlite3.Cursor) -> Iterator[Job]:
    names = [column[0] for column in found.description]
    for values in found:
        facts = dict(zip(names, values, strict=True))
        facts["header"] = tuple(json.loads(facts["header"]))
        facts["roles"] = Roles(*json.loads(facts["roles"]))
        facts["options"] = json.loads(facts["options"])
        facts["state"] = JobState(facts["state"])
        facts["goes_on"] = bool(facts["goes_on"])
        facts["dropped"] = facts.pop("totals") is not None
        yield Job(**facts)
