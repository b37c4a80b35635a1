"""Loading one frozen Settings from defaults < file < environment < flags, checked once, before anything else happens.

No secret is read here: credentials have their own module. Every error names the place of the value.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path

from bulkremove.config.night_blocks import Blocks, blocks_in, check_nights, line_of, load_nights
from bulkremove.config.old_nights import OLD_NIGHT_KEYS, replaced
from bulkremove.config.settings import Settings, check_host_rules
from bulkremove.config.values import PARSERS
from bulkremove.domain.errors import SettingsError

_OLD_NAMES = {"keep_list": "protected_list"}
"""Former names of settings, which are still accepted, and the present ones."""
_TIGHTENED = {"four_eyes": True, "enrolment_check": "always"}
"""Settings that protect people, each with the value that only its own settings file can take back."""


def load(flags: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """Settings from flags, environment and settings file. Raises SettingsError.

    ``flags``: by field name; a value of None was not given. ``config`` names the settings file; without it
    BULKREMOVE_CONFIG, then ``bulkremove.toml`` in the home folder, where there is one.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    config = given.pop("config", None) or environ.get("BULKREMOVE_CONFIG")
    home = given.pop("home", None) or environ.get("BULKREMOVE_HOME")
    folder = _path(home) if home else default_home()
    path = _path(config) if config else folder / "bulkremove.toml"
    entries, blocks = _from_file(path, must_exist=bool(config))
    by_file = dict(entries)
    if (own := folder / "bulkremove.toml") != path:  # another file in its place loosens nothing either
        by_file |= {name: entry for name, entry in _from_file(own, must_exist=False)[0].items() if name in _TIGHTENED}
    for name in (*_OLD_NAMES, *OLD_NIGHT_KEYS, *PARSERS):
        variable = f"BULKREMOVE_{name.upper()}"
        if environ.get(variable, "") != "":
            entries[name] = (environ[variable], variable)
    if old_keys := {name: entries[name] for name in OLD_NIGHT_KEYS if name in entries}:
        raise replaced(old_keys, entries.get("account"))
    _check_tightened(by_file, {**entries, **{name: (value, _flag(name)) for name, value in given.items()}})
    for old, name in _OLD_NAMES.items():
        if old in entries and name in entries:
            places = f"{entries[old][1]} and {entries[name][1]}"
            raise SettingsError(f"{places} both name the same setting.", hint=f"Keep {name}.")
        if old in entries:
            entries[name] = entries.pop(old)
    entries |= {name: (value, _flag(name)) for name, value in given.items()}
    values = {name: _parse(name, value, source) for name, (value, source) in entries.items()}
    sources = {name: source for name, (_, source) in entries.items()}
    sources |= {"home": "--home" if flags.get("home") else "BULKREMOVE_HOME"} if home else {}
    sources |= {"file": "--config" if flags.get("config") else "BULKREMOVE_CONFIG"} if config else {}
    nights = load_nights(blocks)
    settings = Settings(folder, **values, nights=nights, sources=sources, file=path if path.is_file() else None)  # type: ignore[arg-type] # each was parsed for its field
    if sources.get("account") == "--account" and environ.get("BULKREMOVE_CLIENT_ID"):
        raise SettingsError(
            "--account names a stored account, but BULKREMOVE_CLIENT_ID and its like name another one.",
            hint="Leave --account out, or unset these variables.",
        )
    _check_together(settings)
    check_nights(settings)
    return settings


def _flag(name: str) -> str:
    """The flag that gives a setting."""
    return "--check or --no-check" if name == "enrolment_check" else f"--{name.replace('_', '-')}"


def _check_tightened(by_file: Mapping[str, tuple[object, str]], entries: Mapping[str, tuple[object, str]]) -> None:
    """Check that environment and flags loosen no rule of the settings file that protects people."""
    for name, strict in _TIGHTENED.items():
        if name not in by_file or _parse(name, *by_file[name]) != strict:
            continue
        value, source = entries.get(name, (None, "Another settings file"))
        if value is None or _parse(name, value, source) != strict:
            raise SettingsError(f"{source} can't loosen {name}, which {by_file[name][1]} sets.")


def default_home() -> Path:
    """The system's data folder for this user, which holds journal, tokens and settings."""
    from platformdirs import user_data_path

    return user_data_path("bulkremove", appauthor=False)


def _check_together(settings: Settings) -> None:
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise SettingsError("tls_certificate and tls_key belong together; only one of them is set.")
    sign_on = [name for name in ("auth_header", "auth_groups_header", "auth_roles") if getattr(settings, name)]
    if sign_on and (len(sign_on) < 3 or not settings.proxy):
        raise SettingsError(
            f"{settings.sources[sign_on[0]]}: single sign-on needs auth_header, auth_groups_header, auth_roles "
            "and proxy.",
            hint="The headers are believed from the address of the proxy only, since anybody can send them.",
        )
    if sign_on and settings.auth_header.lower() == settings.auth_groups_header.lower():
        raise SettingsError("auth_header and auth_groups_header name the same header.")
    check_host_rules(settings)


def _path(text: object) -> Path:
    return Path(str(text)).expanduser().absolute()


def _from_file(path: Path, *, must_exist: bool) -> tuple[dict[str, tuple[object, str]], Blocks]:
    """Unparsed values by setting, each with its place in the file, and those of its blocks. Raises SettingsError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        tree = tomllib.loads(text)
    except FileNotFoundError:
        if must_exist:
            raise SettingsError(f"The settings file {path} does not exist.") from None
        return {}, []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"The settings file {path} can't be read: {getattr(error, 'strerror', error)}.") from None
    blocks = blocks_in(text, tree.pop("nights", []), path.name)
    entries = {}
    for name, value in tree.items():
        source = f"{path.name}{line_of(text, name)}"
        if name not in PARSERS and name not in _OLD_NAMES and name not in OLD_NIGHT_KEYS:
            allowed_names = [*PARSERS, "[[nights]]"]
            near = difflib.get_close_matches(name, allowed_names, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"It can have: {', '.join(allowed_names)}."
            raise SettingsError(f"{source}: there is no setting {name!r}.", hint=hint)
        entries[name] = (value, source)
    return entries, blocks


def _parse(name: str, value: object, source: str) -> object:
    try:
        return PARSERS[name](value)
    except ValueError as error:
        raise SettingsError(f"{source}: {error}") from None
