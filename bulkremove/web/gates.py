"""Who may ask: the host, then where the request comes from, then the session. Every route and method passes here.

Against DNS rebinding the host must be ours; against other sites' pages a request must come from our own. What leaves
carries headers that let a browser load and run nothing but our own files.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDict

COOKIE = "bulkremove"
SESSION_HOURS = 12.0
LONGEST_FORM = 64 * 1024
"""Bytes of a form that is no upload."""

_HEADERS = CIMultiDict(
    {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Server": "bulkremove",
    }
)


class Sessions:
    """One start token, good once, and the sessions that it was exchanged for. In memory: a restart ends them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start: str | None = secrets.token_urlsafe(32)
        self._ends: dict[str, float] = {}

    @property
    def start_token(self) -> str | None:
        return self._start

    def open(self, token: str) -> str | None:
        """A new session for the start token, which is dead then; None for any other."""
        if self._start is None or not hmac.compare_digest(self._start.encode(), token.encode()):
            return None
        self._start = None
        session = secrets.token_urlsafe(32)
        self._ends[session] = self._clock() + SESSION_HOURS * 3600.0
        return session

    def known(self, session: str) -> bool:
        return self._ends.get(session, 0.0) > self._clock()


def make_gates(hosts: frozenset[str], sessions: Sessions) -> Middleware:
    """The middleware. ``hosts``: the values of the Host header that are ours."""

    @web.middleware
    async def gates(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Host", "").lower() not in hosts:
            raise web.HTTPMisdirectedRequest(text="This address is not served here.")
        _check_site(request, hosts)
        if request.path != "/start" and not sessions.known(request.cookies.get(COOKIE, "")):
            raise web.HTTPForbidden(text="Open the link that `bulkremove serve` printed. It is good once.")
        return await handler(request)

    return gates


def _check_site(request: web.Request, hosts: frozenset[str]) -> None:
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site not in (None, "same-origin", "none"):
        raise web.HTTPForbidden(text="This came from another site and was not done.")
    # Our own Referrer-Policy makes browsers send "null" as the origin of our own forms.
    ours = (
        origin is None or origin.lower().removeprefix("http://") in hosts or (origin, site) == ("null", "same-origin")
    )
    if not ours:
        raise web.HTTPForbidden(text="This came from another site and was not done.")
    if request.method in ("GET", "HEAD"):
        return
    if site is None and origin is None:
        raise web.HTTPForbidden(text="It is not known which site this came from, so it was not done.")
    wanted = "multipart/form-data" if request.path == "/uploads" else "application/x-www-form-urlencoded"
    if request.content_type != wanted:
        raise web.HTTPUnsupportedMediaType(text="This is no form of this page.")


async def guard(request: web.Request, response: web.StreamResponse) -> None:
    """The headers of every answer, errors and static files included."""
    response.headers.update(_HEADERS)
