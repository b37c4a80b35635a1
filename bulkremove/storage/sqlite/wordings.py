"""Accepted wordings in SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from bulkremove.domain.attempt import LookupResult, Note
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.event_names import EventName
from bulkremove.domain.wording import Wording
from bulkremove.storage.interface.records import Act, JobEvent, Record
from bulkremove.storage.interface.wordings import AcceptedWording, WordingEvidence
from bulkremove.storage.sqlite.database import Database
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.records import write_records
from bulkremove.storage.sqlite.transaction import Reader, Transaction

_WORDINGS = Queries("wordings.sql")
UNPROVEN = "What proved this removal was withdrawn later: look this learner up in Zoho People. "
"""Begins the detail of a row that has become unknown with the wording that proved it."""


class SqliteWordings:
    """``WordingStore`` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[AcceptedWording]:
        return await self._database.read(_all)

    async def accepted(self, client: str, host: str) -> list[AcceptedWording]:
        return [
            accepted_wording
            for accepted_wording in await self.all()
            if (accepted_wording.client, accepted_wording.host) == (client, host)
        ]

    async def evidence_of_job(self, job_id: str) -> list[WordingEvidence]:
        def find(reader: Reader) -> list[WordingEvidence]:
            by_wording: dict[Wording, WordingEvidence] = {}
            for evidence in _evidence(reader, job_id):
                if evidence.gone_by:
                    by_wording.setdefault(evidence.wording, evidence)
            return [*by_wording.values()]

        return await self._database.read_long(lambda: self._database.read_now(find))

    async def accept(
        self,
        job_id: str,
        number: int,
        decide: Callable[[WordingEvidence | None], tuple[AcceptedWording, Sequence[Record]]],
    ) -> AcceptedWording:
        def accept(transaction: Transaction) -> AcceptedWording:
            accepted, records = decide(next(_evidence(transaction, job_id, number), None))
            values = {name: value for name, value in asdict(accepted).items() if name not in ("wording", "number")}
            if transaction.execute(_WORDINGS.accept_wording, **values, **asdict(accepted.wording)).rowcount:
                write_records(transaction, records)
            key = (accepted.client, accepted.host, accepted.wording)
            return next(
                accepted_wording
                for accepted_wording in _all(transaction)
                if (accepted_wording.client, accepted_wording.host, accepted_wording.wording) == key
            )

        return await self._database.write(accept)

    async def withdraw(self, number: int, why: str, act: Act) -> bool:
        return await self._database.write(lambda transaction: _withdraw(transaction, number, why, act))


def is_accepted(reader: Reader, job_id: str, wording: Wording) -> bool:
    """Whether a wording is accepted at this moment for the client and host of a job."""
    return reader.execute(_WORDINGS.proves, job=job_id, **asdict(wording)).fetchone() is not None


def withdraw_refuted(transaction: Transaction, job_id: str, position: int, row_number: int, note: Note) -> None:
    """Withdraw the accepted wordings that a row was answered with, if its learner is still there."""
    if note.result is not LookupResult.STILL_THERE:
        return
    for (number,) in transaction.execute(_WORDINGS.wordings_of_row, job=job_id, position=position).fetchall():
        facts = {"number": number, "job": job_id, "row": row_number, "reason": "still_there"}
        why = f"The learner of row {row_number} of job {job_id} is still there, as {note.author} noted"
        elsewhere = f"{note.author} noted for another account that a learner with this answer is still there"
        act = Act(note.author, AuditAct.WORDING_WITHDRAWN, facts, note.at)
        _withdraw(transaction, number, why, act, of_job=job_id, elsewhere=elsewhere)


def _withdraw(
    transaction: Transaction, number: int, why: str, act: Act, *, of_job: str = "", elsewhere: str = ""
) -> bool:
    """Withdraw a wording. ``elsewhere``: says why to jobs of another account than ``of_job``; else ``why`` does."""
    wording = next(
        (str(accepted_wording.wording) for accepted_wording in _all(transaction) if accepted_wording.number == number),
        None,
    )
    if wording is None:
        return False
    records: list[Record] = [act]
    own = [name for (name,) in transaction.execute(_WORDINGS.get_account, job=of_job)]
    for job, account, rows in transaction.execute(_WORDINGS.jobs_proved_by, number=number).fetchall():
        transaction.execute(_WORDINGS.unsettle_proved_by, job=job, number=number, detail=UNPROVEN)
        reason = why if own in ([], [account]) else elsewhere
        text = f"{reason}, so {wording} proves no removal any more. Rows that have become unknown: {rows}."
        records.append(JobEvent(job, EventName.WORDING_WITHDRAWN, text, act.at))
    transaction.execute(_WORDINGS.withdraw_wording, number=number)
    write_records(transaction, records)
    return True


def _all(reader: Reader) -> list[AcceptedWording]:
    return [
        AcceptedWording(client, host, Wording(*wording), *rest)
        for client, host, *values in reader.execute(_WORDINGS.list_wordings)
        for wording, rest in [(values[:3], values[3:])]
    ]


def _evidence(reader: Reader, job_id: str, number: int = 0) -> Iterator[WordingEvidence]:
    """The evidence of the rows of a job that were answered in other words; ``number``: of this row only."""
    rows = reader.execute(_WORDINGS.rows_with_wording, job=job_id, number=number).fetchall()
    results: dict[Wording, list[tuple[str, str, int, str, str]]] = {}
    for position, row_number, account, client, host, *values in rows:
        wording = Wording(*values)
        key = {"client": client, "host": host, **asdict(wording)}
        if wording not in results:
            lookups = reader.execute(_WORDINGS.looked_up_rows, **key).fetchall()
            results[wording] = [tuple(row) for row in lookups]
        yield WordingEvidence(
            client,
            host,
            wording,
            row_number,
            next((by for *row, by in results[wording] if row == [job_id, account, row_number, LookupResult.GONE]), ""),
            reader.execute(
                _WORDINGS.has_other_response, job=job_id, position=position, host=host, **asdict(wording)
            ).fetchone()
            is None,
            reader.execute(_WORDINGS.count_learners_with_wording, **key).fetchone()[0],
            next(
                (
                    f"row {number} of job {job}" if lookup_account == account else "a row of another account"
                    for job, lookup_account, number, result, _ in results[wording]
                    if result == LookupResult.STILL_THERE
                ),
                "",
            ),
        )
