"""What a nightly run came to."""

from __future__ import annotations

from dataclasses import dataclass, field

from bulkremove.app.results import Preview
from bulkremove.domain.model import Job

NIGHT = "the night"
"""Who acts in a nightly run, for the audit log."""


@dataclass(slots=True)
class NightlyResult:
    """``held`` and ``failures``: sentences; ``exit_code``: the worst of all, as a command ends with it."""

    ran: list[Job] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    """Files that are still being written."""
    failures: list[str] = field(default_factory=list)
    deleted: str = ""
    """What retention deleted, in a sentence."""
    plans: list[Preview] = field(default_factory=list)
    """What a dry run showed."""

    @property
    def exit_code(self) -> int:
        codes = [job.exit_code for job in self.ran] + [4] * bool(self.held) + [5] * bool(self.failures)
        return max(codes, default=0)

    @property
    def good(self) -> bool:
        return not self.held and not self.failures and all(job.exit_code == 0 for job in self.ran)
