"""Routes: method, path, handler, required permission and content type; ``security`` checks requests against them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from bulkremove.domain.permissions import Right, Role, may

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
    role: Role
    one_time: bool = False
    """Whether they must choose a password of their own before anything else."""
    is_signed_on: bool = False
    """Whether the proxy's single sign-on names them, so that they have neither session nor password here."""

    def may(self, permission: Right) -> bool:
        """Tell whether the role has this permission."""
        return may(self.role, permission)


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path with its handler. ``permission`` is the permission it needs; None: no authentication."""

    method: str
    path: str
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]]
    permission: Right | None
    content_type: str = ""
    """The content type that a request must have; empty: any, for requests without a body and uploads to the API."""
    for_one_time: bool = False
    """Whether a user with a one-time password may use it."""
    is_stream: bool = False
    """Whether its response goes on for as long as the page is open."""


PERSON = web.RequestKey("person", Person)
SESSION = web.RequestKey("session", str)
"""The key of the session that the request's cookie names; it may have ended, and is empty without a cookie."""
SOURCE = web.RequestKey("source", str)
"""IP address of the client: from ``X-Forwarded-For`` where the request came through the configured proxy."""


def person(request: web.Request) -> Person:
    """Return the author of a request. Raises KeyError on a route without a ``permission``."""
    return request[PERSON]
