"""From a file to an agreed plan: upload, choose sheet and columns, look through every row, confirm."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiohttp import web

from bulkremove.app import App, Consent, Preview
from bulkremove.app.job_supervisor import JobSupervisor
from bulkremove.domain.errors import BulkremoveError, ConsentMissing
from bulkremove.domain.job import JobState
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.domain.permissions import Right
from bulkremove.domain.plan import Plan
from bulkremove.domain.row import Status
from bulkremove.domain.table import column_letter
from bulkremove.platform.secure_files import private_folder
from bulkremove.reading.options import Hidden, ReadOptions
from bulkremove.report import write_plan
from bulkremove.storage.interface.jobs import VISIBLE
from bulkremove.web.responses import download, page, page_number, read_form
from bulkremove.web.routes import FILE_FORM, FORM, Route, person
from bulkremove.web.uploads import Upload, Uploads

TO_REMOVE = "remove"
"""What the filter calls the rows that are sent."""


class PlanPages:
    """The start page and everything that happens to an upload."""

    def __init__(self, app: App, supervisor: JobSupervisor, uploads: Uploads) -> None:
        self._app, self._supervisor, self._uploads = app, supervisor, uploads

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/", self.home, Right.LOOK),
            Route("POST", "/uploads", self.upload, Right.PREPARE, FILE_FORM),
            Route("GET", "/uploads/{upload}", self.plan, Right.LOOK),
            Route("POST", "/uploads/{upload}", self.read_again, Right.PREPARE, FORM),
            Route("GET", "/uploads/{upload}/plan.csv", self.plan_file, Right.LOOK),
            Route("POST", "/uploads/{upload}/confirm", self.confirm, Right.APPROVE, FORM),
        ]

    async def home(self, request: web.Request) -> web.StreamResponse:
        try:
            allowance, failure = await self._app.accounts.allowance(), ""
        except BulkremoveError as error:
            allowance, failure = None, str(error)
        query, number = request.query, page_number(request)
        wanted, text = query.get("state", ""), query.get("q", "").strip()
        state = JobState(wanted) if wanted in set(VISIBLE) else None
        found, tallies, more = await self._app.jobs.page(page=number, state=state, source=text)
        jobs = [(job, tallies[job.id]) for job in found]
        now, speed = self._app.clock.wall(), self._app.clock.speed
        locked = allowance.locked if allowance else 0.0
        ends = [(job, (seconds + locked) / speed) for job, seconds in await self._supervisor.order()]
        order = [(job, seconds, now + seconds) for job, seconds in ends]
        facts: dict[str, Any] = {
            "allowance": allowance,
            "failure": failure,
            "jobs": jobs,
            "order": order,
            "states": VISIBLE,
        }
        facts |= {"wanted": wanted, "text": text, "page": number, "more": more}
        return page("home.html", request, facts | {"waiting": self._uploads.waiting(), "speed": speed})

    async def upload(self, request: web.Request) -> web.StreamResponse:
        upload = await self._uploads.of_form(request, by=person(request).name)
        raise web.HTTPSeeOther(f"/uploads/{upload.id}")

    async def read_again(self, request: web.Request) -> web.StreamResponse:
        upload, form = self._uploads.get(request.match_info["upload"]), await read_form(request)
        before = upload.options if upload.refusal is None or upload.refusal.choices else ReadOptions()
        said = {name: str(form.get(name, "")).strip() for name in ("sheet", *REMOVE_LEARNER.roles, "hidden")}
        columns = {
            role: int(said[role]) for role in REMOVE_LEARNER.roles if re.fullmatch(r"[0-9]{1,4}", said[role], re.ASCII)
        }
        hidden = Hidden(said["hidden"]) if said["hidden"] in set(Hidden) else before.hidden
        options = ReadOptions(said["sheet"] or before.sheet, columns or before.columns, hidden)
        await self._uploads.read_as(upload, options, by=person(request).name)
        raise web.HTTPSeeOther(f"/uploads/{upload.id}")

    async def plan(self, request: web.Request) -> web.StreamResponse:
        upload = self._uploads.get(request.match_info["upload"])
        if upload.job is not None:
            raise web.HTTPSeeOther(f"/jobs/{upload.job}")
        if upload.refusal is not None:
            header = upload.refusal.choices.header if upload.refusal.choices else ()
            facts: dict[str, Any] = {"upload": upload, "letters": letters(header)}
            return page("refused.html", request, facts, status=422)
        preview = await self._uploads.preview(upload)
        plan, wanted = preview.plan, request.query.get("status", "")
        text, number = request.query.get("q", "").strip(), page_number(request)
        status = Status(wanted) if wanted in set(Status) else None
        rows, more = await self._app.plans.some_rows(
            plan, status=status, to_remove=wanted == TO_REMOVE, text=text, page=number
        )
        facts = {"upload": upload, "preview": preview, "plan": plan, "counts": plan.not_sent()}
        facts |= {"rows": rows, "more": more, "page": number, "wanted": wanted, "text": text}
        facts |= {"courses": len({course for course, _ in plan.batches}), "own": person(request).name in upload.by}
        facts |= {"same": await self._app.jobs.of_plan(plan)}
        facts |= {"four_eyes": self._app.settings.four_eyes, "read_from": _read_from(plan)}
        facts |= {
            "letters": letters(plan.table.header),
            "roles": dict(zip(plan.operation.roles, plan.table.roles, strict=True)),
        }
        return page("plan.html", request, facts)

    async def plan_file(self, request: web.Request) -> web.StreamResponse:
        upload = self._uploads.get(request.match_info["upload"])
        preview = await self._uploads.preview(upload)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "plan.csv"
            await asyncio.to_thread(write_plan, path, preview.plan)
            await self._app.record(person(request).name, "plan_taken", name=upload.name, plan=preview.plan.fingerprint)
            return download(path)

    async def confirm(self, request: web.Request) -> web.StreamResponse:
        upload, form = self._uploads.get(request.match_info["upload"]), await read_form(request)
        typed = str(form.get("number", "")).strip().replace(",", "")
        number = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 9 else -1
        consent = Consent(plan_hash=str(form.get("plan", "")), number=number)
        job, _ = await confirm(self._app, self._supervisor, self._uploads, upload, consent, by=person(request).name)
        raise web.HTTPSeeOther(f"/jobs/{job}")


async def confirm(
    app: App, supervisor: JobSupervisor, uploads: Uploads, upload: Upload, consent: Consent, *, by: str
) -> tuple[str, bool]:
    """Make an upload's plan a job and start it; its id, and whether it is new. Raises ConsentMissing."""

    async def submit(preview: Preview) -> str:
        reports = private_folder(app.settings.home / "reports")
        made = await app.plans.submit(preview, consent=consent, folder=reports, prepared_by=upload.by, by=by)
        return made.id

    try:
        job, new = await uploads.confirm(upload, submit)
    except ConsentMissing as missing:
        await app.record(by, "confirmation_refused", name=upload.name, why=missing.message)
        raise
    if new:
        supervisor.start(await app.jobs.find(job), by=by)
    return job, new


def letters(header: Sequence[str]) -> list[str]:
    """The spreadsheet's names of the columns."""
    return [column_letter(column) for column in range(len(header))]


def _read_from(plan: Plan) -> list[tuple[str, str]]:
    """Which column each id is read from."""
    return [
        (role, plan.table.header[column]) for role, column in zip(plan.operation.roles, plan.table.roles, strict=True)
    ]
