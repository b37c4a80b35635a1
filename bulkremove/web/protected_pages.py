"""The page of the learners who are never removed, whatever a file says."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from aiohttp import web

from bulkremove.app import App
from bulkremove.app.protected_changes import Entry, ProtectedChanges, beside, entries, list_name
from bulkremove.app.protected_list import protected_learners
from bulkremove.domain.errors import BulkremoveError
from bulkremove.domain.permissions import Permission
from bulkremove.web.reauthentication import Reauthentication
from bulkremove.web.responses import page, read_form
from bulkremove.web.routes import FORM, Route, Scope, person

MAX_SHOWN = 500
"""Entries that are listed; a search finds the others."""
MAX_LIST_BYTES = 512 * 1024
"""Largest form of learner ids."""


class ProtectedPages:
    """The handlers of this page."""

    def __init__(self, app: App, reauthentication: Reauthentication) -> None:
        self._app, self._reauthentication = app, reauthentication

    def routes(self) -> list[Route]:
        """List the routes of these handlers, for admins of all accounts."""
        return [
            Route("GET", "/settings/protected", self.list, Scope.EVERY, Permission.MANAGE),
            Route("POST", "/settings/protected/add", self.add, Scope.EVERY, Permission.MANAGE, FORM),
            Route("POST", "/settings/protected/remove", self.remove, Scope.EVERY, Permission.MANAGE, FORM),
        ]

    async def list(self, request: web.Request) -> web.StreamResponse:
        """Show the list, or those of its entries that hold a text."""
        return self._page(request)

    async def add(self, request: web.Request) -> web.StreamResponse:
        """Protect learners in all batches from now on."""
        form = await read_form(request, max_bytes=MAX_LIST_BYTES)
        learners = str(form.get("learners", "")).replace(",", " ").replace(";", " ").split()
        note = " ".join(str(form.get("note", "")).split())[:200]
        try:
            await ProtectedChanges(self._app.context).change(add=learners, note=note, by=person(request).name)
        except BulkremoveError as error:
            return self._page(request, error=error.page_text, given="\n".join(learners), note=note)
        raise web.HTTPSeeOther("/settings/protected")

    async def remove(self, request: web.Request) -> web.StreamResponse:
        """Take entries out of the list: these learners can be removed from batches again."""
        form = await read_form(request, max_bytes=MAX_LIST_BYTES)
        ticked = [_entry(str(value)) for name, value in form.items() if name == "entry"]
        try:
            await self._reauthentication.check(request, form)
            await ProtectedChanges(self._app.context).change(remove=ticked, by=person(request).name)
        except BulkremoveError as error:
            return self._page(request, error=error.page_text, ticked=ticked)
        raise web.HTTPSeeOther("/settings/protected")

    def _page(
        self,
        request: web.Request,
        *,
        error: str = "",
        given: str = "",
        note: str = "",
        ticked: Collection[Entry] = (),
    ) -> web.Response:
        """``given``, ``note``, ``ticked``: what the form held, if it was refused."""
        text, problem, found = request.query.get("q", "").strip(), "", list[Entry]()
        others: Mapping[Entry, str] = {}
        settings = self._app.settings
        try:
            found = entries(protected_learners(settings))
            name, others = list_name(settings), beside(settings)
        except BulkremoveError as refused:
            problem, name = refused.page_text, ""
        wanted = text.casefold()
        shown = [entry for entry in found if any(wanted in cell.casefold() for cell in (*entry, others.get(entry, "")))]
        context: Mapping[str, object] = {
            "error": error,
            "given": given,
            "note": note,
            "ticked": ticked,
            "problem": problem,
            "name": name,
            "text": text,
            "total": len(found),
            "found": len(shown),
            "entries": [(entry, others.get(entry, "")) for entry in shown[:MAX_SHOWN]],
            "own_password_needed": self._reauthentication.is_needed(request),
        }
        return page("protected.html", request, context, status=400 if error else 200)


def _entry(value: str) -> Entry:
    course, batch, learner = [*value.split("-"), "", ""][:3]
    return course, batch, learner
