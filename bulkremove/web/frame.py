"""What the frame of every page says: the account and organization of a person, and where in the site they are."""

from __future__ import annotations

from dataclasses import dataclass

from bulkremove.app import App
from bulkremove.web.routes import Person


@dataclass(frozen=True, slots=True)
class OnlyAccount:
    """The one account of all that a person sees here. ``organization``: at Zoho; empty if nobody has named it."""

    name: str
    host: str
    organization: str


def only_account(app: App, who: Person) -> OnlyAccount | None:
    """The account of all that a person sees here; None if there are several, or none."""
    names = [name for name in app.accounts.names() if name in who.seen]
    if len(names) != 1:
        return None
    settings = app.for_account(names[0]).settings
    stored = (account.organization for account in app.accounts.all() if account.name == names[0])
    return OnlyAccount(names[0], settings.host, next(stored, "") or settings.organization)
