"""The page of the audit log, in sentences, with filters, and the same entries as CSV."""

from __future__ import annotations

import asyncio
import io
import json

from aiohttp import web

from bulkremove.app import App
from bulkremove.domain.audit_acts import AuditAct, act_in_words
from bulkremove.domain.permissions import Permission
from bulkremove.report.formats import FORMATS
from bulkremove.report.tables import utc
from bulkremove.storage.interface.audit import AuditEntry
from bulkremove.web.responses import KINDS, page, page_number
from bulkremove.web.routes import Route, Scope, person

ENTRIES = 200
"""Entries on a page."""
MAX_EXPORTED = 100_000
"""Entries in a file, the newest."""
HEADER = ("entry", "at", "who", "act", "what", "facts", "hash")
"""The columns of the file; ``facts`` is JSON, ``at`` UTC (ISO 8601)."""


class AuditPages:
    """The handlers of this page. They show the entries about the accounts of which a person reads the log."""

    def __init__(self, app: App) -> None:
        self._app = app

    def routes(self) -> list[Route]:
        """List the routes of these handlers."""
        return [
            Route("GET", "/audit", self.audit, Scope.SOME, Permission.AUDIT),
            Route("GET", "/audit.csv", self.export, Scope.SOME, Permission.AUDIT),
        ]

    async def audit(self, request: web.Request) -> web.StreamResponse:
        """Show a page of entries, the newest first, and whether the chain is intact."""
        audited, number = person(request).audited, page_number(request)
        found = await self._entries(request, ENTRIES + 1, (number - 1) * ENTRIES)
        act, text = _filters(request)
        context = {
            "verified": await self._app.audit.verify() if audited.is_all else None,
            "entries": found[:ENTRIES],
            "more": len(found) > ENTRIES,
            "page": number,
            "acts": sorted(AuditAct, key=act_in_words),
            "wanted": act,
            "text": text,
        }
        return page("audit.html", request, context)

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Download the entries that the filters leave, the newest first, as CSV."""
        found, file = await self._entries(request, MAX_EXPORTED, 0), io.BytesIO()
        rows = (_cells(entry) for entry in found)
        await asyncio.to_thread(FORMATS[".csv"], file, HEADER, (), rows)
        headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
        return web.Response(body=file.getvalue(), content_type=KINDS[".csv"], charset="utf-8", headers=headers)

    async def _entries(self, request: web.Request, limit: int, offset: int) -> list[AuditEntry]:
        act, text = _filters(request)
        return await self._app.audit.newest(limit, person(request).audited, act=act, text=text, offset=offset)


def _filters(request: web.Request) -> tuple[str, str]:
    """The act and the text that a query asks for; empty where it asks for none."""
    act = request.query.get("act", "")
    return act if act in set(AuditAct) else "", request.query.get("q", "").strip()


def _cells(entry: AuditEntry) -> tuple[str, ...]:
    facts = json.dumps(entry.facts, ensure_ascii=False)
    return str(entry.id), utc(entry.at), entry.actor, entry.act, act_in_words(entry.act), facts, entry.hash
