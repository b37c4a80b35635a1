"""Whether a night may run a plan by itself, or must keep it until a person has looked. Pure.

A night that removes nothing does less harm than one that removes the wrong people.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from bulkremove.app.consent import over_a_cap
from bulkremove.config import Settings
from bulkremove.domain.plan import Plan

BASELINE_RUNS = 10
"""So many of the last nights say what is usual."""
MIN_RUNS = 3
"""With fewer nights nothing is usual yet."""
MAX_FILE_AGE = 86_400.0 + 3600.0
"""Seconds: a file of the night before, and an hour's grace."""


def why_held(
    plan: Plan, settings: Settings, *, sizes: Sequence[int], header_before: tuple[str, ...] | None, age: float
) -> str | None:
    """Why a person must look at the plan first, in sentences; None when a night may run it.

    ``sizes``: removals of the last nights; ``header_before``: the columns of the last night's file; ``age``: seconds
    since the file was changed.
    """
    reasons = []
    refusal = over_a_cap(plan, settings)
    if refusal:
        reasons.append(refusal.message)
    usual = median(sizes[:BASELINE_RUNS]) if len(sizes) >= MIN_RUNS else None
    if usual and plan.removals > settings.usual_factor * usual:
        reasons.append(
            f"It removes {plan.removals:,} learners, and {usual:,.0f} are usual (the median of the last nights)."
        )
    if not plan.removals:
        reasons.append("There is nobody to remove in it.")
    if header_before is not None and plan.table.header != header_before:
        reasons.append("It has other columns than the last night's file.")
    if age > MAX_FILE_AGE:
        reasons.append(f"The file is {age / 86_400.0:.1f} days old.")
    return " ".join(reasons) or None
