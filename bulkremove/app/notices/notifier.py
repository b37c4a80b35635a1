"""The notifier: sends to e-mail, Slack, Teams and others through apprise. Addresses hold secrets and are never shown.

It tries to send one notice; the texts and the retries are decided elsewhere.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from bulkremove.domain.errors import NoticeFailed, SettingsError

if TYPE_CHECKING:  # an optional dependency, and slow to import
    from apprise import Apprise

PING_TIMEOUT = 10.0
"""Seconds."""


class Notifier:
    """Sends notices to all addresses (apprise URLs). ``ping_url``: the URL of a dead man's switch.

    Raises SettingsError for an invalid address, or when apprise is not installed.
    """

    def __init__(self, addresses: list[str], ping_url: str = "") -> None:
        self.addresses = len(addresses)
        self._ping_url = ping_url.rstrip("/")
        self._apprise: Apprise | None = None
        if not addresses:
            return
        try:
            from apprise import Apprise
        except ImportError:
            raise SettingsError(
                "Notices are set up, but apprise, which sends them, is not installed.",
                hint='Install it with: pip install "bulkremove[notices]"',
            ) from None
        self._apprise = Apprise()
        for number, address in enumerate(addresses, start=1):
            if not self._apprise.add(address):
                raise SettingsError(
                    f"Address {number} for notices is not understood (it is not shown, since it may hold a password).",
                    hint="It must be an apprise URL, such as mailto:// or slack://.",
                )

    async def send(self, subject: str, body: str, attachment: Path | None) -> None:
        """Send to every address. Raises NoticeFailed when one of them did not accept it."""
        if self._apprise is None:
            return
        if not await self._apprise.async_notify(title=subject, body=body, attach=_existing(attachment)):
            raise NoticeFailed("A notice could not be sent; it is tried again later.")

    async def ping(self, suffix: str) -> None:
        """Ping the dead man's switch: a nightly run begins (``/start``), ended well (empty) or did not (``/fail``).

        A failed ping is only logged, since the switch raises an alarm by itself when it is not called.
        """
        if not self._ping_url:
            return
        timeout = aiohttp.ClientTimeout(total=PING_TIMEOUT)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
                session.get(self._ping_url + suffix) as reply,
            ):
                reply.raise_for_status()
        except (aiohttp.ClientError, TimeoutError) as error:
            logging.getLogger(__name__).warning("The ping could not be sent (%s).", type(error).__name__)


def _existing(attachment: Path | None) -> str | None:
    """The attachment's path; None for a report that was moved since, as the notice is sent without it then."""
    return str(attachment) if attachment is not None and attachment.is_file() else None
