"""The page of the accounts at Zoho: connect one with a grant code, test it, disconnect it."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from bulkremove.app import App
from bulkremove.app.doctor import account_checks
from bulkremove.app.login import log_in, log_out
from bulkremove.app.results import Check
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.data_centers import DATA_CENTERS
from bulkremove.domain.errors import BulkremoveError, SettingsError
from bulkremove.domain.hosts import SANDBOX_HOST
from bulkremove.domain.operation import ENROLL_LEARNER, LIST_COURSES, LIST_EMPLOYEES, REMOVE_LEARNER
from bulkremove.domain.permissions import Permission
from bulkremove.storage.interface.jobs import VISIBLE
from bulkremove.web.reauthentication import Reauthentication
from bulkremove.web.responses import page, read_form, while_awaited
from bulkremove.web.routes import FORM, Route, Scope, person

SCOPES = (
    (REMOVE_LEARNER.scopes[0], "removes learners from batches; needed"),
    (LIST_COURSES.scopes[0], "shows courses, batches and who the learners are, and finds ids by e-mail address"),
    (ENROLL_LEARNER.scopes[0], "puts people back whom a job removed"),
    (LIST_EMPLOYEES.scopes[0], "lists the employees who have left; nothing else needs it"),
)
"""The scopes of a grant code, and what each gives."""


class ZohoAccountPages:
    """The handlers of this page. No secret that is given here is ever shown again."""

    def __init__(self, app: App, reauthentication: Reauthentication) -> None:
        self._app, self._reauthentication = app, reauthentication

    def routes(self) -> list[Route]:
        """List the routes of these handlers, for admins of all accounts."""
        return [
            Route("GET", "/settings/accounts", self.accounts, Scope.EVERY, Permission.MANAGE),
            Route("POST", "/settings/accounts/connect", self.connect, Scope.EVERY, Permission.MANAGE, FORM),
            Route("POST", "/settings/accounts/test", self.test, Scope.EVERY, Permission.MANAGE, FORM),
            Route("POST", "/settings/accounts/disconnect", self.disconnect, Scope.EVERY, Permission.MANAGE, FORM),
        ]

    async def accounts(self, request: web.Request) -> web.StreamResponse:
        """Show the accounts, and the form that connects one."""
        return self._page(request)

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Exchange a grant code for a token that does not expire, and store it with the client's id and secret."""
        form = await read_form(request)
        given = {name: _text(form, name) for name in ("name", "dc", "organization", "client_id", "secret", "code")}
        try:
            await self._reauthentication.check(request, form)
            self._check(given)
            sentences = await while_awaited(
                request,
                log_in(
                    self._app.context,
                    name=given["name"],
                    dc=given["dc"],
                    organization=given["organization"],
                    client_id=given["client_id"],
                    client_secret=given["secret"],
                    code=given["code"],
                ),
            )
        except BulkremoveError as error:
            kept = {name: given[name] for name in ("name", "dc", "organization", "client_id")}
            return self._page(request, error=error.page_text, given=kept)
        facts = {"account": given["name"], "dc": given["dc"], "organization": given["organization"]}
        await self._app.record(person(request).name, AuditAct.ACCOUNT_CONNECTED, **facts)
        return self._page(request, told=sentences)

    async def test(self, request: web.Request) -> web.StreamResponse:
        """Ask Zoho for a new access token, and show whether the account can be used."""
        form = await read_form(request)
        name = _text(form, "account")
        if name not in self._app.accounts.names():
            raise web.HTTPNotFound(text=f"There is no account {name!r}.")
        found = await while_awaited(request, account_checks(self._app.for_account(name).context, fresh=True))
        return self._page(request, tested=(name, found))

    async def disconnect(self, request: web.Request) -> web.StreamResponse:
        """Revoke the account's token at Zoho and delete its secrets here, once its name was typed."""
        form = await read_form(request)
        name = _text(form, "account")
        try:
            await self._reauthentication.check(request, form)
            if _text(form, "typed") != name:
                raise SettingsError(f"Type {name} to disconnect it. Nothing was changed.")
            await self._check_idle(name)
            by = person(request).name
            sentences = await while_awaited(request, log_out(self._app.context, self._app.users, name, by=by))
        except BulkremoveError as error:
            return self._page(request, error=error.page_text)
        await self._app.record(by, AuditAct.ACCOUNT_DISCONNECTED, account=name)
        return self._page(request, told=sentences)

    def _check(self, given: Mapping[str, str]) -> None:
        """Check that every field is filled, where there are accounts at all. Raises SettingsError."""
        if self._app.settings.host == SANDBOX_HOST:
            raise SettingsError("This page works against the sandbox, which needs no account. Nothing was changed.")
        if not all(given.values()):
            raise SettingsError("Fill in every field. Nothing was changed.")

    async def _check_idle(self, name: str) -> None:
        """Check that no job of the account can still send. Raises SettingsError."""
        states = [state for state in VISIBLE if not state.is_over]
        running = [job for job in await self._app.jobs.all(*states) if job.account == name]
        if running:
            raise SettingsError(
                f"Job {running[0].id} of account {name} is not over. Cancel it, or let it end. Nothing was changed."
            )

    def _page(
        self,
        request: web.Request,
        *,
        error: str = "",
        told: list[str] | None = None,
        tested: tuple[str, list[Check]] | None = None,
        given: Mapping[str, str] | None = None,
    ) -> web.Response:
        def is_connected(name: str) -> bool:
            return self._app.accounts.is_connected(self._app.for_account(name).settings)

        stored = self._app.accounts.all()
        others = {*self._app.accounts.known()} - {one.name for one in stored}
        context: dict[str, object] = {
            "error": error,
            "told": told or [],
            "tested": tested,
            "given": given
            or {"name": "" if stored else self._app.settings.account, "dc": "us", "organization": "", "client_id": ""},
            "stored": stored,
            "from_environment": [name for name in sorted(others) if is_connected(name)],
            "missing": [name for name in self._app.accounts.of_nights() if not is_connected(name)],
            "organizations": sorted({one.organization for one in stored if one.organization}),
            "data_centers": list(DATA_CENTERS.values()),
            "scopes": SCOPES,
            "is_bundled_sandbox": self._app.settings.host == SANDBOX_HOST,
            "own_password_needed": self._reauthentication.is_needed(request),
        }
        return page("zoho_accounts.html", request, context, status=400 if error else 200)


def _text(form: Mapping[str, object], name: str) -> str:
    return str(form.get(name, "")).strip()
