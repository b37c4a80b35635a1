"""The settings that blocks ``[[nights]]`` have replaced, and the block that says the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import time
from urllib.parse import urlsplit

from bulkremove.config.nights import DEFAULT_NIGHT
from bulkremove.config.source_kind import SourceKind, source_kind
from bulkremove.domain.errors import SettingsError

OLD_NIGHT_KEYS = {
    **{
        f"nightly_{name}": name
        for name in ("source", "only", "header_row", "sheet", "columns", "hidden", "at", "zone", "window", "missed")
    },
    "nightly_overlap": "overlap",
    "baseline_factor": "baseline_factor",
    "delay_days": "delay_days",
    "ping_url": "ping_url",
}
"""Former settings, each with its name in a block."""


def replaced(old: Mapping[str, tuple[object, str]], account: tuple[object, str] | None) -> SettingsError:
    """The error for a file or environment with former settings: it prints the block that says the same.

    ``old``, ``account``: each with its unparsed value and its place. A value that may hold a secret is not printed.
    """
    lines = ["[[nights]]", f'name = "{DEFAULT_NIGHT}"']
    lines += [f"account = {_toml(account[0])}"] if account is not None else []
    for name, (value, place) in old.items():
        key = OLD_NIGHT_KEYS[name]
        if _may_contain_secret(value):
            lines.append(f"# {key} = the value of {name}, {place}: it may hold a secret, and is not shown")
        else:
            lines.append(f"{key} = {_toml(value)}")
    places = ", ".join(f"{name} ({place})" for name, (_, place) in old.items())
    return SettingsError(
        f"Each nightly run has a block of its own now, which replaces {places}.",
        hint="\n".join(["Take these away, and write at the end of bulkremove.toml:", "", *lines]),
    )


def _may_contain_secret(value: object) -> bool:
    text = str(value)
    if source_kind(text) is SourceKind.COMMAND:
        return True
    parts = urlsplit(text) if "://" in text else None
    return parts is not None and bool(parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc)


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case time():
            return f'"{value:%H:%M}"'
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case dict():
            return f"{{ {', '.join(f'{json.dumps(str(key))} = {_toml(item)}' for key, item in value.items())} }}"
    return json.dumps(str(value), ensure_ascii=False)
