"""What a nightly run came to."""

from __future__ import annotations

from dataclasses import dataclass, field

from bulkremove.app.results import Ended, Preview
from bulkremove.domain.job import Job

NIGHTLY_RUN = "the nightly run"
"""Who acts in a nightly run, for the audit log."""


@dataclass(slots=True)
class NightlyResult:
    """``held`` and ``failures``: sentences."""

    ended: list[Ended] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    """Files that are still being written."""
    failures: list[str] = field(default_factory=list)
    deleted: str = ""
    """What retention deleted, in a sentence."""
    plans: list[Preview] = field(default_factory=list)
    """What a dry run showed."""

    @property
    def ran(self) -> list[Job]:
        return [ended.job for ended in self.ended]

    @property
    def good(self) -> bool:
        return not self.held and not self.failures and all(ended.good for ended in self.ended)
