"""Use cases for accounts: which one the settings name, logging in, removing one, and how much of its quota is used."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from bulkremove.app.context import Context
from bulkremove.app.results import QuotaUsage
from bulkremove.config import Settings
from bulkremove.domain.data_centers import DATA_CENTERS
from bulkremove.domain.errors import BulkremoveError, SettingsError
from bulkremove.domain.job import Job
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.engine import rate_limit
from bulkremove.zoho.accounts import Account, AccountStore, Credentials, from_environment, ledger_key, system_keyring

DAY = 86_400.0


class Accounts:
    """The accounts of this machine."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def all(self) -> list[Account]:
        """The accounts stored on this machine, without their secrets."""
        return self._store().all()

    def credentials(self, settings: Settings) -> Credentials:
        """Credentials of the environment, else stored ones. Raises NotAuthorized, SettingsError or LocalFileFailed."""
        return from_environment(self._context.environ, settings.dc) or self._store().get(settings.account)

    def settings_of(self, job: Job) -> Settings:
        """The settings for a job's own account. Raises SettingsError when they lead to another account or host."""
        settings = self._context.settings
        if settings.account != job.account and "account" not in settings.sources:
            settings = settled(replace(settings, account=job.account))
        if (settings.account, settings.host) != (job.account, job.host):
            raise SettingsError(
                f"Job {job.id} belongs to account {job.account!r} on {job.host}, but the settings lead to account "
                f"{settings.account!r} on {settings.host}.",
                hint="Use the options of its first run (--account, --sandbox or the same environment).",
            )
        return settings

    def ledger_key(self, settings: Settings) -> str:
        """The key of the account's ledger. Raises NotAuthorized or SettingsError where there are no credentials."""
        return ledger_key(f"{settings.host}x{self._context.clock.speed:g}", self.credentials(settings).client_id)

    def ledger_keys(self) -> list[str]:
        """The keys of the ledgers of all accounts that this machine has credentials for."""
        settings, keys = self._context.settings, []
        for name in {settings.account, *(account.name for account in self.all())}:
            with suppress(BulkremoveError):
                keys.append(self.ledger_key(settled(replace(settings, account=name))))
        return keys

    async def allowance(self) -> QuotaUsage:
        """How much of the account's quota is used. Raises NotAuthorized where there are no credentials."""
        settings, clock, store = self._context.settings, self._context.clock, self._context.storage.rate_limit
        key, quota, now = self.ledger_key(settings), settings.quota, clock.monotonic()
        ledger, is_this_boot = await store.ledger(key)
        recent, today = await store.calls(key, since=now - quota.window, wall_since=clock.wall() - DAY)
        return QuotaUsage(
            recent,
            rate_limit.budget(ledger, quota, now) if is_this_boot else quota.calls,
            today,
            quota.daily,
            max(0.0, ledger.suspension.until - now if ledger.suspension and is_this_boot else 0.0),
        )

    async def login(self, *, name: str, dc: str, client_id: str, client_secret: str, code: str) -> list[str]:
        """Exchange a grant code for a refresh token and store it; returns sentences to show, without secrets.

        Raises NotAuthorized, TokenDelayed, SettingsError or LocalFileFailed.
        """
        from bulkremove.zoho.client import open_client
        from bulkremove.zoho.oauth import exchange, is_scope_missing

        if dc not in DATA_CENTERS:
            raise SettingsError(f"{dc!r} is no data centre of Zoho.", hint=f"There are: {', '.join(DATA_CENTERS)}.")
        settings = replace(self._context.settings, dc=dc)
        credentials = Credentials(dc, client_id, client_secret, "")
        async with open_client(settings) as zoho:
            grant = await exchange(zoho.post_form, settings.token_url, credentials, code)
        account = self._store().add(name, replace(credentials, refresh_token=grant.refresh_token))
        sentences = [
            f"Logged in: account {name!r}, data centre {dc} ({settings.host}). Its secrets are kept in the "
            f"{'system keyring' if account.stored_in == 'keyring' else 'private folder ' + str(settings.home)}."
        ]
        if is_scope_missing(grant.scopes):
            sentences.append(
                "WARNING: this grant does not let a learner be removed. Make a new code with the scope "
                f"{REMOVE_LEARNER.scopes[0]} and log in again."
            )
        return sentences

    async def forget(self, name: str) -> list[str]:
        """Revoke the account's refresh token at Zoho and delete the account here; returns sentences to show."""
        from bulkremove.zoho.client import open_client
        from bulkremove.zoho.oauth import revoke

        store = self._store()
        credentials, settings = store.get(name), settled(replace(self._context.settings, account=name))
        try:
            async with open_client(settings) as zoho:
                await revoke(zoho.post_form, settings.token_url, credentials)
            message = "Its refresh token was revoked at Zoho."
        except BulkremoveError as error:
            message = f"Its refresh token could not be revoked ({error.message}); revoke it in Zoho's API console."
        store.remove(name)
        return [f"Account {name!r} was removed from this machine.", message]

    def _store(self) -> AccountStore:
        return AccountStore(self._context.settings.home, system_keyring())


def settled(settings: Settings) -> Settings:
    """The settings with the data centre of their account, unless they name a data centre or an address themselves."""
    if "dc" in settings.sources or settings.api_url:
        return settings
    for account in AccountStore(settings.home, None).all():
        if account.name == settings.account:
            return replace(settings, dc=account.dc)
    return settings
