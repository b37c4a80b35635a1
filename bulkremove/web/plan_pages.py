"""The pages from an upload to a confirmed plan: choose sheet and columns, check every row, confirm."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiohttp import web

from bulkremove.app import App, Consent, Preview
from bulkremove.app.consent import is_same_person
from bulkremove.app.job_supervisor import JobSupervisor
from bulkremove.app.matching import has_names, matches_instead
from bulkremove.app.plan_rows import filter_rows
from bulkremove.app.reenrolments import undo_text
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import Epoch
from bulkremove.domain.enrolment_check import EnrolmentCheck
from bulkremove.domain.errors import CapExceeded
from bulkremove.domain.flags import Flag
from bulkremove.domain.listing import Learner
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.domain.permissions import AccountSet, Permission
from bulkremove.domain.plan import PlannedRow
from bulkremove.domain.roster_notes import mismatch_text
from bulkremove.domain.row import Status
from bulkremove.domain.table import SANDBOX_MARK, Choices, column_letter
from bulkremove.engine.circuit_breaker import MAX_LEADING_NOT_FOUND
from bulkremove.platform.local_time import minute_in
from bulkremove.reading.chosen_rows import VALUE_WORDS
from bulkremove.reading.columns import possible_matches
from bulkremove.reading.options import Hidden, Match, ReadOptions
from bulkremove.report import write_plan
from bulkremove.web.filters import SAMPLES
from bulkremove.web.job_actions import confirm
from bulkremove.web.lookups import Lookups
from bulkremove.web.parameters import parse_time
from bulkremove.web.responses import download, page, page_number, parse_number, read_form
from bulkremove.web.routes import FILE_FORM, FORM, Route, Scope, check_permission, person
from bulkremove.web.upload import Upload, replaced_by
from bulkremove.web.uploads import Uploads

MAX_REASON_CHARACTERS = 200
MAX_MISMATCHED = 200
"""Rows of another person that a page shows with boxes to tick."""
PUT_BACK = '"Put people back" on the job\'s page'
TO_REMOVE = "remove"
"""The value of the ``status`` filter for rows that will be sent, which have no status yet."""


class PlanPages:
    """The handlers of uploads."""

    def __init__(self, app: App, supervisor: JobSupervisor, uploads: Uploads, lookups: Lookups) -> None:
        self._app, self._supervisor, self._uploads, self._lookups = app, supervisor, uploads, lookups

    def routes(self) -> list[Route]:
        """List the routes of these handlers."""
        return [
            Route("POST", "/uploads", self.upload, Scope.SOME, Permission.PREPARE, FILE_FORM),
            Route("GET", "/uploads/{upload}", self.plan, Scope.UPLOAD, Permission.LOOK),
            Route("POST", "/uploads/{upload}", self.update_options, Scope.UPLOAD, Permission.PREPARE, FORM),
            Route("GET", "/uploads/{upload}/plan.csv", self.plan_file, Scope.UPLOAD, Permission.LOOK),
            Route("GET", "/uploads/{upload}/lookup", self.lookup, Scope.UPLOAD, Permission.LOOK),
            Route("POST", "/uploads/{upload}/lookup", self.change_lookup, Scope.UPLOAD, Permission.PREPARE, FORM),
            Route("POST", "/uploads/{upload}/mismatched", self.include, Scope.UPLOAD, Permission.PREPARE, FORM),
            Route("POST", "/uploads/{upload}/confirm", self.confirm, Scope.UPLOAD, Permission.APPROVE, FORM),
            Route("POST", "/uploads/{upload}/discard", self.discard, Scope.UPLOAD, Permission.PREPARE, FORM),
        ]

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """Store the file of the upload form and redirect to its plan."""
        upload = await self._uploads.add_form_file(request)
        await self._lookups.begin(upload, person(request))
        raise web.HTTPSeeOther(f"/uploads/{upload.id}")

    async def update_options(self, request: web.Request) -> web.StreamResponse:
        """Read an upload again with the sheet, columns and hidden rows chosen in the form, and redirect to its plan."""
        upload, form = self._upload(request), await read_form(request)
        previous = upload.options if upload.refusal is None or upload.refusal.choices else ReadOptions()
        fields = {name: str(form.get(name, "")).strip() for name in ("sheet", *REMOVE_LEARNER.roles, "hidden")}
        columns = {
            role: int(fields[role])
            for role in REMOVE_LEARNER.roles
            if re.fullmatch(r"[0-9]{1,4}", fields[role], re.ASCII)
        }
        hidden = Hidden(fields["hidden"]) if fields["hidden"] in set(Hidden) else previous.hidden
        only = tuple(str(value) for name, value in form.items() if name.startswith("only") and value)
        row = str(form.get("header_row", ""))
        options = ReadOptions(
            fields["sheet"] or previous.sheet,
            columns or previous.columns,
            hidden,
            tuple(dict.fromkeys((*previous.only, *only))),
            parse_number(row, 0) if row else previous.header_row,
            match=Match(str(form["match"])) if form.get("match") in set(Match) else previous.match,
        )
        include_open = form.get("open") == "include"
        await self._uploads.read_as(upload, options, include_open=include_open, by=person(request).name)
        await self._lookups.begin(upload, person(request))
        raise web.HTTPSeeOther(f"/uploads/{upload.id}")

    async def plan(self, request: web.Request) -> web.StreamResponse:
        """Show the plan of an upload, or why the file was refused (422); redirect to the job of a confirmed one."""
        upload = self._upload(request)
        was_restored = await self._uploads.read_restored(upload, by=person(request).name)
        if upload.job is not None:
            raise web.HTTPSeeOther(f"/jobs/{upload.job}")
        if was_restored and upload.refusal is None and person(request).may(Permission.PREPARE, upload.account):
            await self._lookups.begin(upload, person(request), is_asked=upload.was_checked)
        if upload.is_looked_up:
            return page("lookup.html", request, {"upload": upload, "lookup": upload.lookup})
        if upload.refusal is not None:
            choices = upload.refusal.choices or Choices()
            header, remembered = choices.header, await self._remembered(upload, choices.header)
            context: dict[str, Any] = {
                "upload": upload,
                "chosen": remembered or choices.guesses,
                "is_remembered": bool(remembered),
                "letters": letters(header),
                "matches": possible_matches(header),
                "value_words": VALUE_WORDS,
            }
            return page("refused.html", request, context, status=422)
        preview = await self._uploads.preview(upload, by=person(request).name)
        plan, status_filter = preview.plan, request.query.get("status", "")
        text, number = request.query.get("q", "").strip(), page_number(request)
        status = Status(status_filter) if status_filter in set(Status) else None
        found, has_more = await filter_rows(
            plan, status=status, to_remove=status_filter == TO_REMOVE, text=text, page=number
        )
        rows = [row for _, row in found]
        open_in = [job for job in plan.open_in if person(request).may(Permission.LOOK, job.account)]
        roles = dict(zip(plan.operation.roles, plan.table.roles, strict=True))
        context = {"upload": upload, "preview": preview, "plan": plan, "counts": plan.not_sent()}
        context |= {"rows": rows, "more": has_more, "page": number, "wanted": status_filter, "text": text}
        context |= {"courses": len({course for course, _ in plan.batches})}
        context |= {"own": any(is_same_person(person(request).name, other) for other in upload.prepared_by)}
        context |= {"same": await self._app.jobs.of_plan(plan), "four_eyes": self._app.settings.four_eyes}
        context |= {"open_rows": sum(plan.open_in.values()), "open_in": open_in, "roles": roles}
        checks = self._uploads.plans.app_of(upload).enrolment_checks
        context |= {"check": preview.check, "mismatched": mismatched_rows(preview), "cost": checks.cost(plan)}
        context |= {"sent_mismatched": plan.sent_mismatched, "mismatch_text": mismatch_text, "most": MAX_MISMATCHED}
        context |= {"newer": replaced_by(upload, self._uploads.drafts(person(request).seen))}
        context |= {"mail": self._app.people_mail.address_of(person(request).name)}
        context |= {"leading": MAX_LEADING_NOT_FOUND}
        context |= {"is_over_cap": isinstance(preview.refusal, CapExceeded)}
        context |= {"people": people_by_row(preview, rows), "undo_text": undo_text(plan, PUT_BACK)}
        flags = preview.check.flag_texts(plan) if preview.check else []
        context |= {"flags": [(flag, text) for flag, text in flags if flag is not Flag.OTHER_EMAIL]}  # told with names
        context |= {"must_check": self._app.settings.enrolment_check == "always"}
        context |= {"may_check": plan.removals and plan.client and self._app.settings.enrolment_check != "never"}
        may_match = upload.path is not None and upload.options.match is None
        context |= {"has_names": may_match and has_names(plan)}
        context |= {"matches": matches_instead(plan.table) if may_match else []}
        samples = [plan.table.row(index).cells for index in range(min(SAMPLES, len(plan.table)))]
        context |= {"samples": samples}
        context |= {"read_from": [(role, plan.table.header[column]) for role, column in roles.items()]}
        return page("plan.html", request, context | {"letters": letters(plan.table.header)})

    async def _remembered(self, upload: Upload, header: Sequence[str]) -> Mapping[str, int]:
        """Which columns were chosen for a file with these headings before, by role; empty if none was."""
        roles = await self._app.jobs.roles_of(header, AccountSet.only(upload.account)) if header else None
        return dict(zip(REMOVE_LEARNER.roles, roles, strict=True)) if roles else {}

    async def lookup(self, request: web.Request) -> web.StreamResponse:
        """Return how far the lookup of an upload is, as a part of its page; the browser loads the page at its end."""
        upload = self._upload(request)
        here = f"/uploads/{upload.id}"
        context = {"upload": upload, "lookup": upload.lookup, "poll": f"{here}/lookup", "next": here}
        headers = {} if upload.is_looked_up else {"HX-Refresh": "true"}
        return page("_lookup.html", request, context, headers=headers)

    async def change_lookup(self, request: web.Request) -> web.StreamResponse:
        """Begin the lookup of an upload, or end it, and redirect to its page."""
        upload, form = self._upload(request), await read_form(request)
        if form.get("act") == "leave_out":
            self._lookups.leave_out(upload)
        else:
            await self._lookups.begin(upload, person(request), is_asked=True)
        raise web.HTTPSeeOther(f"/uploads/{upload.id}")

    async def include(self, request: web.Request) -> web.StreamResponse:
        """Plan the ticked rows too whose person in Zoho is another than in the file, and redirect to the plan."""
        upload, form = self._upload(request), await read_form(request)
        numbers = {parse_number(str(value), 0) for name, value in form.items() if name == "row"}
        await self._uploads.include(upload, numbers, by=person(request).name)
        raise web.HTTPSeeOther(f"/uploads/{upload.id}")

    async def plan_file(self, request: web.Request) -> web.StreamResponse:
        """Download the plan as CSV, one line for each row of the file."""
        upload = self._upload(request)
        preview = await self._uploads.preview(upload, by=person(request).name)
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"plan{f'-{SANDBOX_MARK}' if preview.plan.is_sandbox else ''}.csv"
            await asyncio.to_thread(write_plan, path, preview.plan)
            await self._app.record(
                person(request).name,
                AuditAct.PLAN_TAKEN,
                name=upload.name,
                plan=preview.plan.hash,
                account=upload.account,
            )
            return await download(path)

    async def confirm(self, request: web.Request) -> web.StreamResponse:
        """Confirm the plan of an upload and redirect to its job.

        The form has the plan's hash, the number typed, if there are doubts the number of ids in its ticked box, and
        the reason of an admin for a plan over a cap.
        """
        upload, form = self._upload(request), await read_form(request)
        number = parse_number(str(form.get("number", "")).strip().replace(",", ""), -1)
        compared = parse_number(str(form["compared"]), -1) if "compared" in form else None
        reason = " ".join(str(form.get("reason", "")).split())[:MAX_REASON_CHARACTERS]
        if reason:
            check_permission(request, Permission.EXCEED, upload.account)
        elif "reason" in form:
            raise web.HTTPBadRequest(text="Write why this plan may exceed the cap. Nothing was sent.")
        consent = Consent(
            plan_hash=str(form.get("plan", "")),
            removals=number,
            compared=compared,
            over_cap=reason,
            exceeded=str(form.get("exceeded", "")),
        )
        job_id, _ = await confirm(
            self._app,
            self._supervisor,
            self._uploads,
            upload,
            consent,
            by=person(request).name,
            expect_missing="expect_missing" in form,
            start_at=start_in(form),
            wants_mail="mail" in form,
        )
        raise web.HTTPSeeOther(f"/jobs/{job_id}")

    async def discard(self, request: web.Request) -> web.StreamResponse:
        """Delete a draft, and redirect to the start page."""
        await read_form(request)
        await self._uploads.discard(self._upload(request), by=person(request).name)
        raise web.HTTPSeeOther("/#drafts")

    def _upload(self, request: web.Request) -> Upload:
        return self._uploads.get(request.match_info["upload"], person(request).seen)


def start_in(form: Mapping[str, object]) -> Epoch | None:
    """When a job is to start, by a form: ``start_at`` in RFC 3339, which the browser adds to ``start`` in its own zone.

    Without a script only ``start`` comes, of this machine's zone; None without either. Raises HTTPBadRequest.
    """
    text, typed = str(form.get("start_at", "")), str(form.get("start", ""))
    start = parse_time(text) if text else minute_in(typed)
    if start is None and (text or typed):
        raise web.HTTPBadRequest(text="The time to start is not understood. Nothing was confirmed.")
    return start


def mismatched_rows(preview: Preview) -> list[PlannedRow]:
    """The rows of a plan whose person in Zoho is another than in the file, ``MAX_MISMATCHED`` of them at most."""
    return [preview.plan.row(index) for index in (preview.check.mismatched if preview.check else [])[:MAX_MISMATCHED]]


def people_by_row(preview: Preview, rows: Sequence[PlannedRow]) -> dict[int, tuple[Learner, tuple[Flag, ...]]]:
    """Who the learners of some rows are in Zoho, by the rows' numbers."""
    check, shown = preview.check or EnrolmentCheck(), {row.row.number for row in rows}
    numbers = preview.plan.table.numbers
    return {
        numbers[index]: (learner, check.flags.get(index, ()))
        for index, learner in check.people.items()
        if numbers[index] in shown
    }


def letters(header: Sequence[str]) -> list[str]:
    """Return the spreadsheet letters of a header's columns: A, B and so on."""
    return [column_letter(column) for column in range(len(header))]
