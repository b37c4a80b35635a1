"""Handlers for a user's own account: changing the password, and the sessions that are open."""

from __future__ import annotations

from aiohttp import web

from bulkremove.app import App
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.errors import UserError
from bulkremove.web.responses import page, read_form
from bulkremove.web.routes import FORM, SESSION, SOURCE, Route, Scope, person
from bulkremove.web.sessions import Sessions
from bulkremove.web.sign_in_throttle import SignInThrottle, SignInThrottled


class AccountPages:
    """The handlers of the page where users see to their own account."""

    def __init__(self, app: App, sessions: Sessions, sign_ins: SignInThrottle) -> None:
        self._app, self._sessions, self._sign_ins = app, sessions, sign_ins

    def routes(self) -> list[Route]:
        """List the routes of these handlers; a user with a one-time password may use these only."""
        return [
            Route("GET", "/account", self.account, Scope.ONESELF, for_one_time=True),
            Route(
                "POST", "/account/password", self.change_password, Scope.ONESELF, content_type=FORM, for_one_time=True
            ),
            Route(
                "POST",
                "/account/sessions/{session}/end",
                self.end_session,
                Scope.ONESELF,
                content_type=FORM,
                for_one_time=True,
            ),
        ]

    async def account(self, request: web.Request) -> web.StreamResponse:
        """Show the form for another password, and the person's open sessions."""
        return self._page(request)

    async def change_password(self, request: web.Request) -> web.StreamResponse:
        """Replace the person's password, which ends all their sessions but this one."""
        form = await read_form(request)
        old, new, again = (str(form.get(name, "")) for name in ("old", "new", "again"))
        name = person(request).name
        if not self._sessions.users:
            raise web.HTTPConflict(text="This server has no users, so there is no password to change.")
        if new != again:
            return self._page(request, "The two new passwords differ. Nothing was changed.", status=400)
        try:
            user = await self._sign_ins.attempt(
                request[SOURCE], lambda: self._app.users.change_password(name, old, new), browser=f"session of {name}"
            )
        except SignInThrottled as throttled:
            seconds = int(throttled.seconds) + 1
            return self._page(request, f"Too many tries. Try again in {seconds} seconds.", status=429)
        except UserError as error:
            return self._page(request, error.page_text, status=400)
        if user is None:
            return self._page(request, "The present password is wrong. Nothing was changed.", status=403)
        self._sessions.renew(request[SESSION], user)
        raise web.HTTPSeeOther("/account?changed=1")

    async def end_session(self, request: web.Request) -> web.StreamResponse:
        """End another session of the person. Raises HTTPNotFound for one that has ended or is somebody else's."""
        if not self._sessions.end(request[SESSION], request.match_info["session"]):
            raise web.HTTPNotFound(text="This session has ended already.")
        await self._app.record(person(request).name, AuditAct.SESSION_ENDED)
        raise web.HTTPSeeOther("/account")

    def _page(self, request: web.Request, error: str = "", *, status: int = 200) -> web.Response:
        sessions = self._sessions.of_same_user(request[SESSION])
        context = {"error": error, "sessions": sessions, "one_time": person(request).one_time}
        context["is_changed"] = request.query.get("changed") == "1" and not error
        return page("account.html", request, context, status=status)
