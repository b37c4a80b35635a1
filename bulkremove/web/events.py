"""Live updates of a job's page as server-sent events; its parts are rendered once for all who watch the job."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp_sse import sse_response

from bulkremove.app import App
from bulkremove.app.job_supervisor import JobSupervisor, RunningJob
from bulkremove.app.review import why_review
from bulkremove.domain.attempt import Outcome
from bulkremove.domain.clock import LoopTime, later, seconds_between
from bulkremove.domain.job import FrontEnd, Job, JobState, Tally
from bulkremove.domain.permissions import Permission
from bulkremove.domain.row import Status
from bulkremove.domain.standing import Standing, standing_of
from bulkremove.engine.slot_decisions import Waiting
from bulkremove.report import warning_text
from bulkremove.web.chart import chart
from bulkremove.web.responses import part
from bulkremove.web.routes import PERSON, SESSION, Person, Route, Scope, person
from bulkremove.web.sessions import Sessions
from bulkremove.web.single_sign_on import MAX_STREAM_SECONDS

POLL_SECONDS = 0.5
"""Seconds between two checks of a running job for changes."""
MAX_CACHED_JOBS = 50
"""Rendered entries in the cache beyond which it is emptied."""
_TEMPLATES = {"panel": "_progress.html", "controls": "_controls.html"}
"""The template of each event."""


@dataclass(frozen=True, slots=True)
class _RenderedJob:
    """The live parts of a job's page as HTML, by event, and the run that they show."""

    at: LoopTime
    """When they were rendered."""
    running: RunningJob | None
    is_live: bool
    """Whether they can still change."""
    parts: dict[str, str]


class LiveUpdates:
    """The live parts of the jobs' pages: the event stream and its cache of rendered parts."""

    def __init__(self, app: App, supervisor: JobSupervisor, sessions: Sessions) -> None:
        self._app, self._supervisor, self._sessions = app, supervisor, sessions
        self._rendered: dict[tuple[str, bool], _RenderedJob] = {}
        """By job id and whether the person may approve, which decides on the buttons shown."""

    def routes(self) -> list[Route]:
        """List the route of the event stream."""
        return [Route("GET", "/jobs/{job}/events", self.events, Scope.JOB, Permission.LOOK, is_stream=True)]

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Stream the live parts of a job's page whenever they change, until the job is at rest.

        It ends before that with the session, or when the person may not see the job's account any more.
        """
        job, sent, began = (
            await self._app.jobs.find(request.match_info["job"]),
            dict.fromkeys(_TEMPLATES, ""),
            self._now(),
        )
        viewer: Person | None
        async with sse_response(request) as stream:
            while (
                stream.is_connected()
                and (viewer := await self._viewer(request))
                and viewer.may(Permission.LOOK, job.account)
            ):
                request[PERSON] = viewer  # with the present role
                moving, parts = await self._parts(request, job)
                for event, html in parts.items():
                    if html != sent[event]:
                        sent[event] = html
                        await stream.send(html, event=event)
                if not moving:
                    await stream.send("", event="done")
                    break
                if viewer.is_signed_on and seconds_between(began, self._now()) > MAX_STREAM_SECONDS:
                    break  # the browser asks anew, through the proxy
                await asyncio.sleep(POLL_SECONDS)
            else:
                if stream.is_connected():
                    await stream.send(part("_ended.html", request, {"signed_out": viewer is None}), event="panel")
                    await stream.send("", event="controls")
                    await stream.send("", event="done")
        return stream

    async def _viewer(self, request: web.Request) -> Person | None:
        """Return who looks at the stream; None once their session has ended."""
        if person(request).is_signed_on:
            return person(request)
        return await self._sessions.person_of(request[SESSION], watching=True)

    def _now(self) -> LoopTime:
        return LoopTime(asyncio.get_running_loop().time())

    async def _parts(self, request: web.Request, job: Job) -> tuple[bool, dict[str, str]]:
        """Return whether the job's page can still change, and its live parts as HTML on one line, by event."""
        now, running = self._now(), self._supervisor.running(job.id)
        key = job.id, person(request).may(Permission.APPROVE, job.account)
        rendered = self._rendered.get(key)
        if rendered is None or rendered.running is not running or seconds_between(rendered.at, now) >= POLL_SECONDS / 2:
            context = await self.template_context(await self._app.jobs.find(job.id))
            parts = {event: part(template, request, context) for event, template in _TEMPLATES.items()}
            rendered = _RenderedJob(now, running, context["moving"], parts)
            if len(self._rendered) > MAX_CACHED_JOBS:
                self._rendered.clear()
            self._rendered[key] = rendered
        return rendered.is_live, rendered.parts

    async def template_context(self, job: Job) -> dict[str, Any]:
        """Return the template context of a job's page."""
        app, running = self._app, self._supervisor.running(job.id)
        progress = running.progress if running else None
        tally = progress.tally if progress else await app.jobs.tally(job)
        holder, request = (None, None) if running else await app.stopping.request(job)
        at_rest = running is None and holder is None
        starts_by_itself = job.state is JobState.SCHEDULED and job.origin is FrontEnd.PAGE
        unknown: list[Outcome] = []
        if at_rest and tally[Status.UNKNOWN]:
            unknown, _ = await app.reports.page(job, status=Status.UNKNOWN, text="", page=1)
        wait = None
        if progress and progress.waiting and progress.until is not None:
            remaining = max(0.0, seconds_between(app.clock.monotonic(), progress.until)) / app.clock.speed
            wait = (progress.waiting.value, remaining, later(app.clock.wall(), remaining))
        order = await self._supervisor.running_by_end()
        waiting = await app.canaries.waiting(job) if at_rest else None
        wait_reason = progress.waiting if progress and wait else None
        standing = standing_of(
            job,
            tally,
            now=app.clock.wall(),
            is_running=not at_rest,
            is_waiting=wait_reason is not None and wait_reason is not Waiting.PACE,
            is_locked=wait_reason is Waiting.LOCKED,
        )
        left = tally.open + (tally[Status.NOT_SENT] if standing in (Standing.CANCELLED, Standing.STOPPED) else 0)
        return {
            "job": job,
            "standing": standing,
            "left": left,
            "tab_title": _tab_title(job, standing, tally, left),
            "tally": tally,
            "running": running,
            "elsewhere": holder.description(app.clock.wall()) if holder else "",
            "request": request,
            "moving": not at_rest or starts_by_itself,
            "wait": wait,
            "eta": next((seconds / app.clock.speed for other, seconds in order if other.id == job.id), None),
            "other_running_jobs": sum(other.id != job.id and other.account == job.account for other, _ in order),
            "job_events": await app.jobs.events(job),
            "summary": await app.reports.summary(job),
            "warning": warning_text(job, tally, looked_up=[row.last_seen for row in unknown if row.last_seen])
            if at_rest
            else None,
            "unknown": unknown,
            "chart": chart(await app.reports.timeline(job), job.words.nouns) if at_rest else None,
            "failure": self._supervisor.failures.get(job.id, ""),
            "over": job.state.is_over,
            "to_retry": await app.reports.rows_to_retry(job) if at_rest and tally[Status.NOT_SENT] else 0,
            "over_cap": await app.plans.cap_problem(job, tally.open) if job.state.is_approvable else "",
            "canary": await app.canaries.question(job) if waiting else "",
            "canary_lost": waiting is not None and waiting.removal is None,
            "review": why_review(job, tally.open, settings=app.settings, now=app.clock.wall(), front_end=FrontEnd.PAGE)
            if at_rest and job.state.is_resumable
            else "",
            "offered": await app.wordings.candidates(job) if at_rest else [],
            "accepted": await app.wordings.accepted(job.client, job.host) if at_rest else [],
            "paused": at_rest and job.state in (JobState.PAUSED, JobState.READY, JobState.RUNNING),
        }


def _tab_title(job: Job, standing: Standing, tally: Tally, left: int) -> str:
    """What the tab says: how far a job is, or how it stands, before the name of its file."""
    if standing in (Standing.RUNNING, Standing.WAITING) and tally.total:
        return f"{100 * (tally.total - left) // tally.total} % \N{MIDDLE DOT} {job.source}"
    return f"{standing.label} \N{MIDDLE DOT} {job.source}"
