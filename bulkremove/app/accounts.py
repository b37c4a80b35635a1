"""Accounts as use cases: which one the settings mean, logging in, forgetting one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bulkremove.config import Settings
from bulkremove.domain.data_centers import DATA_CENTRES
from bulkremove.domain.errors import BulkremoveError, SettingsError
from bulkremove.zoho.accounts import Accounts, Credentials, from_environment, system_keyring

if TYPE_CHECKING:  # it pulls aiohttp in, which settings and accounts do without
    from bulkremove.zoho.client import ZohoPeople


def stored(home: Path) -> Accounts:
    """The accounts of this machine, with the system's keyring where there is one."""
    return Accounts(home, system_keyring())


def settled(settings: Settings) -> Settings:
    """The settings with the data centre of the account they name, unless they name one themselves."""
    if "dc" in settings.sources or settings.api_url:
        return settings
    for account in Accounts(settings.home, None).all():
        if account.name == settings.account:
            return replace(settings, dc=account.dc)
    return settings


def credentials(settings: Settings, environ: Mapping[str, str]) -> Credentials:
    """From the environment, else those stored under the account's name. Raises NotAuthorised or SettingsError."""
    return from_environment(environ, settings.dc) or stored(settings.home).get(settings.account)


async def login(settings: Settings, *, name: str, dc: str, client_id: str, client_secret: str, code: str) -> list[str]:
    """Exchange a grant code for a refresh token and store it; sentences to show, none with a secret."""
    from bulkremove.zoho.oauth import exchange, missing_scope

    if dc not in DATA_CENTRES:
        raise SettingsError(f"{dc!r} is no data centre of Zoho.", hint=f"There are: {', '.join(DATA_CENTRES)}.")
    settings = replace(settings, dc=dc)
    before = Credentials(dc, client_id, client_secret, "")
    async with people(settings) as zoho:
        granted = await exchange(zoho.post_form, settings.token_url, before, code)
    account = stored(settings.home).add(name, replace(before, refresh_token=granted.refresh_token))
    said = [
        f"Logged in: account {name!r}, data centre {dc} ({settings.host}). Its secrets are kept in the "
        f"{'system keyring' if account.kept_in == 'keyring' else 'private folder ' + str(settings.home)}."
    ]
    if missing_scope(granted.scopes):
        said.append(
            "WARNING: this grant does not let a learner be removed. Make a new code with the scope "
            "ZOHOPEOPLE.training.DELETE and log in again."
        )
    return said


async def forget(settings: Settings, name: str) -> list[str]:
    """Revoke the account's refresh token at Zoho and forget it here; sentences to show."""
    from bulkremove.zoho.oauth import revoke

    accounts = stored(settings.home)
    found = accounts.get(name)
    said = []
    settings = settled(replace(settings, account=name))
    try:
        async with people(settings) as zoho:
            await revoke(zoho.post_form, settings.token_url, found)
        said.append("Zoho was told that its refresh token is dead.")
    except BulkremoveError as failed:
        said.append(f"Its refresh token could not be revoked ({failed.message}); revoke it in Zoho's API console.")
    accounts.remove(name)
    return [f"Account {name!r} is forgotten on this machine.", *said]


@asynccontextmanager
async def people(settings: Settings) -> AsyncIterator[ZohoPeople]:
    """The way to Zoho, for calls that are no removals."""
    from yarl import URL

    from bulkremove.zoho.client import ZohoPeople

    zoho = ZohoPeople(
        URL(settings.people_url),
        connect=settings.connect_timeout,
        read=settings.read_timeout,
        trust_proxy=settings.trust_proxy,
    )
    try:
        yield zoho
    finally:
        await zoho.close()
