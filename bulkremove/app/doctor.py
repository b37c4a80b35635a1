"""The checks of ``bulkremove doctor``, for the time before the first run or when something is wrong.

They remove nothing. A failed check does not prevent the others, except that token and clock need credentials.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from bulkremove.app.accounts import Accounts
from bulkremove.app.canary import Canaries
from bulkremove.app.context import Context
from bulkremove.app.wordings import Wordings
from bulkremove.config import Settings
from bulkremove.domain.attempt import Reply
from bulkremove.domain.clock import Clock, Epoch, seconds_between
from bulkremove.domain.errors import BulkremoveError
from bulkremove.platform.local_time import local
from bulkremove.platform.secure_files import make_folder
from bulkremove.storage import Storage
from bulkremove.zoho.accounts import Credentials, client_hash
from bulkremove.zoho.client import open_client
from bulkremove.zoho.oauth import AccessTokens

MAX_SKEW = 60.0
"""Seconds by which this machine's clock may differ from Zoho's before the check fails."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check. ``words``: what it found; ``hint``: what to do when it failed."""

    name: str
    ok: bool
    words: str
    hint: str = ""


async def checks(context: Context) -> list[Check]:
    """Check settings, folder, journal, credentials, token (at most one refresh) and clock, in this order."""
    settings = context.settings
    results = [_settings(settings), _folder(settings), await _journal(context.storage)]
    accounts = Accounts(context)
    try:
        credentials = accounts.credentials(settings)
    except BulkremoveError as error:
        return [*results, Check("credentials", False, error.message, error.hint)]
    results.append(Check("credentials", True, f"There are some for account {settings.account!r}."))
    results.append(_organization(accounts, settings))
    results += [await _canary(context, credentials), await _wordings(context, credentials)]
    return [*results, *await _token_and_clock(settings, credentials, context.clock)]


def _settings(settings: Settings) -> Check:
    sources = ", ".join(f"{name} from {source}" for name, source in sorted(settings.sources.items()))
    where = f"{'SANDBOX ' if settings.sandbox else ''}{settings.host}"
    account = f"Account {settings.account!r} on {where}, {settings.limit_text}, lock {settings.lock:g} s"
    return Check("settings", True, f"{account}. {f'Set: {sources}' if sources else 'All defaults'}.")


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


async def _journal(storage: Storage) -> Check:
    try:
        damage = await storage.damage()
        jobs, restored = await storage.jobs.page(), await storage.restore.check()
    except BulkremoveError as error:
        return Check("journal", False, error.message, error.hint)
    if damage:
        hint = "End every bulkremove and put back the last good backup (`bulkremove restore-backup`)."
        return Check("journal", False, f"It is damaged: {damage}.", hint)
    if restored is not None:
        message = "It was replaced by an older copy, or by another journal, and nobody has accepted that yet."
        return Check("journal", False, message, "Run `bulkremove journal accept-restore`.")
    unfinished = sum(job.state.resumable for job in jobs)
    return Check("journal", True, f"It opens; {len(jobs)} jobs, {unfinished} of them unfinished.")


def _organization(accounts: Accounts, settings: Settings) -> Check:
    try:
        name = accounts.organization(settings)
        with accounts.sole_home(settings, accounts.credentials(settings)):
            pass
    except BulkremoveError as error:
        return Check("limit", False, error.message, error.hint)
    whose = f"It is that of {name!r}" if name else "There is one organisation, without a name"
    return Check(
        "limit",
        True,
        f"{whose}, and no other home folder of yours sends to it. Other system users, machines and programs can't be "
        "seen from here: their calls count for the same limit.",
    )


async def _canary(context: Context, credentials: Credentials) -> Check:
    client, host = client_hash(credentials.client_id), context.settings.host
    try:
        passed = await context.storage.canaries.find(client, host)
        is_due = await Canaries(context).is_due(client, host)
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
    words = [
        f"{one.by} accepted {one.wording} on {local(one.accepted_at):%Y-%m-%d} as the proof of a removal."
        for one in accepted
    ]
    return Check("answers", True, " ".join(words) or "Only Zoho's documented success proves a removal.")


async def _token_and_clock(settings: Settings, credentials: Credentials, clock: Clock) -> list[Check]:
    dates: list[str] = []
    async with open_client(settings) as zoho:

        async def post(url: str, form: Mapping[str, str]) -> Reply:
            reply = await zoho.post_form(url, form)
            dates.append(reply.date or "")
            return reply

        tokens = AccessTokens(
            credentials,
            accounts_url=settings.token_url,
            home=settings.home,
            clock=clock,
            post=post,
        )
        try:
            await tokens.renew(await tokens.cached())
        except BulkremoveError as error:
            return [Check("token", False, error.message, error.hint), *_clock(dates, clock)]
    return [Check("token", True, "Zoho gave an access token."), *_clock(dates, clock)]


def _clock(dates: list[str], clock: Clock) -> list[Check]:
    try:
        skew = seconds_between(Epoch(parsedate_to_datetime(dates[-1]).timestamp()), clock.wall())
    except (IndexError, ValueError):
        return [Check("clock", True, "Not compared: Zoho's time is not known.")]
    message = f"This machine's clock and Zoho's differ by {abs(skew):.0f} s."
    return [Check("clock", abs(skew) <= MAX_SKEW, message, "" if abs(skew) <= MAX_SKEW else "Set the clock (NTP).")]
