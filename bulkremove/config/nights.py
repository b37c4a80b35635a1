"""Nights: for which account a nightly run is, where its files come from, when it runs, and whom it notifies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import time
from pathlib import Path

DEFAULT_NIGHT = "nightly"
"""The name of a night whose block gives none, and of all nights of journals from before nights had names."""
CONNECTION = ("account", "organization", "dc", "api_url", "accounts_url")
"""What says to which account of which host a night sends."""
OVERRIDES = (
    *CONNECTION,
    "max_removals",
    "max_invalid",
    "daily_limit",
    "leaver_statuses",
    "leaver_exit_days",
    "leaver_departments",
)
"""What a block may give in place of the setting of the same name at the top of the file."""


@dataclass(frozen=True, slots=True)
class Night:
    """One block ``[[nights]]`` of the settings file. Of ``OVERRIDES``, "", () and None mean: as at its top."""

    source: str
    """Where its files come from: a folder, ``command ...``, an https URL, or ``LEAVERS``."""
    name: str = DEFAULT_NIGHT
    account: str = ""
    organization: str = ""
    dc: str = ""
    api_url: str = ""
    accounts_url: str = ""
    max_removals: int | None = None
    max_invalid: float | None = None
    daily_limit: int | None = None
    leaver_statuses: tuple[str, ...] = ()
    leaver_exit_days: int | None = None
    leaver_departments: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    """Which rows of a file are meant, if columns say who stays: ``COLUMN=VALUE`` each; empty: ask."""
    header_row: int | None = None
    """The row with the headings; 0: there are none; None: the first row that is not empty."""
    sheet: str = ""
    """The sheet to read of a workbook; empty: its only one."""
    columns: tuple[tuple[str, str], ...] = ()
    """Role and column (heading or letter) of each id; empty: by their headings."""
    hidden: str = "refuse"
    """What becomes of hidden and struck-through rows: ``refuse``, ``leave_out`` or ``include``."""
    at: time | None = None
    """Local time when `serve` and `worker` start it; None when cron or a timer does."""
    zone: str = "UTC"
    """IANA name of the time zone of ``at`` and ``window``."""
    window: tuple[time, time] | None = None
    """Local times between which it may send; None for always."""
    missed: str = "run"
    """What becomes of a missed one: ``run`` or ``skip``."""
    overlap: str = "wait"
    """What it does while its last run still goes on: ``wait`` or ``skip``."""
    baseline_factor: float = 3.0
    """A plan with more removals than the baseline times this factor is held."""
    delay_days: int = 0
    """Days between the announcement of a plan and its run."""
    notify: str = ""
    """File of the addresses for its notices, absolute or in the home folder; empty for those of the installation."""
    ping_url: str = ""
    """https URL of a dead man's switch, called when it starts (with /start), ends well or fails (/fail)."""

    def export_folder(self, home: Path) -> Path:
        """The folder of the files of a source that has none of its own."""
        return home / f"nightly{self._suffix}"

    def sandbox_folder(self, home: Path) -> Path:
        """The folder of the copies that a run against a sandbox takes."""
        return home / f"sandbox{self._suffix}"

    def for_bundled_sandbox(self) -> Night:
        """The same night, sent to where all runs of a process with a bundled sandbox go."""
        return replace(self, account="", organization="", dc="", api_url="", accounts_url="")

    @property
    def _suffix(self) -> str:
        return "" if self.name == DEFAULT_NIGHT else f"-{self.name}"


def night_folders(home: Path) -> Iterator[Path]:
    """The folders of nights that exist in the home folder, also of nights that are no longer in the settings."""
    for first in ("nightly", "sandbox"):
        yield home / first
        yield from sorted(home.glob(f"{first}-*/"))
