"""Use cases for accounts: which one the settings name, and how much of its quota is used."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from bulkremove.app.context import Context
from bulkremove.app.results import QuotaUsage
from bulkremove.config import Settings
from bulkremove.domain.clock import DAY_SECONDS, later, seconds_between
from bulkremove.domain.errors import ASK_ADMIN, BulkremoveError, NotAuthorized, SettingsError, UserError
from bulkremove.domain.job import Job
from bulkremove.domain.operation import LIST_COURSES
from bulkremove.domain.permissions import ALL_ACCOUNTS
from bulkremove.engine import rate_limit
from bulkremove.platform.sending_homes import claim_limits, other_homes, state_folder
from bulkremove.zoho.accounts import (
    SCOPE_VARIABLE,
    VARIABLES,
    Account,
    AccountStore,
    Credentials,
    client_hash,
    from_environment,
    ledger_key,
    organization_key,
    scopes_in,
    system_keyring,
    with_data_center,
)
from bulkremove.zoho.oauth import is_scope_missing


class Accounts:
    """The accounts of this machine."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def all(self) -> list[Account]:
        """The accounts stored on this machine, without their secrets."""
        return self._store().all()

    def names(self) -> list[str]:
        """The accounts that plans can be made for here, that of the settings first."""
        settings, stored = self._context.settings, [account.name for account in self.all()]
        is_given = settings.is_explicit("account") or from_environment(self._context.environ, settings.dc) is not None
        if is_given or not stored:
            return [settings.account]
        own = [settings.account] if "account" in settings.sources or settings.account in stored else []
        return list(dict.fromkeys([*own, *stored]))

    def known(self) -> list[str]:
        """All accounts that the settings, a night or a login name."""
        settings = self._context.settings
        return list(dict.fromkeys([settings.account, *(account.name for account in self.all()), *self.of_nights()]))

    def is_connected(self, settings: Settings) -> bool:
        """Whether there are credentials for the account of these settings, without reading a secret."""
        try:
            return bool(self.client(settings))
        except BulkremoveError:
            return False

    def of_nights(self) -> list[str]:
        """The accounts that nights name."""
        return list(dict.fromkeys(night.account for night in self._context.settings.nights if night.account))

    async def check_known(self, accounts: Iterable[str]) -> None:
        """Check that each is an account of this machine or of a job, since a mistyped one may be made later.

        Raises UserError.
        """
        storage = self._context.storage
        of_jobs = await storage.jobs.accounts() if storage.exists else []
        known = {ALL_ACCOUNTS, *self.known(), *of_jobs}
        for account in accounts:
            if account not in known:
                raise UserError(
                    f"There is no account {account!r} here. There are: {', '.join(sorted(known - {ALL_ACCOUNTS}))}.",
                    hint="`bulkremove login NAME` makes one.",
                    page_hint=ASK_ADMIN,
                )

    def credentials(self, settings: Settings) -> Credentials:
        """Credentials of the environment, else stored ones. Raises NotAuthorized, SettingsError or LocalFileFailed."""
        credentials = self._of_environment(settings) or self._store().get(settings.account)
        credentials.check_host(settings)
        return credentials

    def organization(self, settings: Settings, credentials: Credentials | None = None) -> str:
        """The organisation at Zoho that the account's calls count for; empty while there is only one.

        ``credentials``: those that were read already.

        Raises NotAuthorized where there are no credentials, SettingsError where the organisation must be named.
        """
        client, stored = client_hash((credentials or self.credentials(settings)).client_id), self.all()
        if settings.is_sandbox:
            return settings.organization
        own = [account for account in stored if (account.client, account.dc) == (client, settings.dc)]
        others = [account for account in stored if account.dc == settings.dc and account.client != client]
        named = next((account.organization for account in own if account.organization), "")
        if named and settings.organization and organization_key(named) != organization_key(settings.organization):
            raise SettingsError(
                f"These credentials belong to the organisation {named!r}, but the settings name "
                f"{settings.organization!r} ({settings.sources.get('organization', 'given')}).",
                hint="Correct `organization`, or log in again and give another name.",
            )
        if others and not named and not settings.organization:
            raise SettingsError(
                f"More than one client of the data centre {settings.dc} is in use here, and it is not known which "
                "organisation at Zoho these credentials belong to. Clients of one organisation share one limit.",
                hint="Log in again, which asks for it; or set `organization`, where they come from the environment.",
            )
        return named or settings.organization

    def may_read(self, settings: Settings) -> bool | None:
        """Whether the account's grant permits reads; None where nobody named its scopes. No secret is read for it.

        Zoho named them at the login; those of credentials from the environment are in SCOPE_VARIABLE.
        """
        if self._of_environment(settings):
            scopes = scopes_in(self._context.environ.get(SCOPE_VARIABLE, ""))
            return not is_scope_missing(scopes, LIST_COURSES) if scopes else None
        return any(account.may_read for account in self.all() if account.name == settings.account)

    def client(self, settings: Settings) -> str:
        """The identity of the account's client, without reading a secret where possible; empty without credentials."""
        if credentials := self._of_environment(settings):
            return client_hash(credentials.client_id)
        account = next((account for account in self.all() if account.name == settings.account), None)
        if account is None or account.client:
            return account.client if account else ""
        return client_hash(self.credentials(settings).client_id)

    def _of_environment(self, settings: Settings) -> Credentials | None:
        """The credentials of the environment, if it has any. Raises SettingsError beside another account's name."""
        credentials = from_environment(self._context.environ, settings.dc)
        if credentials and "account" in settings.sources:
            stored = [account for account in self.all() if account.name == settings.account]
            clients = [account.client or client_hash(self._store().get(account.name).client_id) for account in stored]
            if clients and clients[0] != client_hash(credentials.client_id):
                raise SettingsError(
                    f"{settings.sources['account']} names the stored account {settings.account!r}, but "
                    f"{VARIABLES['client_id']} and its like are credentials of another client.",
                    hint="Name no account, or unset these variables.",
                )
        return credentials

    def check_night(self) -> None:
        """Check that the night's block names its account where there are several, and that there is that account.

        Raises SettingsError, or as ``credentials``.
        """
        settings, night = self._context.settings, self._context.night
        others = [account.name for account in self.all() if account.name != settings.account]
        if night.account:
            self.credentials(settings)  # a name that was mistyped is not to be found out on the day of the first file
            is_stored = any(account.name == settings.account for account in self.all())
            if (
                not is_stored
                and not settings.is_sandbox
                and len({other_night.account for other_night in settings.nights}) > 1
            ):
                raise SettingsError(
                    f"{VARIABLES['client_id']} and its like would stand for account {night.account!r} of night "
                    f"{night.name}, and for those of other nights too. Nothing was sent.",
                    hint="Log in to each account (`bulkremove login NAME`), and unset these variables.",
                    page_hint=ASK_ADMIN,
                )
        if others and not night.account and not settings.is_sandbox:
            raise SettingsError(
                f"Night {night.name} names no account, and there are several here: {', '.join(others)} beside "
                f"{settings.account}. Nothing was sent.",
                hint='Write account = "NAME" into its [[nights]] block.',
            )

    def job_credentials(self, job: Job, settings: Settings) -> Credentials:
        """The credentials of the client that the job was planned for; a login may change those of the name meanwhile.

        Raises SettingsError if not, NotAuthorized where there are none.
        """
        credentials = self.credentials(settings)
        if client_hash(credentials.client_id) != job.client:
            raise SettingsError(
                f"Job {job.id} was planned for another client of Zoho than account {job.account!r} has now, so its "
                "rows may belong to another organisation. Nothing was sent.",
                hint="Log in with the client that it was planned for, or preview the file again.",
            )
        return credentials

    def settings_of(self, job: Job) -> Settings:
        """The settings for a job's own account. Raises SettingsError when they lead to another account or host."""
        settings = self._context.settings
        of_night = [night for night in settings.nights if night.name == job.night]
        if of_night and settings.night is None:
            settings = self._context.for_night(of_night[0]).settings
        if settings.account != job.account and not settings.is_explicit("account"):
            settings = with_data_center(settings.with_account(job.account), self._context.environ)
        if (settings.account, settings.host) != (job.account, job.host):
            raise SettingsError(
                f"Job {job.id} belongs to account {job.account!r} on {job.host}, but the settings lead to account "
                f"{settings.account!r} on {settings.host}.",
                hint="Use the options of its first run (--account, --sandbox or the same environment).",
                page_hint=ASK_ADMIN,
            )
        return settings

    async def record_organization(self, job: Job) -> None:
        """Keep which organisation the job's client belongs to: jobs of its other clients must know of the job's rows.

        Where that is not known yet nothing can be sent, so it is kept before the job is run.
        """
        organization_by_client = {}
        with suppress(NotAuthorized, SettingsError):
            settings = self.settings_of(job)
            if not settings.is_sandbox:  # a job that ran before its account had a name may be of the same organisation
                organization_by_client = {
                    account.client: account.organization
                    for account in self.all()
                    if account.dc == settings.dc and account.client
                }
            if self.client(settings) == job.client:
                organization_by_client[job.client] = self.organization(settings)
        for client, organization in organization_by_client.items():
            if organization:
                key = organization_key(organization)
                await self._context.storage.jobs.set_organization(client, job.host, key)

    def ledger_key(self, settings: Settings, credentials: Credentials | None = None) -> str:
        """The key of the account's ledger. Raises NotAuthorized or SettingsError where there are no credentials."""
        return ledger_key(f"{settings.host}x{self._context.clock.speed:g}", self.organization(settings, credentials))

    def other_homes(self, settings: Settings) -> list[Path]:
        """The other home folders of this user that have sent for the account's limit, and still have a journal."""
        if settings.is_sandbox:
            return []
        return other_homes(self._limit_keys(settings, self.credentials(settings)), settings.home, state=state_folder())

    def _limit_keys(self, settings: Settings, credentials: Credentials) -> tuple[str, str]:
        organization_text = ledger_key(settings.host, self.organization(settings, credentials))
        return f"client {client_hash(credentials.client_id)}", f"organisation {organization_text}"

    def sole_home(self, settings: Settings, credentials: Credentials) -> AbstractContextManager[None]:
        """The claim that a run needs in order to send: no other home folder uses the account's limit meanwhile.

        Two names of one organisation can't be recognized, but its client can, so both are claimed. A sandbox needs no
        claim. Entering it raises OtherHomeSends or LocalFileFailed.
        """
        if settings.is_sandbox:
            return nullcontext()
        return claim_limits(self._limit_keys(settings, credentials), settings.home, state=state_folder())

    def ledger_keys(self) -> list[str]:
        """The keys of the ledgers of all accounts that this machine has credentials for."""
        settings, keys = self._context.settings, []
        for name in {settings.account, *(account.name for account in self.all())}:
            with suppress(BulkremoveError):
                own = with_data_center(settings.with_account(name), self._context.environ)
                keys.append(self.ledger_key(own))
        return keys

    async def is_new(self, settings: Settings) -> bool:
        """Whether the account's ledger was never used, so that its first calls are paced and not sent at once."""
        if not self._context.storage.exists:
            return True
        with suppress(BulkremoveError):  # without credentials nothing is sent at all
            ledger, _ = await self._context.storage.rate_limit.ledger(self.ledger_key(settings))
            return ledger.last_at is None
        return True

    async def allowance(self) -> QuotaUsage:
        """How much of the account's quota is used. Raises NotAuthorized where there are no credentials."""
        settings, clock, store = self._context.settings, self._context.clock, self._context.storage.rate_limit
        key, quota, now = self.ledger_key(settings), settings.quota, clock.monotonic()
        ledger, is_this_boot = await store.ledger(key)
        since, wall_since = later(now, -quota.window), later(clock.wall(), -DAY_SECONDS)
        recent, today = await store.calls(key, since=since, wall_since=wall_since)
        return QuotaUsage(
            recent,
            rate_limit.budget(ledger, quota, now) if is_this_boot else quota.calls,
            today,
            quota.daily,
            max(0.0, seconds_between(now, ledger.suspension.until)) if ledger.suspension and is_this_boot else 0.0,
        )

    def _store(self) -> AccountStore:
        return AccountStore(self._context.settings.home, system_keyring())
