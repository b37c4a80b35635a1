"""Mails to people of the page: whoever wants it is told when a job has ended, approvers that a plan waits for them.

Who signs in with an e-mail address has that address. What sends them is the mail server in ``mail.txt``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from importlib.util import find_spec
from urllib.parse import parse_qs, quote, urlsplit

from bulkremove.app.context import Context
from bulkremove.app.jobs import Jobs
from bulkremove.app.notices.notifier import Notifier
from bulkremove.app.notices.outbox import deliver
from bulkremove.app.repetition import repeat
from bulkremove.config import Settings
from bulkremove.domain.errors import BulkremoveError, SettingsError
from bulkremove.domain.job import EndReason, Job, JobState
from bulkremove.domain.permissions import Permission
from bulkremove.domain.plural import pluralize
from bulkremove.domain.standing import standing_of
from bulkremove.engine.progress import Stop
from bulkremove.platform.secure_files import read_private
from bulkremove.report import counts_without_zeros
from bulkremove.storage.interface.records import Notice

POLL_SECONDS = 15.0
"""Seconds between two looks for mails that are due."""
MAIL_FILE = "mail.txt"
MAIL_TO = "mail_to"
"""The option of a job that names who wants a mail at its end, separated by blanks; no user's name has one."""
_TO = "to "
"""What the outbox of a person begins with, before the address; no night has a blank in its name."""
_ADDRESS = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\"]+")
_NOT_ENDED = (JobState.STORING, JobState.SCHEDULED, JobState.READY, JobState.RUNNING)


class PeopleMail:
    """The mails of one context. Of runs against a sandbox none is sent."""

    def __init__(self, context: Context, jobs: Jobs) -> None:
        self._context, self._jobs = context, jobs

    def address_of(self, name: str) -> str:
        """The address that a person gets mails at; empty where there is none, or nothing that sends them."""
        try:
            return name if _ADDRESS.fullmatch(name) and _server(self._context.settings) else ""
        except BulkremoveError:  # the doctor says why
            return ""

    async def change(self, job_id: str, name: str, *, wanted: bool) -> None:
        """Keep whether a person wants a mail at the end of a job."""

        def changed(before: str) -> str:
            others = [other for other in before.split() if other != name]
            return " ".join([*others, name] if wanted else others)

        await self._context.storage.jobs.change_option(job_id, MAIL_TO, changed)

    async def job_ended(self, job_id: str) -> None:
        """Tell those who want it that a job has ended, or waits for a person; nothing where somebody just paused it."""
        job = await self._jobs.find(job_id)
        names = wanting(job)
        if not names or job.state in _NOT_ENDED or job.reason_code in (EndReason.PAUSED, EndReason.SERVER_STOPPED):
            return
        tally, events = await self._jobs.tally(job), await self._jobs.events(job)
        standing = standing_of(job, tally, now=self._context.clock.wall(), is_running=False)
        counts = f"{counts_without_zeros(tally).capitalize()}, of {pluralize(tally.total, 'row')}."
        texts = (standing.meaning, job.reason, counts)
        body = "\n\n".join(filter(None, (*texts, f"Job {job.id}, account {job.account}. {self._link('jobs', job.id)}")))
        names = [name for name in names if await self._may_look(name, job.account)]
        await self._add(names, f"{job.id}:{len(events)}", f"{job.source}: {standing.label.lower()}", body)

    async def approval_asked(self, names: Collection[str], *, by: str, upload: str, source: str, calls: str) -> None:
        """Tell approvers that a plan waits for them.

        ``upload``: the plan's id; ``source``: the name of its file; ``calls``: what it sends, such as ``5 removals``.
        """
        body = f"The plan has {calls}. Nothing is sent before somebody confirms it. {self._link('uploads', upload)}"
        at = self._context.clock.wall()
        await self._add(names, f"{upload}:{at}", f"{by} asks you to approve {source}", body)

    async def run(self, stop: Stop) -> None:
        """Send each mail when it is due, until stopped."""
        await repeat(self.send_due, "Sending mails", every=POLL_SECONDS, stop=stop, clock=self._context.clock)

    async def send_due(self) -> str:
        """Send what is due; why something could not be sent, in a sentence, else empty. Raises BulkremoveError."""
        server, failures = _server(self._context.settings), list[str]()
        if not server:
            return ""
        for outbox in await self._context.storage.nightly.waiting_notices():
            if outbox.startswith(_TO):
                notifier = Notifier([_to(server, outbox.removeprefix(_TO))], origin=MAIL_FILE)
                failures.append(await deliver(self._context, outbox, notifier))
        return next(filter(None, failures), "")

    async def _may_look(self, name: str, account: str) -> bool:
        """Whether a person may still see this account's jobs; of those who come through a proxy it is not known."""
        if self._context.settings.auth_header:
            return True
        users = {user.name: user.access for user in await self._context.storage.users.users()}
        return name in users and users[name].may(Permission.LOOK, account)

    async def _add(self, names: Collection[str], key: str, subject: str, body: str) -> None:
        at, subject = self._context.clock.wall(), "".join(c if c.isprintable() else " " for c in subject)
        addresses = dict.fromkeys(filter(None, map(self.address_of, names)))
        notices = [Notice(key, f"bulkremove: {subject}", body, None, at, _TO + address) for address in addresses]
        if notices:
            await self._context.storage.record(*notices)

    def _link(self, *parts: str) -> str:
        hosts = self._context.settings.allowed_hosts
        return f"https://{'/'.join((hosts[0], *parts))}" if hosts else ""


def check_mail_server(settings: Settings) -> bool:
    """Check that mails can be sent; whether they are set up. Raises LocalFileFailed or SettingsError."""
    server = _server(settings)
    Notifier([_to(server, "nobody@example.com")] if server else [], origin=MAIL_FILE)
    return bool(server)


def _server(settings: Settings) -> str:
    """The apprise URL that mails are sent by; empty without one, and in a sandbox.

    Raises LocalFileFailed or SettingsError.
    """
    text = "" if settings.is_sandbox else (read_private(settings.home / MAIL_FILE) or "").strip()
    if not text:
        return ""
    parts = urlsplit(text)
    if parts.scheme not in ("mailto", "mailtos") or "to" in parse_qs(parts.query) or len(text.split()) > 1:
        raise SettingsError(
            f"{MAIL_FILE} is not understood (it is not shown, since it may hold a password).",
            hint="It must be one line, mailtos://USER:PASSWORD@HOST?from=ADDRESS, without a receiver.",
        )
    if find_spec("apprise") is None:
        raise SettingsError(
            "Mails are set up, but apprise, which sends them, is not installed.",
            hint='Install it with: pip install "bulkremove[notices]"',
        )
    return text


def wanting(job: Job) -> list[str]:
    """Who wants a mail at the end of a job."""
    return job.options.get(MAIL_TO, "").split()


def _to(server: str, address: str) -> str:
    return f"{server}{'&' if '?' in server else '?'}to={quote(address)}"
