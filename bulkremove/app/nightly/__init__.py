"""Nightly runs: which files they take in, which plans they hold for a person, and when they start."""

from bulkremove.app.nightly.dry_run import Planned
from bulkremove.app.nightly.nightly_run import NightlyRuns
from bulkremove.app.nightly.nightly_schedule import by_time, schedule
from bulkremove.app.nightly.result import NightlyResult, NightlyRunEnd
from bulkremove.app.nightly.scheduler import Scheduler

__all__ = ["NightlyResult", "NightlyRunEnd", "NightlyRuns", "Planned", "Scheduler", "by_time", "schedule"]
