"""The HTTP API for other programs: the use cases as JSON under /api/v1. Tests compare it with ``openapi``.

Here: its document and the metrics; ``api_plans``, ``api_jobs`` and ``api_events`` have the other handlers.
"""

from __future__ import annotations

from aiohttp import web

from bulkremove.app import App
from bulkremove.app.job_supervisor import JobSupervisor
from bulkremove.app.metrics import figures
from bulkremove.domain.permissions import Permission
from bulkremove.report.metrics import CONTENT_TYPE, prometheus_text
from bulkremove.web.api_events import ApiEvents
from bulkremove.web.api_jobs import ApiJobs
from bulkremove.web.api_plans import ApiPlans
from bulkremove.web.api_routes import api_route
from bulkremove.web.lookups import Lookups
from bulkremove.web.openapi import document_text
from bulkremove.web.routes import Route, Scope, person
from bulkremove.web.uploads import Uploads


class Api:
    """The handlers of the HTTP API and of the metrics."""

    def __init__(self, app: App, supervisor: JobSupervisor, uploads: Uploads, lookups: Lookups) -> None:
        self._app, self._jobs = app, ApiJobs(app, supervisor)
        self._events = ApiEvents(app, supervisor)
        self._plans = ApiPlans(app, supervisor, uploads, lookups, self._jobs)

    def routes(self) -> list[Route]:
        """List the routes of these handlers."""
        return [
            Route("GET", "/metrics", self.metrics, Scope.SOME, Permission.LOOK),
            api_route("GET", "/openapi.json", self.openapi, Scope.NOBODY, None),
            *self._plans.routes(),
            *self._jobs.routes(),
            *self._events.routes(),
        ]

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """Return the metrics of the token's accounts in Prometheus' text format."""
        return web.Response(
            body=prometheus_text(await figures(self._app.context, person(request).seen)),
            headers={"Content-Type": CONTENT_TYPE},
        )

    async def openapi(self, request: web.Request) -> web.StreamResponse:
        """Return the OpenAPI document, to everybody."""
        return web.json_response(text=document_text())
