"""The handlers of the HTTP API for confirmed plans: lists, rows, events, reports, and what is done about a job."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web

from bulkremove.app import App
from bulkremove.app.job_supervisor import JobSupervisor
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import ConsentMissing
from bulkremove.domain.job import Job
from bulkremove.domain.permissions import AccountSet, Permission
from bulkremove.domain.row import RowState, Status
from bulkremove.report import RowSelection
from bulkremove.storage.interface.jobs import VISIBLE
from bulkremove.web.api_models import Approval, FirstRow, JobEvents, JobRows, Jobs, NewNote
from bulkremove.web.api_routes import PREFIX, api_route
from bulkremove.web.api_rows import event_json, job_json, row_json
from bulkremove.web.cursors import cursor_at, cursor_of, job_before, position_of
from bulkremove.web.job_actions import approve
from bulkremove.web.openapi_operations import BYTES
from bulkremove.web.parameters import choice, json_body, limit_parameter, time_parameter, whole_number
from bulkremove.web.responses import download
from bulkremove.web.routes import JSON, Route, Scope, person


class ApiJobs:
    """The handlers of the HTTP API under ``/jobs``."""

    def __init__(self, app: App, supervisor: JobSupervisor) -> None:
        self._app, self._supervisor = app, supervisor

    def routes(self) -> list[Route]:
        """List the routes of these handlers."""
        job, look, approve = Scope.JOB, Permission.LOOK, Permission.APPROVE
        return [
            api_route("GET", "/jobs", self.jobs, Scope.SOME, look),
            api_route("GET", "/jobs/{job}", self.job, job, look),
            api_route("GET", "/jobs/{job}/rows", self.rows, job, look),
            api_route("GET", "/jobs/{job}/events", self.events, job, look),
            api_route("GET", "/jobs/{job}/report.{ending:csv|xlsx|jsonl}", self.report, job, look),
            api_route("GET", "/jobs/{job}/{rows:retry|undo}.csv", self.rows_file, job, look),
            api_route("POST", "/jobs/{job}/pause", self.pause, job, Permission.PAUSE),
            api_route("POST", "/jobs/{job}/resume", self.resume, job, approve),
            api_route("GET", "/jobs/{job}/canary", self.first_row, job, look),
            api_route("POST", "/jobs/{job}/canary", self.confirm_canary, job, approve),
            api_route("POST", "/jobs/{job}/approve", self.approve, job, approve, JSON),
            api_route("POST", "/jobs/{job}/cancel", self.cancel, job, approve),
            api_route("POST", "/jobs/{job}/notes", self.add_note, job, approve, JSON),
        ]

    async def jobs(self, request: web.Request) -> web.StreamResponse:
        """Return some jobs, the newest first, filtered by state, account, file name, person and time."""
        state, seen = choice(request, "state", {state.value: state for state in VISIBLE}), person(request).seen
        account = request.query.get("account")
        if account is not None:  # whether there is an account that they may not see is not told
            seen = AccountSet.only(account) if account in seen else AccountSet()
        jobs, tallies, has_more = await self._app.jobs.page(
            accounts=seen,
            limit=limit_parameter(request),
            state=state,
            source=request.query.get("q", ""),
            who=request.query.get("who", ""),
            since=time_parameter(request, "since") or Epoch(0.0),
            before=job_before(request),
        )
        listed = [job_json(self._app, self._supervisor, job, tallies[job.id]) for job in jobs]
        body: Jobs = {"jobs": listed, "next": cursor_of(jobs[-1]) if has_more else None}
        return web.json_response(body)

    async def job(self, request: web.Request) -> web.StreamResponse:
        """Return a job with its counts."""
        return await self.answer(await self._job(request))

    async def rows(self, request: web.Request) -> web.StreamResponse:
        """Return some rows of a job, filtered by state and text."""
        job = await self._job(request)
        states: dict[str, Status | RowState] = {state.value: state for state in (*RowState, *Status)}
        rows, has_more = await self._app.reports.rows_after(
            job,
            state=choice(request, "state", states),
            text=request.query.get("q", ""),
            after=position_of(request),
            limit=limit_parameter(request),
        )
        body: JobRows = {
            "header": [*job.header],
            "rows": [row_json(row) for row in rows],
            "next": cursor_at(rows[-1].position) if has_more else None,
        }
        return web.json_response(body)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Return some events of a job, the oldest first."""
        job, limit, after = await self._job(request), limit_parameter(request), whole_number(request, "after") or 0
        events = await self._app.jobs.events_after(job, after=after, limit=limit + 1)
        body: JobEvents = {"events": [event_json(event) for event in events[:limit]], "more": len(events) > limit}
        return web.json_response(body)

    async def report(self, request: web.Request) -> web.StreamResponse:
        """Return the report of a job as a CSV, Excel or JSON Lines file."""
        job = await self._job(request)
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"{job.id}-report.{request.match_info['ending']}"
            await self._app.reports.write(job.id, path, by=person(request).name)
            return await download(path, content_type=_kind(request))

    async def rows_file(self, request: web.Request) -> web.StreamResponse:
        """Return the rows of a job that can be retried, or those that were removed, as a CSV file."""
        job, rows = await self._job(request), RowSelection(request.match_info["rows"])
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"{job.id}-{rows.value}.csv"
            if await self._app.reports.write(job.id, path, rows=rows, by=person(request).name) is None:
                raise web.HTTPNotFound(text="This job has no rows for that file.")
            return await download(path, content_type=_kind(request))

    async def first_row(self, request: web.Request) -> web.StreamResponse:
        """Return what a person must look up before anything more is sent for the job's account."""
        job = await self._job(request)
        is_moving = self._supervisor.running(job.id) is not None or await self._app.jobs.is_running(job)
        body: FirstRow = {"question": None if is_moving else await self._app.canaries.question(job) or None}
        return web.json_response(body)

    async def pause(self, request: web.Request) -> web.StreamResponse:
        """Pause a job and return it once the rows in flight are finished."""
        job = await self._job(request)
        await self._supervisor.pause(job.id, by=person(request).name)
        return await self.answer(await self._app.jobs.find(job.id))

    async def resume(self, request: web.Request) -> web.StreamResponse:
        """Resume a job and return it. Raises ActionRefused."""
        rows, job_id = whole_number(request, "rows"), request.match_info["job"]
        expect_missing = choice(request, "expect_missing", {"no": False, "yes": True}) or False
        job = await self._supervisor.resume(
            job_id, by=person(request).name, rows_reviewed=rows, expect_missing=expect_missing
        )
        return await self.answer(job)

    async def approve(self, request: web.Request) -> web.StreamResponse:
        """Approve and start a held job, and return it. Raises ActionRefused."""
        job, body = await self._job(request), await json_body(request, Approval)
        approved = await approve(
            self._app,
            self._supervisor,
            job,
            plan_hash=body.plan_hash,
            removals=body.removals,
            compared=body.compared,
            by=person(request).name,
        )
        return await self.answer(approved)

    async def add_note(self, request: web.Request) -> web.StreamResponse:
        """Store a note about an unknown row. Raises NoteRejected."""
        job, body = await self._job(request), await json_body(request, NewNote)
        await self._app.jobs.add_note(job.id, body.row, body.text, result=body.result, by=person(request).name)
        return web.Response(status=204)

    async def confirm_canary(self, request: web.Request) -> web.StreamResponse:
        """Record that the first row had its effect, or that it can't be known, and return the job.

        Raises ActionRefused.
        """
        job, canaries = await self._job(request), self._app.canaries
        answers = {"gone": canaries.confirm, "enrolled": canaries.confirm, "again": canaries.give_up}
        answer, name = choice(request, "answer", answers), request.query.get("answer")
        if answer is None:
            raise web.HTTPBadRequest(text="answer must be given: gone, enrolled or again.")
        if name not in ("enrolled" if job.is_enrolment else "gone", "again"):
            raise ConsentMissing(
                f"Job {job.id} {job.words.does} learners, so {name} is not a valid answer. Nothing was confirmed."
            )
        await answer(job, by=person(request).name)
        return await self.answer(job)

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """Cancel a job for good and return it."""
        job = await self._job(request)
        await self._supervisor.cancel(job.id, by=person(request).name)
        return await self.answer(await self._app.jobs.find(job.id))

    async def answer(self, job: Job, *, is_new: bool = False) -> web.Response:
        """The response with a job. ``is_new``: this request has made it."""
        body = job_json(self._app, self._supervisor, job, await self._app.jobs.tally(job))
        headers = {"Location": f"{PREFIX}/jobs/{job.id}"} if is_new else {}
        return web.json_response(body, status=201 if is_new else 200, headers=headers)

    async def _job(self, request: web.Request) -> Job:
        return await self._app.jobs.find(request.match_info["job"])


def _kind(request: web.Request) -> str:
    """The content type of a file for a client that wants bytes; empty for that of the file."""
    return BYTES if request.headers.get("Accept") == BYTES else ""
