"""The names of events: of jobs, in the journal and on their pages, and of nights and notices, in ``--events``."""

from __future__ import annotations

from enum import StrEnum


class EventName(StrEnum):
    """A name that never changes, for programs; docs/runbook.md lists them. In ``--events`` an act is ``audit.ACT``."""

    STARTED = "started"
    HALTED = "halted"
    LOCKED = "locked"
    FAILING = "failing"
    UNREACHABLE = "unreachable"
    NO_TOKEN = "no_token"  # noqa: S105 - an event, not a secret
    TAKEN_UP = "taken_up"
    FINISHED = "finished"
    PAUSED = "paused"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    REPORTED = "reported"
    COUNTS_COMPARED = "counts_compared"
    HELD = "held"
    DUE = "due"
    APPROVED = "approved"
    CANARY = "canary"
    CANARY_CONFIRMED = "canary_confirmed"
    CANARY_GIVEN_UP = "canary_given_up"
    WORDING_ACCEPTED = "wording_accepted"
    WORDING_WITHDRAWN = "wording_withdrawn"
    PUT_BACK = "put_back"
    RESTORED = "restored"
    NIGHTLY_STARTED = "nightly_started"
    NIGHTLY_ENDED = "nightly_ended"
    NIGHTLY_SKIPPED = "nightly_skipped"
    NOTICE = "notice"
    NOTICE_SENT = "notice_sent"
    NOTICE_FAILED = "notice_failed"


WAITS = frozenset({EventName.LOCKED, EventName.FAILING, EventName.UNREACHABLE, EventName.NO_TOKEN})
"""Events that begin a wait in which no row is sent."""
