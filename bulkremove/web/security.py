"""Who may ask: the host, then where the request comes from, then who it is, then what they may. In this order.

Every address and method passes here, those that don't exist too. Against DNS rebinding the host must be ours; against
other sites' pages a request must come from our own; what leaves carries headers that let a browser load and run
nothing but our own files.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDict, CIMultiDictProxy

from bulkremove.app import App
from bulkremove.domain.permissions import Right
from bulkremove.web.routes import API, PERSON, SOURCE, Person, Route
from bulkremove.web.sessions import Sessions

COOKIE = "bulkremove"
MAX_FORM_BYTES = 64 * 1024
"""Bytes of a request that is no upload."""

_HEADERS = CIMultiDict(
    {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Server": "bulkremove",
    }
)


@dataclass(frozen=True, slots=True)
class Address:
    """How the page is reached. ``hosts``: Host headers that are ours as they stand; ``names``: those with any port."""

    hosts: frozenset[str]
    names: frozenset[str] = frozenset()
    proxy: str = ""
    only_by_proxy: bool = False
    tls: bool = False

    def is_ours(self, host: str) -> bool:
        return host in self.hosts or re.sub(r":[0-9]{1,5}\Z", "", host) in self.names


@dataclass(frozen=True, slots=True)
class _Seen:
    """A request as the person's browser sent it: past the named proxy, whose word counts, and nobody else's."""

    host: str
    scheme: str
    source: str


def make_security_middleware(
    address: Address, app: App, sessions: Sessions, routes: Mapping[web.AbstractRoute, Route]
) -> Middleware:
    """The middleware that all requests pass first."""

    @web.middleware
    async def security(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen = _seen(request, address)
        if not address.is_ours(seen.host):
            raise web.HTTPMisdirectedRequest(text="This address is not served here.")
        _check_site(request, seen)
        request[SOURCE] = seen.source
        route = routes.get(request.match_info.route)
        right = route.right if route else Right.LOOK
        if right is not None:
            person = await _person(request, app, sessions)
            if not person.may(right):
                raise web.HTTPForbidden(text=f"As {person.name} you may not do that; ask somebody who may.")
            request[PERSON] = person
        if route and route.takes and request.content_type != route.takes:
            raise web.HTTPUnsupportedMediaType(text=f"Only {route.takes} is taken here.")
        return await handler(request)

    return security


def _seen(request: web.Request, address: Address) -> _Seen:
    remote = request.remote or ""
    by_proxy = bool(address.proxy) and remote == address.proxy
    if address.only_by_proxy and not by_proxy:
        raise web.HTTPForbidden(text="This server is reached through its proxy only.")
    headers, scheme = request.headers, "https" if address.tls else "http"
    host = headers.get("Host", "")
    if by_proxy:
        scheme = _last(headers, "X-Forwarded-Proto", scheme).lower()
        host = _last(headers, "X-Forwarded-Host", host)
        remote = _last(headers, "X-Forwarded-For", remote)
    return _Seen(host.lower(), scheme, remote)


def _last(headers: CIMultiDictProxy[str], name: str, otherwise: str) -> str:
    """What the proxy itself has said: the last of all values, whatever the client sent before it."""
    lines = headers.getall(name, [otherwise])
    return lines[-1].rpartition(",")[2].strip()


def _check_site(request: web.Request, seen: _Seen) -> None:
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site not in (None, "same-origin", "none"):
        raise web.HTTPForbidden(
            text="This came from another site and was not done. Copy the address into the browser's address bar."
        )
    # Our own Referrer-Policy makes browsers send "null" as the origin of our own forms.
    own = origin is None or origin.lower() == f"{seen.scheme}://{seen.host}"
    if not own and (origin, site) != ("null", "same-origin"):
        raise web.HTTPForbidden(text="This came from another site and was not done.")
    if request.method in ("GET", "HEAD") or request.path.startswith(API):
        return  # a program comes with a token, which no other site's page has
    if site is None and origin is None:
        raise web.HTTPForbidden(text="It is not known which site this came from, so it was not done.")


async def _person(request: web.Request, app: App, sessions: Sessions) -> Person:
    """Who asks. Raises HTTPUnauthorized, HTTPForbidden, or HTTPSeeOther to the sign-in."""
    if request.path.startswith(API):
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        token = await app.users.bearer(secret.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise web.HTTPUnauthorized(
                text="Give a token: `Authorization: Bearer ...`. `bulkremove tokens add` makes one.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return Person(f"token {token.name}", token.role)
    person = await sessions.who(request.cookies.get(COOKIE, ""))
    if person is not None:
        return person
    if not sessions.users:
        raise web.HTTPForbidden(text="Open the link that `bulkremove serve` printed. It is good once.")
    if request.method == "GET":
        raise web.HTTPSeeOther("/sign-in")
    raise web.HTTPForbidden(text="Sign in first; your session has ended.")


def make_guard(address: Address) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Puts the headers on every answer, errors and files included."""

    async def guard(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(_HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        if address.tls:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"

    return guard
