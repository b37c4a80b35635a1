"""Lookups in Zoho: the ids of a file that has none, who the learners of a plan are, and the learners of batches.

They run in the background, since reads share the limit of removals and take minutes; nothing can be confirmed then.
Those of one person run one after the other, so that they take one turn of the limit and a running job has its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial

from aiohttp import web

from bulkremove.app import App
from bulkremove.app.matching import resolve
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.errors import BulkremoveError, FileRefused, PlanNotReady, ReadFailed
from bulkremove.domain.permissions import Permission
from bulkremove.web.fair_share import FairShare
from bulkremove.web.responses import while_checked
from bulkremove.web.routes import Person
from bulkremove.web.upload import MAX_UPLOADS_OF_PERSON, Lookup, RosterLookup, Upload
from bulkremove.web.uploads import Uploads

MAX_MATCHED_ROWS = 20_000
"""Rows of a file whose ids are looked up; they are kept in memory."""

MAX_ROSTER_LOOKUPS = 5
"""Lists of learners that are read for one person; the next ones wait. As many that were read are kept to be seen."""
ALL = "all"
"""In place of a batch: all batches of the course."""
MAX_BATCHES = 10
"""Batches whose learners are listed on one page, with three calls each or more."""
_Lists = tuple[str, str, str, str]
"""Whose list of learners it is: name of the person, account, course, and batch or ``ALL``."""


class Lookups:
    """The lookups of one server."""

    def __init__(self, app: App, uploads: Uploads) -> None:
        self._app, self._uploads = app, uploads
        self._tasks = set[asyncio.Task[None]]()
        self._turns = FairShare(1, waiting=MAX_UPLOADS_OF_PERSON)
        self._rosters = dict[_Lists, RosterLookup]()

    async def begin(self, upload: Upload, who: Person, *, is_asked: bool = False) -> None:
        """Begin what an upload needs, if anything: its ids, then the enrolment check. A confirmed one needs none.

        ``is_asked``: a person asks for it: for the check also if it is not known whether reads are permitted, and for
        the ids again. It ends when ``who`` may not prepare removals any more.
        """
        if is_asked and upload.may_ask_again:
            upload.refusal = upload.lookup = None
        if not _may_begin(upload):
            return
        app = self._uploads.plans.app_of(upload)
        if not upload.lacks_ids:
            if upload.check is not None:
                return
            plan = (await self._uploads.preview(upload, by=who.name)).plan
            if not plan.removals or (not is_asked and app.enrolment_checks.why_left_out(plan)):
                return
            if not _may_begin(upload):  # another request has begun it meanwhile, or confirmed the plan
                return
        upload.lookup = Lookup()
        self._start(upload.lookup, self._look_up(upload, upload.lookup, app, who, is_asked=is_asked))

    async def now(self, upload: Upload, who: Person, *, is_checked: bool) -> None:
        """Look up at once what an upload needs, for a program that asks for it. Raises what went wrong.

        ``is_checked``: it asks for the enrolment check, too.
        """
        await self.begin(upload, who, is_asked=is_checked)
        lookup = upload.lookup
        if lookup is None or lookup.task is None:
            return
        task = lookup.task
        await asyncio.wait({task})
        if task.cancelled():
            raise PlanNotReady(
                "Zoho was not asked to the end: somebody ended that on the page, or this plan is not kept any more. "
                "Nothing was sent.",
                hint="Make the plan again.",
            )
        if lookup.error is not None:
            raise lookup.error

    def leave_out(self, upload: Upload) -> None:
        """End the lookup of an upload; its plan is as it was before, or its file is refused while it has no ids."""
        if not upload.is_looked_up:
            return
        upload.end_lookup()
        upload.lookup = Lookup(is_left_out=True)
        if upload.lacks_ids:
            upload.refusal = FileRefused("Its ids were not looked up, so nobody can be removed by it.")

    async def rosters(self, who: Person, account: str, course: str, batch: str) -> RosterLookup:
        """The lookup of the learners of a batch, or of all batches of a course: that under way, or a new one.

        None that is under way is ended for another one: each open page asks for its own list every second, so pages
        would end each other's lookups and none would be shown. Where too many are under way, it waits, and begins when
        it is asked for after that; a page that was closed meanwhile takes no calls then.
        """
        key, generation = (who.name, account, course, batch), await self._app.plans.generation()
        lookup = self._rosters.get(key)
        if lookup is None or lookup.generation != generation:
            self.forget_rosters(who, account, course, batch)
            own = [other for other in self._rosters if other[0] == who.name]
            read = [other for other in own if self._rosters[other].task is None]
            if len(own) - len(read) >= MAX_ROSTER_LOOKUPS:
                return RosterLookup(generation=generation, waits_for=MAX_ROSTER_LOOKUPS)
            for oldest in read[:-MAX_ROSTER_LOOKUPS]:
                del self._rosters[oldest]
            lookup = self._rosters[key] = RosterLookup(generation=generation)
            self._start(lookup, self._look_up_rosters(lookup, who, account, course, batch))
        return lookup

    def forget_rosters(self, who: Person, account: str, course: str, batch: str) -> None:
        """End a lookup of learners, or drop what it has found once that was seen."""
        if lookup := self._rosters.pop((who.name, account, course, batch), None):
            lookup.end()

    async def close(self) -> None:
        """End all lookups."""
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, lookup: Lookup, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        lookup.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _in_turn(self, who: Person, account: str, work: Callable[[], Coroutine[object, object, None]]) -> None:
        """Do some work when it is the person's turn; it ends when they may not prepare removals any more."""

        async def check() -> None:
            if not await who.still_may(Permission.PREPARE, account):
                raise PlanNotReady(
                    f"{who.name} may not prepare removals for this account any more, so Zoho was not asked to the end."
                )

        async with self._turns.turn(who.name):
            await while_checked(check, work())

    async def _look_up_rosters(self, lookup: RosterLookup, who: Person, account: str, course: str, batch: str) -> None:
        async def read() -> None:
            async with self._app.for_account(account).listings.open(on_read=lookup.count_call) as lists:
                batches = [one.id for one in await lists.batches(course)] if batch == ALL else [batch]
                if len(batches) > MAX_BATCHES:
                    raise ReadFailed(f"This course has {len(batches)} batches. Choose one of them.")
                lookup.batches = len(batches)
                for done, one in enumerate(batches, start=1):
                    lookup.rosters += (await lists.roster(course, one),)
                    lookup.count(done)

        try:
            await self._in_turn(who, account, read)
        except (BulkremoveError, web.HTTPTooManyRequests) as error:
            lookup.error = _as_failure(error)
        finally:
            lookup.task = None

    async def _look_up(self, upload: Upload, lookup: Lookup, app: App, who: Person, *, is_asked: bool) -> None:
        try:
            ask = partial(self._ask, upload, lookup, app, by=who.name, is_asked=is_asked)
            await self._in_turn(who, upload.account, ask)
        except FileRefused as refused:
            upload.refusal = refused
        except (BulkremoveError, web.HTTPTooManyRequests) as error:
            lookup.error = failed = _as_failure(error)
            if upload.lacks_ids:
                upload.refusal = FileRefused(
                    f"Its ids could not be looked up. {failed.message}", hint=failed.hint, page_hint=failed.page_hint
                )
        finally:
            lookup.task = None

    async def _ask(self, upload: Upload, lookup: Lookup, app: App, *, by: str, is_asked: bool) -> None:
        """Ask Zoho for the ids of an upload that needs them, and for its check. Raises FileRefused and others."""
        if upload.lacks_ids:
            await self._find_ids(upload, app)
            if app.settings.enrolment_check == "never":
                return
            is_asked = upload.options.match is not None and upload.options.match.reads_rosters
        preview = await self._uploads.preview(upload, by=by)
        lookup.batches = len(preview.plan.batches)
        checked = await app.enrolment_checks.check(preview, seen=upload.seen, is_asked=is_asked, on_batch=lookup.count)
        upload.check, upload.check_note = checked.check, checked.check_note
        upload.looked_up_in = checked.generation
        self._uploads.plans.show(upload, checked)
        await self._uploads.save(upload)
        batches, mismatched = len(preview.plan.batches), checked.check.mismatched if checked.check else ()
        facts = {
            "name": upload.name,
            "batches": batches,
            "identity_mismatch": len(mismatched),
            "account": upload.account,
        }
        await self._app.record(by, AuditAct.CHECK, **facts)

    async def _find_ids(self, upload: Upload, app: App) -> None:
        """Find the ids of a file that has none, from Zoho's lists. Raises FileRefused, ReadFailed and others."""
        table = await self._uploads.plans.read_table(upload)
        if len(table) > MAX_MATCHED_ROWS:
            raise FileRefused(
                f"{upload.name} has {len(table):,} rows, and the ids of {MAX_MATCHED_ROWS:,} at most are looked up.",
                hint="Divide it into several files.",
            )
        match = upload.options.match
        assert match is not None  # noqa: S101 - narrows the type; the caller looks
        generation = await app.plans.generation()
        async with app.listings.open() as lists:
            found = await resolve(table, match, lists)
        upload.table, upload.looked_up_in = found, generation


def _as_failure(error: BulkremoveError | web.HTTPTooManyRequests) -> BulkremoveError:
    return error if isinstance(error, BulkremoveError) else ReadFailed(error.text or "")


def _may_begin(upload: Upload) -> bool:
    """Whether a lookup for an upload may begin: it is neither confirmed nor refused, and none is under way."""
    return upload.job is None and upload.refusal is None and not upload.is_looked_up
