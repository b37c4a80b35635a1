"""OAuth credentials (client id, client secret, refresh token), stored by account name or taken from the environment.

Secrets are stored in the system's keyring if there is one, else in a file that only its owner can read. They are never
shown, logged or taken from a command line.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Protocol

from bulkremove.config import Settings
from bulkremove.domain.errors import ASK_ADMIN, LOG_IN, LocalFileFailed, NotAuthorized, SettingsError
from bulkremove.domain.hosts import SANDBOX_CLIENT
from bulkremove.platform.secure_files import read_private, write_private

SERVICE = "bulkremove"
VARIABLES = {
    "client_id": "BULKREMOVE_CLIENT_ID",
    "client_secret": "BULKREMOVE_CLIENT_SECRET",
    "refresh_token": "BULKREMOVE_REFRESH_TOKEN",
}
SCOPE_VARIABLE = "BULKREMOVE_SCOPE"
"""Names the scopes of the credentials in VARIABLES, as they stood in the grant code; it need not be set."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """OAuth credentials of one account in one data centre (``dc``: its code). The repr shows no secret."""

    dc: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)

    def check_host(self, settings: Settings) -> None:
        """Check that these are not real credentials for a program on this machine. Raises SettingsError.

        Whatever listens on the loopback address would get them.
        """
        if settings.is_sandbox and not self.client_id.startswith(SANDBOX_CLIENT):
            raise SettingsError(
                f"The credentials are real ones, and {settings.host} is a sandbox on this machine. They were not sent.",
                hint=f"Use credentials that were made up for the sandbox: a client id that begins with "
                f"{SANDBOX_CLIENT!r}, as `bulkremove sandbox` prints.",
                page_hint=ASK_ADMIN,
            )


@dataclass(frozen=True, slots=True)
class Account:
    """The public data of a stored account."""

    name: str
    dc: str
    client_id_ends: str
    """The last four characters of the client id."""
    stored_in: str
    """``keyring`` or ``file``."""
    client: str = ""
    """The ``client_hash`` of the client id; empty for an account that an older version stored."""
    organization: str = ""
    """The organisation at Zoho that its calls count for; empty for an account that an older version stored."""
    may_read: bool = False
    """Whether Zoho said at its login that its grant permits reads."""


class Keyring(Protocol):
    """The system's keyring, as the package ``keyring`` offers it."""

    def get_password(self, service_name: str, username: str) -> str | None:
        """Return the password, or None if there is none."""
        ...

    def set_password(self, service_name: str, username: str, password: str) -> None:
        """Store a password, in place of an earlier one. May raise any exception of the back end."""
        ...

    def delete_password(self, service_name: str, username: str) -> None:
        """Delete a password. May raise any exception of the back end."""
        ...


def system_keyring() -> Keyring | None:
    """Return the system's keyring, or None where none stores anything (the null and fail back ends)."""
    try:
        import keyring
        from keyring.backends import fail, null
    except ImportError:
        return None
    backend = keyring.get_keyring()
    return None if isinstance(backend, fail.Keyring | null.Keyring) else backend


def from_environment(environ: Mapping[str, str], dc: str) -> Credentials | None:
    """Read credentials from the three variables; None if none is set. Raises SettingsError if only some are."""
    values = {name: environ.get(variable, "") for name, variable in VARIABLES.items()}
    if not any(values.values()):
        return None
    missing = [VARIABLES[name] for name, value in values.items() if not value]
    if missing:
        raise SettingsError(f"{' and '.join(missing)} must be set too.", hint="All three are needed, or none.")
    return Credentials(dc, **values)


def scopes_in(text: str) -> tuple[str, ...]:
    """The scopes that a text names, separated by commas or blanks as Zoho writes them."""
    return tuple(text.replace(",", " ").split())


def client_hash(client_id: str) -> str:
    """Return the identity of a client (16 hexadecimal digits): plans, jobs and ledgers belong to it, not to a name."""
    return hashlib.sha256(client_id.encode()).hexdigest()[:16]


def ledger_key(host: str, organization: str) -> str:
    """Return the key of the quota ledger: two clients of one organisation share its quota. Letter case is ignored."""
    return f"{host}|{organization_key(organization)}"


def organization_key(organization: str) -> str:
    """Return a text that is equal for names that differ only in letter case and white space."""
    return " ".join(organization.casefold().split())


class AccountStore:
    """The accounts stored in the folder ``home``, by name. ``keyring``: None where the system has none."""

    def __init__(self, home: Path, keyring: Keyring | None) -> None:
        self._list = home / "accounts.json"
        self._folder = home / "credentials"
        self._keyring = keyring

    def all(self) -> list[Account]:
        """List the accounts, sorted by name."""
        return [account for _, account in sorted(self._load().items())]

    def add(self, name: str, credentials: Credentials, organization: str = "", *, may_read: bool = False) -> Account:
        """Store an account, in place of an earlier one of the same name."""
        secret = json.dumps(asdict(credentials))
        stored_in = "file"
        if self._keyring is not None:
            try:
                self._keyring.set_password(SERVICE, name, secret)
                stored_in = "keyring"
            except Exception:  # noqa: S110 - each back end has exceptions of its own; the file is the fallback
                pass
        if stored_in == "file":
            write_private(self._file(name), secret)
        else:
            self._file(name).unlink(missing_ok=True)
        account = Account(
            name,
            credentials.dc,
            credentials.client_id[-4:],
            stored_in,
            client_hash(credentials.client_id),
            organization,
            may_read,
        )
        self._save(self._load() | {name: account})
        return account

    def get(self, name: str) -> Credentials:
        """Return the credentials of an account.

        Raises NotAuthorized if there are none, LocalFileFailed if other users can read their file.
        """
        account = self._load().get(name)
        if account is None:
            raise NotAuthorized(
                f"There is no account {name!r} on this machine.",
                hint=f"Run `bulkremove login {name}`, or `bulkremove accounts` to list the accounts.",
                page_hint=LOG_IN,
            )
        secret = self._keyring_text(name) if account.stored_in == "keyring" else read_private(self._file(name))
        if secret is None:
            raise NotAuthorized(
                f"The secrets of account {name!r} are gone.",
                hint=f"Run `bulkremove login {name}` again.",
                page_hint=LOG_IN,
            )
        return Credentials(**json.loads(secret))

    def remove(self, name: str) -> None:
        """Delete the account and its secrets. Raises NotAuthorized if there is no such account."""
        accounts = self._load()
        account = accounts.pop(name, None)
        if account is None:
            raise NotAuthorized(f"There is no account {name!r} on this machine.")
        if account.stored_in == "keyring" and self._keyring_text(name) is not None and self._keyring is not None:
            self._keyring.delete_password(SERVICE, name)
        self._file(name).unlink(missing_ok=True)
        self._save(accounts)

    def _keyring_text(self, name: str) -> str | None:
        try:
            return None if self._keyring is None else self._keyring.get_password(SERVICE, name)
        except Exception:  # each back end has exceptions of its own
            raise NotAuthorized("The system's keyring can't be read.", hint="Unlock it and try again.") from None

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _load(self) -> dict[str, Account]:
        text = read_private(self._list)
        try:
            return {name: Account(**fields) for name, fields in json.loads(text or "{}").items()}
        except (ValueError, TypeError, AttributeError):
            raise LocalFileFailed(
                f"{self._list} is damaged, so no account can be used.",
                hint="Take it away and run `bulkremove login` again for each account.",
                page_hint=ASK_ADMIN,
            ) from None

    def _save(self, accounts: Mapping[str, Account]) -> None:
        fields = {name: asdict(account) for name, account in accounts.items()}
        write_private(self._list, json.dumps(fields, indent=1))


def with_data_center(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """The settings with the data centre of their account, unless they name a data centre or an address themselves.

    A stored account says nothing about credentials of the environment that belong to another client.
    """
    if "dc" in settings.sources or settings.api_url:
        return settings
    for account in AccountStore(settings.home, None).all():
        client_id = environ.get(VARIABLES["client_id"], "")
        if account.name == settings.account and (not client_id or account.client == client_hash(client_id)):
            return replace(settings, dc=account.dc)
    return settings
