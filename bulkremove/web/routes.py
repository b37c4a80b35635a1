"""What an address is: who may come in by it, and what it takes. The security know nothing else of an address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from bulkremove.domain.permissions import Right, Role, may

FORM = "application/x-www-form-urlencoded"
FILE_FORM = "multipart/form-data"
JSON = "application/json"
API = ("/api/", "/metrics")
"""What every address for programs begins with: they come with a token, never with a cookie."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks: a user, whoever sits at this machine, or a program. ``name`` stands in the audit log."""

    name: str
    role: Role

    def may(self, right: Right) -> bool:
        return may(self.role, right)


@dataclass(frozen=True, slots=True)
class Route:
    """One address and method. ``right``: None for whoever came from the right host and site."""

    method: str
    path: str
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]]
    right: Right | None
    takes: str = ""
    """Content type that a POST must have; empty for a POST without a body, and for any in an upload by a program."""


PERSON = web.RequestKey("person", Person)
SOURCE = web.RequestKey("source", str)
"""Address of who asks, past the named proxy."""


def person(request: web.Request) -> Person:
    """Who asks; only behind a route that has a right."""
    return request[PERSON]
