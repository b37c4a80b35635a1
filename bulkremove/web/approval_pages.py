"""How a plan gets to its approver: whoever prepared it asks with a comment; an approver may return it with a reason."""

from __future__ import annotations

from aiohttp import web

from bulkremove.app import App
from bulkremove.app.consent import is_same_person
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.permissions import Permission
from bulkremove.domain.plural import pluralize
from bulkremove.web.responses import read_form
from bulkremove.web.routes import FORM, Person, Route, Scope, person
from bulkremove.web.upload import Upload
from bulkremove.web.uploads import Uploads

MAX_TEXT_CHARACTERS = 500
"""Characters of a comment or a reason."""


class ApprovalPages:
    """The handlers of these forms, which stand on the page of a plan."""

    def __init__(self, app: App, uploads: Uploads) -> None:
        self._app, self._uploads = app, uploads

    def routes(self) -> list[Route]:
        """List the routes of these handlers."""
        return [
            Route("POST", "/uploads/{upload}/ask", self.ask, Scope.UPLOAD, Permission.PREPARE, FORM),
            Route("POST", "/uploads/{upload}/return", self.give_back, Scope.UPLOAD, Permission.APPROVE, FORM),
        ]

    def waiting_for(self, who: Person) -> int:
        """The number of plans that somebody else asks this person to approve."""
        return sum(
            upload.asked is not None
            and upload.returned is None
            and who.may(Permission.APPROVE, upload.account)
            and not any(is_same_person(who.name, other) for other in upload.prepared_by)
            for upload in self._uploads.drafts(who.seen)
        )

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """Ask for approval, with a comment for whoever approves."""
        upload, text = self._upload(request), await _text(request, "comment")
        by = person(request).name
        async with upload.lock:
            upload.asked, upload.returned = (by, text), None
            await self._uploads.save(upload)
        await self._app.record(by, AuditAct.APPROVAL_ASKED, name=upload.name, account=upload.account)
        approvers = [
            user.name
            for user in await self._app.users.all()
            if user.access.may(Permission.APPROVE, upload.account)
            and not any(is_same_person(user.name, other) for other in upload.prepared_by)
        ]
        await self._app.people_mail.approval_asked(
            approvers,
            by=by,
            upload=upload.id,
            source=upload.name,
            calls=pluralize(upload.removals, upload.words.noun, upload.words.nouns),
        )
        raise web.HTTPSeeOther(f"/uploads/{upload.id}")

    async def give_back(self, request: web.Request) -> web.StreamResponse:
        """Return a plan: nobody can confirm it before somebody asks again, or reads the file in another way."""
        upload, why = self._upload(request), await _text(request, "reason")
        if not why:
            raise web.HTTPBadRequest(text="Say why the plan is returned, so that it can be corrected.")
        by = person(request).name
        async with upload.lock:
            upload.returned = (by, why)
            await self._uploads.save(upload)
        await self._app.record(by, AuditAct.PLAN_RETURNED, name=upload.name, account=upload.account)
        raise web.HTTPSeeOther(f"/uploads/{upload.id}")

    def _upload(self, request: web.Request) -> Upload:
        return self._uploads.get(request.match_info["upload"], person(request).seen)


async def _text(request: web.Request, name: str) -> str:
    form = await read_form(request)
    return " ".join(str(form.get(name, "")).split())[:MAX_TEXT_CHARACTERS]
