"""One frozen Settings from defaults < file < environment < flags, checked once, before anything else happens.

It reads no secret: credentials have their own module. Every mistake is told with the place where it stands.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from bulkremove.domain.data_centers import ACCOUNTS_HOSTS, DATA_CENTERS, PEOPLE_HOSTS
from bulkremove.domain.errors import SettingsError
from bulkremove.domain.hosts import is_loopback, is_sandbox
from bulkremove.domain.ledger import Quota

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_ZOHO = Quota()
"""Zoho People's own limit."""


PROTECTED_FILE, OLD_PROTECTED_FILE = "protected.csv", "keep.csv"
"""The list of those who are never removed, in the home folder; by the second name too."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run goes by. Times in seconds; ``sources`` tells where each value that is no default came from."""

    home: Path
    account: str = "default"
    dc: str = "us"
    api_url: str = ""
    """Empty for the data centre's own host."""
    accounts_url: str = ""
    limit: tuple[int, float] = (_ZOHO.calls, _ZOHO.window)
    """Calls, and the seconds in which they may be made."""
    lock: float = _ZOHO.lock
    daily_limit: int | None = None
    """Calls in 24 hours; None for no cap."""
    concurrency: int = 4
    max_removals: int = 500
    """A plan with more is refused as a whole."""
    max_invalid: float = 10.0
    """Percent of the file's rows; a plan with more invalid ones is refused as a whole."""
    trust_proxy: bool = False
    """Whether proxy variables and netrc are obeyed."""
    speed: float = 1.0
    """How many times faster than life the clock runs; for the sandbox only."""
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    four_eyes: bool = False
    """Whether whoever gave a file may not agree to its plan."""
    allowed_hosts: tuple[str, ...] = ()
    """Names under which the page may be reached from elsewhere, in lower case, without a port."""
    proxy: str = ""
    """Address of the one proxy that may speak for others (X-Forwarded headers); empty for none."""
    tls_certificate: str = ""
    tls_key: str = ""
    """Files (PEM) for a page that speaks TLS itself; both or none."""
    protected_list: str = ""
    """File of those who are never removed; empty for protected.csv in the home folder, if it is there."""
    nightly_source: str = ""
    """Where nightly runs find their files: a folder, ``command ...`` or an https URL; empty for no nightly runs."""
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
    """A nightly run's plan with more than so many times the baseline's removals is held."""
    delay_days: int = 0
    """Days between a nightly run's plan, which is announced, and its run."""
    retention_days: int = 90
    """Days after which uploads, reports and rows of ended jobs are deleted; 0 for never."""
    ping_url: str = ""
    """https URL that is called at a nightly run's start (with /start) and good end: a dead man's switch."""
    metrics_file: str = ""
    """Where a nightly run writes its metrics for node_exporter; empty for nowhere."""
    largest_upload: int = 10
    """Megabytes (2**20 bytes) of a file given to the page."""
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
        return is_sandbox(self.host)

    @property
    def quota(self) -> Quota:
        calls, window = self.limit
        exchange = self.connect_timeout + self.read_timeout + 5.0
        return Quota(calls=calls, window=window, lock=self.lock, daily=self.daily_limit, exchange=exchange)

    @property
    def limit_text(self) -> str:
        return f"{self.limit[0]}/{self.limit[1]:g}s"


def load(flags: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """Settings from everything that was said, the flags first. Raises SettingsError.

    ``flags``: by field name; a value of None was not given. ``config`` names the settings file; without it
    BULKREMOVE_CONFIG, then ``bulkremove.toml`` in the home folder, where there is one.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    named = given.pop("config", None) or environ.get("BULKREMOVE_CONFIG")
    home = given.pop("home", None) or environ.get("BULKREMOVE_HOME")
    folder = _path(home) if home else default_home()
    path = _path(named) if named else folder / "bulkremove.toml"
    said = _from_file(path, must_exist=bool(named))
    for name in (*_OLD_NAMES, *_FIELDS):
        variable = f"BULKREMOVE_{name.upper()}"
        if environ.get(variable, "") != "":
            said[name] = (environ[variable], variable)
    for old, name in _OLD_NAMES.items():
        if old in said and name in said:
            raise SettingsError(f"{said[old][1]} and {said[name][1]} both name the same setting.", hint=f"Keep {name}.")
        if old in said:
            said[name] = said.pop(old)
    said |= {name: (value, f"--{name.replace('_', '-')}") for name, value in given.items()}
    values = {name: _checked(name, value, source) for name, (value, source) in said.items()}
    sources = {name: source for name, (_, source) in said.items()}
    settings = Settings(folder, **values, sources=sources, file=path if path.is_file() else None)  # type: ignore[arg-type] # each was checked for its field
    _check_together(settings)
    return settings


def protected_path(settings: Settings) -> Path:
    """Where the list of those who are never removed is, or would be. Raises SettingsError when there are two."""
    path, old = settings.home / PROTECTED_FILE, settings.home / OLD_PROTECTED_FILE
    if settings.protected_list:
        return Path(settings.protected_list)
    if not old.exists():
        return path
    if path.exists():
        raise SettingsError(
            f"There are two lists of those who are never removed: {path} and {old.name} beside it.",
            hint=f"Put all of them into {path.name} and take {old.name} away; until then nothing is planned or sent.",
        )
    return old


def default_home() -> Path:
    """The folder for journal, tokens and settings, as the system has it for this user."""
    from platformdirs import user_data_path

    return user_data_path("bulkremove", appauthor=False)


def _check_together(settings: Settings) -> None:
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise SettingsError("tls_certificate and tls_key belong together; only one of them is set.")
    loopback = {is_loopback(urlsplit(url).netloc) for url in (settings.people_url, settings.token_url)}
    if len(loopback) == 2:
        raise SettingsError(
            "The addresses of Zoho People and of its accounts don't belong together: one is a sandbox.",
            hint="Set BULKREMOVE_API_URL and BULKREMOVE_ACCOUNTS_URL both; `bulkremove sandbox` prints them.",
        )
    if settings.sandbox:
        return
    if settings.speed != 1:
        raise SettingsError(f"{settings.sources['speed']}: only the sandbox can run faster than life.")
    calls, window = settings.limit
    most = calls if window >= _ZOHO.window else calls * -(-_ZOHO.window // window)
    if most > _ZOHO.calls:
        raise SettingsError(
            f"{settings.sources['limit']}: {settings.limit_text} would allow more than Zoho's {_ZOHO.calls} calls a "
            "minute and lock the account; more is for the sandbox."
        )
    if settings.lock < _ZOHO.lock:
        raise SettingsError(f"{settings.sources['lock']}: Zoho locks for {_ZOHO.lock:g} s; less is for the sandbox.")


def _path(text: object) -> Path:
    return Path(str(text)).expanduser().absolute()


def _from_file(path: Path, *, must_exist: bool) -> dict[str, tuple[object, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        tree = tomllib.loads(text)
    except FileNotFoundError:
        if must_exist:
            raise SettingsError(f"The settings file {path} does not exist.") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"The settings file {path} can't be read: {error}.") from None
    found = {}
    for name, value in tree.items():
        source = f"{path.name}{_line(text, name)}"
        if name not in _FIELDS and name not in _OLD_NAMES:
            near = difflib.get_close_matches(name, _FIELDS, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"It can have: {', '.join(_FIELDS)}."
            raise SettingsError(f"{source}: there is no setting {name!r}.", hint=hint)
        found[name] = (value, source)
    return found


def _line(text: str, name: str) -> str:
    for number, line in enumerate(text.splitlines(), start=1):
        if re.match(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=", line):
            return f" line {number}"
    return ""


def _checked(name: str, value: object, source: str) -> object:
    try:
        return _FIELDS[name](value)
    except ValueError as error:
        raise SettingsError(f"{source}: {error}") from None


def _account(value: object) -> str:
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise ValueError(f"{value!r} is no account name: letters, digits, '.', '_' and '-' only, at most 64.")
    return value


def _dc(value: object) -> str:
    code = str(value).lower()
    if code not in DATA_CENTERS:
        raise ValueError(f"{value!r} is no data centre of Zoho. There are: {', '.join(DATA_CENTERS)}.")
    return code


def _url(hosts: frozenset[str]) -> Callable[[object], str]:
    def checked(value: object) -> str:
        parts = urlsplit(str(value))
        loopback = is_loopback(parts.netloc) and parts.scheme in ("http", "https")
        if not loopback and not (parts.scheme == "https" and parts.netloc in hosts):
            known = ", ".join(sorted(hosts))
            raise ValueError(f"only Zoho's own hosts over https, or a sandbox on this machine, may be called: {known}.")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("give scheme and host only, like https://people.zoho.com.")
        return f"{parts.scheme}://{parts.netloc}"

    return checked


def seconds(value: object) -> float:
    """From ``300``, ``300s``, ``5m`` or ``1h``. Raises ValueError."""
    found = re.fullmatch(r"\s*([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(s|m|min|h|)\s*", str(value))
    if found is None or isinstance(value, bool):
        raise ValueError(f"{value!r} is no time; write for example 300s or 5m.")
    return float(found[1]) * _UNITS[found[2]]


def _limit(value: object) -> tuple[int, float]:
    calls, slash, window = str(value).partition("/")
    if not slash or not window.strip():
        raise ValueError(f"{value!r} is no limit; write calls and time, like 30/60s.")
    long = seconds(window)
    if not 0.01 <= long <= 86_400:
        raise ValueError(f"{value!r}: the time must be from 0.01 s to a day.")
    return _whole(1, 100_000)(calls.strip()), long


def _whole(least: int, most: int) -> Callable[[object], int]:
    def checked(value: object) -> int:
        text = str(value)
        if isinstance(value, bool) or re.fullmatch(r"[0-9]{1,9}", text) is None or not least <= int(text) <= most:
            raise ValueError(f"{value!r} must be a whole number from {least} to {most:,}.")
        return int(text)

    return checked


def _timeout(value: object) -> float:
    long = seconds(value)
    if not 0.05 <= long <= 600:
        raise ValueError(f"{value!r} must be a time from 0.05 s to 10 minutes.")
    return long


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


def _yes(value: object) -> bool:
    text = str(value).lower()
    if text not in ("1", "0", "true", "false", "yes", "no"):
        raise ValueError(f"{value!r} must be true or false.")
    return text in ("1", "true", "yes")


def _time(value: object) -> time:
    found = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])", str(value), re.ASCII)
    if found is None:
        raise ValueError(f"{value!r} is no time of the day; write it like 02:30.")
    return time(int(found[1]), int(found[2]))


def _window(value: object) -> tuple[time, time]:
    begin, dash, end = str(value).partition("-")
    if not dash or begin.strip() == end.strip():
        raise ValueError(f"{value!r} is no time window; write it like 22:00-06:00.")
    return _time(begin.strip()), _time(end.strip())


def _zone(value: object) -> str:
    try:
        return ZoneInfo(str(value)).key
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is no time zone; write it like Europe/Berlin.") from None


def _one_of(*words: str) -> Callable[[object], str]:
    def checked(value: object) -> str:
        if value not in words:
            raise ValueError(f"{value!r} must be {' or '.join(words)}.")
        return str(value)

    return checked


def _factor(value: object) -> float:
    text = str(value)
    if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", text, re.ASCII) is None or float(text) < 1:
        raise ValueError(f"{value!r} must be a number from 1 to 999.")
    return float(text)


def _https(value: object) -> str:
    parts = urlsplit(str(value))
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.netloc)):
        raise ValueError("give an https URL.")
    return str(value)


def _hosts(value: object) -> tuple[str, ...]:
    names = value if isinstance(value, list) else str(value).split(",")
    found = tuple(str(name).strip().lower() for name in names)
    for name in found:
        if re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", name, re.ASCII) is None:
            raise ValueError(f"{name!r} is no host name; give names like bulkremove.example.com, without a port.")
    return found


def _address(value: object) -> str:
    try:
        return str(ipaddress.ip_address(str(value)))
    except ValueError:
        raise ValueError(f"{value!r} is no IP address of a proxy.") from None


def _file(value: object) -> str:
    if not Path(str(value)).expanduser().is_file():
        raise ValueError(f"there is no file {value}.")
    return str(Path(str(value)).expanduser().absolute())


_OLD_NAMES = {"keep_list": "protected_list"}
"""Settings of earlier files that are still recognised."""

_FIELDS: dict[str, Callable[[object], object]] = {
    "account": _account,
    "dc": _dc,
    "api_url": _url(PEOPLE_HOSTS),
    "accounts_url": _url(ACCOUNTS_HOSTS),
    "limit": _limit,
    "lock": seconds,
    "daily_limit": _whole(1, 1_000_000),
    "concurrency": _whole(1, 16),
    "max_removals": _whole(0, 10_000_000),
    "max_invalid": _percent,
    "trust_proxy": _yes,
    "speed": _speed,
    "connect_timeout": _timeout,
    "read_timeout": _timeout,
    "four_eyes": _yes,
    "allowed_hosts": _hosts,
    "proxy": _address,
    "tls_certificate": _file,
    "tls_key": _file,
    "largest_upload": _whole(1, 100),
    "protected_list": _file,
    "nightly_source": str,
    "nightly_at": _time,
    "nightly_zone": _zone,
    "nightly_window": _window,
    "nightly_missed": _one_of("run", "skip"),
    "nightly_overlap": _one_of("wait", "skip"),
    "baseline_factor": _factor,
    "delay_days": _whole(0, 30),
    "retention_days": _whole(0, 36_500),
    "ping_url": _https,
    "metrics_file": str,
}
"""Every setting and its check; ``home`` can't stand in a file that lies there."""
