"""The settings as ``bulkremove doctor`` shows them: each with its value and source, and what does not fit together.

No secret is shown: an address keeps its host only, and a command its program.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import time
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from bulkremove.config import Settings
from bulkremove.config.nights import OVERRIDES
from bulkremove.config.source_kind import COMMAND, SourceKind, source_kind
from bulkremove.domain.permissions import ALL_ACCOUNTS, Access

HIDDEN = frozenset({"sources", "nights", "night", "top"})
"""Fields of the settings that are not settings."""
_UNITS: Mapping[str, str] = MappingProxyType(
    {
        "lock": "seconds",
        "daily_limit": "calls a day",
        "concurrency": "calls at once",
        "max_removals": "learners a day",
        "max_invalid": "% of the rows",
        "connect_timeout": "seconds",
        "read_timeout": "seconds",
        "retention_days": "days",
        "listing_minutes": "minutes",
        "leaver_exit_days": "days",
        "largest_upload": "MB",
        "baseline_factor": "times the usual",
        "delay_days": "days",
    }
)
_PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


@dataclass(frozen=True, slots=True)
class SettingValue:
    """A setting for display. ``source``: a flag, a variable, a line of the settings file, or ``default``."""

    name: str
    value: str
    source: str

    @property
    def unit(self) -> str:
        """What the value counts; empty where that is plain, or where there is none."""
        return "" if self.value == "none" else _UNITS.get(self.name.rpartition(".")[2], "")


def setting_values(settings: Settings) -> list[SettingValue]:
    """Each setting with its value, without secrets, and where it comes from; then each key of the nights' blocks."""
    top = [
        SettingValue(
            field.name,
            _display_setting(field.name, getattr(settings, field.name)),
            settings.sources.get(field.name, "default"),
        )
        for field in fields(settings)
        if field.name not in HIDDEN
    ]
    file = settings.file.name if settings.file else ""
    nights = [
        SettingValue(f"{night.name}.{field.name}", _display_setting(field.name, value), source)
        for night in settings.nights
        for field in fields(night)
        if (value := getattr(night, field.name)) != field.default or field.name not in OVERRIDES
        for source in ["default" if value == field.default else file]
    ]
    return top + nights


def contradictions(
    settings: Settings, environ: Mapping[str, str], *, users: int, accounts: Collection[str] | None
) -> Iterator[tuple[str, str]]:
    """What does not fit together in the settings: a sentence and what to do.

    ``users``: how many may sign in; ``accounts``: the names of those here; None: they can't be read.
    """
    for _, text in settings.auth_roles:
        if accounts is not None and (unknown := Access.parse([text]).roles.keys() - {ALL_ACCOUNTS, *accounts}):
            yield (
                f"auth_roles gives a role for account {', '.join(unknown)}, which is not known here.",
                "Correct its name in auth_roles; `bulkremove accounts` lists them.",
            )
    if settings.four_eyes and users == 1:
        yield "four_eyes asks for two people, and only one may sign in.", "Add another: `bulkremove users add NAME`."
    if settings.allowed_hosts and not users:
        yield "allowed_hosts lets others reach the page, and nobody may sign in.", "Run `bulkremove users add NAME`."
    if settings.daily_limit is not None and settings.daily_limit < settings.max_removals:
        yield (
            f"daily_limit ({settings.daily_limit:,}) is below max_removals ({settings.max_removals:,}): a plan at the "
            "cap can't end within a day.",
            "Lower max_removals, or raise daily_limit if Zoho allows more.",
        )
    if settings.metrics_file and not os.access(Path(settings.metrics_file).expanduser().parent, os.W_OK):
        yield (
            f"metrics_file can't be written: {Path(settings.metrics_file).expanduser().parent} is not there, or not "
            "writable.",
            "Make the folder, or let this user write to it.",
        )
    ignored = [name for name in _PROXY_VARIABLES if environ.get(name)]
    if ignored and not settings.trust_proxy and not settings.is_sandbox:
        yield f"{' and '.join(ignored)} is ignored, since trust_proxy is false.", "Set trust_proxy = true, or unset it."


def _display_setting(name: str, value: object) -> str:
    match value:
        case None | "" | ():
            return "none"
        case bool():
            return str(value).lower()
        case time():
            return f"{value:%H:%M}"
        case (time() as begin, time() as end):
            return f"{begin:%H:%M}-{end:%H:%M}"
        case (int() as calls, float() as seconds):
            return f"{calls}/{seconds:g}s"
        case tuple():
            return ", ".join(map(str, value))
        case float():
            return f"{value:g}"
    text = str(value)
    if name == "source" and source_kind(text) is SourceKind.COMMAND:
        return f"command {_program(text.removeprefix(COMMAND))} ... (its arguments are not shown)"
    if "://" in text:
        parts = urlsplit(text)
        rest = " (the rest is not shown)" if parts.path.strip("/") or parts.query or "@" in parts.netloc else ""
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{rest}"
    return text


def _program(command: str) -> str:
    try:
        return shlex.split(command)[0]
    except (ValueError, IndexError):
        return "..."
