"""The notifier: sends to e-mail, Slack, Teams and others through apprise. Addresses hold secrets and are never shown.

It tries to send one notice; the texts and the retries are decided elsewhere.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from bulkremove.domain.errors import NoticeFailed, SettingsError
from bulkremove.sources.command import without_secrets

if TYPE_CHECKING:  # an optional dependency, and slow to import
    from apprise import Apprise
    from apprise.result import NotifyResult

PING_TIMEOUT = 10.0
"""Seconds."""
MAX_REASON = 200
"""Characters."""
_NO_SECRETS = frozenset({"mailto", "mailtos", "from", "smtp", "mode", "insecure", "starttls", "name", "user", "pass"})
"""Words of addresses that stand in error messages too."""


class Notifier:
    """Sends notices to all addresses (apprise URLs). ``ping_url``: the URL of a dead man's switch.

    ``origin``: where the addresses stand, for messages.

    Raises SettingsError for an invalid address, or when apprise is not installed.
    """

    def __init__(self, addresses: list[str], ping_url: str = "", origin: str = "these addresses") -> None:
        self.addresses = len(addresses)
        self._ping_url = ping_url.rstrip("/")
        self._apprise: Apprise | None = None
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
        self._apprise = Apprise()
        for number, address in enumerate(addresses, start=1):
            if not self._apprise.add(address):
                raise SettingsError(
                    f"Address {number} for notices in {origin} is not understood (it is not shown, since it may hold "
                    "a password).",
                    hint="It must be an apprise URL, such as mailto:// or slack://.",
                )

    async def send(self, subject: str, body: str, attachment: Path | None) -> None:
        """Send plain text to every address. Raises NoticeFailed, with the reason, when one did not accept it."""
        if self._apprise is None:
            return
        sent = await self._apprise.async_notify(
            title=subject, body=body, attach=_existing(attachment), body_format="text", log_level=logging.DEBUG
        )
        if not sent:
            failed = [result for result in sent.results if not result]
            reasons = dict.fromkeys(reason for result in failed for reason in self._reasons(result))
            why = "; ".join(reasons) or "the reason is not known"
            raise NoticeFailed(f"A notice could not be sent: {why}.", hint="It is tried again later.")

    def _reasons(self, result: NotifyResult) -> Iterator[str]:
        """Why one address did not accept a notice, in the words of apprise's log, without what may be a secret."""
        for entry in result.logs():
            _, is_exception, reason = entry.message.partition("Socket Exception: ")
            if is_exception or entry.level in ("WARNING", "ERROR"):
                text = " ".join((reason or entry.message).split())[:MAX_REASON].rstrip(".")
                for secret in self._secrets:
                    text = text.replace(secret, "***")
                yield without_secrets(text.encode())

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
