"""Parsers of the keys of a block ``[[nights]]``: each returns a checked value, or raises ValueError."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

from bulkremove.config.nights import OVERRIDES
from bulkremove.config.source_kind import LEAVERS, SourceKind, scheme_of, source_kind
from bulkremove.config.values import PARSERS, one_of, split_url, whole_number
from bulkremove.domain.hosts import is_loopback
from bulkremove.domain.operation import REMOVE_LEARNER

_NIGHT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}", re.ASCII)


def _time(value: object) -> time:
    match = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::00)?", str(value), re.ASCII)  # TOML's own has seconds
    if match is None:
        raise ValueError(f"{value!r} is not a valid time of the day; write it like 02:30.")
    return time(int(match[1]), int(match[2]))


def _window(value: object) -> tuple[time, time]:
    begin, dash, end = str(value).partition("-")
    window = (_time(begin.strip()), _time(end.strip())) if dash else None
    if window is None or window[0] == window[1]:
        raise ValueError(f"{value!r} is not a valid time window; write it like 22:00-06:00.")
    return window


def _zone(value: object) -> str:
    try:
        return ZoneInfo(str(value)).key
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is not a valid time zone; write it like Europe/Berlin.") from None


def _factor(value: object) -> float:
    text = str(value)
    if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", text, re.ASCII) is None or float(text) < 1:
        raise ValueError(f"{value!r} must be a number from 1 to 999.")
    return float(text)


def _https(value: object) -> str:
    parts = split_url(value)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.netloc)):
        raise ValueError("give an https URL.")
    return str(value)


def _choices_of_rows(value: object) -> tuple[str, ...]:
    choices = value if isinstance(value, list) else [value] * bool(value)
    if not all(isinstance(choice, str) and ("=" in choice or choice == "all") for choice in choices):
        raise ValueError('write "COLUMN=VALUE", or a list of them in brackets.')
    return tuple(choices)


def _columns(value: object) -> tuple[tuple[str, str], ...]:
    """Role and column of each id, from ``course=A,batch=B,learner=C`` or a TOML table."""
    pairs = value.items() if isinstance(value, dict) else (part.split("=", 1) for part in str(value).split(","))
    columns = {pair[0].strip(): str(pair[1]).strip() for pair in map(tuple, pairs) if len(pair) == 2}
    if set(columns) != set(REMOVE_LEARNER.roles) or not all(columns.values()):
        raise ValueError(f"{value!r} is not understood; write course=A,batch=B,learner=C, by heading or letter.")
    return tuple(columns.items())


def _night_name(value: object) -> str:
    if not isinstance(value, str) or _NIGHT_NAME.fullmatch(value) is None:
        raise ValueError(f"{value!r} is not a valid name of a night: letters, digits and '-' only, at most 40.")
    return value


def _source(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("source must be a folder, an https address or 'command PROGRAM ...'.")
    kind = source_kind(value)
    if kind is SourceKind.UNKNOWN:
        raise ValueError(
            f"a source can't begin with {scheme_of(value)!r}; give a folder, an https address, a command or {LEAVERS}."
        )
    if kind is SourceKind.PATH and not Path(value).expanduser().is_absolute():
        raise ValueError(f"give the whole path of the folder {value!r}: cron and systemd start nights from elsewhere.")
    return value


def _file_name(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or "://" in value:
        raise ValueError("give the name of a file with the addresses, such as notify-school.txt, and not an address.")
    return value


NIGHT_PARSERS: dict[str, Callable[[object], object]] = {
    "name": _night_name,
    "source": _source,
    **{name: PARSERS[name] for name in OVERRIDES},
    "only": _choices_of_rows,
    "header_row": whole_number(0, 1_000),
    "sheet": str,
    "columns": _columns,
    "hidden": one_of("refuse", "leave_out", "include"),
    "at": _time,
    "zone": _zone,
    "window": _window,
    "missed": one_of("run", "skip"),
    "overlap": one_of("wait", "skip"),
    "baseline_factor": _factor,
    "delay_days": whole_number(0, 30),
    "notify": _file_name,
    "ping_url": _https,
}
"""The parser of each key of a block ``[[nights]]``."""
