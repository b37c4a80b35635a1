"""Writes records as part of a transaction: audit entries, events, notices, results of an intake."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from functools import partial

from bulkremove.domain.clock import Epoch
from bulkremove.domain.event_names import EventName
from bulkremove.storage.interface.records import Act, IntakeResult, JobEvent, Notice, Record
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.transaction import Transaction

AUDIT_START = "bulkremove audit 1"
"""The value in place of a hash before the first entry."""

_JOBS, _AUDIT, _NIGHTLY = Queries("jobs.sql"), Queries("audit.sql"), Queries("nightly.sql")
_event_log = logging.getLogger("bulkremove.events")
"""What happens to jobs, nights and notices, and who did what, for log collectors; no output without a handler."""


def write_records(transaction: Transaction, records: Iterable[Record]) -> None:
    """Write the records as part of the transaction."""
    for record in records:
        match record:
            case Act():
                append_act(transaction, record)
            case JobEvent():
                _add_event(transaction, record)
            case Notice():
                stored = transaction.execute(
                    _NIGHTLY.insert_notice,
                    key=record.key,
                    night=record.night,
                    at=record.at,
                    subject=record.subject,
                    body=record.body,
                    attachment=record.attachment,
                )
                if stored.rowcount == 1:  # not a second one with the same key
                    log_event(transaction, EventName.NOTICE, record.subject, night=record.night)
            case IntakeResult():
                transaction.execute(
                    _NIGHTLY.set_result,
                    digest=record.digest,
                    night=record.night,
                    sandbox=record.sandbox,
                    job=record.job,
                    held=record.held,
                )


def append_act(transaction: Transaction, act: Act) -> None:
    """Append an entry to the chain of the audit log."""
    last = transaction.execute(_AUDIT.last_entry).fetchone()
    number, before = (last[0] + 1, last[1]) if last else (1, AUDIT_START)
    facts_json = json.dumps(act.facts, sort_keys=True)
    digest = entry_hash(before, number, act.at, act.actor, act.act, facts_json)
    transaction.execute(
        _AUDIT.insert_entry, id=number, at=act.at, actor=act.actor, act=act.act, facts=facts_json, hash=digest
    )
    transaction.execute(_AUDIT.count_entry)
    count_change(transaction)
    facts = ", ".join(f"{name} {value}" for name, value in act.facts.items() if name != "job" and value != "")
    text = f"{act.actor}: {facts}" if facts else act.actor
    _log(transaction, f"audit.{act.act}", text, job=str(act.facts.get("job", "")))


def count_change(transaction: Transaction, *, job: str = "", position: int = 0, ledger: str = "") -> None:
    """Increment the counter that reveals a restored copy. ``job``: its row at ``position`` is about to be sent.

    ``ledger``: the one that the call counts for.
    """
    (changes,) = transaction.execute(_AUDIT.count_change).fetchone()
    transaction.after_commit(partial(transaction.mark.raise_to, changes, job=job, position=position, ledger=ledger))


def entry_hash(before: str, number: int, at: Epoch, actor: str, act: str, facts: str) -> str:
    """The SHA-256 (hex) of an entry, over its values and the hash of the entry before it. ``facts``: JSON."""
    return hashlib.sha256(json.dumps([before, number, at, actor, act, facts]).encode()).hexdigest()


def _add_event(transaction: Transaction, event: JobEvent) -> None:
    transaction.execute(_JOBS.insert_event, job=event.job, at=event.at, name=event.name, text=event.text)
    if event.name is EventName.LOCKED:
        transaction.execute(_JOBS.count_lockout, job=event.job)
    log_event(transaction, event.name, event.text, job=event.job)


def log_event(transaction: Transaction, name: EventName, text: str, *, job: str = "", night: str = "") -> None:
    """Log an event once the transaction is on disk. ``job``: its id, whose account and night are added."""
    _log(transaction, name.value, text, job=job, night=night)


def _log(transaction: Transaction, name: str, text: str, *, job: str, night: str = "") -> None:
    if _event_log.isEnabledFor(logging.INFO):
        row = transaction.execute(_JOBS.get_job, job=job).fetchone() if job else None
        extra = {
            "event": name,
            "job": job,
            "account": row["account"] if row else "",
            "night": row["night"] if row else night,
        }
        transaction.after_commit(partial(_event_log.info, "%s", text, extra=extra))
