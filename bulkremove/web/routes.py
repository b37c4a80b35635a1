"""Routes: method, path, handler, required permission and content type; ``security`` checks requests against them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from aiohttp import web

from bulkremove.domain.permissions import Access, AccountSet, Permission

_LOG = logging.getLogger(__name__)
FORM = "application/x-www-form-urlencoded"
FILE_FORM = "multipart/form-data"
JSON = "application/json"
API = ("/api/", "/metrics")
"""Path prefixes of the routes for programs, which authenticate with a bearer token, never with a cookie."""

HEALTH = "/healthz"
"""The one path without any check: it says that the server answers, and nothing else."""


@dataclass(frozen=True, slots=True)
class Person:
    """The author of a request: a signed-in user, the local user of the start link, or the token of a program."""

    name: str
    """The name in the audit log."""
    access: Access
    one_time: bool = False
    """Whether they must choose a password of their own before anything else."""
    is_signed_on: bool = False
    """Whether the proxy's single sign-on names them, so that they have neither session nor password here."""
    present_access: Callable[[], Awaitable[Access]] | None = field(default=None, compare=False, repr=False)
    """What they may do by now, for what goes on after their request. None for single sign-on, where it is not known,
    and for the local user, who may do everything."""

    def may(self, permission: Permission, account: str) -> bool:
        """Tell whether they have this permission on that account."""
        return self.access.may(permission, account)

    async def still_may(self, permission: Permission, account: str) -> bool:
        """Tell whether they have this permission on that account by now."""
        access = self.access if self.present_access is None else await self.present_access()
        return access.may(permission, account)

    @property
    def seen(self) -> AccountSet:
        """The accounts whose plans and jobs they may see: the filter of everything that is listed for them."""
        return self.access.accounts(Permission.LOOK)

    @property
    def manages(self) -> bool:
        """Whether they may change the settings of this installation."""
        return self.access.accounts(Permission.MANAGE).is_all

    @property
    def audited(self) -> AccountSet:
        """The accounts whose entries of the audit log they may see."""
        return self.access.accounts(Permission.AUDIT)


class Scope(Enum):
    """On which accounts a person needs the permission of a route."""

    NOBODY = auto()
    """None is needed: it is for everybody, signed in or not."""
    ONESELF = auto()
    """None is needed, but a sign-in: it is about the person, or says nothing of any account."""
    SOME = auto()
    """On any: the handler narrows what it shows or does to the accounts on which they have it."""
    EVERY = auto()
    """On all, also those that come later: it is about the installation."""
    JOB = auto()
    """On that of the job in the path."""
    UPLOAD = auto()
    """On that of the upload in the path."""


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path with its handler, and the permission that it needs on the accounts of its scope."""

    method: str
    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    scope: Scope
    permission: Permission | None = None
    """None only where the scope needs none."""
    content_type: str = ""
    """The content type that a request must have; empty: any, for requests without a body and uploads to the API."""
    for_one_time: bool = False
    """Whether a user with a one-time password may use it."""
    is_stream: bool = False
    """Whether its response goes on for as long as the page is open."""

    def __post_init__(self) -> None:
        if (self.permission is None) is not (self.scope in (Scope.NOBODY, Scope.ONESELF)):
            raise ValueError(f"{self.method} {self.path}: this scope and this permission don't belong together.")


PERSON = web.RequestKey("person", Person)
SESSION = web.RequestKey("session", str)
"""The key of the session that the request's cookie names; it may have ended, and is empty without a cookie."""
SOURCE = web.RequestKey("source", str)
"""IP address of the client: from ``X-Forwarded-For`` where the request came through the configured proxy."""


def person(request: web.Request) -> Person:
    """Return the author of a request. Raises KeyError on a route for everybody."""
    return request[PERSON]


def check_permission(
    request: web.Request, permission: Permission, account: str | None, *, on_all: bool = False
) -> None:
    """Check that the author of a request has a permission on an account (None: on any). Raises HTTPForbidden.

    ``on_all``: on all accounts instead.

    Of an account that they may not see nothing is told, so that is asked before.
    """
    who = person(request)
    has_it: object = who.access.accounts(permission) if account is None else who.may(permission, account)
    if on_all:
        has_it = who.access.accounts(permission).is_all
    if has_it:
        return
    _LOG.warning(
        "%s (%s) may not %s, asked for by %s", who.name, who.access, permission, request.match_info.route.resource
    )
    if not who.access.roles:
        raise web.HTTPForbidden(text=f"{who.name} has no role for any account here. Ask an admin for one.")
    raise web.HTTPForbidden(text=f"{who.name} may not do that. Ask somebody who may.")
