"""Noticing a journal that was restored from an old copy, before anything is sent twice.

Beside the journal lies the last entry of the audit log that a run has seen. A journal without that entry has lost what
was done since: its rows would be sent again, and its slots would be free although the calls were made.
"""

from __future__ import annotations

import json
from pathlib import Path

from bulkremove.errors import JournalFailed
from bulkremove.private_files import read_private, write_private
from bulkremove.store import Journal

NAME = "journal.seen"


def check(home: Path, journal: Journal) -> None:
    """Raises JournalFailed when the journal lacks what it had at the last run."""
    text = read_private(home / NAME)
    if text is None:
        return
    seen = json.loads(text)
    if journal.audit.hash_of(seen["entry"]) != seen["hash"]:
        raise JournalFailed(
            f"The journal in {home} is older than the last run with it: it seems to be restored from a copy, and what "
            "was sent since is not in it. Nothing was sent.",
            hint=f"Cancel the jobs that ran since, wait {_WAIT}, delete {home / NAME}, and go on.",
        )


def remember(home: Path, journal: Journal) -> None:
    """Write down the newest entry, once it is in the journal."""
    newest = journal.audit.entries(newest=1)
    if newest:
        write_private(home / NAME, json.dumps({"entry": newest[0].id, "hash": newest[0].hash}))


_WAIT = "6 minutes, so that no call of them counts any more"
