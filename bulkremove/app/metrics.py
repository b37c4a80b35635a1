"""The figures of accounts, jobs and nights for Prometheus."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from bulkremove.app.accounts import Accounts
from bulkremove.app.context import Context
from bulkremove.app.jobs import Jobs
from bulkremove.domain.errors import LocalFileFailed, NotAuthorized, SettingsError
from bulkremove.domain.hosts import is_same_target
from bulkremove.domain.job import JobState
from bulkremove.domain.permissions import AccountSet
from bulkremove.report.metrics import AccountFigures, Figures, NightFigures


async def figures(context: Context, seen: AccountSet) -> Figures:
    """The figures of these accounts for Prometheus."""
    rows, jobs, lockouts = await context.storage.jobs.counts(context.settings.host, seen)
    top = replace(context, settings=context.settings.top or context.settings)
    nights = dict[str, Context]()
    for night in top.settings.nights:
        with suppress(SettingsError):  # a flag names another account; such a night can't run here
            nights[night.name] = top.for_night(night)
    nights = {name: context for name, context in nights.items() if context.settings.account in seen}
    by_account = {context.settings.account: context for context in (top, *nights.values())}
    waiting = await context.storage.nightly.waiting_notices()
    held = [
        job.last_run_at
        for job in await Jobs(context).all(JobState.HELD)
        if is_same_target(job.host, context.settings.host) and job.account in seen
    ]
    return Figures(
        rows,
        jobs,
        lockouts,
        {account: await _account_figures(context) for account, context in by_account.items() if account in seen},
        sum(count for night, count in waiting.items() if seen.is_all or night in nights),
        min(held, default=None),
        {name: await _night_figures(context) for name, context in nights.items()},
    )


async def _account_figures(context: Context) -> AccountFigures:
    try:
        usage = await Accounts(context).allowance()
    except (NotAuthorized, SettingsError, LocalFileFailed):  # no account yet, so no call was ever made
        return AccountFigures(0, 0, context.settings.quota.calls, 0.0)
    return AccountFigures(usage.calls, usage.today, usage.limit, usage.locked)


async def _night_figures(context: Context) -> NightFigures:
    key = {"night": context.night.name, "sandbox": context.settings.sandbox_host}
    last, good = await context.storage.nightly.last(**key), await context.storage.nightly.last_good(**key)
    return NightFigures(good, last.started_at, last.ended_at, last.end, last.clock_skew) if last else NightFigures()
