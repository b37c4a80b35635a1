"""The page of the installation's settings: what is wrong, each value with the file it stands in, and a test notice."""

from __future__ import annotations

from aiohttp import web

from bulkremove.app import App
from bulkremove.app.doctor import checks
from bulkremove.app.notices import Outbox
from bulkremove.app.setting_checks import setting_values
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.errors import BulkremoveError
from bulkremove.domain.permissions import Permission
from bulkremove.domain.plural import pluralize
from bulkremove.web.responses import page, while_awaited
from bulkremove.web.routes import FORM, Route, Scope, person


class SettingsPages:
    """The handlers of this page. What stands in a file is shown and not changed: it decides what is run here."""

    def __init__(self, app: App) -> None:
        self._app = app

    def routes(self) -> list[Route]:
        """List the routes of these handlers, for admins of all accounts."""
        return [
            Route("GET", "/settings", self.settings, Scope.EVERY, Permission.MANAGE),
            Route("POST", "/settings/checks", self.check, Scope.EVERY, Permission.MANAGE, FORM),
            Route("POST", "/settings/notice", self.send_notice, Scope.EVERY, Permission.MANAGE, FORM),
        ]

    async def settings(self, request: web.Request) -> web.StreamResponse:
        """Show the values."""
        return self._page(request)

    async def check(self, request: web.Request) -> web.StreamResponse:
        """Look at folders, journal, nights, notices, credentials and clock, and show what is wrong."""
        found = await while_awaited(request, checks(self._app.context))
        return self._page(request, checks=found)

    async def send_notice(self, request: web.Request) -> web.StreamResponse:
        """Send a test notice to the addresses of each night, and show where it went."""
        told = list[tuple[str, bool]]()
        for night in self._app.settings.nights:
            try:
                outbox = Outbox(self._app.context.for_night(night))
                addresses = await while_awaited(request, outbox.send_now(*Outbox.TEST))
            except BulkremoveError as error:
                told.append((f"Night {night.name}: {error.page_text}", False))
            else:
                where = (
                    f"sent to {pluralize(addresses, 'address', 'addresses')}." if addresses else "it has no addresses."
                )
                told.append((f"Night {night.name}: {where}", addresses > 0))
        await self._app.record(person(request).name, AuditAct.NOTICE_TESTED, nights=sum(arrived for _, arrived in told))
        return self._page(request, told=told or [("No night is set up here, and only nights send notices.", False)])

    def _page(self, request: web.Request, **context: object) -> web.Response:
        empty: dict[str, object] = {"checks": None, "told": None}
        return page("settings.html", request, empty | context | {"values": setting_values(self._app.settings)})
