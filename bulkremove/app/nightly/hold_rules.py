"""Rules that decide whether a nightly run may run a plan by itself or must hold it for a person. Pure.

In doubt they hold it: a nightly run that removes nobody does less harm than one that removes the wrong people.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from bulkremove.app.results import Preview
from bulkremove.config import Night
from bulkremove.domain.clock import DAY_SECONDS
from bulkremove.domain.ids import without_ids

BASELINE_RUNS = 10
"""The number of latest nightly runs that make the baseline."""
MAX_FILE_AGE = DAY_SECONDS + 3600.0
"""Seconds: a day, as nightly files are made daily, and an hour's grace."""


def reasons_to_hold(
    preview: Preview,
    *,
    night: Night,
    four_eyes: bool,
    sizes: Sequence[int],
    header_before: tuple[str, ...] | None,
    protected_before: int | None,
    age: float,
    tonight: int = 0,
) -> str | None:
    """Why a person must look at the plan first, in sentences; None when a nightly run may run it.

    ``sizes``: removals of the night's last runs; ``tonight``: those of the files before this one in the same run, which
    count too, since many files of usual size remove as many people as a large one; ``header_before``: the columns of
    the file before this one; ``protected_before``: entries of the protected list then; ``age``: seconds since the file
    was changed.
    """
    plan, protected, reasons = preview.plan, preview.protected, []
    if preview.refusal:
        reasons.append(preview.refusal.message)
    reasons += [doubt.text for doubt in plan.doubts]
    if preview.check is not None and preview.check.mismatched:
        reasons.append(
            f"In {len(preview.check.mismatched):,} of its rows the e-mail address is another one than Zoho has for the "
            "learner: a column may have been sorted or shifted without the others."
        )
    baseline = median(sizes[:BASELINE_RUNS]) if sizes else None
    if plan.removals and baseline is None:
        reasons.append("No nightly run has removed anybody yet, so there is nothing to compare it with.")
    elif baseline is not None and plan.removals and plan.removals + tonight > night.baseline_factor * baseline:
        after = f", after {tonight:,} of the files before it in this night" if tonight else ""
        reasons.append(
            f"It removes {plan.removals:,} learners{after}; the median of the last nightly runs is {baseline:,.0f}."
        )
    if protected < (protected_before or 0):
        reasons.append(f"The list of protected learners has {protected:,} entries; it had {protected_before:,} before.")
    if preview.is_canary and plan.removals:
        reasons.append("Nobody has confirmed a removal on this account yet, and the first one is made by hand.")
    if four_eyes and plan.removals:
        reasons.append("Two people must agree (four_eyes), so one has to approve it.")
    if not plan.removals and plan.open_in:
        reasons.append(f"All its rows are still to be sent by {plan.open_in_words}.")
    elif not plan.removals:
        reasons.append("There is nobody to remove in it.")
    if header_before is not None and plan.table.header != header_before:
        reasons.append("It has other columns than the file of the last nightly run.")
    if age > MAX_FILE_AGE:
        reasons.append(f"The file is {age / DAY_SECONDS:,.1f} days old.")
    return without_ids(" ".join(reasons)) or None
