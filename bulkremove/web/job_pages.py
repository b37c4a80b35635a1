"""The pages of a job: progress, rows, notes, downloads, and the forms that pause, resume, cancel or retry it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web

from bulkremove.app import App
from bulkremove.app.backup import REPLACED
from bulkremove.app.job_supervisor import JobSupervisor
from bulkremove.app.notices.people_mail import wanting
from bulkremove.domain.attempt import LookupResult
from bulkremove.domain.errors import JobBusy
from bulkremove.domain.job import FrontEnd, Job
from bulkremove.domain.permissions import Permission
from bulkremove.domain.row import Status
from bulkremove.report import RowSelection
from bulkremove.web.events import LiveUpdates
from bulkremove.web.job_actions import approve, plan_retry
from bulkremove.web.lookups import Lookups
from bulkremove.web.responses import download, page, page_number, parse_number, read_form
from bulkremove.web.routes import FORM, Route, Scope, person
from bulkremove.web.uploads import Uploads


class JobPages:
    """The handlers of the pages of a job."""

    def __init__(
        self, app: App, supervisor: JobSupervisor, uploads: Uploads, lookups: Lookups, live: LiveUpdates
    ) -> None:
        self._app, self._supervisor, self._live = app, supervisor, live
        self._uploads, self._lookups = uploads, lookups

    def routes(self) -> list[Route]:
        """List the routes of these handlers."""
        return [
            Route("GET", "/jobs/{job}", self.job, Scope.JOB, Permission.LOOK),
            Route("GET", "/jobs/{job}/rows", self.rows, Scope.JOB, Permission.LOOK),
            Route("GET", "/jobs/{job}/report.{ending:csv|xlsx}", self.report, Scope.JOB, Permission.LOOK),
            Route("GET", "/jobs/{job}/{rows:retry|undo}.csv", self.rows_file, Scope.JOB, Permission.LOOK),
            Route("POST", "/jobs/{job}/pause", self.pause, Scope.JOB, Permission.PAUSE, FORM),
            Route("POST", "/jobs/{job}/resume", self.resume, Scope.JOB, Permission.APPROVE, FORM),
            Route("POST", "/jobs/{job}/canary", self.confirm_canary, Scope.JOB, Permission.APPROVE, FORM),
            Route("POST", "/jobs/{job}/approve", self.approve, Scope.JOB, Permission.APPROVE, FORM),
            Route("POST", "/jobs/{job}/cancel", self.cancel, Scope.JOB, Permission.APPROVE, FORM),
            Route("POST", "/jobs/{job}/retry", self.retry, Scope.JOB, Permission.APPROVE, FORM),
            Route("POST", "/jobs/{job}/mail", self.change_mail, Scope.JOB, Permission.LOOK, FORM),
            Route("POST", "/jobs/{job}/notes", self.add_note, Scope.JOB, Permission.APPROVE, FORM),
            Route("POST", "/jobs/{job}/wordings", self.accept_wording, Scope.JOB, Permission.APPROVE, FORM),
            Route("POST", "/jobs/{job}/wordings/withdraw", self.withdraw_wording, Scope.JOB, Permission.APPROVE, FORM),
        ]

    async def job(self, request: web.Request) -> web.StreamResponse:
        """Show the page of a job, with its progress, result, downloads and controls."""
        job = await self._job(request)
        context = await self._live.template_context(job)
        replaced = REPLACED if await self._app.backups.is_replaced() else ""
        name = person(request).name
        mail = self._app.people_mail.address_of(name) if job.origin is FrontEnd.PAGE else ""
        return page(
            "job.html", request, {**context, "replaced": replaced, "mail": mail, "is_mailed": name in wanting(job)}
        )

    async def rows(self, request: web.Request) -> web.StreamResponse:
        """Show a page of a job's rows, filtered by status and text."""
        job, number = await self._job(request), page_number(request)
        status_filter, text = request.query.get("status", ""), request.query.get("q", "").strip()
        status = Status(status_filter) if status_filter in set(Status) else None
        rows, has_more = await self._app.reports.page(job, status=status, text=text, page=number)
        context = {"job": job, "counts": (await self._app.jobs.tally(job)).counts, "rows": rows, "more": has_more}
        return page("rows.html", request, context | {"page": number, "wanted": status_filter, "text": text})

    async def report(self, request: web.Request) -> web.StreamResponse:
        """Download the report of a job, as CSV or Excel file."""
        job = await self._job(request)
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"{job.id}-report.{request.match_info['ending']}"
            await self._app.reports.write(job.id, path, by=person(request).name)
            return await download(path)

    async def rows_file(self, request: web.Request) -> web.StreamResponse:
        """Download the rows of a job that can be retried, or those that were removed, as CSV."""
        job, rows = await self._job(request), RowSelection(request.match_info["rows"])
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"{job.id}-{rows.value}.csv"
            if await self._app.reports.write(job.id, path, rows=rows, by=person(request).name) is None:
                raise web.HTTPNotFound(text="This job has no rows for that file.")
            return await download(path)

    async def pause(self, request: web.Request) -> web.StreamResponse:
        """Pause a job and redirect to its page once the rows in flight are finished."""
        job = await self._job(request)
        with suppress(JobBusy):  # another process was asked; the page says so
            await self._supervisor.pause(job.id, by=person(request).name)
        return _back_to(job)

    async def resume(self, request: web.Request) -> web.StreamResponse:
        """Resume a job and redirect to its page. Raises ActionRefused."""
        form = await read_form(request)
        rows = str(form.get("rows", "")).strip().replace(",", "")
        job = await self._supervisor.resume(
            request.match_info["job"],
            by=person(request).name,
            rows_reviewed=parse_number(rows, -1) if rows else None,
            expect_missing="expect_missing" in form,
        )
        return _back_to(job)

    async def approve(self, request: web.Request) -> web.StreamResponse:
        """Approve and start a held job of a nightly run; the form has the plan's hash and the number of removals."""
        job, form = await self._job(request), await read_form(request)
        number = parse_number(str(form.get("number", "")).strip().replace(",", ""), -1)
        compared = parse_number(str(form["compared"]), -1) if "compared" in form else None
        await approve(
            self._app,
            self._supervisor,
            job,
            plan_hash=str(form.get("plan", "")),
            removals=number,
            compared=compared,
            by=person(request).name,
        )
        return _back_to(job)

    async def confirm_canary(self, request: web.Request) -> web.StreamResponse:
        """Record that the learner of the first row is gone, and resume the job; or that nobody can know it any more.

        A job that needs review is not resumed: its page asks for the number of rows left then.
        """
        job, by, form = await self._job(request), person(request).name, await read_form(request)
        if form.get("answer") == "again":
            await self._app.canaries.give_up(job, by=by)
            return _back_to(job)
        await self._app.canaries.confirm(job, by=by)
        if job.state.is_resumable and not job.needs_review(self._app.clock.wall()):
            await self._supervisor.resume(job.id, by=by, rows_reviewed=None)
        return _back_to(job)

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """Cancel a job for good and redirect to its page."""
        job = await self._job(request)
        with suppress(JobBusy):  # as in ``pause``
            await self._supervisor.cancel(job.id, by=person(request).name)
        return _back_to(job)

    async def change_mail(self, request: web.Request) -> web.StreamResponse:
        """Keep whether the person wants a mail at the end of a job, and redirect to its page."""
        job, form = await self._job(request), await read_form(request)
        await self._app.people_mail.change(job.id, person(request).name, wanted=form.get("mail") == "yes")
        return _back_to(job)

    async def retry(self, request: web.Request) -> web.StreamResponse:
        """Make a plan of the rows that a job did not send and redirect to it; it is confirmed like that of a file.

        The unknown rows are in it if the form says that all were looked up. Raises ConsentMissing if one has no note.
        """
        job, form = await self._job(request), await read_form(request)
        checked, by = form.get("unknown") == "checked", person(request).name
        upload = await plan_retry(self._app, self._uploads, job, unknown_checked=checked, by=by)
        await self._lookups.begin(upload, person(request))
        raise web.HTTPSeeOther(f"/uploads/{upload.id}")

    async def add_note(self, request: web.Request) -> web.StreamResponse:
        """Store a note about an unknown row and redirect to the job's page."""
        job, form = await self._job(request), await read_form(request)
        row_number = parse_number(str(form.get("row", "")), 0)  # 0 is the number of no row
        result_text = str(form.get("result", ""))
        result = LookupResult(result_text) if result_text in set(LookupResult) else None
        text = str(form.get("text", ""))
        await self._app.jobs.add_note(job.id, row_number, text, result=result, by=person(request).name)
        return _back_to(job)

    async def accept_wording(self, request: web.Request) -> web.StreamResponse:
        """Accept the answer to a row as the proof of a removal, and redirect. Raises WordingRejected."""
        job, form = await self._job(request), await read_form(request)
        row_number = parse_number(str(form.get("row", "")), 0)
        await self._app.wordings.accept(job.id, row_number, by=person(request).name)
        return _back_to(job)

    async def withdraw_wording(self, request: web.Request) -> web.StreamResponse:
        """Withdraw an accepted answer and redirect to the job's page. Raises WordingRejected if there is none."""
        job, form = await self._job(request), await read_form(request)
        number = parse_number(str(form.get("number", "")), 0)
        await self._app.wordings.withdraw(number, job=job, by=person(request).name)
        return _back_to(job)

    async def _job(self, request: web.Request) -> Job:
        return await self._app.jobs.find(request.match_info["job"])


def _back_to(job: Job) -> web.Response:
    return web.Response(status=303, headers={"Location": f"/jobs/{job.id}"})
