"""The result of a nightly run."""

from __future__ import annotations

from dataclasses import dataclass, field

from bulkremove.app.results import Preview, RunResult
from bulkremove.domain.job import Job

NIGHTLY_RUN = "the nightly run"
"""The actor of nightly runs in the audit log."""


@dataclass(slots=True)
class NightlyResult:
    """What a nightly run did. ``held`` and ``failures``: sentences about files and jobs."""

    sandbox: bool = False
    """Whether it ran against a sandbox, on copies of the files."""
    ended: list[RunResult] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    """Files that are still being written."""
    left: list[str] = field(default_factory=list)
    """Sentences about what lies in the folder and can't be taken."""
    unchanged: list[str] = field(default_factory=list)
    """Sentences about contents that each run finds anew and that were taken before."""
    failures: list[str] = field(default_factory=list)
    evidence: str = ""
    """The newest entry of the audit log at its end, in a sentence."""
    deleted: str = ""
    """What retention deleted, in a sentence."""
    plans: list[Preview] = field(default_factory=list)
    """Of a dry run only."""

    @property
    def ran(self) -> list[Job]:
        """The jobs that were run, as they ended."""
        return [ended.job for ended in self.ended]

    @property
    def good(self) -> bool:
        """Whether nothing was held, nothing failed, and every job ended well."""
        return not self.held and not self.failures and all(ended.good for ended in self.ended)
