"""The program with one mistake in it, which the sequences of steps must find; nothing of it reaches the product.

It runs in place of ``python -m bulkremove``, with the name of the fault before the program's own arguments. A fault is
planted where the product meets something that stays: Python's sqlite3, the files of the operating system, the one call
to Zoho People, the stable words of the audit log.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from bulkremove.cli import main
from bulkremove.domain.attempt import Permit, Reply
from bulkremove.domain.row import Removal
from bulkremove.sandbox.replies import removed
from bulkremove.zoho.client import Admission, Exchange, ZohoClient
from tests.proofs.program_facts import RULES

R = TypeVar("R")


@dataclass(frozen=True)
class Fault:
    """A mistake. ``rules``: those that may tell of it, the nearest first; ``plant``: puts it into this process."""

    name: str
    mistake: str
    rules: tuple[str, ...]
    plant: Callable[[], None]
    slow: bool = False
    """Whether many steps may be needed until it shows."""
    often: tuple[str, ...] = ()
    """Kinds of steps that come more often, where it shows after these alone."""

    @property
    def program(self) -> tuple[str, ...]:
        """The command that stands in for the product's."""
        return (sys.executable, "-m", __name__, self.name)


_journals: set[str] = set()
"""The journals that this process has opened."""


class _Watched(sqlite3.Connection):
    """A connection that knows which acts of the audit log are written in its transaction."""

    acts: tuple[str, ...] = ()
    """The acts that are looked for."""
    found: tuple[str, ...] = ()
    """The values of the last entry with one of these acts, in the open transaction."""
    over: Callable[[_Watched, str], str | None] = staticmethod(lambda connection, sql: sql)
    """Called with each statement that ends a transaction in which an act was found; gives the one to run instead."""
    after: Callable[[_Watched], None] = staticmethod(lambda connection: None)
    """Called once such a transaction is over."""

    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        given = rest[0] if rest else ()
        values = [one for one in (given.values() if isinstance(given, dict) else given) if isinstance(one, str)]
        if any(one in self.acts for one in values):
            self.found = tuple(values)
        if sql.strip().upper() not in ("COMMIT", "END") or not self.found:
            return super().execute(sql, *rest)
        done = super().execute(type(self).over(self, sql) or sql)
        type(self).after(self)
        self.found = ()
        return done

    def commit(self) -> None:
        if self.in_transaction:
            self.execute("COMMIT")


def _watch(kind: type[_Watched], *, opened: Callable[[str], None] = lambda path: None) -> None:
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def watched(database: Any, *rest: Any, **more: Any) -> sqlite3.Connection:
        path = os.fspath(database)
        if not str(path).partition("?")[0].endswith("journal.db"):
            return connect(database, *rest, **more)
        found = connect(database, *rest, **{**more, "factory": kind})
        _journals.add(path)
        opened(path)
        return found

    sqlite3.connect = sqlite3.dbapi2.connect = watched  # type: ignore[assignment] # same call


def _lose_locks() -> None:
    """Beside SQLite the journal is opened and closed, which ends all locks of this process on it."""

    def open_and_close(path: str) -> None:
        os.close(os.open(path, os.O_RDWR))

    class Losing(_Watched):
        acts = ("confirmed", "reported")

        @staticmethod
        def after(connection: _Watched) -> None:
            for path in _journals:
                open_and_close(path)

    _watch(Losing, opened=open_and_close)


def _forget_notes() -> None:
    """What a person noted or approved is acknowledged, and never committed."""

    class Forgetting(_Watched):
        acts = ("noted", "approved")
        over = staticmethod(lambda connection, sql: "ROLLBACK")

    _watch(Forgetting)


def _send_settled_again() -> None:
    """A run begins by taking the job's settled rows for open ones."""

    class Repeating(_Watched):
        acts = ("run",)

        @staticmethod
        def after(connection: _Watched) -> None:
            job = next(json.loads(one)["job"] for one in connection.found if one.startswith("{"))
            sqlite3.Connection.execute(
                connection, "UPDATE row SET state = 'pending' WHERE job = ? AND state = 'removed'", (job,)
            )

    _watch(Repeating)


_remove = ZohoClient.send_row


def _remove_nobody() -> None:
    """Every seventh learner counts as removed, and no call is made."""

    async def remove(
        self: ZohoClient, removal: Removal, admit: Callable[[], Awaitable[Admission[Permit] | R]]
    ) -> Exchange[Permit] | R:
        if int(removal.learner) % 7:
            return await _remove(self, removal, admit)
        admission = await admit()
        answer = removed(removal.learner)
        if not isinstance(admission, Admission):
            return admission
        return Exchange(admission, Reply(answer.status, answer.body, None, None))

    ZohoClient.send_row = remove  # type: ignore[method-assign] # the fault


def _send_twice() -> None:
    """Every seventh call is made twice on one slot and one attempt."""

    async def remove(
        self: ZohoClient, removal: Removal, admit: Callable[[], Awaitable[Admission[Permit] | R]]
    ) -> Exchange[Permit] | R:
        exchange = await _remove(self, removal, admit)
        if isinstance(exchange, Exchange) and not int(removal.learner) % 7:
            admission = exchange.admission

            async def again() -> Admission[Permit]:
                return admission

            await _remove(self, removal, again)
        return exchange

    ZohoClient.send_row = remove  # type: ignore[method-assign] # the fault


def _name_another() -> None:
    """Every seventh call names the next learner."""

    async def remove(
        self: ZohoClient, removal: Removal, admit: Callable[[], Awaitable[Admission[Permit] | R]]
    ) -> Exchange[Permit] | R:
        wrong = int(removal.learner) + (0 if int(removal.learner) % 7 else 900)
        return await _remove(self, Removal(removal.course, removal.batch, str(wrong)), admit)

    ZohoClient.send_row = remove  # type: ignore[method-assign] # the fault


def _hurry() -> None:
    """The program's clock runs three times faster than the sandbox's."""
    os.environ["BULKREMOVE_SPEED"] = str(3 * float(os.environ["BULKREMOVE_SPEED"]))


class _Silent(_Watched):
    """Takes what a full disk refuses for written."""

    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        try:
            return super().execute(sql, *rest)
        except sqlite3.OperationalError as error:
            if not any(words in str(error) for words in ("full", "I/O")):
                raise
            return super().execute("SELECT 1 WHERE 0")


def _hide_a_full_disk() -> None:
    """An error of a disk that is full is told to nobody."""
    _watch(_Silent)


def _forget_what_was_sent() -> None:
    """The mark beside the journal keeps the counter, and not how far each job had come."""
    write = os.pwrite

    def forgetful(descriptor: int, content: Any, offset: int) -> int:
        if content.startswith(b'{"changes"'):
            kept = {**json.loads(content), "rows": {}}
            content = json.dumps(kept).encode("ascii").ljust(len(content))
        return write(descriptor, content, offset)

    os.pwrite = forgetful


FAULTS = (
    Fault("locks", "a process loses its locks on the journal", RULES, _lose_locks),
    Fault("unsent", "a row counts as removed and was not sent", ("rows",), _remove_nobody),
    Fault(
        "notes",
        "a note or an approval is acknowledged and not committed",
        ("audit", "kept", "refused"),
        _forget_notes,
        True,
    ),
    Fault("settled", "a run sends the settled rows of its job again", ("once", "rows"), _send_settled_again, True),
    Fault("twice", "a call is made twice on one slot", ("once",), _send_twice),
    Fault("another", "a call names another learner", ("plan",), _name_another),
    Fault(
        "full",
        "what a full disk refuses counts as written",
        ("kept", "audit", "rows", "refused"),
        _hide_a_full_disk,
        True,
    ),
    Fault(
        "copy",
        "a copy that was put back sends again what was sent since",
        ("once",),
        _forget_what_was_sent,
        True,
        ("run", "back up", "put a backup back", "resume"),
    ),
    Fault("hurry", "a clock runs three times too fast", ("limit",), _hurry, True),
)


if __name__ == "__main__":
    _name = sys.argv.pop(1)
    next(fault for fault in FAULTS if fault.name == _name).plant()
    main()
