"""The checks of ``bulkremove doctor`` for each night: its account, its source, its last runs and its notices."""

from __future__ import annotations

from bulkremove.app.accounts import Accounts
from bulkremove.app.context import NO_NIGHTS, Context
from bulkremove.app.leavers import check_fields
from bulkremove.app.night_sources import night_source
from bulkremove.app.nightly.result import is_orphaned
from bulkremove.app.notices import Outbox
from bulkremove.app.protected_list import protected_learners
from bulkremove.app.results import Check
from bulkremove.app.stopping import nightly_claim
from bulkremove.config import Night
from bulkremove.config.source_kind import LEAVERS
from bulkremove.domain.clock import DAY_SECONDS
from bulkremove.domain.errors import BulkremoveError
from bulkremove.domain.job import is_recent
from bulkremove.domain.permissions import EVERY_ACCOUNT
from bulkremove.domain.plural import pluralize
from bulkremove.platform.local_time import local
from bulkremove.sources.files import File

MAX_NIGHT_AGE = 2 * DAY_SECONDS
"""Seconds since the last nightly run that ended well after which the check fails."""


async def night_checks(context: Context) -> list[Check]:
    """The checks of each night, and of jobs and notices of nights that are not in the settings any more."""
    checks = [check for night in context.settings.nights for check in await _checks_of(context, night)]
    try:
        waiting = await context.storage.nightly.waiting_notices() if context.storage.exists else {}
        jobs = await context.storage.jobs.page(accounts=EVERY_ACCOUNT) if context.storage.exists else []
    except BulkremoveError:  # the journal has a check of its own
        return checks
    orphaned_jobs = [job.id for job in jobs if is_orphaned(job, context.settings) and not job.state.is_over]
    nights = {night.name for night in context.settings.nights}
    unsent = sum(count for night, count in waiting.items() if " " not in night and night not in nights)
    if orphaned_jobs or unsent:
        sentences = (
            [f"No night of the settings made job {', '.join(orphaned_jobs)}, so none goes on with it."]
            if orphaned_jobs
            else []
        )
        sentences += [f"{pluralize(unsent, 'notice was', 'notices were')} not sent for such nights."] if unsent else []
        hint = "Resume, approve or cancel the jobs by hand, or give a block [[nights]] that name again."
        checks.append(Check("earlier nights", not orphaned_jobs, " ".join(sentences), hint if orphaned_jobs else ""))
    return checks or [Check("nights", True, f"There are none. {NO_NIGHTS}")]


async def _checks_of(context: Context, night: Night) -> list[Check]:
    name = f"night {night.name}"
    try:
        of_night = context.for_night(night)
    except BulkremoveError as error:
        return [Check(name, False, error.message, error.hint)]
    try:
        check = await _last_runs(name, of_night)
    except BulkremoveError as error:
        check = Check(name, False, error.message, error.hint)
    return [check, await _notices(of_night, f"notices of {night.name}")]


async def _last_runs(name: str, context: Context) -> Check:
    """The check of account, source and last runs of a night. Raises BulkremoveError where one of them fails."""
    accounts, night = Accounts(context), context.night
    accounts.check_night()
    if night.source == LEAVERS:
        if not context.settings.leaver_statuses:
            hint = "`bulkremove leavers` shows which statuses there are; write leaver_statuses into bulkremove.toml."
            return Check(name, False, "Nobody has said which employees have left.", hint)
        await check_fields(context, accounts.client(context.settings))
    elif isinstance(night_source(night, context), File):
        return Check(name, False, f"There is no folder {night.source}.", "Make it, or correct source in its block.")
    protected_learners(context.settings)
    account = f"For account {context.settings.account!r}."
    key = {"night": night.name, "sandbox": context.settings.sandbox_host}
    last_run, last_success_at = (
        await context.storage.nightly.last(**key),
        await context.storage.nightly.last_good(**key),
    )
    if last_run is None:
        dry_run = f"`bulkremove nightly --night {night.name} --dry-run` shows the first one"
        return Check(name, True, f"{account} None has run yet; {dry_run}.")
    ended = f"{local(last_success_at):%Y-%m-%d %H:%M}" if last_success_at is not None else "never"
    message = f"{account} The last run began on {local(last_run.started_at):%Y-%m-%d %H:%M}"
    claim = nightly_claim(night.name, sandbox=context.settings.is_sandbox)
    if is_killed := last_run.ended_at is None and await context.storage.claims.holder(claim) is None:
        message += " and did not end: it was killed, the machine was switched off, or the journal could not be written"
    message += f"; the last one that ended well: {ended}."
    if is_killed or last_success_at is None or not is_recent(last_success_at, context.clock.wall(), MAX_NIGHT_AGE):
        hint = "See `bulkremove jobs --state held`, and the mails of the last nights."
        return Check(name, False, message, hint)
    return Check(name, True, message)


async def _notices(context: Context, name: str) -> Check:
    outbox, night = Outbox(context), context.night
    try:
        waiting = (await context.storage.nightly.waiting_notices()).get(night.name) if context.storage.exists else 0
    except BulkremoveError as error:
        return Check(name, False, error.message, error.hint)
    if why := outbox.why_silent():
        is_meant = context.settings.is_sandbox or bool(night.ping_url)
        return Check(name, is_meant and outbox.failure is None, why)
    addresses = pluralize(outbox.notifier.addresses, "address", "addresses")
    try_it = f"Try them: `bulkremove nightly --night {night.name} --test-notice`."
    if waiting:
        return Check(name, False, f"{waiting:,} are not delivered yet, to {addresses}.", try_it)
    return Check(name, True, f"They go to {addresses}. {try_it}")
