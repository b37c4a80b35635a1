"""The account that an uploaded file is for."""

from __future__ import annotations

from aiohttp import web

from bulkremove.app import App
from bulkremove.domain.permissions import Permission
from bulkremove.web.routes import Person


def accounts_for(app: App, who: Person) -> list[str]:
    """The accounts that a person may upload a file for, that of the settings first."""
    return [name for name in app.accounts.names() if who.may(Permission.PREPARE, name)]


def account_of(app: App, who: Person, name: str, *, default: str = "") -> str:
    """The account that was named, or the only one that the person may upload a file for.

    ``default``: for programs, which name none where the settings do. Raises HTTPBadRequest, HTTPForbidden, and
    HTTPNotFound for an account that is not theirs, as for one that there is not.
    """
    choices = accounts_for(app, who)
    if name and name not in choices:
        raise web.HTTPNotFound(text=f"There is no account {name!r} here that you may upload a file for.")
    if not choices:
        raise web.HTTPForbidden(text="You may upload a file for no account that is set up here. Ask an admin.")
    name = name or (default if default in choices else "") or (choices[0] if len(choices) == 1 else "")
    if not name:
        raise web.HTTPBadRequest(text=f"Say which account the file is for: {', '.join(choices)}.")
    return name
