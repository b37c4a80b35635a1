"""Metrics for Prometheus: totals from the journal, as text for `/metrics` or for node_exporter.

They hold no names and no ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from bulkremove.domain.clock import Epoch

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


def text(figures: Figures) -> bytes:
    """Format the figures in Prometheus' text format, UTF-8."""
    registry = CollectorRegistry()
    rows = Gauge("bulkremove_rows", "Rows of all jobs, by status.", ["status"], registry=registry)
    for status, count in figures.rows.items():
        rows.labels(status).set(count)
    jobs = Gauge("bulkremove_jobs", "Jobs, by state.", ["state"], registry=registry)
    for state, count in figures.jobs.items():
        jobs.labels(state).set(count)
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
    ):
        Gauge(f"bulkremove_{name}", description, registry=registry).set(value)
    return bytes(generate_latest(registry))
