"""The notifier: sends to e-mail, Slack, Teams and others through apprise. Addresses hold secrets and are never shown.

It tries to send one notice; the texts and the retries are decided elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from bulkremove.domain.errors import SettingsError
from bulkremove.sources.command import without_secrets

if TYPE_CHECKING:  # an optional dependency, and slow to import
    from apprise import Apprise
    from apprise.result import NotifyResult

PING_TIMEOUT_SECONDS = 10.0
"""Seconds."""
MAX_REASON_CHARACTERS = 200
"""Characters."""
_NO_SECRETS = frozenset({"mailto", "mailtos", "from", "smtp", "mode", "insecure", "starttls", "name", "user", "pass"})
"""Words of addresses that occur in error messages too."""


class Notifier:
    """Sends notices to all addresses (apprise URLs). ``ping_url``: the URL of a dead man's switch.

    ``origin``: where the addresses stand, for messages.

    Raises SettingsError for an invalid address, or when apprise is not installed.
    """

    def __init__(self, addresses: list[str], ping_url: str = "", origin: str = "these addresses") -> None:
        self._addresses = addresses
        self._ping_url = ping_url.rstrip("/")
        self._services: dict[str, Apprise] = {}
        # Words of an address that may be secrets; a host's name is none, and tells which address has failed.
        words = [word for address in addresses for word in re.split(r"[/:@?&=,]+", address)]
        self._secrets = sorted({w for w in words if len(w) > 3 and "." not in w and w not in _NO_SECRETS}, key=len)[
            ::-1
        ]
        if not addresses:
            return
        logger = logging.getLogger("apprise")  # a failure's reason is known to its log alone, which shows addresses
        logger.propagate = False
        logger.setLevel(logging.DEBUG)
        try:
            from apprise import Apprise
        except ImportError:
            raise SettingsError(
                "Notices are set up, but apprise, which sends them, is not installed.",
                hint='Install it with: pip install "bulkremove[notices]"',
            ) from None
        for number, address in enumerate(addresses, start=1):
            self._services[_mark(address)] = service = Apprise()
            if not service.add(address):
                raise SettingsError(
                    f"Address {number} for notices in {origin} is not understood (it is not shown, since it may hold "
                    "a password).",
                    hint="It must be an apprise URL, such as mailto:// or slack://.",
                )

    async def send(
        self, subject: str, body: str, attachment: Path | None, *, had: Collection[str] = ()
    ) -> tuple[list[str], str]:
        """Send plain text to every address whose mark is not among those that ``had`` it already.

        Returns the marks of all that have it now, and why others have not, in a sentence; empty if all have it.
        """
        left = {mark: service for mark, service in self._services.items() if mark not in had}
        failed = await asyncio.gather(*(self._send_to(one, subject, body, attachment) for one in left.values()))
        reasons = dict.fromkeys(reason for found in failed for reason in found)
        have_it = [*had, *(mark for mark, found in zip(left, failed, strict=True) if not found)]
        return have_it, f"A notice could not be sent: {'; '.join(reasons)}." if reasons else ""

    async def _send_to(self, service: Apprise, subject: str, body: str, attachment: Path | None) -> list[str]:
        """Send to one address; why it did not accept the notice, empty if it did."""
        sent = await service.async_notify(
            title=subject, body=body, attach=_existing(attachment), body_format="text", log_level=logging.DEBUG
        )
        if sent:
            return []
        reasons = [reason for result in sent.results if not result for reason in self._reasons(result)]
        return reasons or ["the reason is not known"]

    def _reasons(self, result: NotifyResult) -> Iterator[str]:
        """Why one address did not accept a notice, in the words of apprise's log, without what may be a secret."""
        for entry in result.logs():
            _, is_exception, reason = entry.message.partition("Socket Exception: ")
            if is_exception or entry.level in ("WARNING", "ERROR"):
                text = " ".join((reason or entry.message).split())[:MAX_REASON_CHARACTERS].rstrip(".")
                for secret in self._secrets:
                    text = text.replace(secret, "***")
                yield without_secrets(text.encode())

    @property
    def addresses(self) -> int:
        """The number of addresses."""
        return len(self._addresses)

    async def ping(self, suffix: str) -> None:
        """Ping the dead man's switch: a nightly run begins (``/start``), ended well (empty) or did not (``/fail``).

        A failed ping is only logged, since the switch raises an alarm by itself when it is not called.
        """
        if not self._ping_url:
            return
        timeout = aiohttp.ClientTimeout(total=PING_TIMEOUT_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
                session.get(self._ping_url + suffix) as reply,
            ):
                reply.raise_for_status()
        except (aiohttp.ClientError, TimeoutError) as error:
            logging.getLogger(__name__).warning("The ping could not be sent (%s).", type(error).__name__)


def _mark(address: str) -> str:
    """What tells an address from others without showing it."""
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def _existing(attachment: Path | None) -> str | None:
    """The attachment's path; None for a report that was moved since, as the notice is sent without it then."""
    return str(attachment) if attachment is not None and attachment.is_file() else None
