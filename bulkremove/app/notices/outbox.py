"""The outbox: notices stay in the journal until they are sent; neither a kill nor a network failure loses one."""

from __future__ import annotations

from pathlib import Path

from bulkremove.app.audit_text import evidence
from bulkremove.app.context import Context
from bulkremove.app.notices.notifier import Notifier
from bulkremove.domain.clock import later
from bulkremove.domain.errors import NoticeFailed, SettingsError
from bulkremove.platform.secure_files import read_private
from bulkremove.storage.interface.records import Notice

MAX_WAIT = 3600.0
"""Seconds between two attempts to send a notice, at most."""


class Outbox:
    """The notices of one context. Of runs against a sandbox nobody is notified, and no dead man's switch is pinged."""

    def __init__(self, context: Context) -> None:
        """Raises SettingsError for an invalid address."""
        self._context, self._is_sandbox = context, context.settings.sandbox
        addresses, ping_url = ([], "") if self._is_sandbox else (_addresses(context), context.settings.ping_url)
        self.notifier = Notifier(addresses, ping_url)

    def notices(self, key: str, subject: str, body: str, attachment: Path | None = None) -> tuple[Notice, ...]:
        """The notice to be stored with other records, if anybody is notified; its text names no learner.

        ``key``: of several notices with the same key only the first is stored.
        """
        if self._is_sandbox:
            return ()
        at, path = self._context.clock.wall(), str(attachment) if attachment else None
        return (Notice(key, f"bulkremove: {subject}", body, path, at),)

    async def add(self, key: str, subject: str, body: str, attachment: Path | None = None) -> None:
        """Put a notice into the outbox."""
        if notices := self.notices(key, subject, body, attachment):
            await self._context.storage.record(*notices)

    async def send_due(self) -> int:
        """Send the notices that are due; returns how many are still unsent."""
        if self._is_sandbox:
            return 0
        nightly, clock = self._context.storage.nightly, self._context.clock
        now = clock.wall()
        chain = await evidence(self._context.storage.audit)
        for notice in await nightly.due_notices(now):
            try:
                attachment = Path(notice.attachment) if notice.attachment else None
                await self.notifier.send(notice.subject, f"{notice.body}\n\n{chain}".rstrip(), attachment)
            except NoticeFailed:
                await nightly.notice_failed(notice.key, next_at=later(now, min(60.0 * 2**notice.tries, MAX_WAIT)))
            else:
                await nightly.notice_sent(notice.key, at=clock.wall())
        return await nightly.waiting_notices()

    async def send_test(self) -> int:
        """Send a test notice; returns the number of addresses. Raises NoticeFailed, or SettingsError in a sandbox."""
        if self._is_sandbox:
            raise SettingsError(
                "Nobody is notified of runs against a sandbox, so there is nothing to test.",
                hint="Leave --sandbox out, and unset BULKREMOVE_API_URL.",
            )
        await self.notifier.send("bulkremove: a test", "If you read this, notices arrive.", None)
        return self.notifier.addresses


def _addresses(context: Context) -> list[str]:
    """Addresses from BULKREMOVE_NOTIFY, else from the private file notify.txt in the home folder, one per line."""
    text = context.environ.get("BULKREMOVE_NOTIFY") or read_private(context.settings.home / "notify.txt") or ""
    return [line.strip() for line in text.split("\n") if line.strip() and not line.strip().startswith("#")]
