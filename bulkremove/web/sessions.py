"""Sessions of users and of the start link, and the throttling of sign-ins.

All of it is in memory: a restart ends every session, and no session can be stolen from the disk.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bulkremove.app import SessionUser, Users, this_person
from bulkremove.domain.permissions import Role
from bulkremove.web.routes import Person

MAX_IDLE = 3600.0
"""Seconds without a request after which a user's session ends."""
MAX_SESSION = 12 * 3600.0
"""Seconds after which a user's session ends, even if it is in use."""
MAX_LOCAL_SESSION = 7 * 24 * 3600.0
"""Seconds after which the start link's session ends: long enough for a job of 20,000 rows, which takes half a day."""
MAX_SESSIONS = 1000
"""Open sessions; one more ends the one that was unused for longest."""


@dataclass(slots=True)
class _Session:
    known: SessionUser | None
    """None: the local user, who opened the start link."""
    began: float
    """Monotonic seconds, as is ``used``, the time of the last request."""
    used: float


class Sessions:
    """The open sessions, and the start token, which opens one session. With ``users`` there is no start token."""

    def __init__(self, people: Users, *, users: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._people = people
        self._clock = clock
        self.users = users
        self._start_token: str | None = None if users else secrets.token_urlsafe(32)
        self._sessions: dict[str, _Session] = {}

    @property
    def start_token(self) -> str | None:
        """The token of the start link; None when it was used or when users sign in."""
        return self._start_token

    def open_by_token(self, token: str) -> str | None:
        """Open a session for the start token, which becomes invalid; its key, or None for any other token."""
        expected = self._start_token
        if expected is None or not hmac.compare_digest(expected.encode(), token.encode("utf-8", "replace")):
            return None
        self._start_token = None
        return self.open(None)

    def open(self, user: SessionUser | None) -> str:
        """Open a session for a user, or for the local user (None), and return its key."""
        now = self._clock()
        self._sessions = {key: session for key, session in self._sessions.items() if self._is_alive(session)}
        if len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].used)]
        key = secrets.token_urlsafe(32)
        self._sessions[key] = _Session(user, now, now)
        return key

    async def who(self, key: str, *, watching: bool = False) -> Person | None:
        """Return the person of a session, or None if it has ended. ``watching``: do not count this as its use."""
        session = self._sessions.get(key)
        if session is None or not self._is_alive(session):
            return None
        if not watching:
            session.used = self._clock()
        if session.known is None:
            return Person(this_person(), Role.ADMIN)
        user = await self._people.refresh(session.known)
        if user is None:
            self.close(key)
            return None
        return Person(user.name, user.role)

    def close(self, key: str) -> None:
        """End a session, if there is one of that key."""
        self._sessions.pop(key, None)

    def _is_alive(self, session: _Session) -> bool:
        now = self._clock()
        if session.known is None:
            return now - session.began < MAX_LOCAL_SESSION
        return now - session.began < MAX_SESSION and now - session.used < MAX_IDLE


FREE_ATTEMPTS = 3
"""Failed sign-ins from one address before it must wait."""
MAX_WAIT = 60.0
"""Longest wait of an address after a failed sign-in, in seconds: nobody is locked out for good."""
FORGET_AFTER = 900.0
"""Seconds after its last failed sign-in at which the failures of an address may be forgotten."""
MAX_SIGN_INS_AT_ONCE = 50
"""Sign-ins in progress at the same time, at most one from each address."""
MAX_RECENT_FAILURES = 20
"""Failed sign-ins in the last minute, from all addresses, beyond which each sign-in takes a second longer."""


class SignInThrottled(Exception):
    """A sign-in was refused without a look at the password. ``seconds``: how long to wait before another try."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class SignInThrottle:
    """The throttle against password guessing, per address and in total; it runs sign-ins one at a time, in order."""

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
        """By address: the count of failed sign-ins, and the time of the last one (monotonic seconds)."""
        self._recent_failures: list[float] = []
        """Times of the last minute's failed sign-ins from all addresses."""

    async def attempt(self, source: str, sign_in: Callable[[], Awaitable[SessionUser | None]]) -> SessionUser | None:
        """Call ``sign_in`` and return its result. Raises TooSoon instead when ``source``, an IP address, must wait.

        It must wait after failed sign-ins, while it has one in progress, and while all addresses together have
        MAX_SIGN_INS_AT_ONCE in progress.
        """
        source = _throttle_key(source)
        wait = self._remaining_wait(source)
        if wait > 0 or source in self._in_progress or len(self._in_progress) >= MAX_SIGN_INS_AT_ONCE:
            raise SignInThrottled(max(wait, 1.0))
        self._in_progress.add(source)
        try:
            async with self._lock:
                self._recent_failures = [at for at in self._recent_failures if self._clock() - at < 60.0]
                if len(self._recent_failures) > MAX_RECENT_FAILURES:
                    await self._sleep(1.0)
                user = await sign_in()
        finally:
            self._in_progress.discard(source)
        if user is None:
            self._record_failure(source)
        else:
            self._failures.pop(source, None)
        return user

    def _remaining_wait(self, source: str) -> float:
        """Seconds until the address may try again; zero or less: now."""
        count, last = self._failures.get(source, (0, 0.0))
        if count < FREE_ATTEMPTS:
            return 0.0
        return min(2.0 ** min(count - FREE_ATTEMPTS, 30), MAX_WAIT) - (self._clock() - last)

    def _record_failure(self, source: str) -> None:
        now = self._clock()
        self._failures = {key: failure for key, failure in self._failures.items() if now - failure[1] < FORGET_AFTER}
        self._failures[source] = self._failures.get(source, (0, 0.0))[0] + 1, now
        self._recent_failures.append(now)


def _throttle_key(source: str) -> str:
    """Return an IPv4 address itself, and the /64 network of an IPv6 address: one client may own all of it."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source
    if address.version == 4:
        return source
    return str(ipaddress.ip_network((address, 64), strict=False))
