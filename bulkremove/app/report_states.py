"""Rows of an earlier job's report whose state in the journal has become another since the report was written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from bulkremove.domain.attempt import Outcome
from bulkremove.domain.errors import JobNotFound
from bulkremove.domain.row import Status
from bulkremove.domain.table import Table
from bulkremove.reading.previous_report import unknown_in
from bulkremove.storage import Storage


async def with_present_states(table: Table, storage: Storage) -> Table:
    """Return the table with the rows as unknown that its report calls settled, but the journal calls unknown.

    What proved them may have been withdrawn since. Nothing else of the journal counts against the report: where it was
    put back from a backup, the report knows more. Such rows are not sent either way; a note says how many they are.
    """
    indexes: dict[str, dict[int, int]] = defaultdict(dict)
    for index, exclusion in table.settled.items():
        if exclusion.job and exclusion.number:
            indexes[exclusion.job][exclusion.number] = index
    if not indexes or not storage.exists:
        return table
    settled, notes = dict(table.settled), []
    for job_id, index_of in indexes.items():
        try:
            job = await storage.jobs.get(job_id)
        except JobNotFound:
            continue

        def unknown(rows: Iterator[Outcome]) -> set[int]:
            return {row.number for row in rows if row.status is Status.UNKNOWN}

        numbers = index_of.keys() & await storage.rows.export(job, unknown)
        settled.update({index_of[number]: unknown_in(job_id) for number in numbers})
        if numbers:
            notes.append(
                f"Job {job_id} calls {len(numbers):,} of these rows unknown by now, whatever this report says. They "
                "are not sent; look these learners up in Zoho People."
            )
    return replace(table, settled=settled, notes=(*table.notes, *notes))
