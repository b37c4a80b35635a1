"""Planted faults: the product with one mistake in it, which the simulation must find.

Each is a mistake that somebody could make. What a mutant breaks is named beside it; one that breaks nothing would show
that the invariant sees nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from unittest.mock import patch

from bulkremove import answers, pacing, policy
from bulkremove.app import App
from bulkremove.config import Settings
from bulkremove.errors import JournalFailed
from bulkremove.limiter import Gate
from bulkremove.model import Attempt, Errand, Job, Outcome, Quota, Removal, Reply
from bulkremove.pacing import Signal
from bulkremove.policy import Answer, Finding, Verdict
from bulkremove.store import Journal
from bulkremove.store.audit import START, Audit, _hash
from bulkremove.store.database import Database


@dataclass(frozen=True)
class Mutant:
    """A mistake; ``breaks``: the invariant that must tell of it."""

    breaks: str
    mistake: str
    plant: Callable[[], AbstractContextManager[object]]


def _path(removal: Removal) -> str:
    return f"/api/v1/courses/{removal.course}/batches/{removal.batch}/learners/{int(removal.learner) + 50}"


_open_attempt, _close_attempt = Journal.open_attempt, Journal.close_attempt


def _write_it_later(self: Journal, errand: Errand, attempt: Attempt, ledger: str) -> None: ...


def _write_both(self: Journal, errand: Errand, attempt: Attempt, *, at: float, learner: str | None, left: bool) -> None:
    _open_attempt(self, errand, attempt, "ledger")
    _close_attempt(self, errand, attempt, at=at, learner=learner, left=left)


_outcomes = Journal.outcomes


def _but_the_last(self: Journal, job: Job) -> Iterator[Outcome]:
    yield from list(_outcomes(self, job))[:-1]


_read = answers.read


def _generous(reply: Reply, *, now: float) -> Answer:
    answer = _read(reply, now=now)
    return replace(answer, finding=Finding.REMOVED) if answer.finding is Finding.MUDDLED else answer


_judge = policy.judge


def _forgetful(answer: Answer, before: Sequence[object]) -> Verdict:
    return _judge(answer, ())


_commit_group = Database._commit_group


class _Deaf:
    """A journal's last failure, forgotten once it was looked at."""

    def __get__(self, database: Database, owner: object = None) -> JournalFailed | None:
        failure: JournalFailed | None = vars(database).pop("failure", None)
        return failure

    def __set__(self, database: Database, failure: JournalFailed | None) -> None:
        vars(database)["failure"] = failure


def _done_anyway(self: Database, group: asyncio.Future[None]) -> None:
    told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    _commit_group(self, told)
    told.exception()
    group.set_result(None)


_begin = Journal.begin


def _begin_anew(self: Journal, job_id: str) -> None:
    _begin(self, job_id)
    self._db.execute("UPDATE row SET state = 'pending' WHERE job = ? AND state = 'unknown'", job_id)


_wait_seconds = pacing._wait_seconds


def _a_minute(quota: Quota, signal: Signal, rounds: int) -> float:
    return min(60.0, _wait_seconds(quota, signal, rounds))


_answered: Callable[..., tuple[object, object]] = pacing.answered


def _any_answer_is_sound(*args: object, **kwargs: object) -> tuple[object, object]:
    return _answered(*args, **{**kwargs, "sound": True})


def _own_ledger(self: App, settings: Settings) -> str:
    return f"{id(self)}"


def _a_chain_of_its_own(self: Audit, actor: str, act: str, facts: Mapping[str, object], *, at: float) -> None:
    with self._db.transaction():
        last = self._db.execute("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1").fetchone()
        number, before = (last[0] + 1, getattr(self, "known", START)) if last else (1, START)
        values = (number, at, actor, act, json.dumps(facts, sort_keys=True))
        self.known = _hash(before, *values)  # type: ignore[attr-defined] # a memory of its own
        self._db.execute(
            "INSERT INTO audit (id, at, actor, act, facts, hash) VALUES (?, ?, ?, ?, ?, ?)",
            *values,
            self.known,  # type: ignore[attr-defined] # see above
        )


MUTANTS = (
    Mutant("I1", "the address names another learner", lambda: patch.object(Removal, "path", property(_path))),
    Mutant(
        "I2",
        "an attempt is written with its outcome",
        lambda: patch.multiple(Journal, open_attempt=_write_it_later, close_attempt=_write_both),
    ),
    Mutant(
        "I2",
        "a commit that failed counts as done",
        lambda: patch.multiple(Database, _commit_group=_done_anyway, _failed=_Deaf(), create=True),
    ),
    Mutant("I3", "the report ends one row early", lambda: patch.object(Journal, "outcomes", _but_the_last)),
    Mutant("I4", "an answer that can't be understood is a success", lambda: patch.object(answers, "read", _generous)),
    Mutant("I5", "earlier attempts without an answer are forgotten", lambda: patch.object(policy, "judge", _forgetful)),
    Mutant(
        "I6",
        "a slot is reborn half a window too early",
        lambda: patch.object(pacing, "reborn_at", lambda quota, at: at + quota.window / 2),
    ),
    Mutant("I6", "each process keeps a ledger of its own", lambda: patch.object(App, "_ledger", _own_ledger)),
    Mutant("I7", "a lock is waited for a minute", lambda: patch.object(pacing, "_wait_seconds", _a_minute)),
    Mutant(
        "I7",
        "nobody looks again when the connection stands",
        lambda: patch.object(Gate, "holds_good", lambda self, permit: True),
    ),
    Mutant("I7", "any answer lifts a lock", lambda: patch.object(pacing, "answered", _any_answer_is_sound)),
    Mutant("I8", "a row may have five attempts", lambda: patch.object(policy, "MOST_ATTEMPTS", 5)),
    Mutant("I9", "a resumed job sends its unknown rows again", lambda: patch.object(Journal, "begin", _begin_anew)),
    Mutant(
        "I10",
        "each process begins an audit chain of its own",
        lambda: patch.object(Audit, "append", _a_chain_of_its_own),
    ),
)
