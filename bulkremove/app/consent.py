"""Before anything is sent: does the plan stay within the caps, and did somebody agree to this very plan?

A plan over a cap is refused as a whole; nothing is ever removed "up to the cap".
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bulkremove.config import Settings
from bulkremove.domain.errors import ConsentMissing
from bulkremove.domain.plan import Plan
from bulkremove.domain.row import Status


@dataclass(frozen=True, slots=True)
class Consent:
    """How a person agreed to a plan: by its hash, by the number of removals typed, by both, or beforehand."""

    plan_hash: str | None = None
    number: int | None = None
    yes: bool = False


def over_a_cap(plan: Plan, settings: Settings) -> ConsentMissing | None:
    """Why the settings' caps forbid the plan; None when they don't."""
    cap, share = settings.max_removals, settings.max_invalid
    if plan.removals > cap:
        return ConsentMissing(
            f"The plan removes {plan.removals:,} learners, and the cap is {cap:,}.",
            hint=f"Nothing was sent. If that is meant, give --max-removals {plan.removals} or set max_removals.",
        )
    invalid = sum(exclusion.status is Status.INVALID for exclusion in plan.excluded.values())
    if 100.0 * invalid > share * len(plan.table):
        return ConsentMissing(
            f"{invalid:,} of {len(plan.table):,} rows are invalid, and the cap is {share:g} % of them.",
            hint="Nothing was sent. Mend the file; if the other rows are right all the same, raise --max-invalid.",
        )
    return None


def check_consent(plan: Plan, consent: Consent) -> None:
    """Raises ConsentMissing unless somebody agreed to exactly this plan."""
    if consent.plan_hash is not None and consent.plan_hash != plan.fingerprint:
        raise ConsentMissing(
            "This is not the plan that was previewed: the file, the account or an option has changed. "
            "Nothing was sent.",
            hint="Preview it again.",
        )
    if consent.number is not None and consent.number != plan.removals:
        raise ConsentMissing(f"{consent.number:,} is not the number of removals. Nothing was sent.")
    said = consent.yes or consent.plan_hash is not None or consent.number is not None
    if plan.removals and not said:
        raise ConsentMissing("Nobody agreed to this plan. Nothing was sent.", hint="Give --plan HASH or --yes.")


def check_eyes(prepared_by: Collection[str], by: str, settings: Settings) -> None:
    """Raises ConsentMissing where two people are asked for and one is both. ``prepared_by``: who shaped the plan."""
    if settings.four_eyes and by in prepared_by:
        raise ConsentMissing(
            f"{by} prepared this plan and can't agree to it too: four_eyes is set. Nothing was sent.",
            hint="Let somebody else look at the plan on the page and confirm it.",
        )
