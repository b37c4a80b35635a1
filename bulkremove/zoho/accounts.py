"""Who calls Zoho: client id, client secret and refresh token, by account name or from the environment.

Secrets go to the system's keyring where there is a real one, else to a file that only its owner can read. They are
never shown, logged or taken from a command line.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from bulkremove.domain.errors import NotAuthorized, SettingsError
from bulkremove.platform.secure_files import read_private, write_private

SERVICE = "bulkremove"
VARIABLES = {
    "client_id": "BULKREMOVE_CLIENT_ID",
    "client_secret": "BULKREMOVE_CLIENT_SECRET",
    "refresh_token": "BULKREMOVE_REFRESH_TOKEN",
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a token is asked for with. Its repr shows no secret."""

    dc: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Account:
    """What may be shown of a stored account."""

    name: str
    dc: str
    client_id_ends: str
    kept_in: str
    """``keyring`` or ``file``."""


class Keyring(Protocol):
    """The system's keyring, as the package ``keyring`` offers it."""

    def get_password(self, service_name: str, username: str) -> str | None: ...
    def set_password(self, service_name: str, username: str, password: str) -> None: ...
    def delete_password(self, service_name: str, username: str) -> None: ...


def system_keyring() -> Keyring | None:
    """The keyring, if there is one that really keeps something; the null and fail back ends do not."""
    try:
        import keyring
        from keyring.backends import fail, null
    except ImportError:
        return None
    backend = keyring.get_keyring()
    return None if isinstance(backend, fail.Keyring | null.Keyring) else backend


def from_environment(environ: Mapping[str, str], dc: str) -> Credentials | None:
    """Credentials from the three variables; None if none is set. Raises SettingsError if only some are."""
    found = {name: environ.get(variable, "") for name, variable in VARIABLES.items()}
    if not any(found.values()):
        return None
    missing = [VARIABLES[name] for name, value in found.items() if not value]
    if missing:
        raise SettingsError(f"{' and '.join(missing)} must be set too.", hint="All three are needed, or none.")
    return Credentials(dc, **found)


def ledger_key(host: str, client_id: str) -> str:
    """The quota ledger's name: one client under two account names shares one allowance."""
    return f"{host}|{hashlib.sha256(client_id.encode()).hexdigest()[:16]}"


class AccountStore:
    """The accounts stored in ``home``, by name. ``keyring``: None where the system has none."""

    def __init__(self, home: Path, keyring: Keyring | None) -> None:
        self._list = home / "accounts.json"
        self._folder = home / "credentials"
        self._keyring = keyring

    def all(self) -> list[Account]:
        """What may be shown of each, in the order of their names."""
        return [Account(name, **facts) for name, facts in sorted(self._load().items())]

    def add(self, name: str, credentials: Credentials) -> Account:
        """Store an account, in the place of one of the same name."""
        secret = json.dumps(asdict(credentials))
        kept_in = "file"
        if self._keyring is not None:
            try:
                self._keyring.set_password(SERVICE, name, secret)
                kept_in = "keyring"
            except Exception:  # noqa: S110 - any back end may fail in its own way; the file is the way out
                pass
        if kept_in == "file":
            write_private(self._file(name), secret)
        else:
            self._file(name).unlink(missing_ok=True)
        facts = {"dc": credentials.dc, "client_id_ends": credentials.client_id[-4:], "kept_in": kept_in}
        self._save(self._load() | {name: facts})
        return Account(name, **facts)

    def get(self, name: str) -> Credentials:
        """The credentials of that name. Raises NotAuthorized if there are none, LocalFileFailed if others can read."""
        facts = self._load().get(name)
        if facts is None:
            raise NotAuthorized(
                f"There is no account {name!r} on this machine.",
                hint="Run `bulkremove login`, or `bulkremove accounts` to see those there are.",
            )
        secret = self._keyring_text(name) if facts["kept_in"] == "keyring" else read_private(self._file(name))
        if secret is None:
            raise NotAuthorized(f"The secrets of account {name!r} are gone.", hint="Run `bulkremove login` again.")
        return Credentials(**json.loads(secret))

    def remove(self, name: str) -> None:
        """Forget the account and its secrets. Raises NotAuthorized if there is none."""
        accounts = self._load()
        facts = accounts.pop(name, None)
        if facts is None:
            raise NotAuthorized(f"There is no account {name!r} on this machine.")
        if facts["kept_in"] == "keyring" and self._keyring_text(name) is not None and self._keyring is not None:
            self._keyring.delete_password(SERVICE, name)
        self._file(name).unlink(missing_ok=True)
        self._save(accounts)

    def _keyring_text(self, name: str) -> str | None:
        return None if self._keyring is None else self._keyring.get_password(SERVICE, name)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _load(self) -> dict[str, dict[str, str]]:
        text = read_private(self._list)
        return {} if text is None else dict(json.loads(text))

    def _save(self, accounts: Mapping[str, Mapping[str, str]]) -> None:
        write_private(self._list, json.dumps(accounts, indent=1))
