"""The settings as values, each with its default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from bulkremove.config.nights import OVERRIDES, Night
from bulkremove.domain.data_centers import DATA_CENTERS
from bulkremove.domain.errors import SettingsError
from bulkremove.domain.hosts import is_loopback, is_sandbox
from bulkremove.domain.leavers import LeaverRule
from bulkremove.domain.ledger import Quota

ZOHO = Quota()
"""Zoho People's own limit."""

PROTECTED_FILE, OLD_PROTECTED_FILE = "protected.csv", "keep.csv"
"""Present and former file name of the list of protected learners in the home folder; both are read."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Durations are in seconds; ``sources`` names the origin of each value that is not a default."""

    home: Path
    account: str = "default"
    organization: str = ""
    """Name of the organisation at Zoho, for credentials from the environment; `login` asks for that of an account."""
    dc: str = "us"
    api_url: str = ""
    """Empty for the data centre's own host."""
    accounts_url: str = ""
    limit: tuple[int, float] = (ZOHO.calls, ZOHO.window)
    """Calls, and the seconds in which they may be made."""
    lock: float = ZOHO.lock
    daily_limit: int | None = None
    """Calls in 24 hours; None for no cap."""
    concurrency: int = 4
    max_removals: int = 500
    """A plan with more is refused as a whole."""
    max_invalid: float = 10.0
    """Percent of the file's rows; a plan with more invalid ones is refused as a whole."""
    trust_proxy: bool = False
    """Whether netrc and the environment's proxy variables are used."""
    speed: float = 1.0
    """How many times faster than real time the clock runs; for the sandbox only."""
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    canary: str = "live"
    """``always``: the first run of a sandbox sends one row alone too, as that of each live account does."""
    four_eyes: bool = False
    """Whether a plan must be confirmed by a person who did not prepare it."""
    allowed_hosts: tuple[str, ...] = ()
    """Names under which the page may be reached from elsewhere, in lower case, without a port."""
    proxy: str = ""
    """IP address or network of the one proxy whose X-Forwarded headers are trusted; empty for none."""
    auth_header: str = ""
    """Header in which the proxy's single sign-on names the person; empty: people sign in on the page."""
    auth_groups_header: str = ""
    """Header in which it names the person's groups, separated by commas."""
    auth_roles: tuple[tuple[str, str], ...] = ()
    """Groups, each with the role that its members have."""
    tls_certificate: str = ""
    tls_key: str = ""
    """PEM files for a page that serves TLS itself; both or none."""
    protected_list: str = ""
    """File of protected learners; empty for protected.csv in the home folder, if it is there."""
    nights: tuple[Night, ...] = ()
    """The nightly runs, each from its own block of the settings file."""
    retention_days: int = 90
    """Days after which rows and reports of ended jobs, and files of nightly runs, are deleted; 0 for never."""
    listing_minutes: int = 15
    """Minutes in which a list that Zoho gave is used again; 0 for never."""
    enrolment_check: str = "auto"
    """Whether a plan is checked with the rosters of its batches: ``auto``, where the login permits reads and they are
    few; ``always``, or the plan is refused; ``never``."""
    leaver_statuses: tuple[str, ...] = ()
    """Names of employees' statuses that mean that somebody has left; empty: leavers are not looked for."""
    leaver_exit_days: int | None = None
    """Days after an exit date from which on somebody has left whatever the status; None: the status alone counts."""
    leaver_departments: tuple[str, ...] = ()
    """Departments whose people are never looked for as leavers."""
    metrics_file: str = ""
    """File that a nightly run writes for node_exporter; empty for none."""
    largest_upload: int = 10
    """Largest file that the page accepts, in megabytes (2**20 bytes)."""
    sources: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None
    """The settings file, where there is one."""
    night: Night | None = None
    """The night that these settings are for; see ``for_night``."""
    top: Settings | None = None
    """For a night's settings: those of the whole installation, without what its block gives."""

    @property
    def people_url(self) -> str:
        """The origin of the People host."""
        return self.api_url or f"https://{DATA_CENTERS[self.dc].people}"

    @property
    def token_url(self) -> str:
        """The origin of the accounts host."""
        return self.accounts_url or f"https://{DATA_CENTERS[self.dc].accounts}"

    @property
    def host(self) -> str:
        """The People host (``name`` or ``name:port``) that plans and jobs carry."""
        return urlsplit(self.people_url).netloc

    @property
    def is_sandbox(self) -> bool:
        """Whether runs go to a sandbox."""
        return is_sandbox(self.host)

    @property
    def sandbox_host(self) -> str:
        """The host of the sandbox that runs go to; empty for Zoho's own."""
        return self.host if self.is_sandbox else ""

    @property
    def quota(self) -> Quota:
        """The account's quota; an exchange may take both timeouts and 5 s more."""
        calls, window = self.limit
        exchange = self.connect_timeout + self.read_timeout + 5.0
        return Quota(calls=calls, window=window, lock=self.lock, daily=self.daily_limit, exchange=exchange)

    @property
    def limit_text(self) -> str:
        """The limit as it is written in settings, such as ``30/60s``."""
        return f"{self.limit[0]}/{self.limit[1]:g}s"

    @property
    def leaver_rule(self) -> LeaverRule:
        """Who counts as a leaver."""
        return LeaverRule(self.leaver_statuses, self.leaver_exit_days, self.leaver_departments)

    @property
    def location(self) -> Mapping[str, object]:
        """The options that lead a command to this installation, as far as the present one needed any."""
        return {
            "home": self.home if "home" in self.sources else None,
            "config": self.file if "file" in self.sources else None,
            "account": self.account if self.is_explicit("account") else None,
        }

    def is_explicit(self, name: str) -> bool:
        """Whether a flag or a variable gives this setting, which then goes before any block of the settings file."""
        return self.sources.get(name) in (f"--{name.replace('_', '-')}", f"BULKREMOVE_{name.upper()}")

    def with_account(self, name: str) -> Settings:
        """The settings for another account: data centre and organisation in the settings file are not those of it."""
        if name == self.account:
            return self
        other_accounts_settings = {own for own in ("dc", "organization") if not self.is_explicit(own)}
        return replace(
            self,
            account=name,
            dc="us" if "dc" in other_accounts_settings else self.dc,
            organization="" if "organization" in other_accounts_settings else self.organization,
            sources={
                setting: source for setting, source in self.sources.items() if setting not in other_accounts_settings
            },
        )

    def for_night(self, night: Night) -> Settings:
        """The settings of one night: what its block gives goes before the top of the file, not before flags.

        Raises SettingsError when a flag or a variable names another account than the block: rows would be removed in
        the wrong organisation. What one night's block gives never counts for another night.
        """
        if self.top is not None:
            return self.top.for_night(night)
        if night.account and night.account != self.account and self.is_explicit("account"):
            raise SettingsError(
                f"{self.sources['account']} names account {self.account!r}, but night {night.name} is for account "
                f"{night.account!r}. Nothing was sent.",
                hint="Leave it out: each night has its account from its [[nights]] block.",
            )
        base = self.with_account(night.account or self.account)
        given = {name: getattr(night, name) for name in OVERRIDES if not base.is_explicit(name)}
        given = {name: value for name, value in given.items() if value not in ("", None, ())}
        sources = {**base.sources, **dict.fromkeys(given, f"night {night.name}")}
        own = replace(base, **given, sources=sources, night=night, top=self)
        check_host_rules(own)
        return own


def check_host_rules(settings: Settings) -> None:
    """Check what depends on whether runs go to Zoho or to a sandbox. Raises SettingsError."""
    loopback = {is_loopback(urlsplit(url).netloc) for url in (settings.people_url, settings.token_url)}
    if len(loopback) == 2:
        raise SettingsError(
            "The addresses of Zoho People and of its accounts don't belong together: one is a sandbox.",
            hint="Set BULKREMOVE_API_URL and BULKREMOVE_ACCOUNTS_URL both; `bulkremove sandbox` prints them.",
        )
    if settings.is_sandbox:
        return
    if settings.speed != 1:
        raise SettingsError(f"{settings.sources['speed']}: only the sandbox can run faster than real time.")
    calls, window = settings.limit
    peak = calls if window >= ZOHO.window else calls * -(-ZOHO.window // window)
    if peak > ZOHO.calls:
        raise SettingsError(
            f"{settings.sources['limit']}: {settings.limit_text} would allow more than Zoho's {ZOHO.calls} calls a "
            "minute and lock the account; more is for the sandbox."
        )
    if settings.lock < ZOHO.lock:
        raise SettingsError(f"{settings.sources['lock']}: Zoho locks for {ZOHO.lock:g} s; less is for the sandbox.")


def protected_path(settings: Settings) -> Path:
    """Path of the list of protected learners, which may not exist. Raises SettingsError when there are two lists.

    A link to what is not there, such as a drive that is not mounted, is a list that can't be read.
    """
    path, old = settings.home / PROTECTED_FILE, settings.home / OLD_PROTECTED_FILE
    if settings.protected_list:
        return Path(settings.protected_list)
    if not os.path.lexists(old):
        return path
    if os.path.lexists(path):
        raise SettingsError(
            f"There are two lists of protected learners: {path} and {old.name} beside it.",
            hint=f"Put all of them into {path.name} and take {old.name} away; until then nothing is planned or sent.",
        )
    return old
