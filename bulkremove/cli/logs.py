"""Logs on standard error and in a file: messages of this program, and events, one line each, as text or JSON.

Each line of an event has its time (UTC), the event's stable name, the job, its account, the night and a text. No line
holds a cell or an id of a row.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

EVENTS = "bulkremove.events"
LEVELS = ("debug", "info", "warning", "error")

_PROGRAM_LOGGER = logging.getLogger("bulkremove")


class EventFormatter(logging.Formatter):
    """Formatter of a record as one line.

    As text: ``2026-11-23T02:30:00.000Z locked job=20261123-k3f9 account=default night= Zoho says ...``
    """

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Format a record; its extra attributes ``event``, ``job``, ``account`` and ``night`` may be missing."""
        text = record.getMessage()
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        fields = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "event": getattr(record, "event", record.name),
            "job": getattr(record, "job", ""),
            "account": getattr(record, "account", ""),
            "night": getattr(record, "night", ""),
            "text": text,
        }
        if self._as_json:
            return json.dumps(fields, ensure_ascii=False)
        facts = " ".join(f"{name}={fields[name]}" for name in ("job", "account", "night"))
        return f"{fields['at']} {fields['event']} {facts} {text}"


class Logs:
    """The logs of one command. Each option may be given before and after the command; the last one counts."""

    def __init__(self) -> None:
        self._form, self._file, self._level = "", "", "warning"
        # Only this program's own records: apprise logs its addresses, which hold secrets (apprise 2.2, measured).
        logging.basicConfig(stream=sys.stderr, level=logging.CRITICAL)

    def configure(self, *, form: str | None = None, file: str | None = None, level: str | None = None) -> None:
        """Change what was given and set the handlers anew. Raises click.UsageError for a file that can't be written.

        ``form``: of events, ``text`` or ``json``; ``file``: gets events and messages; ``level``: of messages.
        """
        self._form, self._file, self._level = form or self._form, file or self._file, level or self._level
        events = logging.getLogger(EVENTS)
        for handler in (*events.handlers, *_PROGRAM_LOGGER.handlers):
            events.removeHandler(handler)
            _PROGRAM_LOGGER.removeHandler(handler)
            handler.close()
        formatter = EventFormatter(as_json=self._form == "json")
        handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)] if self._form else []
        if self._file:
            in_file = _open(self._file)
            in_file.setFormatter(formatter)
            _PROGRAM_LOGGER.addHandler(in_file)
            handlers.append(in_file)
        for handler in handlers:
            handler.setFormatter(formatter)
            events.addHandler(handler)
        events.propagate = False
        events.setLevel(logging.INFO if handlers else logging.CRITICAL)
        _PROGRAM_LOGGER.setLevel(self._level.upper())


def _open(file: str) -> logging.Handler:
    path = Path(file).expanduser()
    try:
        path.touch(mode=0o600)  # only when it is new
        return logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise click.UsageError(
            f"The log {path} can't be written: {error.strerror}. Name a file in a folder that is there."
        ) from None
