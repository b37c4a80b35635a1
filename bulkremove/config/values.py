"""Parsers of the settings: each returns a checked value from file, environment or flag, or raises ValueError.

Those of the keys of a night are in ``night_values``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from bulkremove.domain.data_centers import ACCOUNTS_HOSTS, DATA_CENTERS, PEOPLE_HOSTS
from bulkremove.domain.hosts import is_loopback
from bulkremove.domain.permissions import Access

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_OTHER_HEADERS = frozenset(
    {"authorization", "connection", "content-length", "content-type", "cookie", "host", "origin", "sec-fetch-site"}
    | {"transfer-encoding", "user-agent", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}
)
"""Headers that mean something else here, in lower case."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)


def account_name(value: object) -> str:
    """Check the name of an account, which is that of a file, too. Raises ValueError."""
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise ValueError(f"{value!r} is not a valid account name: letters, digits, '.', '_' and '-' only, at most 64.")
    return value


def organization_name(value: object) -> str:
    """Check the name of an organisation, without blanks around it. Raises ValueError."""
    text = " ".join(str(value).split())
    if not text.isprintable() or not 1 <= len(text) <= 100:
        raise ValueError(f"{value!r} is not a valid name of an organisation: 1 to 100 characters.")
    return text


def _dc(value: object) -> str:
    code = str(value).lower()
    if code not in DATA_CENTERS:
        raise ValueError(f"{value!r} is not a data centre of Zoho. There are: {', '.join(DATA_CENTERS)}.")
    return code


def split_url(value: object) -> SplitResult:
    """Split a URL; refuse one with a user name or password, which hides its host and gets into logs."""
    parts = urlsplit(str(value))
    if "@" in parts.netloc:
        raise ValueError("an address here has no user name and no password.")
    return parts


def _url(hosts: frozenset[str]) -> Callable[[object], str]:
    def parse(value: object) -> str:
        parts = split_url(value)
        loopback = is_loopback(parts.netloc) and parts.scheme in ("http", "https")
        if not loopback and not (parts.scheme == "https" and parts.netloc in hosts):
            names = ", ".join(sorted(hosts))
            raise ValueError(f"only Zoho's own hosts over https, or a sandbox on this machine, may be called: {names}.")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("give scheme and host only, like https://people.zoho.com.")
        return f"{parts.scheme}://{parts.netloc}"

    return parse


def seconds(value: object) -> float:
    """Parse a duration such as ``300``, ``300s``, ``5m`` or ``1h``. Raises ValueError."""
    match = re.fullmatch(r"\s*([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(s|m|min|h|)\s*", str(value))
    if match is None:
        raise ValueError(f"{value!r} is not a valid time; write for example 300s or 5m.")
    return float(match[1]) * _UNITS[match[2]]


def _limit(value: object) -> tuple[int, float]:
    calls, slash, window = str(value).partition("/")
    if not slash or not window.strip():
        raise ValueError(f"{value!r} is not a valid limit; write calls and time, like 30/60s.")
    duration = seconds(window)
    if not 0.01 <= duration <= 86_400:
        raise ValueError(f"{value!r}: the time must be from 0.01 s to a day.")
    return whole_number(1, 100_000)(calls.strip()), duration


def whole_number(minimum: int, maximum: int) -> Callable[[object], int]:
    """Return the parser of a whole number within these bounds."""

    def parse(value: object) -> int:
        text = str(value)
        if re.fullmatch(r"[0-9]{1,9}", text) is None or not minimum <= int(text) <= maximum:
            raise ValueError(f"{value!r} must be a whole number from {minimum} to {maximum:,}.")
        return int(text)

    return parse


def _timeout(value: object) -> float:
    duration = seconds(value)
    if not 0.05 <= duration <= 600:
        raise ValueError(f"{value!r} must be a time from 0.05 s to 10 minutes.")
    return duration


def _percent(value: object) -> float:
    text = str(value).strip().removesuffix("%").strip()
    if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", text) is None or float(text) > 100:
        raise ValueError(f"{value!r} must be a share of the rows from 0 to 100 percent.")
    return float(text)


def _speed(value: object) -> float:
    text = str(value)
    if re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", text) is None or not 1 <= float(text) <= 1000:
        raise ValueError(f"{value!r} must be a number from 1 to 1000.")
    return float(text)


def _boolean(value: object) -> bool:
    text = str(value).lower()
    if text not in ("1", "0", "true", "false", "yes", "no"):
        raise ValueError(f"{value!r} must be true or false.")
    return text in ("1", "true", "yes")


def one_of(*choices: str) -> Callable[[object], str]:
    """Return the parser of a value that is one of these words."""

    def parse(value: object) -> str:
        if value not in choices:
            raise ValueError(f"{value!r} must be {' or '.join(choices)}.")
        return str(value)

    return parse


def _hosts(value: object) -> tuple[str, ...]:
    names = value if isinstance(value, list) else str(value).split(",")
    hosts = tuple(str(name).strip().lower() for name in names)
    for name in hosts:
        if re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", name, re.ASCII) is None:
            raise ValueError(
                f"{name!r} is not a valid host name; give names like bulkremove.example.com, without a port."
            )
    return hosts


def _names(value: object) -> tuple[str, ...]:
    """Names, as a list or separated by commas."""
    names = value if isinstance(value, list) else str(value).split(",")
    if not all(isinstance(name, str) and 0 < len(name.strip()) <= 100 for name in names):
        raise ValueError(f'{value!r} are no names; write for example ["Inactive", "Resigned"].')
    return tuple(name.strip() for name in names)


def _ip_network(value: object) -> str:
    try:
        network = ipaddress.ip_network(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is not an IP address or network of a proxy, such as 10.0.0.0/24.") from None
    if network.prefixlen == 0:
        raise ValueError(f"{value!r} would take everybody for the proxy.")
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _header(value: object) -> str:
    name = str(value)
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,63}", name, re.ASCII) is None or name.lower() in _OTHER_HEADERS:
        raise ValueError(f"{name!r} is not a header that names people or groups, such as X-Forwarded-User.")
    return name


def _roles(value: object) -> tuple[tuple[str, str], ...]:
    if isinstance(value, dict):
        lists = {str(group): roles if isinstance(roles, list) else [roles] for group, roles in value.items()}
        pairs = [(group, str(role)) for group, roles in lists.items() for role in roles]
    else:
        pairs = [(group.strip(), role.strip()) for group, _, role in (p.rpartition("=") for p in str(value).split(","))]
    for group, role in pairs:
        if not group or "," in group:
            raise ValueError('write groups with roles, like { "hr-admins" = "approver", school = "preparer@school" }.')
        Access.parse([role])
    return tuple(pairs)


def _file(value: object) -> str:
    if not Path(str(value)).expanduser().is_file():
        raise ValueError(f"there is no file {value}.")
    return str(Path(str(value)).expanduser().absolute())


PARSERS: dict[str, Callable[[object], object]] = {
    "account": account_name,
    "organization": organization_name,
    "dc": _dc,
    "api_url": _url(PEOPLE_HOSTS),
    "accounts_url": _url(ACCOUNTS_HOSTS),
    "limit": _limit,
    "lock": seconds,
    "daily_limit": whole_number(1, 1_000_000),
    "concurrency": whole_number(1, 16),
    "max_removals": whole_number(0, 10_000_000),
    "max_invalid": _percent,
    "trust_proxy": _boolean,
    "speed": _speed,
    "connect_timeout": _timeout,
    "read_timeout": _timeout,
    "four_eyes": _boolean,
    "canary": one_of("live", "always"),
    "allowed_hosts": _hosts,
    "proxy": _ip_network,
    "auth_header": _header,
    "auth_groups_header": _header,
    "auth_roles": _roles,
    "tls_certificate": _file,
    "tls_key": _file,
    "largest_upload": whole_number(1, 100),
    "protected_list": _file,
    "retention_days": whole_number(0, 36_500),
    "listing_minutes": whole_number(0, 1440),
    "enrolment_check": one_of("auto", "always", "never"),
    "leaver_statuses": _names,
    "leaver_exit_days": whole_number(0, 3_650),
    "leaver_departments": _names,
    "metrics_file": str,
}
"""The parser of each setting. ``home`` has none here, since the settings file itself is looked for in that folder."""
