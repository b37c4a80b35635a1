"""The outbox: notices stay in the journal until they are sent; neither a kill nor a network failure loses one."""

from __future__ import annotations

import asyncio
import logging
import platform
from contextlib import suppress
from pathlib import Path

from bulkremove.app.audit_text import evidence
from bulkremove.app.context import Context
from bulkremove.app.notices.notifier import Notifier
from bulkremove.domain.clock import later
from bulkremove.domain.command_text import located
from bulkremove.domain.errors import BulkremoveError, JobBusy, NoticeFailed, SettingsError
from bulkremove.platform.secure_files import read_private
from bulkremove.storage.interface.claims import ClaimKind
from bulkremove.storage.interface.records import Notice

NOTIFY_FILE = "notify.txt"
MAX_AT_ONCE = 8
"""Notices that are sent at the same time."""
MAX_RETRY_WAIT_SECONDS = 3600.0
"""Seconds between two attempts to send a notice, at most."""


class Outbox:
    """The notices of the night that a context is for.

    Of runs against a sandbox nobody is notified, and no dead man's switch is pinged.
    """

    TEST = "a test. Nothing to do", "If you read this, notices arrive."
    """Subject and text of a test notice."""

    def __init__(self, context: Context) -> None:
        self._context, self._is_sandbox, self._night = context, context.settings.is_sandbox, context.night
        self.failure: BulkremoveError | None = None
        """Why the addresses can't be used; the notices wait then."""
        ping_url = "" if self._is_sandbox else self._night.ping_url
        try:
            addresses, origin = ([], "") if self._is_sandbox else _addresses(context)
            self.notifier = Notifier(addresses, ping_url, origin)
        except BulkremoveError as error:
            self.failure, self.notifier = error, Notifier([], ping_url)

    def notices(self, key: str, subject: str, body: str, attachment: Path | None = None) -> tuple[Notice, ...]:
        """The notice to be stored with other records, if anybody is notified; its text names no learner.

        ``key``: of several notices with the same key only the first is stored. ``subject``: what happened and what to
        do; machine, account and night are named before it. Commands in ``body`` can be copied as they are sent.
        """
        if self._is_sandbox:
            return ()
        at, path = self._context.clock.wall(), str(attachment) if attachment else None
        where = f"bulkremove on {platform.node()}, account {self._context.settings.account}, night {self._night.name}"
        subject = "".join(c if c.isprintable() else " " for c in f"{where}: {subject}")
        body = located(body, self._context.settings.location)
        return (Notice(key, subject, body, path, at, self._night.name),)

    async def add(self, key: str, subject: str, body: str, attachment: Path | None = None) -> None:
        """Put a notice into the outbox."""
        if notices := self.notices(key, subject, body, attachment):
            await self._context.storage.record(*notices)

    async def send_due(self) -> str:
        """Send the notices that are due, several at a time; why one could not be sent, in a sentence, else empty.

        Without addresses none is sent, nor marked as sent.
        """
        if self._is_sandbox or self.why_silent():
            return str(self.failure or "")
        chain = await evidence(self._context.storage.audit)
        return await deliver(self._context, self._night.name, self.notifier, end=chain)

    def why_silent(self) -> str:
        """Why nobody is notified, in a sentence; empty when there are addresses."""
        if self.failure is not None:
            return str(self.failure)
        if self.notifier.addresses:
            return ""
        if self._is_sandbox:
            return "Nobody is notified of runs against a sandbox."
        where = "" if self._night.notify else ", or set BULKREMOVE_NOTIFY"
        return (
            f"Nobody is notified, since there are no addresses. Write apprise URLs to {_file(self._context)} (chmod "
            f"600), one a line{where}."
        )

    async def send_now(self, subject: str, body: str) -> int:
        """Send a notice at once, without keeping it; returns the number of addresses.

        Raises NoticeFailed, SettingsError (also in a sandbox) or LocalFileFailed.
        """
        if self._is_sandbox:
            raise SettingsError(
                "Nobody is notified of runs against a sandbox, so there is nothing to test.",
                hint="Leave --sandbox out, and unset BULKREMOVE_API_URL.",
            )
        if self.failure is not None:
            raise self.failure
        (notice,) = self.notices("now", subject, body)
        _, failure = await self.notifier.send(notice.subject, notice.body, None)
        if failure:
            raise NoticeFailed(failure)
        return self.notifier.addresses


async def deliver(context: Context, night: str, notifier: Notifier, *, end: str = "") -> str:
    """Send the notices of a night or a person that are due; why one could not be sent, in a sentence, else empty.

    ``end``: a last paragraph of each.
    """
    nightly, clock = context.storage.nightly, context.clock
    failures, at_once = list[str](), asyncio.Semaphore(MAX_AT_ONCE)

    async def send(notice: Notice) -> None:
        async with at_once:
            attachment = Path(notice.attachment) if notice.attachment else None
            body = f"{notice.body}\n\n{end}".rstrip()
            had, failure = await notifier.send(notice.subject, body, attachment, had=notice.had.split())
            if failure:
                failures.append(failure)
                wait = min(60.0 * 2**notice.tries, MAX_RETRY_WAIT_SECONDS)
                await nightly.notice_failed(notice, had=" ".join(had), next_at=later(clock.wall(), wait))
            else:
                await nightly.notice_sent(notice, at=clock.wall())

    with suppress(JobBusy):  # another process sends them right now
        async with context.storage.claims.hold(ClaimKind.NOTICES.of(night)):
            await asyncio.gather(*map(send, await nightly.due_notices(clock.wall(), night=night)))
    if failures:
        logging.getLogger(__name__).warning("%s", failures[0])
    return failures[0] if failures else ""


def _addresses(context: Context) -> tuple[list[str], str]:
    """The night's addresses, one a line, and where they stand: its own file, else BULKREMOVE_NOTIFY, else notify.txt.

    Each file is private. Raises LocalFileFailed.
    """
    path, text = _file(context), "" if context.night.notify else context.environ.get("BULKREMOVE_NOTIFY")
    lines = (text or read_private(path) or "").split("\n")
    return [
        line.strip() for line in lines if line.strip() and not line.strip().startswith("#")
    ], "BULKREMOVE_NOTIFY" if text else str(path)


def _file(context: Context) -> Path:
    return context.settings.home / Path(context.night.notify or NOTIFY_FILE).expanduser()
