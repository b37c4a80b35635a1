"""The parts of a job's page that move: made once for all who watch, sent as server-sent events when they change."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp_sse import sse_response

from bulkremove.app import App
from bulkremove.app.job_supervisor import JobSupervisor, Running
from bulkremove.domain.attempt import Outcome
from bulkremove.domain.job import Job, JobState
from bulkremove.domain.permissions import Right
from bulkremove.domain.row import Status
from bulkremove.report import first_line
from bulkremove.web.chart import chart
from bulkremove.web.responses import part
from bulkremove.web.routes import Route, person
from bulkremove.web.security import COOKIE
from bulkremove.web.sessions import Sessions

POLL_SECONDS = 0.5
"""Seconds between two looks at a job under way."""
MAX_CACHED_JOBS = 50
"""Jobs whose parts are kept."""
_TEMPLATES = {"panel": "_progress.html", "controls": "_controls.html"}


@dataclass(frozen=True, slots=True)
class _Made:
    """The parts of a job's page as they were ``at`` (loop time), and the run that they are about."""

    at: float
    running: Running | None
    moving: bool
    parts: dict[str, str]


class Live:
    """What a job's page shows of the present."""

    def __init__(self, app: App, supervisor: JobSupervisor, sessions: Sessions) -> None:
        self._app, self._supervisor, self._sessions = app, supervisor, sessions
        self._made: dict[tuple[str, bool], _Made] = {}
        """By job and whether its watcher may approve."""

    def routes(self) -> list[Route]:
        return [Route("GET", "/jobs/{job}/events", self.events, Right.LOOK)]

    async def events(self, request: web.Request) -> web.StreamResponse:
        job_id, told = (await self._app.jobs.find(request.match_info["job"])).id, dict.fromkeys(_TEMPLATES, "")
        session = request.cookies.get(COOKIE, "")
        async with sse_response(request) as stream:
            while stream.is_connected() and await self._sessions.who(session, watching=True):
                moving, parts = await self._parts(request, job_id)
                for event, now in parts.items():
                    if now != told[event]:
                        told[event] = now
                        await stream.send(now, event=event)
                if not moving:
                    await stream.send("", event="done")
                    break
                await asyncio.sleep(POLL_SECONDS)
            else:
                if stream.is_connected():
                    await stream.send(part("_signed_out.html", request, {}), event="panel")
                    await stream.send("", event="done")
        return stream

    async def _parts(self, request: web.Request, job_id: str) -> tuple[bool, dict[str, str]]:
        """Whether the job moves, and the parts of its page as HTML on one line."""
        now, running = asyncio.get_running_loop().time(), self._supervisor.running(job_id)
        key = job_id, person(request).may(Right.APPROVE)
        made = self._made.get(key)
        if made is None or made.running is not running or now - made.at >= POLL_SECONDS / 2:
            facts = await self.facts(await self._app.jobs.find(job_id))
            parts = {event: part(template, request, facts) for event, template in _TEMPLATES.items()}
            made = _Made(now, running, facts["moving"], parts)
            if len(self._made) > MAX_CACHED_JOBS:
                self._made.clear()
            self._made[key] = made
        return made.moving, made.parts

    async def facts(self, job: Job) -> dict[str, Any]:
        """Everything that the page of a job shows."""
        app, running = self._app, self._supervisor.running(job.id)
        progress = running.progress if running else None
        tally = progress.tally if progress else await app.jobs.tally(job)
        elsewhere = running is None and await app.jobs.driven(job)
        still = running is None and not elsewhere
        unknown: list[Outcome] = []
        if still and tally[Status.UNKNOWN]:
            unknown, _ = await app.jobs.some_outcomes(job, status=Status.UNKNOWN, text="", page=1)
        wait = None
        if progress and progress.waiting and progress.until is not None:
            rest = max(0.0, progress.until - app.clock.monotonic()) / app.clock.speed
            wait = (progress.waiting.value, rest, app.clock.wall() + rest)
        order = await self._supervisor.order()
        return {
            "job": job,
            "tally": tally,
            "running": running,
            "elsewhere": elsewhere,
            "moving": not still,
            "wait": wait,
            "eta": next((seconds / app.clock.speed for one, seconds in order if one.id == job.id), None),
            "beside": len(order) - 1,
            "events_told": await app.jobs.events(job),
            "summary": await app.jobs.summary(job),
            "warning": first_line(job, tally) if still else None,
            "unknown": unknown,
            "chart": chart(await app.jobs.timeline(job)) if still else None,
            "failure": self._supervisor.failures.get(job.id, ""),
            "over": job.state.over,
            "paused": still and job.state in (JobState.PAUSED, JobState.READY, JobState.RUNNING),
        }
