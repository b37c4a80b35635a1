"""Records: facts that are written in one transaction with something else, or neither is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Act:
    """An entry for the audit log. ``act``: a stable word; ``facts``: names, numbers and hashes, never a cell."""

    actor: str
    act: str
    facts: Mapping[str, object]
    at: float
    """Epoch seconds."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something about a job that a person will want to read later. ``name``: a stable word; ``at``: epoch seconds.

    ``locked`` also counts as a lockout of the job.
    """

    job: str
    name: str
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class Notice:
    """A message for people, kept in the outbox until it is sent; of two with one ``key`` the first alone is kept."""

    key: str
    subject: str
    body: str
    attachment: str | None
    """Path of a report."""
    at: float
    """Epoch seconds."""
    tries: int = 0


@dataclass(frozen=True, slots=True)
class IntakeResult:
    """What the content of a nightly file has become: a job, or nothing and why."""

    digest: str
    job: str | None
    held: str = ""


Record = Act | JobEvent | Notice | IntakeResult
