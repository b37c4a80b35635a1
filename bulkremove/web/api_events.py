"""The stream of a job's events in the HTTP API, as server-sent events."""

from __future__ import annotations

import asyncio

import msgspec
from aiohttp import web
from aiohttp_sse import sse_response

from bulkremove.app import App
from bulkremove.app.job_supervisor import JobSupervisor
from bulkremove.domain.permissions import Permission
from bulkremove.web.api_models import SupervisedJob
from bulkremove.web.api_routes import api_route
from bulkremove.web.api_rows import event_json, job_json
from bulkremove.web.events import POLL_SECONDS
from bulkremove.web.parameters import MAX_LIMIT, whole_number
from bulkremove.web.responses import parse_number
from bulkremove.web.routes import Route, Scope, person


class ApiEvents:
    """The handler of the stream."""

    def __init__(self, app: App, supervisor: JobSupervisor) -> None:
        self._app, self._supervisor = app, supervisor

    def routes(self) -> list[Route]:
        """List the route of this handler."""
        path = "/jobs/{job}/events/stream"
        return [api_route("GET", path, self.stream, Scope.JOB, Permission.LOOK, is_stream=True)]

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Stream a job's events (``event``) and the job whenever it changes (``job``), until it is at rest (``end``).

        It begins after the event that the client has seen last. It ends without ``end`` when the token may not see the
        job any more; who asks again is told why.
        """
        job, after = await self._app.jobs.find(request.match_info["job"]), _after(request)
        sent: SupervisedJob | None = None
        async with sse_response(request) as stream:
            while stream.is_connected() and await person(request).still_may(Permission.LOOK, job.account):
                job = await self._app.jobs.find(job.id)
                running = self._supervisor.running(job.id)
                is_moving = running is not None or await self._app.jobs.is_running(job)
                progress = running.progress if running else None
                tally = progress.tally if progress else await self._app.jobs.tally(job)
                for event in await self._app.jobs.events_after(job, after=after, limit=MAX_LIMIT):
                    after = event.number
                    await stream.send(_text(event_json(event)), id=str(after), event="event")
                present = job_json(self._app, self._supervisor, job, tally)
                if not is_moving:
                    await stream.send(_text(present), event="end")
                    break
                if present != sent:
                    sent = present
                    await stream.send(_text(present), event="job")
                await asyncio.sleep(POLL_SECONDS)
        return stream


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _after(request: web.Request) -> int:
    """The number of the event that the client has seen last, 0 for none: after a broken connection, its header's.

    Raises HTTPBadRequest.
    """
    after, seen = whole_number(request, "after") or 0, request.headers.get("Last-Event-ID")
    if seen is None:
        return after
    if (number := parse_number(seen, -1)) < 0:
        raise web.HTTPBadRequest(text="Last-Event-ID must be the id of an event of this job.")
    return number
