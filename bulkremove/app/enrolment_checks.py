"""Use case: check a plan with the rosters of its batches, before anybody agrees to it.

docs/decisions/0021-enrolment-check.md says what follows from a roster, and what does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bulkremove.app.accounts import Accounts
from bulkremove.app.context import Context
from bulkremove.app.listings import Listings, OpenListings
from bulkremove.app.plans import Plans
from bulkremove.app.results import Preview
from bulkremove.domain.enrolment_check import EarlierRemoval, EnrolmentCheck, compare, leave_out_enrolled, unlisted
from bulkremove.domain.errors import BulkremoveError, PlanNotReady, ReadFailed
from bulkremove.domain.listing import Roster
from bulkremove.domain.operation import ENROLL_LEARNER, LIST_PROGRESS
from bulkremove.domain.permissions import EVERY_ACCOUNT, AccountSet
from bulkremove.domain.plan import Plan
from bulkremove.domain.row import Removal
from bulkremove.engine.slot_decisions import Wait
from bulkremove.platform.local_time import local
from bulkremove.reading.columns import compared_columns
from bulkremove.zoho.accounts import SCOPE_VARIABLE

LEARNERS_PER_READ = 25
"""Learners of one answer (documented for other lists): so many more need another read."""
FREE_READS = 60
"""A check of at most so many reads (two minutes) is made unasked, also where it has more calls than the removals."""
MAX_FAILURES = 3
"""After so many batches in a row that can't be read, the others are not tried."""


@dataclass(frozen=True, slots=True)
class CheckCost:
    """What a check takes: so many batches, with so many reads at least, and their minutes at the limit."""

    batches: int
    reads: int
    minutes: float


class EnrolmentChecks:
    """Enrolment checks for the settings' account."""

    def __init__(self, context: Context, accounts: Accounts, plans: Plans, listings: Listings) -> None:
        self._context, self._accounts, self._plans, self._listings = context, accounts, plans, listings

    def cost(self, plan: Plan) -> CheckCost:
        """What the check of a plan would take at least: its batches may have more learners than it has rows."""
        reads = sum(2 + -(-count // LEARNERS_PER_READ) for count in plan.batches.values())
        return CheckCost(len(plan.batches), reads, self._listings.minutes_for(reads))

    def why_left_out(self, plan: Plan) -> str:
        """Why a plan is not checked unasked, in a sentence; empty if it is. Blank where nobody need be told."""
        setting, cost = self._context.settings.enrolment_check, self.cost(plan)
        if not plan.removals or setting == "never":
            return " "
        if setting == "always":
            return ""
        # A record number that was kept proves that reads are permitted, whatever the login said.
        may_read = plan.operation == ENROLL_LEARNER or self._accounts.may_read(self._context.settings)
        if plan.client and may_read is None:
            return (
                "Who these learners are was not looked up in Zoho: it is not known whether these credentials may read. "
                f"{SCOPE_VARIABLE} names their scopes, as they stood in the grant code."
            )
        if not plan.client or not may_read:
            return " "
        if cost.reads > max(FREE_READS, plan.removals):
            return (
                f"Who these learners are was not looked up in Zoho: that takes {cost.reads:,} calls or more, and the "
                f"{plan.operation.words.nouns} {plan.removals:,}."
            )
        return ""

    async def check(
        self,
        preview: Preview,
        *,
        include_mismatched: bool = False,
        seen: AccountSet = EVERY_ACCOUNT,
        is_asked: bool = False,
        on_start: Callable[[CheckCost], None] = lambda cost: None,
        on_wait: Callable[[Wait], None] = lambda wait: None,
        on_batch: Callable[[int], None] = lambda done: None,
    ) -> Preview:
        """The plan after a check, if there is to be one: without the rows whose learner is not enrolled or another.

        A plan that enrols people is without those who are in their batch already.

        ``include_mismatched``: a person wants rows sent all the same whose e-mail addresses differ. ``is_asked``: a
        person asks for this check. ``on_start`` is called before the first read, ``on_batch`` after each batch with
        their number.

        Where nobody asked for the check, what can't be read leaves the plan as it was, with a note. Else raises
        ReadFailed, NotAuthorized and others.
        """
        must = is_asked or self._context.settings.enrolment_check == "always"
        if (why := self.why_left_out(preview.plan)) and not (is_asked and preview.plan.removals):
            return replace(preview, check_note=why.strip())
        on_start(self.cost(preview.plan))
        try:
            max_calls = None if must else max(FREE_READS, preview.plan.removals)
            # Who is in a batch now is nowhere but in a new list: whoever is taken for enrolled would not be put back.
            is_fresh = preview.is_enrolment
            async with self._listings.open(is_fresh=is_fresh, on_wait=on_wait, max_calls=max_calls) as lists:
                rosters = await _rosters(preview.plan, lists, on_batch, must=must)
                check = await self._compare(preview.plan, rosters, lists, must=must)
        except BulkremoveError as error:
            if must:
                raise
            return replace(
                preview, check_note=f"Who these learners are could not be looked up in Zoho. {error.page_text}"
            )
        check = check.including(check.mismatched) if include_mismatched else check
        return await self._plans.checked(preview, check, seen=seen)

    async def check_unattended(self, preview: Preview, *, seen: AccountSet) -> Preview:
        """The same for a nightly run, which holds a plan that must be checked and can't be."""
        try:
            return await self.check(preview, seen=seen)
        except BulkremoveError as error:
            why = f"Who these learners are could not be looked up in Zoho. {error.message}"
            return replace(preview, refusal=preview.refusal or PlanNotReady(why))

    async def _compare(
        self, plan: Plan, rosters: dict[tuple[str, str], Roster | str], lists: OpenListings, *, must: bool
    ) -> EnrolmentCheck:
        """Compare a plan with rosters; one that was kept from before is read anew before it shows anybody absent."""
        if plan.operation == ENROLL_LEARNER:
            return leave_out_enrolled(plan, rosters)
        not_read_anew = dict[tuple[str, str], str]()
        batches = dict.fromkeys(one.ids[:2] for one in unlisted(plan, rosters))
        for batch in batches:
            if not lists.was_kept(LIST_PROGRESS, *batch):
                continue
            found = await _roster(batch, lists, must=must, is_fresh=True)
            if isinstance(found, str):
                not_read_anew[batch] = found
            else:
                rosters[batch] = found
        removed = await self._removed_before(plan, unlisted(plan, rosters))
        columns = compared_columns(plan.table.header, plan.table.roles)
        return compare(plan, rosters, columns, not_read_anew, removed)

    async def _removed_before(self, plan: Plan, removals: Sequence[Removal]) -> Mapping[Removal, EarlierRemoval]:
        """Which of these removals a job of the plan's organisation has made before."""
        storage = self._context.storage
        if not removals or not storage.exists:
            return {}
        found = await storage.rows.removed_before(plan.client, plan.host, removals)
        return {
            removal: EarlierRemoval(
                f"This learner was removed on {local(past.at):%Y-%m-%d} by {past.job.named_for(plan.account)}.",
                past.record_number,
                past.is_confirmed,
            )
            for removal, past in found.items()
        }


async def _rosters(
    plan: Plan, lists: OpenListings, on_batch: Callable[[int], None], *, must: bool
) -> dict[tuple[str, str], Roster | str]:
    """The roster of each batch, or a sentence why there is none. Raises ReadFailed where there ``must`` be one."""
    rosters, failures = dict[tuple[str, str], Roster | str](), 0
    for done, batch in enumerate(plan.batches, start=1):
        if failures >= MAX_FAILURES:
            rosters[batch] = "the batches before it could not be read."
            continue
        rosters[batch] = found = await _roster(batch, lists, must=must)
        failures = failures + 1 if isinstance(found, str) else 0
        on_batch(done)
    return rosters


async def _roster(batch: tuple[str, str], lists: OpenListings, *, must: bool, is_fresh: bool = False) -> Roster | str:
    try:
        return await lists.roster(*batch, is_fresh=is_fresh)
    except ReadFailed as failed:
        if must:
            message = f"Batch {batch[1]} of course {batch[0]} was not checked: {failed.message}"
            raise ReadFailed(message, hint=failed.hint) from None
        return failed.message
