"""What happens to jobs, as lines for whoever keeps logs: text, or one JSON object each. Never a cell or an id.

Each line has the job, its account and the event's stable name; journald and others add the time again as they like.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

EVENTS = "bulkremove.events"


class Lines(logging.Formatter):
    """``2026-11-23T02:30:00.000+00:00 locked job=20261123-k3f9 account=default Zoho says ...``"""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        facts = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "event": getattr(record, "event", record.name),
            "job": getattr(record, "job", ""),
            "account": getattr(record, "account", ""),
            "text": record.getMessage(),
        }
        if self._as_json:
            return json.dumps(facts, ensure_ascii=False)
        return f"{facts['at']} {facts['event']} job={facts['job']} account={facts['account']} {facts['text']}"


def start(form: str) -> None:
    """Log events to standard error; ``form``: ``text`` or ``json``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(as_json=form == "json"))
    log = logging.getLogger(EVENTS)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
