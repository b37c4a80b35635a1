"""Nightly runs: which files one takes in, what it holds for a person, and when it starts."""

from bulkremove.app.nightly.nightly_run import NightlyRuns, schedule
from bulkremove.app.nightly.result import NightlyResult
from bulkremove.app.nightly.scheduler import Scheduler

__all__ = ["NightlyResult", "NightlyRuns", "Scheduler", "schedule"]
