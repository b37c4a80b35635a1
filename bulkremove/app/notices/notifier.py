"""The notifier: e-mail, Slack, Teams and the rest, through apprise. Addresses hold secrets and are never shown.

It sends one notice and says whether it left; what is told, and when it is tried again, is decided elsewhere.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from bulkremove.domain.errors import NoticeFailed, SettingsError

if TYPE_CHECKING:  # an extra, and slow to load
    from apprise import Apprise


PING_TIMEOUT = 10.0
"""Seconds."""


class Notifier:
    """Sends to all addresses (apprise URLs). ``ping_url``: a dead man's switch.

    Raises SettingsError for an address that is none, or without the extra.
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
                "Notices are set up, but what sends them is not installed.",
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
        """Send to every address. Raises NoticeFailed when one of them did not take it."""
        if self._apprise is None:
            return
        if not await self._apprise.async_notify(title=subject, body=body, attach=_there(attachment)):
            raise NoticeFailed("A notice could not be sent; it is tried again later.")

    async def ping(self, what: str) -> None:
        """Tell the dead man's switch that a nightly run begins (``/start``), ended well (nothing) or not (``/fail``).

        It is no harm when that fails: the switch then says that nobody called it.
        """
        if not self._ping_url:
            return
        import aiohttp

        limit = aiohttp.ClientTimeout(total=PING_TIMEOUT)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit, trust_env=False) as session,
                session.get(self._ping_url + what) as reply,
            ):
                reply.raise_for_status()
        except (aiohttp.ClientError, TimeoutError) as error:
            logging.getLogger(__name__).warning("The ping could not be sent (%s).", type(error).__name__)


def _there(attachment: Path | None) -> str | None:
    """A report may have been moved since; the words of the notice are worth sending without it."""
    return str(attachment) if attachment is not None and attachment.is_file() else None
