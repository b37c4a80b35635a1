"""A second look at who is there, before something is changed that gives rights: a browser may have been left open."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from bulkremove.app import App
from bulkremove.domain.errors import UserError
from bulkremove.web.routes import SOURCE, person
from bulkremove.web.sessions import Sessions
from bulkremove.web.sign_in_throttle import SignInThrottle, SignInThrottled

FIELD = "own_password"
"""The field of the form that holds the password of whoever sends it."""


class Reauthentication:
    """Asks for the password of the person once more; where nobody has one here, it asks for nothing.

    The local user and people of the proxy's single sign-on have no password here.
    """

    def __init__(self, app: App, sessions: Sessions, sign_ins: SignInThrottle) -> None:
        self._app, self._sessions, self._sign_ins = app, sessions, sign_ins

    def is_needed(self, request: web.Request) -> bool:
        """Tell whether the person has a password here."""
        return self._sessions.users and not person(request).is_signed_on

    async def check(self, request: web.Request, form: Mapping[str, object]) -> None:
        """Check the password in the form. Raises UserError: nothing is to be changed."""
        if not self.is_needed(request):
            return
        name, password = person(request).name, str(form.get(FIELD, ""))
        try:
            user = await self._sign_ins.attempt(
                request[SOURCE],
                lambda: self._app.users.sign_in(name, password, is_confirmation=True),
                browser=f"session of {name}",
            )
        except SignInThrottled as throttled:
            raise UserError(f"Too many tries. Try again in {int(throttled.seconds) + 1} seconds.") from None
        if user is None:
            raise UserError("Your own password is wrong. Nothing was changed.")
