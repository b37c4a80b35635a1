"""The settings: one frozen value from defaults < account < file < environment < flags, checked once.

Every refusal names where the value came from and what would be accepted. Secrets are no settings and are never
read here. It stands alone, and imports little, so that ``--help`` and a preview need nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bulkremove import credentials
from bulkremove.datacentres import DATA_CENTRES, Address, accounts_address, people_address
from bulkremove.errors import SettingsError
from bulkremove.model import Quota, is_loopback

FILE_NAME = "bulkremove.toml"
PREFIX = "BULKREMOVE_"
ZOHO = Quota()
"""Zoho People's own limit, and how carefully it is kept."""
_SPARE = ZOHO.exchange - 40.0
"""Seconds an exchange may take beyond connecting and reading."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value came from: ``flag``, ``environment``, ``file``, ``account`` or ``default``, and its name there."""

    kind: str
    name: str = ""

    def __str__(self) -> str:
        return self.name or self.kind


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run needs to know but for its file and its secrets. Times are in seconds.

    Raises SettingsError when ``api_url`` and ``accounts_url`` are not addresses that belong together.
    """

    home: Path
    account: str = "default"
    dc: str = "us"
    api_url: str = "https://people.zoho.com"
    accounts_url: str = "https://accounts.zoho.com"
    quota: Quota = ZOHO
    concurrency: int = 4
    max_removals: int = 500
    trust_proxy: bool = False
    """Whether proxy variables and netrc are obeyed."""
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    sources: Mapping[str, Source] = field(default_factory=dict, compare=False, repr=False)
    """Where each value came from, by key (``limit`` and ``daily_limit`` for the quota's)."""

    def __post_init__(self) -> None:
        people, accounts = people_address(self.api_url), accounts_address(self.accounts_url)
        if people is None or accounts is None or people.dc != accounts.dc:
            raise SettingsError("The addresses of Zoho People and of its accounts don't belong together.")

    @property
    def host(self) -> str:
        """The Zoho People host that plans and jobs carry; ``host:port`` for a sandbox."""
        return self.api_url.partition("://")[2]

    @property
    def sandbox(self) -> bool:
        return is_loopback(self.host)

    @property
    def account_chosen(self) -> bool:
        """Whether a person named the account for this run (``credentials.choose`` asks)."""
        return self.sources.get("account", _DEFAULT).kind in ("flag", "environment")


@dataclass(frozen=True, slots=True)
class _Key:
    """One setting: how its text is read (ValueError when it can't be) and what is accepted, in words."""

    read: Callable[[object], object]
    accepts: str


def _whole(low: int, high: int) -> _Key:
    def read(value: object) -> int:
        if isinstance(value, str) and value.isascii() and value.strip().isdigit() and len(value) < 20:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError
        return value

    return _Key(read, f"a whole number from {low} to {high}")


_UNITS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(ms|s|m|h|)")
_LIMIT = re.compile(r"([0-9]{1,7})\s*/\s*(.+)")


def _duration(value: object) -> float:
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        return float(match[1]) * _UNITS[match[2]]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    return float(value)


def _seconds(low: float, high: float) -> _Key:
    def read(value: object) -> float:
        seconds = _duration(value)
        if not low <= seconds <= high:
            raise ValueError
        return seconds

    return _Key(read, f"a time such as 30s or 5m, from {low:g} s to {high:g} s")


def _limit(value: object) -> tuple[int, float]:
    match = _LIMIT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError
    calls, window = int(match[1]), _duration(match[2])
    if calls < 1 or not 0.01 <= window <= 86_400:
        raise ValueError
    return calls, window


def _yes_or_no(value: object) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if isinstance(value, str):
        value = words.get(value.strip().lower())
    if not isinstance(value, bool):
        raise ValueError
    return value


def _account(value: object) -> str:
    try:
        credentials.check_name(name := _text(value))
    except SettingsError:
        raise ValueError from None
    return name


def _data_centre(value: object) -> str:
    if (code := _text(value).lower()) not in DATA_CENTRES:
        raise ValueError
    return code


def _folder(value: object) -> Path:
    if isinstance(value, str | Path) and str(value).strip():
        try:
            return Path(value).expanduser().absolute()
        except RuntimeError:  # ~ of a user that this machine doesn't know
            raise ValueError from None
    raise ValueError


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value.strip()


def _url(read: Callable[[str], Address | None]) -> Callable[[object], Address]:
    def address(value: object) -> Address:
        if (found := read(_text(value))) is None:
            raise ValueError
        return found

    return address


_OR_SANDBOX = "or of a sandbox on this machine (http://127.0.0.1:PORT)"
KEYS: Mapping[str, _Key] = MappingProxyType(
    {
        "home": _Key(_folder, "a folder"),
        "account": _Key(_account, "a name of up to 64 letters, digits, dots, hyphens and underscores"),
        "dc": _Key(_data_centre, f"one of {', '.join(DATA_CENTRES)}"),
        "api_url": _Key(
            _url(people_address), f"the https address of Zoho People (https://people.zoho.com), {_OR_SANDBOX}"
        ),
        "accounts_url": _Key(
            _url(accounts_address), f"the https address of Zoho's accounts (https://accounts.zoho.com), {_OR_SANDBOX}"
        ),
        "limit": _Key(_limit, "calls per time, such as 30/60s"),
        "lock": _seconds(0, 86_400),
        "daily_limit": _whole(1, 10_000_000),
        "concurrency": _whole(1, 16),
        "max_removals": _whole(1, 1_000_000),
        "trust_proxy": _Key(_yes_or_no, "true or false"),
        "connect_timeout": _seconds(0.05, 300),
        "read_timeout": _seconds(0.05, 600),
    }
)
"""Every setting. In the environment it is BULKREMOVE_ and the key in capitals, as a flag ``--max-removals``."""
_FILE_KEYS = tuple(key for key in KEYS if key != "home")
_VARIABLES = (*(PREFIX + key.upper() for key in (*KEYS, "config")), *credentials.VARIABLES)
_DEFAULT = Source("default")


def load(flags: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """The settings of this run. Raises SettingsError, or NotAuthorised when others can read the accounts.

    ``flags``: values of the command line by key of ``KEYS``, and ``config`` for the file; None: not given.
    An empty variable counts as not set. The file is the flag's or BULKREMOVE_CONFIG's, and must then exist, else
    ``<home>/bulkremove.toml``. A data centre that nobody names is the one that the account was made for.
    """
    given = _given(flags, environ)
    read: dict[str, tuple[Any, Source]] = {
        key: (_read(key, value, source), source) for key, (value, source) in given.items() if key != "config"
    }
    if "home" not in read:
        read["home"] = (_default_home(), _DEFAULT)
    home: Path = read["home"][0]
    named = given.get("config")
    path = _read_path(*named) if named else home / FILE_NAME
    for key, (value, source) in _file(path, must_exist=named is not None).items():
        read.setdefault(key, (_read(key, value, source), source))

    account = read["account"][0] if "account" in read else Settings.account
    if "dc" not in read and not environ.get(credentials.VARIABLES[0]):
        known = credentials.Accounts(home).find(account)
        if known is not None and not known.sandbox:
            read["account_dc"] = (known.dc, Source("account", f"account {account}"))
    addresses = _addresses(read)
    quota = _quota(read, sandbox=addresses["api_url"][0].dc is None)
    plain = {
        key: read[key][0]
        for key in ("concurrency", "max_removals", "trust_proxy", "connect_timeout", "read_timeout")
        if key in read
    }
    sources = {key: source for key, (_, source) in (read | addresses).items() if key in KEYS}
    return Settings(
        home=home,
        account=account,
        dc=addresses["dc"][0],
        api_url=addresses["api_url"][0].url,
        accounts_url=addresses["accounts_url"][0].url,
        quota=quota,
        sources=MappingProxyType({key: sources.get(key, _DEFAULT) for key in KEYS}),
        **plain,
    )


def _given(flags: Mapping[str, object], environ: Mapping[str, str]) -> dict[str, tuple[object, Source]]:
    """What flags and environment say, the flags first."""
    if strangers := flags.keys() - {*KEYS, "config"}:
        raise TypeError(f"no such settings: {strangers}")
    for name in environ:
        if name.startswith(PREFIX) and name not in _VARIABLES:
            raise SettingsError(
                f"Variable {_shown(name)} is not one that bulkremove knows.", hint=_nearest(name, _VARIABLES)
            )
    given: dict[str, tuple[object, Source]] = {}
    for key in ("config", *KEYS):
        variable = PREFIX + key.upper()
        if flags.get(key) is not None:
            given[key] = (flags[key], Source("flag", f"flag --{key.replace('_', '-')}"))
        elif environ.get(variable, "").strip():
            given[key] = (environ[variable], Source("environment", f"variable {variable}"))
    return given


def _read(key: str, value: object, source: Source) -> Any:
    try:
        return KEYS[key].read(value)
    except ValueError:
        raise _refused(source, f"must be {KEYS[key].accepts}") from None


def _read_path(value: object, source: Source) -> Path:
    try:
        return _folder(value)
    except ValueError:
        raise _refused(source, "must be the name of a settings file") from None


def _refused(source: Source, why: str) -> SettingsError:
    # The value itself is not shown: what stands in the wrong place may be a secret.
    text = str(source)
    return SettingsError(f"{text[0].upper()}{text[1:]} {why}." if source.kind != "file" else f"{text} {why}.")


def _default_home() -> Path:
    import platformdirs

    return platformdirs.user_data_path("bulkremove", appauthor=False)


def _file(path: Path, *, must_exist: bool) -> dict[str, tuple[object, Source]]:
    """What the settings file says, by key, with the line each key stands on."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        if must_exist:
            raise SettingsError(f"The settings file {path} does not exist.") from None
        return {}
    except UnicodeDecodeError:
        raise SettingsError(f"The settings file {path} is not UTF-8 text.", hint="Save it again as UTF-8.") from None
    except OSError as error:
        raise SettingsError(f"The settings file {path} can't be read: {error.strerror}.") from None
    import tomllib

    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        where = re.search(r"line [0-9]+", str(error))
        raise SettingsError(
            f"{path.name}{' ' + where[0] if where else ''} is not written as settings are.",
            hint='One a line: key = value, text in quotes, such as limit = "30/60s".',
        ) from None
    found: dict[str, tuple[object, Source]] = {}
    for key, value in values.items():
        source = Source("file", f"{path.name} line {_line(text, key)} {_shown(key)}")
        if PREFIX + key.upper() in credentials.VARIABLES:
            raise SettingsError(
                f"{source}: secrets don't belong into this file.",
                hint="Take it out, revoke it in Zoho if others may have read it, and use: bulkremove login",
            )
        if key == "home":
            raise SettingsError(f"{source} can't be set here.", hint="Use --home or BULKREMOVE_HOME.")
        if key not in _FILE_KEYS:
            raise SettingsError(f"{source} is not a setting.", hint=_nearest(key, _FILE_KEYS))
        found[key] = (value, source)
    return found


def _line(text: str, key: str) -> int:
    stands = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[=.\]]""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if stands.match(line)), 1)


def _nearest(name: str, known: Iterable[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name.lower(), {one.lower(): one for one in known}, n=1, cutoff=0.6)
    names = {one.lower(): one for one in known}
    return f"Did you mean {names[near[0]]}?" if near else f"Known: {', '.join(known)}."


def _shown(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", name) else "(a name that can't be shown)"


def _addresses(read: Mapping[str, tuple[Any, Source]]) -> dict[str, tuple[Any, Source]]:
    """The data centre and both addresses, which must belong together: a token goes nowhere else."""
    api, accounts, dc = read.get("api_url"), read.get("accounts_url"), read.get("dc")
    if accounts is not None and accounts[0].dc is None and (api is None or api[0].dc is not None):
        raise _refused(accounts[1], "names a sandbox, and the address of Zoho People does not; set both or neither")
    if api is not None and api[0].dc is None:
        if accounts is not None and accounts[0].dc is not None:
            raise _refused(
                accounts[1], "names Zoho, and the address of Zoho People names a sandbox; set both or neither"
            )
        return {
            "dc": dc or read.get("account_dc") or (Settings.dc, _DEFAULT),
            "api_url": api,
            "accounts_url": accounts or (accounts_address(api[0].url), api[1]),
        }
    for _, (address, source) in (pair for pair in (("api_url", api), ("accounts_url", accounts)) if pair[1]):
        if dc is None:
            dc = (address.dc.code, source)
        elif address.dc.code != dc[0]:
            raise _refused(source, f"belongs to the data centre {address.dc.code}, but {dc[1]} says {dc[0]}")
    dc = dc or read.get("account_dc") or (Settings.dc, _DEFAULT)
    centre = DATA_CENTRES[dc[0]]
    return {
        "dc": dc,
        "api_url": api or (people_address(f"https://{centre.people}"), dc[1]),
        "accounts_url": accounts or (accounts_address(f"https://{centre.accounts}"), dc[1]),
    }


def _quota(read: Mapping[str, tuple[Any, Source]], *, sandbox: bool) -> Quota:
    """The allowance. Towards Zoho it is never laxer than Zoho's own: that would lock the account."""
    calls, window = read["limit"][0] if "limit" in read else (ZOHO.calls, ZOHO.window)
    lock = read["lock"][0] if "lock" in read else ZOHO.lock
    if not sandbox:
        most = calls if window >= ZOHO.window else calls * -(-ZOHO.window // window)
        if most > ZOHO.calls:
            raise _refused(
                read["limit"][1],
                f"would allow more than Zoho's {ZOHO.calls} calls in {ZOHO.window:g} s; more is for a sandbox",
            )
        if lock < ZOHO.lock:
            raise _refused(read["lock"][1], f"is shorter than Zoho's {ZOHO.lock:g} s; less is for a sandbox")
    connect = read["connect_timeout"][0] if "connect_timeout" in read else Settings.connect_timeout
    answer = read["read_timeout"][0] if "read_timeout" in read else Settings.read_timeout
    daily = read["daily_limit"][0] if "daily_limit" in read else None
    return Quota(calls=calls, window=window, lock=lock, daily=daily, exchange=connect + answer + _SPARE)
