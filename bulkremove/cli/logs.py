"""A log of job events on standard error, one line each, as text or JSON. No line holds a cell or an id of a row.

Each line has its time (UTC), the event's stable name, the job, its account and a text.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

EVENTS = "bulkremove.events"


class EventFormatter(logging.Formatter):
    """Formatter of an event as one line.

    As text: ``2026-11-23T02:30:00.000+00:00 locked job=20261123-k3f9 account=default Zoho says ...``
    """

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Format a record; its extra attributes ``event``, ``job`` and ``account`` may be missing."""
        fields = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "event": getattr(record, "event", record.name),
            "job": getattr(record, "job", ""),
            "account": getattr(record, "account", ""),
            "text": record.getMessage(),
        }
        if self._as_json:
            return json.dumps(fields, ensure_ascii=False)
        return f"{fields['at']} {fields['event']} job={fields['job']} account={fields['account']} {fields['text']}"


def start(form: str) -> None:
    """Log events to standard error; ``form``: ``text`` or ``json``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(EventFormatter(as_json=form == "json"))
    log = logging.getLogger(EVENTS)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
