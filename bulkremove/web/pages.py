"""What each address answers: a use case of the app in, a page out."""

from __future__ import annotations

import asyncio
import itertools
import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp_jinja2 import render_string, render_template
from aiohttp_sse import sse_response

from bulkremove.app import App, Consent
from bulkremove.app.desk import Desk
from bulkremove.errors import BulkremoveError, ConsentMissing, FileRefused
from bulkremove.model import JobState, Status
from bulkremove.reading import Hidden, ReadOptions, parse_columns
from bulkremove.report import first_line, write_plan
from bulkremove.web.gates import COOKIE, SESSION_HOURS, Sessions
from bulkremove.web.uploads import Upload, Uploads

ROWS = 50
"""Rows of one page of a table."""
EVERY = 0.5
"""Seconds between two looks at a job under way."""
TEMPLATE = Path(__file__).parent / "static" / "template.csv"


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever went wrong, as a page that says what happened and what to do; never a traceback."""
    try:
        return await handler(request)
    except web.HTTPRedirection:
        raise
    except web.HTTPException as error:
        message, status = error.text or error.reason, error.status
    except BulkremoveError as refused:
        message, status = str(refused), 409 if isinstance(refused, ConsentMissing) else 400
    except TimeoutError:
        message, status = "That took too long and was given up. Try again.", 408
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception as error:
        logging.getLogger(__name__).debug("%s", type(error).__name__, exc_info=error)  # --debug shows it
        message, status = "Something unexpected happened. Nothing was sent because of it; go back and try again.", 500
    if request.path == "/start" or status in (403, 421):
        return web.Response(text=message, status=status)
    return render_template("error.html", request, {"message": message}, status=status)


class Pages:
    """The pages of one app and its desk."""

    def __init__(self, app: App, desk: Desk, uploads: Uploads, sessions: Sessions) -> None:
        self._app, self._desk, self._uploads, self._sessions = app, desk, uploads, sessions
        self._shown: dict[str, tuple[float, bool, dict[str, str]]] = {}
        """By job: when its live parts were made (loop time), whether it ran then, and the parts."""

    def add_to(self, router: web.UrlDispatcher) -> None:
        """All addresses."""
        for path, page in (
            ("/", self.home),
            ("/start", self.start),
            ("/uploads/{upload}", self.preview),
            ("/uploads/{upload}/plan.csv", self.plan),
            ("/jobs/{job}", self.job),
            ("/jobs/{job}/events", self.events),
            ("/jobs/{job}/report.{ending:csv|xlsx}", self.report),
            ("/jobs/{job}/retry.csv", self.retry_file),
        ):
            router.add_get(path, page, allow_head=False)
        for path, act in (
            ("/uploads", self.upload),
            ("/uploads/{upload}", self.read_again),
            ("/uploads/{upload}/confirm", self.confirm),
            ("/jobs/{job}/pause", self.pause),
            ("/jobs/{job}/resume", self.resume),
            ("/jobs/{job}/cancel", self.cancel),
            ("/jobs/{job}/retry", self.retry),
        ):
            router.add_post(path, act)

    # In

    async def start(self, request: web.Request) -> web.StreamResponse:
        session = self._sessions.open(request.query.get("token", ""))
        if session is None:
            raise web.HTTPForbidden(text="This link was used already. Start `bulkremove serve` again for a new one.")
        found = web.HTTPSeeOther("/")
        found.set_cookie(COOKIE, session, max_age=int(SESSION_HOURS * 3600), httponly=True, samesite="Strict", path="/")
        raise found

    async def home(self, request: web.Request) -> web.StreamResponse:
        try:
            allowance, trouble = self._app.allowance(), ""
        except BulkremoveError as error:
            allowance, trouble = None, str(error)
        jobs = [(job, self._app.tally(job)) for job in self._app.jobs()[:50]]
        return self._page("home.html", request, allowance=allowance, trouble=trouble, jobs=jobs)

    # From a file to a plan

    async def upload(self, request: web.Request) -> web.StreamResponse:
        upload = await self._uploads.receive(request)
        await self._read(upload)
        raise web.HTTPSeeOther(f"/uploads/{upload.id}")

    async def read_again(self, request: web.Request) -> web.StreamResponse:
        upload, form = self._upload(request), await request.post()
        said = {name: str(form.get(name, "")).strip() for name in ("sheet", "course", "batch", "learner", "hidden")}
        columns = ",".join(f"{role}={said[role]}" for role in ("course", "batch", "learner") if said[role])
        hidden = Hidden(said["hidden"]) if said["hidden"] in set(Hidden) else Hidden.REFUSE
        upload.options = ReadOptions(said["sheet"] or None, parse_columns(columns) if columns else {}, hidden)
        await self._read(upload)
        raise web.HTTPSeeOther(f"/uploads/{upload.id}")

    async def _read(self, upload: Upload) -> None:
        upload.preview = upload.refusal = None
        try:
            upload.preview = await self._app.preview_apart(upload.path, name=upload.name, options=upload.options)
        except FileRefused as refused:
            upload.refusal = refused

    async def preview(self, request: web.Request) -> web.StreamResponse:
        upload = self._upload(request)
        if upload.preview is None:
            return self._page("refused.html", request, upload=upload, hidden=list(Hidden), status=422)
        plan = upload.preview.plan
        wanted, text = request.query.get("status", ""), request.query.get("q", "").strip().lower()
        place = request.query.get("page", "1")
        page = max(1, int(place)) if place.isascii() and place.isdigit() and len(place) < 9 else 1
        found = (
            row
            for row in plan.rows()
            if (not wanted or wanted == (row.exclusion.status.value if row.exclusion else "remove"))
            and (not text or any(text in cell.lower() for cell in row.row.cells))
        )
        rows = list(itertools.islice(found, (page - 1) * ROWS, page * ROWS + 1))
        counts = dict.fromkeys((Status.DUPLICATE, Status.INVALID, Status.DONE_BEFORE), 0)
        for exclusion in plan.excluded.values():
            counts[exclusion.status] += 1
        courses: dict[str, int] = {}
        for (course, _), number in plan.batches.items():
            courses[course] = courses.get(course, 0) + number
        facts: dict[str, Any] = {"rows": rows[:ROWS], "more": len(rows) > ROWS, "page": page}
        facts |= {"wanted": wanted, "text": text}
        return self._page("preview.html", request, upload=upload, plan=plan, counts=counts, courses=courses, **facts)

    async def plan(self, request: web.Request) -> web.StreamResponse:
        upload = self._upload(request)
        if upload.preview is None:
            raise web.HTTPNotFound(text="This file was refused, so there is no plan.")
        with TemporaryDirectory() as folder:
            path = Path(folder) / "plan.csv"
            write_plan(path, upload.preview.plan)
            return _download(path, "plan.csv")

    async def confirm(self, request: web.Request) -> web.StreamResponse:
        upload, form = self._upload(request), await request.post()
        if upload.job is None:
            if upload.preview is None:
                raise web.HTTPConflict(text="This file was refused, so there is nothing to confirm.")
            plan, typed = upload.preview.plan, str(form.get("number", "")).strip().replace(",", "")
            if str(form.get("plan", "")) != plan.fingerprint:
                raise ConsentMissing("This is not the plan that was shown. Nothing was sent.", hint="Look at it again.")
            number = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 9 else -1
            reports = self._app.settings.home / "reports"
            reports.mkdir(mode=0o700, exist_ok=True)
            upload.job = self._app.submit(upload.preview, consent=Consent(number=number), folder=reports).id
            self._uploads.discard(upload)
            self._desk.start(upload.job)
        raise web.HTTPSeeOther(f"/jobs/{upload.job}")

    # A job

    async def job(self, request: web.Request) -> web.StreamResponse:
        return self._page("job.html", request, **self._job_facts(request.match_info["job"]))

    async def events(self, request: web.Request) -> web.StreamResponse:
        job_id, told = self._app.job(request.match_info["job"]).id, {"panel": "", "controls": ""}
        async with sse_response(request) as stream:
            while stream.is_connected():
                running, parts = self._parts(request, job_id)
                for event, part in parts.items():
                    if part != told[event]:
                        told[event] = part
                        await stream.send(part, event=event)
                if not running:
                    await stream.send("", event="done")
                    break
                await asyncio.sleep(EVERY)
        return stream

    def _parts(self, request: web.Request, job_id: str) -> tuple[bool, dict[str, str]]:
        """Whether the job runs, and the live parts of its page; made once for all who watch."""
        now = asyncio.get_running_loop().time()
        at, running, parts = self._shown.get(job_id, (-EVERY, False, {}))
        if now - at >= EVERY / 2:
            facts = self._job_facts(job_id)
            running = facts["running"] is not None
            parts = {
                event: render_string(template, request, facts).replace("\n", " ")
                for event, template in (("panel", "_job.html"), ("controls", "_controls.html"))
            }
            self._shown = {job_id: (now, running, parts)} if len(self._shown) > 20 else self._shown
            self._shown[job_id] = now, running, parts
        return running, parts

    def _job_facts(self, job_id: str) -> dict[str, Any]:
        app, job = self._app, self._app.job(job_id)
        running = self._desk.running(job.id)
        progress = running.progress if running else None
        tally = progress.tally if progress else app.tally(job)
        unknown = []
        if running is None and tally[Status.UNKNOWN]:
            unknown = [one for one in app.outcomes(job) if one.status is Status.UNKNOWN][:200]
        wait = None
        if progress and progress.waiting and progress.until is not None:
            rest = max(0.0, progress.until - app.clock.monotonic()) / app.speed
            wait = (progress.waiting.value, rest, app.clock.wall() + rest)
        return {
            "job": job,
            "tally": tally,
            "running": running,
            "wait": wait,
            "eta": progress.eta / app.speed if progress else None,
            "events_told": app.events(job),
            "summary": app.summary(job),
            "warning": first_line(job, tally) if running is None else None,
            "unknown": unknown,
            "trouble": self._desk.trouble.get(job.id, ""),
            "over": not job.state.resumable,
            "paused": running is None and job.state in (JobState.PAUSED, JobState.READY, JobState.RUNNING),
        }

    async def report(self, request: web.Request) -> web.StreamResponse:
        job, ending = self._app.job(request.match_info["job"]), request.match_info["ending"]
        with TemporaryDirectory() as folder:
            path = self._app.report(job.id, Path(folder) / f"{job.id}-report.{ending}")
            return _download(path, path.name)

    async def retry_file(self, request: web.Request) -> web.StreamResponse:
        job = self._app.job(request.match_info["job"])
        with TemporaryDirectory() as folder:
            path = self._app.retry_file(job.id, Path(folder) / f"{job.id}-retry.csv")
            if path is None:
                raise web.HTTPNotFound(text="No row of this job is worth another try.")
            return _download(path, path.name)

    async def pause(self, request: web.Request) -> web.StreamResponse:
        job = self._app.job(request.match_info["job"])
        await self._desk.pause(job.id, why="Paused on the page.")
        raise web.HTTPSeeOther(f"/jobs/{job.id}")

    async def resume(self, request: web.Request) -> web.StreamResponse:
        job = self._app.job(request.match_info["job"])
        if not job.state.resumable:
            raise ConsentMissing(f"Job {job.id} is {job.state.value}; nothing is left to resume.")
        self._desk.start(job.id)
        raise web.HTTPSeeOther(f"/jobs/{job.id}")

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        job = self._app.job(request.match_info["job"])
        await self._desk.cancel(job.id)
        raise web.HTTPSeeOther(f"/jobs/{job.id}")

    async def retry(self, request: web.Request) -> web.StreamResponse:
        """Show the plan of what a job did not send, like that of an upload; it is confirmed in the same way."""
        job, form = self._app.job(request.match_info["job"]), await request.post()
        shown = self._app.retry(job.id, unknown_checked=form.get("unknown") == "checked")
        upload = self._uploads.of_preview(shown, name=job.source)
        raise web.HTTPSeeOther(f"/uploads/{upload.id}")

    # Inside

    def _upload(self, request: web.Request) -> Upload:
        return self._uploads.get(request.match_info["upload"])

    def _page(self, template: str, request: web.Request, *, status: int = 200, **facts: Any) -> web.Response:
        return render_template(template, request, facts, status=status)


def _download(path: Path, name: str) -> web.Response:
    kind = "text/csv" if path.suffix == ".csv" else "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(body=path.read_bytes(), content_type=kind, headers=headers)
