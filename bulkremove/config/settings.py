"""The settings as values, each with its default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from urllib.parse import urlsplit

from bulkremove.domain.data_centers import DATA_CENTERS
from bulkremove.domain.errors import SettingsError
from bulkremove.domain.hosts import is_sandbox
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
    nightly_source: str = ""
    """Where nightly runs find their files: a folder, ``command ...`` or an https URL; empty for no nightly runs."""
    nightly_only: tuple[str, ...] = ()
    """Which rows of a nightly run's file are meant, if columns say who stays: ``COLUMN=VALUE`` each; empty: ask."""
    nightly_header_row: int | None = None
    """The row with the headings in a nightly run's file; 0: there are none; None: the first row that is not empty."""
    nightly_sheet: str = ""
    """The sheet to read of a nightly run's workbook; empty: its only one."""
    nightly_columns: tuple[tuple[str, str], ...] = ()
    """Role and column (heading or letter) of each id in a nightly run's file; empty: by their headings."""
    nightly_hidden: str = "refuse"
    """What becomes of hidden and struck-through rows of its file: ``refuse``, ``leave_out`` or ``include``."""
    nightly_at: time | None = None
    """Local time when `serve` and `worker` start a nightly run; None when cron or a timer starts them."""
    nightly_zone: str = "UTC"
    """IANA name of the time zone of ``nightly_at`` and ``nightly_window``."""
    nightly_window: tuple[time, time] | None = None
    """Local times between which a nightly run may send; None for always."""
    nightly_missed: str = "run"
    """What becomes of a missed nightly run: ``run`` or ``skip``."""
    nightly_overlap: str = "wait"
    """What a nightly run does while another one still runs: ``wait`` or ``skip``."""
    baseline_factor: float = 3.0
    """A nightly run's plan with more removals than the baseline times this factor is held."""
    delay_days: int = 0
    """Days between the announcement of a nightly run's plan and its run."""
    retention_days: int = 90
    """Days after which rows and reports of ended jobs, and files of nightly runs, are deleted; 0 for never."""
    ping_url: str = ""
    """https URL of a dead man's switch, called when a nightly run starts (with /start), ends well or fails (/fail)."""
    metrics_file: str = ""
    """File that a nightly run writes for node_exporter; empty for none."""
    largest_upload: int = 10
    """Largest file that the page accepts, in megabytes (2**20 bytes)."""
    sources: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None
    """The settings file, where there is one."""

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
    def sandbox(self) -> bool:
        """Whether runs go to a sandbox."""
        return is_sandbox(self.host)

    @property
    def sandbox_host(self) -> str:
        """The host of the sandbox that runs go to; empty for Zoho's own."""
        return self.host if self.sandbox else ""

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
            f"There are two lists of those who are never removed: {path} and {old.name} beside it.",
            hint=f"Put all of them into {path.name} and take {old.name} away; until then nothing is planned or sent.",
        )
    return old
