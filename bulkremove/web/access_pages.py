"""The page of who may do what: users and their roles, the tokens of programs, and the sessions that are open."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping

from aiohttp import web

from bulkremove.app import App
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.errors import UserError
from bulkremove.domain.permissions import ALL_ACCOUNTS, Access, Permission, Role
from bulkremove.storage.interface.users import Token
from bulkremove.web.reauthentication import Reauthentication
from bulkremove.web.responses import page, read_form
from bulkremove.web.routes import FORM, SESSION, Route, Scope, person
from bulkremove.web.sessions import Sessions

ROLE_FIELD = "role-"
"""The name of a field with a role begins so; behind it stands the account, or ``ALL_ACCOUNTS``."""


class AccessPages:
    """The handlers of this page. A password or token that is made is shown once, to be handed over."""

    def __init__(self, app: App, sessions: Sessions, reauthentication: Reauthentication) -> None:
        self._app, self._sessions, self._reauthentication = app, sessions, reauthentication

    def routes(self) -> list[Route]:
        """List the routes of these handlers, for admins of all accounts."""
        handlers = {
            "users/add": self.add_user,
            "users/roles": self.change_roles,
            "users/password": self.reset_password,
            "users/remove": self.remove_user,
            "tokens/add": self.add_token,
            "tokens/revoke": self.revoke_token,
            "sessions/end": self.end_session,
        }
        return [
            Route("GET", "/settings/access", self.access, Scope.EVERY, Permission.MANAGE),
            *(
                Route("POST", f"/settings/{path}", handler, Scope.EVERY, Permission.MANAGE, FORM)
                for path, handler in handlers.items()
            ),
        ]

    async def access(self, request: web.Request) -> web.StreamResponse:
        """Show users, tokens and sessions."""
        return await self._page(request)

    async def add_user(self, request: web.Request) -> web.StreamResponse:
        """Add a user with a password that is good for one sign-in."""
        form = await read_form(request)
        name, password = str(form.get("user", "")).strip(), _new_password()
        try:
            await self._reauthentication.check(request, form)
            access = _access(form)
            if not await self._app.users.all() and access.role_on(ALL_ACCOUNTS) is not Role.ADMIN:
                raise UserError("The first user must be an admin for all accounts. Nothing was changed.")
            await self._app.users.add_user(name, access, password, by=person(request).name, one_time=True)
        except UserError as error:
            return await self._page(request, error=error.message, given_user=name, given_access=_access_or_none(form))
        return await self._page(request, made=(f"Password of {name}, good for the first sign-in", password))

    async def change_roles(self, request: web.Request) -> web.StreamResponse:
        """Replace what a user may do."""
        form = await read_form(request)
        try:
            await self._reauthentication.check(request, form)
            await self._app.users.change_access(_text(form, "user"), _access(form), by=person(request).name)
        except UserError as error:
            return await self._page(request, error=error.message)
        raise web.HTTPSeeOther("/settings/access")

    async def reset_password(self, request: web.Request) -> web.StreamResponse:
        """Give a user a password that is good for one sign-in; their sessions end."""
        form, password = await read_form(request), _new_password()
        name = _text(form, "user")
        try:
            await self._reauthentication.check(request, form)
            await self._app.users.set_password(name, password, by=person(request).name, one_time=True)
        except UserError as error:
            return await self._page(request, error=error.message)
        return await self._page(request, made=(f"New password of {name}, good for one sign-in", password))

    async def remove_user(self, request: web.Request) -> web.StreamResponse:
        """Remove a user; their sessions end and their tokens are revoked."""
        form = await read_form(request)
        try:
            await self._reauthentication.check(request, form)
            await self._app.users.remove_user(_text(form, "user"), by=person(request).name)
        except UserError as error:
            return await self._page(request, error=error.message)
        raise web.HTTPSeeOther("/settings/access")

    async def add_token(self, request: web.Request) -> web.StreamResponse:
        """Make a token for a program, owned by the person or by a user that they name."""
        form = await read_form(request)
        try:
            await self._reauthentication.check(request, form)
            names, owner = {user.name for user in await self._app.users.all()}, _text(form, "owner")
            if owner and owner not in names:
                raise UserError(f"There is no user {owner!r}. Nothing was changed.")
            by = person(request).name
            owner = owner or (by if by in names else "")
            token, secret = await self._app.tokens.add(_text(form, "name"), _access(form), by=by, owner=owner)
        except UserError as error:
            return await self._page(request, error=error.message)
        return await self._page(request, made=(f"Token {token.name}", secret))

    async def revoke_token(self, request: web.Request) -> web.StreamResponse:
        """Revoke a token at once."""
        form = await read_form(request)
        try:
            await self._app.tokens.revoke(_text(form, "token"), by=person(request).name)
        except UserError as error:
            return await self._page(request, error=error.message)
        raise web.HTTPSeeOther("/settings/access")

    async def end_session(self, request: web.Request) -> web.StreamResponse:
        """End a session of anybody but the one that asks."""
        form = await read_form(request)
        whose = self._sessions.end_of_any(request[SESSION], _text(form, "session"))
        if whose is None:
            return await self._page(request, error="This session has ended already.")
        await self._app.record(person(request).name, AuditAct.SESSION_ENDED, user=whose)
        raise web.HTTPSeeOther("/settings/access")

    async def _page(
        self,
        request: web.Request,
        *,
        error: str = "",
        made: tuple[str, str] | None = None,
        given_user: str = "",
        given_access: Access | None = None,
    ) -> web.Response:
        """``given_user``, ``given_access``: what the form of a user held who was not added."""
        users, tokens = (
            await self._app.users.all(),
            [token for token in await self._app.tokens.all() if _is_valid(token)],
        )
        context: dict[str, object] = {
            "error": error,
            "made": made,
            "given_user": given_user,
            "given_access": given_access,
            "stored_users": users,
            "tokens": [(token, await self._app.tokens.limited(token)) for token in tokens],
            "sessions": [] if person(request).is_signed_on else self._sessions.of_all(request[SESSION]),
            "accounts": self._accounts([*(user.access for user in users), *(token.access for token in tokens)]),
            "roles": list(Role),
            "own_password_needed": self._reauthentication.is_needed(request),
        }
        return page("access.html", request, context, status=400 if error else 200)

    def _accounts(self, given: Iterable[Access]) -> list[str]:
        """All accounts, and each of them that a role may be given for or has been."""
        return [
            ALL_ACCOUNTS,
            *sorted({*self._app.accounts.known()}.union(*(access.roles for access in given)) - {ALL_ACCOUNTS}),
        ]


def _text(form: Mapping[str, object], name: str) -> str:
    return str(form.get(name, "")).strip()


def _access(form: Mapping[str, object]) -> Access:
    """The roles of a form. Raises UserError for none, or for a role that is not known."""
    chosen = {
        name.removeprefix(ROLE_FIELD): str(value)
        for name, value in form.items()
        if name.startswith(ROLE_FIELD) and value
    }
    if not chosen:
        raise UserError("Choose a role. Nothing was changed.")
    try:
        return Access.parse(
            role if account == ALL_ACCOUNTS else f"{role}@{account}" for account, role in chosen.items()
        )
    except ValueError as error:
        raise UserError(f"{error} Nothing was changed.") from None


def _access_or_none(form: Mapping[str, object]) -> Access | None:
    try:
        return _access(form)
    except UserError:
        return None


def _is_valid(token: Token) -> bool:
    return token.revoked_at is None


def _new_password() -> str:
    """A password that nobody can guess and that can be read out: groups of letters and digits that are not mixed up."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(4))
