"""Metrics for Prometheus: totals from the journal, as text for `/metrics` or for node_exporter.

They hold no names and no ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import JobState
from bulkremove.domain.row import Status

CONTENT_TYPE = CONTENT_TYPE_LATEST
"""Content type of the text for the HTTP response."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The values of the metrics: ``rows`` counted by status, ``jobs`` by state."""

    rows: Mapping[str, int]
    jobs: Mapping[str, int]
    lockouts: int
    calls_minute: int
    calls_day: int
    budget: int
    locked_seconds: float
    last_good_nightly_run: Epoch | None
    """When it ended; None before the first."""
    notices_waiting: int
    oldest_held: Epoch | None = None
    """Since when the held job waits that waits longest; None if none is held."""
    last_start: Epoch | None = None
    """When the last nightly run started; None before the first."""
    last_end: Epoch | None = None
    """When it ended; None while it runs, or when it was killed."""
    last_end_code: str = ""
    clock_skew: float | None = None
    """Seconds by which this machine's clock was ahead of Zoho's in the last nightly run; None if no reply came."""


def text(figures: Figures) -> bytes:
    """Format the figures in Prometheus' text format, UTF-8."""
    registry = CollectorRegistry()
    rows = Gauge("bulkremove_rows", "Rows of all jobs, by status.", ["status"], registry=registry)
    for status in {*figures.rows, *Status}:  # a figure that is missing until it is wrong wakes nobody
        rows.labels(status).set(figures.rows.get(status, 0))
    jobs = Gauge("bulkremove_jobs", "Jobs, by state.", ["state"], registry=registry)
    for state in {*figures.jobs, *JobState}:
        jobs.labels(state).set(figures.jobs.get(state, 0))
    end = Gauge("bulkremove_last_nightly_run_end", "How the last one ended: 1.", ["end"], registry=registry)
    if figures.last_end_code:
        end.labels(figures.last_end_code).set(1)
    for name, description, value in (
        ("lockouts", "Lock-outs of all jobs.", figures.lockouts),
        ("calls_last_minute", "Calls in the last window.", figures.calls_minute),
        ("calls_last_day", "Calls in 24 hours.", figures.calls_day),
        ("budget_calls", "Calls that one window allows now.", figures.budget),
        ("locked_seconds", "Seconds until the account is open again; 0 when it is.", figures.locked_seconds),
        ("notices_waiting", "Notices that were not sent yet.", figures.notices_waiting),
        (
            "last_good_nightly_run_seconds",
            "When the last good one ended (epoch); 0: never.",
            figures.last_good_nightly_run or 0,
        ),
        ("last_nightly_run_start_seconds", "When the last one started (epoch); 0: never.", figures.last_start or 0),
        (
            "last_nightly_run_end_seconds",
            "When the last one ended (epoch); 0: it runs, or was killed.",
            figures.last_end or 0,
        ),
        ("oldest_held_seconds", "Since when the oldest held job waits (epoch); 0: none.", figures.oldest_held or 0),
        (
            "clock_skew_seconds",
            "Seconds that this clock was ahead of Zoho's in the last nightly run; NaN: no reply came.",
            float("nan") if figures.clock_skew is None else figures.clock_skew,
        ),
    ):
        Gauge(f"bulkremove_{name}", description, registry=registry).set(value)
    return bytes(generate_latest(registry))
