"""Handlers for the start link, sign-in and sign-out, and for the static files."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from bulkremove.app import App
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.web.browser_names import browser_name
from bulkremove.web.responses import page, read_form
from bulkremove.web.routes import FORM, HEALTH, SESSION, SOURCE, Route, Scope, person
from bulkremove.web.security import Address
from bulkremove.web.sessions import MAX_LOCAL_SESSION_SECONDS, SIGNED_OUT, Sessions
from bulkremove.web.sign_in_throttle import KnownBrowsers, SignInThrottle, SignInThrottled

_FILES = Path(__file__).parent / "static"
_OPEN_FILES = (".css", ".svg")
"""Endings of the static files that are served without authentication, because the sign-in page needs them."""
_CACHE_CONTROL = "private, max-age=300"
KNOWN_BROWSER_SECONDS = 365 * 24 * 3600
"""Seconds for which a browser on which somebody has signed in is known."""


class LoginPages:
    """The handlers of start link, sign-in, sign-out and static files, and whether the server answers at all."""

    def __init__(self, app: App, sessions: Sessions, sign_ins: SignInThrottle, address: Address) -> None:
        self._app, self._sessions, self._sign_ins, self._address = app, sessions, sign_ins, address
        self._browsers = KnownBrowsers(app.settings.home)

    def routes(self) -> list[Route]:
        """List the routes of these handlers; each static file has its own."""
        files = [
            Route(
                "GET",
                f"/static/{path.name}",
                self.file,
                Scope.NOBODY if path.suffix in _OPEN_FILES else Scope.ONESELF,
                for_one_time=True,
            )
            for path in sorted(_FILES.iterdir())
        ]
        files.append(Route("GET", HEALTH, self.health, Scope.NOBODY))
        if self._address.sign_on is not None:  # nobody signs in or out here
            return files
        return [
            *files,
            Route("GET", "/start", self.start, Scope.NOBODY),
            Route("GET", "/sign-in", self.sign_in_page, Scope.NOBODY),
            Route("POST", "/sign-in", self.sign_in, Scope.NOBODY, content_type=FORM),
            Route("POST", "/sign-out", self.sign_out, Scope.ONESELF, content_type=FORM, for_one_time=True),
        ]

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Serve a static file; each has a route of its own, so no request can name another file."""
        return web.FileResponse(_FILES / request.path.rpartition("/")[2], headers={"Cache-Control": _CACHE_CONTROL})

    async def health(self, request: web.Request) -> web.StreamResponse:
        """Say that the server answers."""
        return web.Response(text="ok")

    async def start(self, request: web.Request) -> web.StreamResponse:
        """Open the local user's session with the one-time token of the start link, and redirect to the home page."""
        session = self._sessions.open_with_start_token(
            request.query.get("token", ""), source=request[SOURCE], browser=_browser(request)
        )
        if session is None:
            raise web.HTTPForbidden(text=f"This link was used already. {SIGNED_OUT}")
        return self._signed_in(request, session, int(MAX_LOCAL_SESSION_SECONDS))

    async def sign_in_page(self, request: web.Request) -> web.StreamResponse:
        """Show the form for name and password."""
        if not self._sessions.users:
            raise web.HTTPForbidden(text=SIGNED_OUT)
        return page("sign_in.html", request, {"error": "", "user": ""})

    async def sign_in(self, request: web.Request) -> web.StreamResponse:
        """Open a session for a name and password; else the form again: 403 when wrong, 429 when throttled."""
        form = await read_form(request)
        name, password = str(form.get("name", "")), str(form.get("password", ""))
        headers: dict[str, str] = {}
        mark = request.cookies.get(self._browser_cookie_name, "")
        browser = mark if self._browsers.is_valid(name, mark) else ""
        try:
            user = await self._sign_ins.attempt(
                request[SOURCE], lambda: self._app.users.sign_in(name, password), browser=browser
            )
        except SignInThrottled as too_soon:
            seconds = int(too_soon.seconds) + 1
            status, headers = 429, {"Retry-After": str(seconds)}
            error = f"Too many tries. Try again in {seconds} seconds."
        else:
            if user is not None:
                session = self._sessions.open(user, source=request[SOURCE], browser=_browser(request))
                response = self._signed_in(request, session, None)
                self._set_cookie(
                    response, self._browser_cookie_name, self._browsers.make_cookie(user.name), KNOWN_BROWSER_SECONDS
                )
                return response
            status = 403
            error = "Name or password is wrong. An admin can give you a new one under Settings."
        return page("sign_in.html", request, {"error": error, "user": name}, status=status, headers=headers)

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        """End the session."""
        self._sessions.close(request[SESSION])
        await self._app.record(person(request).name, AuditAct.SIGNED_OUT)
        if not self._sessions.users:
            return page("error.html", request, {"message": SIGNED_OUT, "status": 403, "person": None, "back": ""})
        redirect = web.HTTPSeeOther("/sign-in", headers={"Clear-Site-Data": '"cache", "storage"'})
        redirect.del_cookie(
            self._address.cookie, path="/", secure=self._address.secure, httponly=True, samesite="Strict"
        )
        raise redirect

    def _signed_in(self, request: web.Request, session: str, max_age: int | None) -> web.StreamResponse:
        """Set the session cookie, in place of an earlier session, and redirect to the home page.

        ``max_age``: seconds; None: until the browser ends.
        """
        self._sessions.close(request[SESSION])
        redirect = web.Response(status=303, headers={"Location": "/"})
        self._set_cookie(redirect, self._address.cookie, session, max_age)
        return redirect

    def _set_cookie(self, response: web.StreamResponse, name: str, value: str, max_age: int | None) -> None:
        secure = self._address.secure
        response.set_cookie(name, value, max_age=max_age, httponly=True, samesite="Strict", secure=secure, path="/")

    @property
    def _browser_cookie_name(self) -> str:
        return f"{self._address.cookie}-known"


def _browser(request: web.Request) -> str:
    return browser_name(request.headers.get("User-Agent", ""))
