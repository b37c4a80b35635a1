"""Checks before anything is sent: somebody agreed to exactly this plan, and not too long ago."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bulkremove.config import Settings
from bulkremove.domain.clock import Epoch, seconds_between
from bulkremove.domain.errors import ConsentMissing, JobUnsuitable, PlanNotReady, PlanOutdated
from bulkremove.domain.job import CLOCK_STEP_SECONDS, PLAN_SECONDS, START_AHEAD_SECONDS, Job, is_recent
from bulkremove.domain.plan import Plan

ON_THIS_MACHINE = " on this machine"
"""What the names of the operating system's users end in."""
TOKEN, OF_OWNER = "token ", " of "


@dataclass(frozen=True, slots=True)
class Consent:
    """How a person agreed to a plan: by its hash, by typing the number of removals, or in advance (``yes``).

    ``compared``: the number of doubtful ids, from a person who compared them with Zoho; needed beside the others.
    ``over_cap``: why this very plan may exceed a cap, from a person with that permission; empty: it may not.
    ``exceeded``: the sentence about this cap that the person saw; when another one holds, nobody agreed to that.
    """

    plan_hash: str | None = None
    removals: int | None = None
    yes: bool = False
    compared: int | None = None
    over_cap: str = ""
    exceeded: str = ""

    @property
    def by_hash_alone(self) -> bool:
        """Whether only the hash says yes, which is not typed anew for each run."""
        return self.plan_hash is not None and self.removals is None and not self.yes


def check_consent(plan: Plan, consent: Consent) -> None:
    """Check that somebody agreed to exactly this plan. Raises ConsentMissing or PlanOutdated."""
    if consent.plan_hash is not None and consent.plan_hash != plan.hash:
        jobs = f", or rows of it are still to be sent by {plan.open_in_words}" if plan.open_in else ""
        raise PlanOutdated(
            f"This is not the plan that was previewed: the file, the account, an option or Zoho's list of a "
            f"batch has changed{jobs}. "
            "Nothing was sent.",
            hint="Preview it again.",
        )
    if consent.removals is not None and consent.removals != plan.removals:
        raise ConsentMissing(
            f"{consent.removals:,} is not the number of {plan.operation.words.nouns}. Nothing was sent."
        )
    has_consent = consent.yes or consent.plan_hash is not None or consent.removals is not None
    if plan.removals and not has_consent:
        raise ConsentMissing(
            "Nobody agreed to this plan. Nothing was sent.",
            hint="Give --plan HASH or --yes.",
            page_hint="Look at the plan, then confirm it.",
        )
    if plan.doubts and consent.compared is None:
        count = plan.doubtful_ids
        raise ConsentMissing(
            f"{' '.join(doubt.text for doubt in plan.doubts)} Nothing was sent.",
            hint=f"Compare these ids with Zoho People. If they are right, give --compared {count}.",
            page_hint=f"Compare these ids with Zoho People. If they are right, tick the box that says so; a program "
            f"sends compared = {count}.",
        )
    if (plan.doubts or consent.compared) and consent.compared != plan.doubtful_ids:
        raise ConsentMissing(
            f"{consent.compared:,} is not the number of doubtful ids, which is {plan.doubtful_ids:,}. Nothing was sent."
        )


def check_age(made_at: Epoch, now: Epoch) -> None:
    """Check that a plan was made within the last day: its prompt may have waited. Raises PlanOutdated."""
    if not is_recent(made_at, now, PLAN_SECONDS):
        raise PlanOutdated("This plan was made more than a day ago. Nothing was sent.", hint="Preview the file again.")


def check_start(start_at: Epoch | None, now: Epoch) -> None:
    """Check that a job's start, if one was given, lies within the next day. Raises PlanNotReady."""
    if start_at is None:
        return
    ahead = seconds_between(now, start_at)
    if ahead < -CLOCK_STEP_SECONDS:
        raise PlanNotReady(
            "The time at which it was to start has passed. Nothing was confirmed.",
            hint="Give a later time, or none: it starts at once then.",
        )
    if ahead > START_AHEAD_SECONDS:
        raise PlanNotReady(
            "A job starts within 24 hours of its confirmation, since people may be enrolled anew later. Nothing was "
            "confirmed.",
            hint="Give an earlier time, or confirm the plan on that day.",
        )


def check_sandbox_match(job: Job, settings: Settings) -> None:
    """Check that nobody lets a real job go on where everything is marked as SANDBOX. Raises JobUnsuitable."""
    if settings.is_sandbox and not job.is_sandbox:
        raise JobUnsuitable(
            f"Job {job.id} is a real one on {job.host}, and this is the SANDBOX. Nothing was changed or sent.",
            hint="Look after it without the sandbox.",
        )


def check_four_eyes(prepared_by: Collection[str], by: str, settings: Settings) -> None:
    """Check, where ``four_eyes`` is set, that who approves a plan did not prepare it. Raises ConsentMissing."""
    if settings.four_eyes and any(is_same_person(by, other) for other in prepared_by):
        raise ConsentMissing(
            f"{by} prepared this plan and can't agree to it too: four_eyes is set. Nothing was sent.",
            hint="Let somebody else look at the plan on the page and confirm it.",
        )


def is_same_person(one: str, other: str) -> bool:
    """Whether two names are one person's: the page's user ``Kim`` and the system's user ``kim`` are taken for one.

    A token is taken for its owner.
    """
    return _person(one) == _person(other)


def token_actor(name: str, owner: str) -> str:
    """Return how a token is named as who did something. ``owner``: empty for one that an older version made."""
    return f"{TOKEN}{name}{OF_OWNER}{owner}" if owner else f"{TOKEN}{name}"


def _person(actor: str) -> str:
    if actor.startswith(TOKEN):  # no name of a user has a space
        actor = actor.partition(OF_OWNER)[2] or actor
    return actor.removesuffix(ON_THIS_MACHINE).casefold()
