"""The security checks of every request, in this order.

Encoding, host, origin, authentication, permission on any account, content type, the person's fair share of the server,
and permission on the account of the job or upload in the path.

They also run for paths and methods without a route. The host is checked against DNS rebinding, the origin against
cross-site requests, and the headers of each response let a browser load and run nothing but the files of this server.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDict, CIMultiDictProxy

from bulkremove.app import App
from bulkremove.app.consent import token_actor
from bulkremove.domain.errors import JobNotFound
from bulkremove.domain.permissions import Access
from bulkremove.web.fair_share import FairShare
from bulkremove.web.routes import API, HEALTH, PERSON, SESSION, SOURCE, Person, Route, Scope, check_permission
from bulkremove.web.sessions import SIGNED_OUT, Sessions
from bulkremove.web.single_sign_on import SignOn
from bulkremove.web.uploads import Uploads

MAX_REQUESTS_OF_PERSON, MAX_WAITING_OF_PERSON = 4, 20
"""Requests of one person that are answered at the same time, and that wait for it; the next is refused."""
MAX_STREAMS_OF_PERSON = 20
"""Pages of running jobs that one person may have open."""

HEADERS = CIMultiDict(
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
    """Where this server is reached: its host names, the IP address of its proxy, and whether it has TLS itself."""

    hosts: frozenset[str]
    """Host headers that are accepted exactly as they are."""
    names: frozenset[str] = frozenset()
    """Host names that are accepted with any port or none."""
    proxy: str = ""
    """IP address or network of the only client, whose ``X-Forwarded-*`` headers are trusted; empty: there is none."""
    tls: bool = False
    port: int = 0
    sign_on: SignOn | None = None
    """The proxy's single sign-on; None: people sign in here."""

    @property
    def secure(self) -> bool:
        """Whether browsers reach it over TLS, its own or the proxy's."""
        return self.tls or bool(self.proxy)

    @property
    def cookie(self) -> str:
        """The name of the session's cookie: no other host and no server on another port may set or overwrite it."""
        return "__Host-bulkremove" if self.secure else f"bulkremove-{self.port}"

    def is_proxy(self, source: str) -> bool:
        """Whether this IP address is the proxy's."""
        try:
            address = ipaddress.ip_address(source)
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return bool(self.proxy) and (mapped or address) in ipaddress.ip_network(self.proxy)

    def accepts_host(self, host: str) -> bool:
        """Tell whether a Host header, in lower case, names this server."""
        return host in self.hosts or re.sub(r":[0-9]{1,5}\Z", "", host) in self.names


@dataclass(frozen=True, slots=True)
class _Client:
    """Host, scheme and IP address as the client used them; a proxy passes them on as ``X-Forwarded-*`` headers."""

    host: str
    scheme: str
    source: str


def make_security_middleware(
    address: Address, app: App, sessions: Sessions, uploads: Uploads, routes: Mapping[web.AbstractRoute, Route]
) -> Middleware:
    """Make the middleware that runs the checks; ``routes`` has the Route of each aiohttp route."""
    requests = FairShare(MAX_REQUESTS_OF_PERSON, waiting=MAX_WAITING_OF_PERSON)
    streams = FairShare(MAX_STREAMS_OF_PERSON, waiting=0)

    @web.middleware
    async def security(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == HEALTH:
            return await handler(request)
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise web.HTTPUnsupportedMediaType(text="Send the body as it is, not compressed.")
        client = _client(request, address)
        if not address.accepts_host(client.host):
            raise web.HTTPMisdirectedRequest(text="This address is not served here.")
        _check_origin(request, client)
        request[SOURCE], request[SESSION] = client.source, request.cookies.get(address.cookie, "")
        route = routes.get(request.match_info.route)
        scope = route.scope if route else Scope.ONESELF
        if scope is not Scope.NOBODY:
            request[PERSON] = person = await _person(request, app, sessions, address)
            if route and route.permission:
                check_permission(request, route.permission, None, on_all=scope is Scope.EVERY)
            if person.one_time and not (route and route.for_one_time):
                if request.method == "GET":
                    raise web.HTTPSeeOther("/account")
                raise web.HTTPForbidden(text="Choose a password of your own first.")
        if route and route.content_type and request.content_type != route.content_type:
            raise web.HTTPUnsupportedMediaType(text=f"The content type must be {route.content_type}.")
        if scope is Scope.NOBODY:
            return await handler(request)
        share = streams if route and route.is_stream else requests
        async with share.turn(request[PERSON].name):
            if route and route.permission and scope in (Scope.JOB, Scope.UPLOAD):
                check_permission(request, route.permission, await _account(request, app, uploads))
            return await handler(request)

    return security


async def _account(request: web.Request, app: App, uploads: Uploads) -> str:
    """The account of the job or upload in the path.

    Raises JobNotFound or HTTPNotFound, also for those of an account that the person may not see: that they exist is not
    told.
    """
    names, seen = request.match_info, request[PERSON].seen
    if "job" not in names:
        try:
            return uploads.get(names["upload"] if "upload" in names else names["plan"], seen).account
        except web.HTTPNotFound:
            if "upload" in names and (confirmed := await app.jobs.by_upload(names["upload"], seen)):
                raise web.HTTPSeeOther(f"/jobs/{confirmed.id}") from None
            raise
    job = await app.jobs.find(names["job"])
    if job.account not in seen:
        raise JobNotFound.of(names["job"])
    return job.account


def _client(request: web.Request, address: Address) -> _Client:
    remote = request.remote or ""
    headers, host = request.headers, request.headers.get("Host", "")
    if not address.proxy:
        return _Client(host.lower(), "https" if address.tls else "http", remote)
    if not address.is_proxy(remote):
        raise web.HTTPForbidden(text="This server is reached through its proxy only.")
    scheme = _last_header_value(headers, "X-Forwarded-Proto", "").lower()
    source = _last_header_value(headers, "X-Forwarded-For", "")
    if scheme != "https":
        raise _proxy_error("X-Forwarded-Proto", "https, the scheme that browsers must use", scheme)
    if not _is_ip_address(source):
        raise _proxy_error("X-Forwarded-For", "the browser's IP address, without a port", source)
    return _Client(_last_header_value(headers, "X-Forwarded-Host", host).lower(), scheme, source)


def _proxy_error(name: str, expected: str, actual: str) -> web.HTTPBadGateway:
    """The refusal of a request of the proxy that lacks what this server needs to know about the browser."""
    has = f"it has {actual[:100]!r}" if actual else "it is missing"
    return web.HTTPBadGateway(
        text=f"The proxy is not set up for this page: its header {name} must be {expected}; {has}."
    )


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _last_header_value(headers: CIMultiDictProxy[str], name: str, default: str) -> str:
    """Return the last value of a header: the one that the proxy itself added, after any that the client sent."""
    lines = headers.getall(name, [default])
    return lines[-1].rpartition(",")[2].strip()


def _check_origin(request: web.Request, client: _Client) -> None:
    """Refuse cross-site requests, and form posts of unknown origin. Raises HTTPForbidden."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site not in (None, "same-origin", "none"):
        raise web.HTTPForbidden(
            text="This request came from another site and was refused. Copy the address into the browser's address bar."
        )
    # Our own Referrer-Policy makes browsers send "null" as the origin of our own forms.
    is_own = origin is None or origin.lower() == f"{client.scheme}://{client.host}"
    if not is_own and (origin, site) != ("null", "same-origin"):
        raise web.HTTPForbidden(text="This request came from another site and was refused.")
    if request.method in ("GET", "HEAD") or request.path.startswith(API):
        return  # programs send a token, which a page of another site does not have
    if site is None and origin is None:
        raise web.HTTPForbidden(text="This request does not say which site it came from, so it was refused.")


async def _person(request: web.Request, app: App, sessions: Sessions, address: Address) -> Person:
    """Authenticate a request. Raises HTTPUnauthorized, HTTPForbidden, or HTTPSeeOther to the sign-in page."""
    if request.path.startswith(API):
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        token = await app.tokens.authenticate(secret.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise web.HTTPUnauthorized(
                text="Give a token: `Authorization: Bearer ...`. `bulkremove tokens add` makes one.",
                headers={"WWW-Authenticate": "Bearer"},
            )

        async def present_access() -> Access:
            present = await app.tokens.authenticate(secret.strip())
            return present.access if present else Access()

        return Person(token_actor(token.name, token.owner), token.access, present_access=present_access)
    if address.sign_on is not None:  # the request came from the proxy; `_client` has refused any other
        return await address.sign_on.person(request.headers, app)
    person = await sessions.person_of(request[SESSION])
    if person is not None:
        return person
    if not sessions.users:
        raise web.HTTPForbidden(text=SIGNED_OUT)
    if request.method == "GET":
        raise web.HTTPSeeOther("/sign-in")
    raise web.HTTPForbidden(text="Sign in first; your session has ended.")


def make_header_signal(address: Address) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Make the signal handler that sets the security headers of every response, errors and files included."""

    async def set_security_headers(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        if address.secure:  # a browser heeds it over TLS only
            response.headers["Strict-Transport-Security"] = "max-age=31536000"

    return set_security_headers
