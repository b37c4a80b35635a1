"""Records: entries that are written in the same transaction as another change, so that neither exists alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import Epoch
from bulkremove.domain.event_names import EventName
from bulkremove.domain.plan import OtherJob


@dataclass(frozen=True, slots=True)
class Act:
    """An entry for the audit log. ``facts``: names, numbers and hashes, never a cell's text."""

    actor: str
    act: AuditAct
    facts: Mapping[str, object]
    at: Epoch


@dataclass(frozen=True, slots=True)
class JobEvent:
    """An event of a job, for people to read later. ``LOCKED`` also counts as a lockout of the job."""

    job: str
    name: EventName
    text: str
    at: Epoch


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event of a job as it is stored. ``number``: larger than those of the job's events before it."""

    number: int
    at: Epoch
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A message, kept in the outbox until it is sent; of one night or person there is one with each ``key``."""

    key: str
    subject: str
    body: str
    attachment: str | None
    """Path of a report to send with it."""
    at: Epoch
    night: str
    """The name of the night whose addresses it goes to, or the person (``notices/people_mail.py``)."""
    tries: int = 0
    had: str = ""
    """The marks of the addresses that have it already, separated by spaces."""


@dataclass(frozen=True, slots=True)
class IntakeResult:
    """What became of a content that a night took: the id of its job, and why it was held, or empty.

    ``sandbox``: the host of the sandbox that it was taken for; empty for Zoho's own.
    """

    digest: str
    night: str
    sandbox: str
    job: str | None
    held: str = ""


Record = Act | JobEvent | Notice | IntakeResult


@dataclass(frozen=True, slots=True)
class PastRemoval:
    """A removal that a job has made before. ``record_number``: the person's, empty where it was not kept.

    ``is_confirmed``: Zoho confirmed it; else it was inferred, or a person saw that the learner was gone.
    """

    job: OtherJob
    at: Epoch
    record_number: str
    is_confirmed: bool
