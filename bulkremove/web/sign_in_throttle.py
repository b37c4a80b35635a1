"""The throttle of sign-ins against password guessing, which keeps nobody with the right password out for long.

It is in memory: a restart forgets failures.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path

from bulkremove.app import SessionUser
from bulkremove.platform.secure_files import read_private, write_private

FREE_ATTEMPTS = 3
"""Failed sign-ins from one source before it must wait."""
MAX_WAIT_SECONDS = 60.0
"""Longest wait of a source after a failed sign-in, in seconds: nobody is locked out for good."""
FORGET_AFTER_SECONDS = 900.0
"""Seconds after its last failed sign-in at which the failures of a source may be forgotten."""
MAX_SIGN_INS_AT_ONCE = 50
"""Sign-ins of unknown browsers in progress at the same time, at most one from each address."""
MAX_RECENT_FAILURES = 20
"""Failed sign-ins of the last minute, from all addresses, beyond which that of an unknown browser takes longer."""
IPV6_PREFIX = 48
"""Bits of an IPv6 address that one site shares; one visitor may use all of it."""


class SignInThrottled(Exception):
    """A sign-in was refused without a look at the password. ``seconds``: how long to wait before another try."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class SignInThrottle:
    """The throttle, per source and in total. Unknown browsers sign in one at a time, in order."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = asyncio.Lock()
        self._in_progress: set[str] = set()
        self._failures: dict[str, tuple[int, float]] = {}
        """By source: the count of failed sign-ins, and the time of the last one (monotonic seconds)."""
        self._recent_failures: list[float] = []
        """Times of the last minute's failed sign-ins of unknown browsers."""

    async def attempt(
        self, source: str, sign_in: Callable[[], Awaitable[SessionUser | None]], *, browser: str = ""
    ) -> SessionUser | None:
        """Call ``sign_in`` and return its result. Raises SignInThrottled instead when its source must wait.

        ``source``: an IP address. ``browser``: a text for user and browser, if this user has signed in on it before;
        it stands for the source then, and does not wait for what strangers do. A source waits after failed sign-ins and
        while it has one in progress; unknown browsers also while there are MAX_SIGN_INS_AT_ONCE.
        """
        source = f"browser {browser}" if browser else _network(source)
        is_full = not browser and len(self._in_progress) >= MAX_SIGN_INS_AT_ONCE
        if (wait := self._remaining_wait(source)) > 0 or source in self._in_progress or is_full:
            raise SignInThrottled(max(wait, 1.0))
        self._in_progress.add(source)
        try:
            async with nullcontext() if browser else self._lock:
                if not browser:
                    await self._slow_down()
                user = await sign_in()
        finally:
            self._in_progress.discard(source)
        if user is not None:
            self._failures.pop(source, None)
        else:
            self._record_failure(source)
            if not browser:
                self._recent_failures.append(self._clock())
        return user

    async def _slow_down(self) -> None:
        """Wait a second while many sign-ins have failed of late."""
        self._recent_failures = [at for at in self._recent_failures if self._clock() - at < 60.0]
        if len(self._recent_failures) > MAX_RECENT_FAILURES:
            await self._sleep(1.0)

    def _remaining_wait(self, source: str) -> float:
        """Seconds until the source may try again; zero or less: now."""
        count, last_failure_at = self._failures.get(source, (0, 0.0))
        if count < FREE_ATTEMPTS:
            return 0.0
        return min(2.0 ** min(count - FREE_ATTEMPTS, 30), MAX_WAIT_SECONDS) - (self._clock() - last_failure_at)

    def _record_failure(self, source: str) -> None:
        now = self._clock()
        self._failures = {
            key: failure for key, failure in self._failures.items() if now - failure[1] < FORGET_AFTER_SECONDS
        }
        self._failures[source] = self._failures.get(source, (0, 0.0))[0] + 1, now


class KnownBrowsers:
    """Marks browsers on which a user has signed in, with a cookie that only this home folder's key makes."""

    def __init__(self, home: Path) -> None:
        self._path = home / "browsers.key"
        self._key: bytes | None = None

    def make_cookie(self, user: str) -> str:
        """Return a new cookie value for a browser on which the user has signed in. Raises LocalFileFailed."""
        nonce = secrets.token_urlsafe(16)
        return f"{nonce}.{self._digest(user, nonce)}"

    def is_valid(self, user: str, cookie: str) -> bool:
        """Whether the cookie was made for this user. Raises LocalFileFailed."""
        nonce, _, digest = cookie.partition(".")
        return bool(digest) and hmac.compare_digest(
            self._digest(user, nonce).encode(), digest.encode("utf-8", "replace")
        )

    def _digest(self, user: str, nonce: str) -> str:
        if self._key is None:
            text = read_private(self._path)
            if not text:
                text = secrets.token_hex(32)
                write_private(self._path, text)
            self._key = text.encode()
        return hmac.new(self._key, f"{nonce} {user.lower()}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _network(source: str) -> str:
    """Return an IPv4 address itself, and the network of an IPv6 address that one visitor may own."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source
    if address.version == 4:
        return source
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
