"""Planted faults: the product with one mistake in it, which the simulation must find.

Each is a mistake that somebody could make. What a mutant breaks is named beside it; one that breaks nothing would show
that the invariant sees nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

from bulkremove.app.accounts import Accounts
from bulkremove.config import Settings
from bulkremove.domain.attempt import Attempt, PendingRow, Permit, Reply
from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import Job
from bulkremove.domain.ledger import Quota
from bulkremove.domain.operation import PlannedOperation
from bulkremove.domain.row import Removal
from bulkremove.engine import decision_table, rate_limit
from bulkremove.engine.decision_table import Verdict
from bulkremove.engine.rate_limiter import RateLimiter
from bulkremove.engine.slot_decisions import Signal
from bulkremove.report import ReportFile
from bulkremove.storage.interface.attempts import AttemptOutcome
from bulkremove.storage.interface.records import Act, Record
from bulkremove.storage.sqlite import attempts, records
from bulkremove.storage.sqlite.jobs import SqliteJobs
from bulkremove.storage.sqlite.transaction import QueuedWrite, Transaction
from bulkremove.storage.sqlite.writer import Writer
from bulkremove.zoho import response_parser
from bulkremove.zoho.response_kind import Response, ResponseKind


@dataclass(frozen=True)
class Mutant:
    """A mistake; ``breaks``: the invariant that must tell of it.

    ``seed``: a short history that showed it, which `make test` plays first. Where the product's ways have changed since
    then, the search begins at 1, as it always does in `make prove`.
    """

    breaks: str
    mistake: str
    plant: Callable[[], AbstractContextManager[object]]
    seed: int = 1


def _another(removal: Removal) -> tuple[str, str, str]:
    return removal.course, removal.batch, str(int(removal.learner) + 50)


_open, _close = attempts._open, attempts._close


def _write_it_later(transaction: Transaction, pending_row: PendingRow, attempt: Attempt, ledger: str) -> None: ...


def _write_both(transaction: Transaction, permit: Permit, outcome: AttemptOutcome, at: Epoch) -> None:
    _open(transaction, permit.pending_row, permit.attempt, "ledger")
    _close(transaction, permit, outcome, at)


_publish_table = ReportFile._publish_table


def _but_the_last(self: ReportFile, header: Sequence[str], job: Job, rows: Iterable[Sequence[str]]) -> Path:
    return _publish_table(self, header, job, list(rows)[:-1])


_read = response_parser.parse


def _generous(reply: Reply, *, now: Epoch) -> Response:
    response = _read(reply, now=now)
    return replace(response, kind=ResponseKind.REMOVED) if response.kind is ResponseKind.CONTRADICTORY else response


_judge = decision_table.judge


def _forgetful(answer: Response, before: Sequence[object], operation: PlannedOperation) -> Verdict:
    return _judge(answer, (), operation)


def _done_anyway(
    self: Writer, connection: sqlite3.Connection, error: sqlite3.Error, group: list[QueuedWrite[object]]
) -> None: ...


_start = SqliteJobs.start


async def _start_again(self: SqliteJobs, job_id: str, *records: Record, check: Callable[[Job], None]) -> Job:
    await self._database.write(
        lambda transaction: transaction.execute(
            "UPDATE row SET state = 'pending' WHERE job = :job AND state = 'unknown'", job=job_id
        )
    )
    return await _start(self, job_id, *records, check=check)


_wait_seconds = rate_limit._wait_seconds


def _a_minute(quota: Quota, signal: Signal, rounds: int) -> float:
    return min(60.0, _wait_seconds(quota, signal, rounds))


_answered: Callable[..., tuple[object, object]] = rate_limit.after_response


def _any_answer_is_sound(*args: object, **kwargs: object) -> tuple[object, object]:
    return _answered(*args, **{**kwargs, "proves_reachable": True})


def _own_ledger(self: Accounts, settings: Settings, credentials: object = None) -> str:
    return f"{id(self)}"


_known: dict[int, str] = {}


def _a_chain_of_its_own(transaction: Transaction, act: Act) -> None:
    last = transaction.execute("SELECT id FROM audit ORDER BY id DESC LIMIT 1").fetchone()
    mine = id(transaction.connection)
    number, before = (last[0] + 1 if last else 1), _known.get(mine, records.AUDIT_START)
    facts = json.dumps(act.facts, sort_keys=True)
    _known[mine] = records.entry_hash(before, number, act.at, act.actor, act.act, facts)
    transaction.execute(
        "INSERT INTO audit (id, at, actor, act, facts, hash) VALUES (:id, :at, :actor, :act, :facts, :hash)",
        id=number,
        at=act.at,
        actor=act.actor,
        act=act.act,
        facts=facts,
        hash=_known[mine],
    )


async def _always_valid(self: RateLimiter, permit: Permit) -> bool:
    return True


MUTANTS = (
    Mutant("I1", "the address names another learner", lambda: patch.object(Removal, "ids", property(_another))),
    Mutant(
        "I2",
        "an attempt is written with its outcome",
        lambda: patch.multiple(attempts, _open=_write_it_later, _close=_write_both),
    ),
    Mutant(
        "I2",
        "a commit that failed counts as done",
        lambda: patch.object(Writer, "_fail", _done_anyway),
    ),
    Mutant("I3", "the report ends one row early", lambda: patch.object(ReportFile, "_publish_table", _but_the_last)),
    Mutant(
        "I4",
        "an answer that can't be understood is a success",
        lambda: patch.object(response_parser, "parse", _generous),
    ),
    Mutant(
        "I5",
        "earlier attempts without an answer are forgotten",
        lambda: patch.object(decision_table, "judge", _forgetful),
    ),
    Mutant(
        "I6",
        "a slot is released half a window too early",
        lambda: patch.object(rate_limit, "released_at", lambda quota, at: at + quota.window / 2),
        seed=58,
    ),
    Mutant(
        "I6",
        "each process keeps a ledger of its own",
        lambda: patch.object(Accounts, "ledger_key", _own_ledger),
        seed=13,
    ),
    Mutant("I7", "a lock is waited for a minute", lambda: patch.object(rate_limit, "_wait_seconds", _a_minute)),
    Mutant(
        "I7",
        "nobody looks again when the connection stands",
        lambda: patch.object(RateLimiter, "is_still_valid", _always_valid),
        seed=21,
    ),
    Mutant(
        "I7",
        "any answer lifts a lock",
        lambda: patch.object(rate_limit, "after_response", _any_answer_is_sound),
        seed=113,
    ),
    Mutant("I8", "a row may have five attempts", lambda: patch.object(decision_table, "MAX_ATTEMPTS", 5)),
    Mutant("I9", "a resumed job sends its unknown rows again", lambda: patch.object(SqliteJobs, "start", _start_again)),
    Mutant(
        "I10",
        "each process begins an audit chain of its own",
        lambda: patch.object(records, "append_act", _a_chain_of_its_own),
    ),
)
