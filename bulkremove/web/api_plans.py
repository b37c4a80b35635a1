"""The handlers of the HTTP API for plans: made from a file or from the rows of a job, listed, confirmed, discarded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from bulkremove.app import App, Consent
from bulkremove.app.job_supervisor import JobSupervisor
from bulkremove.app.plan_rows import filter_rows
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import AlreadyConfirmed, PlanNotReady
from bulkremove.domain.job import Job
from bulkremove.domain.permissions import Permission
from bulkremove.domain.row import UNPLANNED
from bulkremove.reading.options import Hidden, Match, ReadOptions, parse_columns
from bulkremove.report import utc
from bulkremove.web.api_jobs import ApiJobs
from bulkremove.web.api_models import (
    Confirmation,
    Drafts,
    Mismatched,
    PlannedRows,
    PutBack,
    RemovedPeople,
    Retry,
    UploadedPlan,
)
from bulkremove.web.api_routes import PREFIX, api_route
from bulkremove.web.api_rows import draft_json, planned_row_json, removed_person_json
from bulkremove.web.cursors import cursor_at, position_of
from bulkremove.web.idempotency import PlanKeys, fingerprint, key_of
from bulkremove.web.job_actions import confirm, plan_put_back, plan_retry
from bulkremove.web.lookups import Lookups
from bulkremove.web.parameters import choice, json_body, limit_parameter, whole_number
from bulkremove.web.plan_pages import TO_REMOVE
from bulkremove.web.put_back_pages import MAX_CHOICE_BYTES
from bulkremove.web.responses import while_awaited
from bulkremove.web.routes import JSON, Route, Scope, check_permission, person
from bulkremove.web.upload import Upload
from bulkremove.web.uploads import Uploads


class ApiPlans:
    """The handlers of the HTTP API under ``/plans``, and of those under ``/jobs`` that make a plan."""

    def __init__(self, app: App, supervisor: JobSupervisor, uploads: Uploads, lookups: Lookups, jobs: ApiJobs) -> None:
        self._app, self._supervisor, self._uploads, self._lookups = app, supervisor, uploads, lookups
        self._jobs, self._keys = jobs, PlanKeys(uploads)

    def routes(self) -> list[Route]:
        """List the routes of these handlers."""
        look, prepare, approve = Permission.LOOK, Permission.PREPARE, Permission.APPROVE
        return [
            api_route("POST", "/plans", self.make_plan, Scope.SOME, prepare),
            api_route("GET", "/plans", self.drafts, Scope.SOME, look),
            api_route("GET", "/plans/{plan}", self.plan, Scope.UPLOAD, look),
            api_route("GET", "/plans/{plan}/rows", self.plan_rows, Scope.UPLOAD, look),
            api_route("POST", "/plans/{plan}/mismatched", self.include, Scope.UPLOAD, prepare, JSON),
            api_route("POST", "/plans/{plan}/confirm", self.confirm, Scope.SOME, approve, JSON),
            api_route("POST", "/jobs/{job}/retry", self.retry, Scope.JOB, approve, JSON),
            api_route("GET", "/jobs/{job}/put-back", self.removed_people, Scope.JOB, prepare),
            api_route("POST", "/jobs/{job}/put-back", self.put_back, Scope.JOB, prepare, JSON),
            api_route("DELETE", "/plans/{plan}", self.discard, Scope.UPLOAD, prepare),
        ]

    async def make_plan(self, request: web.Request) -> web.StreamResponse:
        """Make a plan from the file in the body, read as the query parameters say. Raises FileRefused."""
        query = request.query
        name, columns = query.get("name", "upload"), query.get("columns")
        hidden = choice(request, "hidden", {option.value: option for option in Hidden}) or Hidden.REFUSE
        columns_by_role = parse_columns(columns) if columns is not None else {}
        header_row = whole_number(request, "header_row")
        match = choice(request, "match", {option.value: option for option in Match})
        only = tuple(query.getall("only", []))
        options = ReadOptions(query.get("sheet"), columns_by_role, hidden, only, header_row, match=match)
        is_checked = choice(request, "check", {"no": False, "yes": True}) or False
        include_open = choice(request, "open", {"leave_out": False, "include": True}) or False
        async with self._keys.turn(request):
            file = await self._uploads.receive_body(request, name=name, account=query.get("account", ""))
            asked_for = fingerprint(file.digest, file.name, file.account, options, include_open)
            try:
                upload = self._keys.find(request, asked_for)
            except BaseException:
                file.path.unlink()
                raise
            if upload is not None:
                file.path.unlink()
                return await self._answer(request, upload, is_checked=is_checked, is_new=False)
            upload = await self._uploads.add_file(request, file, options=options, include_open=include_open)
            await self._keys.keep(request, upload, asked_for)
            return await self._answer(request, upload, is_checked=is_checked, is_new=True)

    async def drafts(self, request: web.Request) -> web.StreamResponse:
        """Return the plans that nobody has confirmed, the newest first."""
        body: Drafts = {"plans": [draft_json(upload) for upload in self._uploads.drafts(person(request).seen)]}
        return web.json_response(body)

    async def plan(self, request: web.Request) -> web.StreamResponse:
        """Return a plan that is not confirmed yet."""
        return web.json_response(await self._plan(request, self._upload(request)))

    async def plan_rows(self, request: web.Request) -> web.StreamResponse:
        """Return some rows of a plan, filtered by status and text."""
        upload, after, limit = self._upload(request), position_of(request), limit_parameter(request)
        excluded = {reason.value: reason for reason in UNPLANNED}
        status = choice(request, "status", excluded | {TO_REMOVE: None})
        preview = await self._uploads.preview(upload, by=person(request).name)
        found, has_more = await filter_rows(
            preview.plan,
            status=status,
            to_remove=request.query.get("status") == TO_REMOVE,
            text=request.query.get("q", ""),
            after=after,
            limit=limit,
        )
        act = preview.plan.operation.words.act
        body: PlannedRows = {
            "rows": [planned_row_json(row, act) for _, row in found],
            "next": cursor_at(found[-1][0]) if has_more else None,
        }
        return web.json_response(body)

    async def include(self, request: web.Request) -> web.StreamResponse:
        """Plan rows too whose person in Zoho is another than in the file, as a person decided, and return the plan."""
        upload, body = self._upload(request), await json_body(request, Mismatched)
        await self._uploads.include(upload, body.rows, by=person(request).name)
        return web.json_response(await self._plan(request, upload))

    async def confirm(self, request: web.Request) -> web.StreamResponse:
        """Confirm a plan by its hash and start its job, at once or at a time.

        201 with the new job, 200 if it was confirmed before.

        With an ``Idempotency-Key`` it is known as confirmed also after a restart, when the plan itself is gone.
        """
        body, key = await json_body(request, Confirmation), key_of(request)
        approved = person(request).access.accounts(Permission.APPROVE)
        if key and (existing_job := await self._app.jobs.by_idempotency_key(key, body.plan_hash, approved)):
            return await self._jobs.answer(existing_job)
        upload = self._upload(request)  # which may be gone before, so its account is asked about here
        check_permission(request, Permission.APPROVE, upload.account)
        consent = Consent(plan_hash=body.plan_hash, removals=body.removals, compared=body.compared)
        by = person(request).name
        job_id, is_new = await confirm(
            self._app,
            self._supervisor,
            self._uploads,
            upload,
            consent,
            by=by,
            idempotency_key=key,
            expect_missing=body.expect_missing,
            start_at=Epoch(body.start_at.timestamp()) if body.start_at else None,
        )
        return await self._jobs.answer(await self._app.jobs.find(job_id), is_new=is_new)

    async def discard(self, request: web.Request) -> web.StreamResponse:
        """Delete a plan that nobody has confirmed. Raises AlreadyConfirmed."""
        upload = self._upload(request)
        _check_not_confirmed(upload)
        await self._uploads.discard(upload, by=person(request).name)
        return web.Response(status=204)

    async def retry(self, request: web.Request) -> web.StreamResponse:
        """Make a plan of the rows that a job did not send. Raises ConsentMissing or JobUnsuitable."""
        job, body, by = await self._job(request), await json_body(request, Retry), person(request).name

        async def make() -> Upload:
            return await plan_retry(self._app, self._uploads, job, unknown_checked=body.unknown_checked, by=by)

        asked_for = fingerprint("retry", job.id, body.unknown_checked)
        return await self._made_once(request, asked_for, make, is_checked=body.check)

    async def removed_people(self, request: web.Request) -> web.StreamResponse:
        """Return whom a job removed. Raises JobUnsuitable."""
        job = await self._job(request)
        rows, put_back = await self._app.reenrolments.removed(job), await self._app.reenrolments.put_back(job)
        body: RemovedPeople = {"people": [removed_person_json(row, put_back) for row in rows]}
        return web.json_response(body)

    async def put_back(self, request: web.Request) -> web.StreamResponse:
        """Make a plan that enrols people again whom a job removed. Raises JobUnsuitable."""
        job, body, by = (
            await self._job(request),
            await json_body(request, PutBack, max_bytes=MAX_CHOICE_BYTES),
            person(request).name,
        )
        numbers = None if body.rows is None else frozenset(body.rows)

        async def make() -> Upload:
            return await plan_put_back(self._uploads, job, numbers, by=by)

        asked_for = fingerprint("put back", job.id, None if numbers is None else sorted(numbers))
        return await self._made_once(request, asked_for, make, is_checked=body.check)

    async def _made_once(
        self, request: web.Request, asked_for: str, make: Callable[[], Awaitable[Upload]], *, is_checked: bool
    ) -> web.Response:
        """The response with a plan that is made now, or was made with the same idempotency key."""
        async with self._keys.turn(request):
            upload = self._keys.find(request, asked_for)
            if upload is not None:
                return await self._answer(request, upload, is_checked=is_checked, is_new=False)
            upload = await make()
            await self._keys.keep(request, upload, asked_for)
            return await self._answer(request, upload, is_checked=is_checked, is_new=True)

    async def _answer(self, request: web.Request, upload: Upload, *, is_checked: bool, is_new: bool) -> web.Response:
        """The response with a plan, once Zoho was asked what must be known for it. Raises what went wrong."""
        if is_checked or upload.options.match or self._app.settings.enrolment_check == "always":
            await while_awaited(request, self._lookups.now(upload, person(request), is_checked=is_checked))
        plan = await self._plan(request, upload)
        headers = {"Location": f"{PREFIX}/plans/{upload.id}"} if is_new else {}
        return web.json_response(plan, status=201 if is_new else 200, headers=headers)

    async def _plan(self, request: web.Request, upload: Upload) -> UploadedPlan:
        await self._uploads.read_restored(upload, by=person(request).name)
        _check_not_confirmed(upload)  # which it may have been just before an earlier server died
        if upload.is_looked_up and upload.lacks_ids:
            raise PlanNotReady("Zoho is still asked for the ids of these learners. Ask for this plan again later.")
        if upload.refusal is not None:
            raise upload.refusal
        preview = await self._uploads.preview(upload, by=person(request).name)
        refusal = preview.refusal.page_text if preview.refusal else None
        open_in = [job.id for job in preview.plan.open_in if job.account in person(request).seen]
        plan = preview.as_json() | {"refusal": refusal, "open_in": open_in}
        return {
            "id": upload.id,
            "prepared_by": [*upload.prepared_by],
            "uploaded_at": utc(upload.uploaded_at),
            "lookup_under_way": upload.is_looked_up,
            **plan,
        }

    def _upload(self, request: web.Request) -> Upload:
        return self._uploads.get(request.match_info["plan"], person(request).seen)

    async def _job(self, request: web.Request) -> Job:
        return await self._app.jobs.find(request.match_info["job"])


def _check_not_confirmed(upload: Upload) -> None:
    if upload.job is not None:
        raise AlreadyConfirmed(f"This plan was confirmed: it is job {upload.job} now.")
