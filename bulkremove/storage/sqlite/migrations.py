"""Migrations of the schema, each from one version to the next."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from importlib.resources import files

from bulkremove.domain.errors import JournalFailed

MIGRATIONS = (
    "1-jobs.sql",
    "2-people.sql",
    "3-night.sql",
    "4-storage.sql",
    "5-identity.sql",
    "6-names.sql",
    "7-operation.sql",
    "8-end-reasons.sql",
    "9-names.sql",
    "10-consent.sql",
    "11-wordings.sql",
    "12-one-time.sql",
    "13-sandbox-nights.sql",
    "14-keeping.sql",
    "15-stop-requests.sql",
    "16-nights.sql",
    "17-unknown-elsewhere.sql",
    "18-organizations.sql",
    "19-token-owners.sql",
    "20-shown-plans.sql",
    "21-several-nights.sql",
    "22-notice-addresses.sql",
    "23-own-organization.sql",
    "24-access.sql",
    "25-reads.sql",
    "26-enrolment-check.sql",
    "27-people.sql",
    "28-seen-fields.sql",
    "29-enrolments.sql",
    "30-leavers.sql",
    "31-employees.sql",
    "32-known-leavers.sql",
    "33-last-run.sql",
)
"""Files in ``schema``, in the order in which they were added; a new journal goes through all of them."""
WITH_COUNTER = 4
"""The first version with a counter, which shows that a copy was put back."""


def version(connection: sqlite3.Connection) -> int:
    """The version of the schema; 0 for an empty file. Raises sqlite3.Error."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_version(connection: sqlite3.Connection) -> int:
    """The version of the schema. Raises sqlite3.Error, and JournalFailed for a file of a newer bulkremove."""
    found = version(connection)
    if found > len(MIGRATIONS):
        raise JournalFailed(
            f"The journal was written by a newer bulkremove (its version {found}, known here: {len(MIGRATIONS)}).",
            hint="Update bulkremove and start it again, or set BULKREMOVE_HOME to another folder.",
        )
    return found


def migrate(
    connection: sqlite3.Connection, *, marked: bool, keep_copy: Callable[[int], None] = lambda version: None
) -> None:
    """Bring the schema to the newest version, in one transaction.

    ``marked``: whether there is a mark beside the file. Marks came with ``WITH_COUNTER``, so a file of an older version
    must be a copy then. ``keep_copy`` is called with the version of a file that is about to be changed, while nobody
    else can write. Raises what it raises, sqlite3.Error, and JournalFailed for a file of a newer bulkremove.
    """
    before = check_version(connection)
    if before == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if before:
            keep_copy(before)
        for name in MIGRATIONS[before:]:
            script = files("bulkremove.storage.sqlite").joinpath("schema", name).read_text(encoding="utf-8")
            for statement in _statements(script):
                connection.execute(statement)
        if marked and 0 < before < WITH_COUNTER:
            connection.execute("UPDATE identity SET state = 'restored'")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """The script's statements one by one: ``executescript`` would commit the open transaction first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
