"""The checks of ``bulkremove doctor``, for the time before the first run or when something is wrong.

They remove nothing, and spend no access token unless that is asked for. A failed check does not prevent the others,
except that those of an account need its credentials.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from dataclasses import replace

from bulkremove.app.accounts import Accounts
from bulkremove.app.canary import Canaries
from bulkremove.app.context import Context
from bulkremove.app.night_checks import night_checks
from bulkremove.app.notices.people_mail import MAIL_FILE, check_mail_server
from bulkremove.app.results import Check
from bulkremove.app.setting_checks import contradictions
from bulkremove.app.wordings import Wordings
from bulkremove.config import Settings
from bulkremove.domain.clock import Clock, seconds_between
from bulkremove.domain.errors import BulkremoveError
from bulkremove.domain.http_date import parse_http_date
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.domain.permissions import EVERY_ACCOUNT
from bulkremove.platform.local_time import local
from bulkremove.platform.secure_files import make_folder
from bulkremove.storage import Storage
from bulkremove.zoho.accounts import Credentials, client_hash
from bulkremove.zoho.client import open_client
from bulkremove.zoho.oauth import AccessTokens

MIN_FREE_BYTES = 100_000_000
"""Free space below which the check fails: a job of 5,000 rows takes some megabytes, and its report as much."""
NETWORK_HINT = "Check the network of this machine, and whether a proxy or a firewall lets it reach Zoho's hosts."
MAX_SKEW_SECONDS = 60.0
"""Seconds by which this machine's clock may differ from Zoho's before the check fails."""


async def checks(context: Context, *, fresh: bool = False) -> list[Check]:
    """Check the installation, then its nights and notices, then each account: its credentials, limit, token and clock.

    ``fresh``: request a new access token, which counts for Zoho's limit of tokens; without it none is spent.
    """
    settings, storage = context.settings, context.storage
    results = [await _settings(context), _folder(settings), _space(settings), await _journal(storage)]
    results += [*await night_checks(context), *_mails(settings)]
    for number, account_context in enumerate(by_account(context)):
        account = account_context.settings.account if number else ""
        results += [replace(check, account=account) for check in await account_checks(account_context, fresh=fresh)]
    return results


def by_account(context: Context) -> list[Context]:
    """A context for each account: that of the installation, unless only nights name any, and those of the nights."""
    settings, contexts = context.settings, dict[str, Context]()
    for night in settings.nights:
        with suppress(BulkremoveError):  # the night's own check says so
            own = context.for_night(night)
            contexts.setdefault(own.settings.account, own)
    stored = set[str]()
    with suppress(BulkremoveError):  # the check of the credentials says so
        stored = {account.name for account in Accounts(context).all()}
    if not contexts or settings.account in stored or "account" in settings.sources:
        contexts = {settings.account: context, **contexts}
    return list(contexts.values())


async def account_checks(context: Context, *, fresh: bool) -> list[Check]:
    """Check the account of a context: its credentials, limit, token and clock. ``fresh``: as for ``checks``."""
    accounts, settings = Accounts(context), context.settings
    try:
        credentials = accounts.credentials(settings)
    except BulkremoveError as error:
        return [Check("credentials", False, error.message, error.hint)]
    results = [Check("credentials", True, f"There are some for account {settings.account!r}.")]
    results += [_organization(accounts, settings), _homes(accounts, settings)]
    results += [await _canary(context, credentials), await _wordings(context, credentials)]
    return [*results, *await _token_and_clock(settings, credentials, context.clock, fresh=fresh)]


async def _settings(context: Context) -> Check:
    settings, users, known = context.settings, 0, None
    with suppress(BulkremoveError):  # journal and accounts have checks of their own
        users = len(await context.storage.users.users()) if context.storage.exists else 0
        known = Accounts(context).known()
    where = f"{'SANDBOX ' if settings.is_sandbox else ''}{settings.host}"
    account = f"Account {settings.account!r} on {where}, {settings.limit_text}, lock {settings.lock:g} s."
    problems = [*contradictions(settings, context.environ, users=users, accounts=known)]
    return Check(
        "settings",
        not problems,
        " ".join([account, *(text for text, _ in problems)]),
        " ".join(hint for _, hint in problems),
    )


def _mails(settings: Settings) -> list[Check]:
    """The check of what sends mails to people of the page, if there is something."""
    try:
        is_set_up = check_mail_server(settings)
    except BulkremoveError as error:
        return [Check("mails", False, error.message, error.hint)]
    text = f"{MAIL_FILE} is understood: people who sign in with an e-mail address can be told when a job has ended."
    return [Check("mails", True, text)] if is_set_up else []


def _folder(settings: Settings) -> Check:
    home = settings.home
    try:
        make_folder(home)
        mode = stat.S_IMODE(home.stat().st_mode)
    except OSError as error:
        return Check("folder", False, f"{home} can't be used: {error.strerror}.", "Set BULKREMOVE_HOME to another.")
    if os.name == "posix" and mode & 0o077:
        return Check("folder", False, f"Others may look into {home}.", f"Run `chmod 700 {home}`.")
    if not os.access(home, os.W_OK):
        return Check("folder", False, f"{home} can't be written to.", f"Run `chmod 700 {home}`.")
    return Check("folder", True, f"{home} is yours alone.")


def _space(settings: Settings) -> Check:
    folder = settings.home
    while not folder.exists() and folder.parent != folder:
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check("space", False, f"The free space of {folder} is not known: {error.strerror}.")
    message = f"{free / 1e9:,.1f} GB are free on the disk of {folder}."
    if free < MIN_FREE_BYTES:
        return Check("space", False, message, "Free some: a full disk stops every run.")
    return Check("space", True, message)


def _homes(accounts: Accounts, settings: Settings) -> Check:
    try:
        others = accounts.other_homes(settings)
    except BulkremoveError as error:
        return Check("other homes", False, error.message, error.hint)
    if not others:
        return Check("other homes", True, "No other home folder of yours has sent for this organisation.")
    names = ", ".join(map(str, others))
    hint = "Use one home folder for an organisation, and take the other's journal away once its jobs are over."
    return Check("other homes", False, f"This organisation was also sent to from {names}.", hint)


async def _journal(storage: Storage) -> Check:
    try:
        damage = await storage.damage()
        jobs, restored = await storage.jobs.page(accounts=EVERY_ACCOUNT), await storage.restore.check()
    except BulkremoveError as error:
        return Check("journal", False, error.message, error.hint)
    if damage:
        hint = "End every bulkremove and put back the last good backup (`bulkremove restore-backup`)."
        return Check("journal", False, f"It is damaged: {damage}.", hint)
    if restored is not None:
        message = "It was replaced by an older copy, or by another journal, and nobody has accepted that yet."
        return Check("journal", False, message, "Run `bulkremove journal accept-restore`.")
    unfinished = sum(job.state.is_resumable for job in jobs)
    return Check("journal", True, f"It opens; {len(jobs)} jobs, {unfinished} of them unfinished.")


def _organization(accounts: Accounts, settings: Settings) -> Check:
    try:
        name = accounts.organization(settings)
        with accounts.sole_home(settings, accounts.credentials(settings)):
            pass
    except BulkremoveError as error:
        return Check("limit", False, error.message, error.hint)
    organization_text = f"It is that of {name!r}" if name else "There is one organisation, without a name"
    return Check(
        "limit",
        True,
        f"{organization_text}, and no other home folder of yours sends to it. Other system users, machines and "
        "programs can't be seen from here: their calls count for the same limit.",
    )


async def _canary(context: Context, credentials: Credentials) -> Check:
    client, host = client_hash(credentials.client_id), context.settings.host
    try:
        passed = await context.storage.canaries.find(client, host, REMOVE_LEARNER.name)
        is_due = await Canaries(context).is_due(client, host, REMOVE_LEARNER.name)
    except BulkremoveError as error:
        return Check("first removal", False, error.message, error.hint)
    if passed is not None:
        day = f"{local(passed.passed_at):%Y-%m-%d}"
        return Check("first removal", True, f"{passed.by} confirmed it on {day}, in job {passed.job}.")
    return Check(
        "first removal",
        True,
        "Not confirmed yet: the first run sends one row alone." if is_due else "A sandbox needs none.",
    )


async def _wordings(context: Context, credentials: Credentials) -> Check:
    try:
        accepted = await Wordings(context).accepted(client_hash(credentials.client_id), context.settings.host)
    except BulkremoveError as error:
        return Check("answers", False, error.message, error.hint)
    sentences = [
        f"{one.by} accepted {one.wording} on {local(one.accepted_at):%Y-%m-%d} as the proof of a removal."
        for one in accepted
    ]
    return Check("answers", True, " ".join(sentences) or "Only Zoho's documented success proves a removal.")


async def _token_and_clock(settings: Settings, credentials: Credentials, clock: Clock, *, fresh: bool) -> list[Check]:
    dates: list[str] = []
    async with open_client(settings, on_date=dates.append) as zoho:
        tokens = AccessTokens(
            credentials, accounts_url=settings.token_url, home=settings.home, clock=clock, post=zoho.post_form
        )
        try:
            cached_token = await tokens.cached()
            if fresh:
                await tokens.renew(cached_token)
            else:
                await zoho.probe_host(settings.token_url)
        except BulkremoveError as error:
            return [Check("token", False, error.message, error.hint or NETWORK_HINT), *_clock(dates, clock)]
    if fresh:
        return [Check("token", True, "Zoho gave an access token."), *_clock(dates, clock)]
    message = "There is one on disk" if cached_token else "There is none on disk; the first run gets one"
    hint = "To request a new one: `bulkremove doctor --fresh`."
    return [Check("token", True, f"{message}. Zoho's accounts host answers.", hint), *_clock(dates, clock)]


def _clock(dates: list[str], clock: Clock) -> list[Check]:
    zoho = parse_http_date(dates[-1]) if dates else None
    if zoho is None:
        return [Check("clock", True, "Not compared: Zoho's time is not known.")]
    skew = seconds_between(zoho, clock.wall())
    message = f"This machine's clock and Zoho's differ by {abs(skew):.0f} s."
    return [
        Check(
            "clock",
            abs(skew) <= MAX_SKEW_SECONDS,
            message,
            "" if abs(skew) <= MAX_SKEW_SECONDS else "Set the clock (NTP).",
        )
    ]
