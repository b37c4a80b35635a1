"""Metrics for Prometheus: totals from the journal, as text for `/metrics` or for node_exporter.

They hold no names and no ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import JobState
from bulkremove.domain.row import Status

CONTENT_TYPE = CONTENT_TYPE_LATEST
"""Content type of the text for the HTTP response."""


@dataclass(frozen=True, slots=True)
class AccountFigures:
    """The values of the metrics of one account."""

    calls_minute: int
    calls_day: int
    budget: int
    locked_seconds: float


@dataclass(frozen=True, slots=True)
class NightFigures:
    """The values of the metrics of one night."""

    last_success_at: Epoch | None = None
    """When the last good run ended; None before the first."""
    start: Epoch | None = None
    """When the last run started; None before the first."""
    end: Epoch | None = None
    """When it ended; None while it runs, or when it was killed."""
    end_code: str = ""
    clock_skew: float | None = None
    """Seconds by which this machine's clock was ahead of Zoho's in it; None if no reply came."""

    @property
    def skew(self) -> float:
        """The clock skew, NaN if no reply came."""
        return float("nan") if self.clock_skew is None else self.clock_skew


@dataclass(frozen=True, slots=True)
class Figures:
    """The values of the metrics: ``rows`` counted by status, ``jobs`` by state."""

    rows: Mapping[str, int]
    jobs: Mapping[str, int]
    lockouts: int
    accounts: Mapping[str, AccountFigures]
    """Those of each account that the settings or a night name."""
    notices_waiting: int
    oldest_held: Epoch | None = None
    """Since when the held job waits that waits longest; None if none is held."""
    nights: Mapping[str, NightFigures] = field(default_factory=dict)
    """Those of each night, by its name."""


def prometheus_text(figures: Figures) -> bytes:
    """Format the figures in Prometheus' text format, UTF-8."""
    registry = CollectorRegistry()
    rows = Gauge("bulkremove_rows", "Rows of all jobs, by status.", ["status"], registry=registry)
    for status in {*figures.rows, *Status}:  # a figure that is missing until it is wrong wakes nobody
        rows.labels(status).set(figures.rows.get(status, 0))
    jobs = Gauge("bulkremove_jobs", "Jobs, by state.", ["state"], registry=registry)
    for state in {*figures.jobs, *JobState}:
        jobs.labels(state).set(figures.jobs.get(state, 0))
    for name, description, value in (
        ("lockouts", "Lock-outs of all jobs.", figures.lockouts),
        ("notices_waiting", "Notices that were not sent yet.", figures.notices_waiting),
        ("oldest_held_seconds", "Since when the oldest held job waits (epoch); 0: none.", figures.oldest_held or 0),
    ):
        Gauge(f"bulkremove_{name}", description, registry=registry).set(value)
    _add(
        registry,
        "account",
        {
            "calls_last_minute": "Calls in the last window.",
            "calls_last_day": "Calls in 24 hours.",
            "budget_calls": "Calls that one window allows now.",
            "locked_seconds": "Seconds until the account is open again; 0 when it is.",
        },
        {
            name: (
                account_figures.calls_minute,
                account_figures.calls_day,
                account_figures.budget,
                account_figures.locked_seconds,
            )
            for name, account_figures in figures.accounts.items()
        },
    )
    _add(
        registry,
        "night",
        {
            "last_good_nightly_run_seconds": "When the last good one ended (epoch); 0: never.",
            "last_nightly_run_start_seconds": "When the last one started (epoch); 0: never.",
            "last_nightly_run_end_seconds": "When the last one ended (epoch); 0: it runs, or was killed.",
            "clock_skew_seconds": "Seconds that this clock was ahead of Zoho's in the last one; NaN: no reply came.",
        },
        {
            name: (night_figures.last_success_at, night_figures.start, night_figures.end, night_figures.skew)
            for name, night_figures in figures.nights.items()
        },
    )
    end = Gauge("bulkremove_last_nightly_run_end", "How the last one ended: 1.", ["night", "end"], registry=registry)
    for name, night in figures.nights.items():
        if night.end_code:
            end.labels(name, night.end_code).set(1)
    return bytes(generate_latest(registry))


def _add(
    registry: CollectorRegistry,
    label: str,
    gauges: Mapping[str, str],
    values: Mapping[str, Sequence[float | None]],
) -> None:
    """Add gauges (descriptions by name), each with its value for each value of the label; None counts as 0."""
    for number, (name, description) in enumerate(gauges.items()):
        gauge = Gauge(f"bulkremove_{name}", description, [label], registry=registry)
        for label_value, numbers in values.items():
            gauge.labels(label_value).set(numbers[number] or 0)
