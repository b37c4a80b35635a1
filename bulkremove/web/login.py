"""Coming in and going out: the start link, signing in, signing out; and the files that every page needs."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from bulkremove.app import App
from bulkremove.domain.permissions import Right
from bulkremove.web.responses import page, read_form
from bulkremove.web.routes import FORM, SOURCE, Route, person
from bulkremove.web.security import COOKIE
from bulkremove.web.sessions import MAX_LOCAL_SESSION, Sessions, SignIns, TooSoon

_FILES = Path(__file__).parent / "static"
_OPEN_FILES = ("page.css", "icon.svg")
"""What the sign-in page needs; all others are for those who are in."""
_KEPT = "private, max-age=300"


class Entry:
    """The ways in and out."""

    def __init__(self, app: App, sessions: Sessions, sign_ins: SignIns, *, secure: bool) -> None:
        self._app, self._sessions, self._sign_ins, self._secure = app, sessions, sign_ins, secure

    def routes(self) -> list[Route]:
        files = [
            Route("GET", f"/static/{path.name}", self.file, None if path.name in _OPEN_FILES else Right.LOOK)
            for path in sorted(_FILES.iterdir())
        ]
        return [
            *files,
            Route("GET", "/start", self.start, None),
            Route("GET", "/sign-in", self.sign_in_page, None),
            Route("POST", "/sign-in", self.sign_in, None, FORM),
            Route("POST", "/sign-out", self.sign_out, Right.LOOK, FORM),
        ]

    async def file(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(_FILES / request.path.rpartition("/")[2], headers={"Cache-Control": _KEPT})

    async def start(self, request: web.Request) -> web.StreamResponse:
        session = self._sessions.open_by_token(request.query.get("token", ""))
        if session is None:
            raise web.HTTPForbidden(text="This link was used already. Start `bulkremove serve` again for a new one.")
        return self._in(session, int(MAX_LOCAL_SESSION))

    async def sign_in_page(self, request: web.Request) -> web.StreamResponse:
        if not self._sessions.users:
            raise web.HTTPForbidden(text="Open the link that `bulkremove serve` printed. It is good once.")
        return page("sign_in.html", request, {"error": "", "user": ""})

    async def sign_in(self, request: web.Request) -> web.StreamResponse:
        form = await read_form(request)
        name, password = str(form.get("name", "")), str(form.get("password", ""))
        headers: dict[str, str] = {}
        try:
            known = await self._sign_ins.attempt(request[SOURCE], lambda: self._app.users.sign_in(name, password))
        except TooSoon as soon:
            status, headers = 429, {"Retry-After": str(int(soon.seconds) + 1)}
            error = f"Too many tries. Try again in {int(soon.seconds) + 1} seconds."
        else:
            if known is not None:
                return self._in(self._sessions.open(known), None)
            status, error = (
                403,
                "Name or password is wrong. An admin can set another one: `bulkremove users password`.",
            )
        facts = {"error": error, "user": name}
        return page("sign_in.html", request, facts, status=status, headers=headers)

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        self._sessions.close(request.cookies.get(COOKIE, ""))
        await self._app.record(person(request).name, "signed_out")
        if not self._sessions.users:
            return web.Response(text="You are signed out. Start `bulkremove serve` again for a new link.")
        found = web.HTTPSeeOther("/sign-in")
        found.del_cookie(COOKIE, path="/")
        raise found

    def _in(self, session: str, longest: int | None) -> web.StreamResponse:
        found = web.Response(status=303, headers={"Location": "/"})
        found.set_cookie(
            COOKIE, session, max_age=longest, httponly=True, samesite="Strict", secure=self._secure, path="/"
        )
        return found
