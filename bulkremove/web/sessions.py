"""Who has come in: the start link's one session, users' sessions, and how often a sign-in may be tried.

All in memory: a restart ends every session, and nothing here is worth stealing from a disk.
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
"""Seconds after which a user signs in again, whatever they did."""
MAX_LOCAL_SESSION = 7 * 24 * 3600.0
"""Seconds that the start link's session lasts: a job of 20,000 rows takes half a day."""
MAX_SESSIONS = 1000


@dataclass(slots=True)
class _Session:
    known: SessionUser | None
    """None: whoever sits at this machine."""
    began: float
    used: float


class Sessions:
    """One start token, good once, and all sessions. ``users``: people sign in, and there is no start token."""

    def __init__(self, people: Users, *, users: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._people = people
        self._clock = clock
        self.users = users
        self._start: str | None = None if users else secrets.token_urlsafe(32)
        self._sessions: dict[str, _Session] = {}

    @property
    def start_token(self) -> str | None:
        return self._start

    def open_by_token(self, token: str) -> str | None:
        """A new session for the start token, which is dead then; None for any other."""
        if self._start is None or not hmac.compare_digest(self._start.encode(), token.encode("utf-8", "replace")):
            return None
        self._start = None
        return self.open(None)

    def open(self, known: SessionUser | None) -> str:
        """A new session of a user who has signed in."""
        now = self._clock()
        self._sessions = {key: one for key, one in self._sessions.items() if self._alive(one)}
        if len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].used)]
        key = secrets.token_urlsafe(32)
        self._sessions[key] = _Session(known, now, now)
        return key

    async def who(self, key: str, *, watching: bool = False) -> Person | None:
        """The person of a session. ``watching``: a look that keeps nobody signed in."""
        session = self._sessions.get(key)
        if session is None or not self._alive(session):
            return None
        if not watching:
            session.used = self._clock()
        if session.known is None:
            return Person(this_person(), Role.ADMIN)
        still = await self._people.refresh(session.known)
        if still is None:
            self.close(key)
            return None
        return Person(still.name, still.role)

    def close(self, key: str) -> None:
        """End a session."""
        self._sessions.pop(key, None)

    def _alive(self, session: _Session) -> bool:
        now = self._clock()
        if session.known is None:
            return now - session.began < MAX_LOCAL_SESSION
        return now - session.began < MAX_SESSION and now - session.used < MAX_IDLE


FREE_ATTEMPTS = 3
"""Wrong passwords from one address before it must wait."""
MAX_WAIT = 60.0
"""Seconds that an address waits at most after a wrong password, so that nobody is shut out for good."""
FORGET_AFTER = 900.0
"""Seconds after which an address has a clean slate."""
MAX_SIGN_INS_AT_ONCE = 50
"""Sign-ins under way at once, one from each address."""
BUSY = 20
"""Wrong passwords in the last minute, from all addresses, beyond which each sign-in takes a second longer."""


class TooSoon(Exception):
    """This sign-in is not tried. ``seconds``: until it is worth another try."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class SignIns:
    """Slows guessing down, per address and in all. Sign-ins are taken one by one, in the order in which they came."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._one = asyncio.Lock()
        self._under_way: set[str] = set()
        self._wrong: dict[str, tuple[int, float]] = {}
        """By address: wrong passwords, and when the last one came."""
        self._lately: list[float] = []

    async def attempt(self, source: str, sign_in: Callable[[], Awaitable[SessionUser | None]]) -> SessionUser | None:
        """What ``sign_in`` gives. Raises TooSoon, without trying, when this address or everybody must wait."""
        source = _neighbourhood(source)
        wait = self._wait(source)
        if wait > 0 or source in self._under_way or len(self._under_way) >= MAX_SIGN_INS_AT_ONCE:
            raise TooSoon(max(wait, 1.0))
        self._under_way.add(source)
        try:
            async with self._one:
                self._lately = [at for at in self._lately if self._clock() - at < 60.0]
                if len(self._lately) > BUSY:
                    await self._sleep(1.0)
                known = await sign_in()
        finally:
            self._under_way.discard(source)
        if known is None:
            self._note_wrong(source)
        else:
            self._wrong.pop(source, None)
        return known

    def _wait(self, source: str) -> float:
        count, last = self._wrong.get(source, (0, 0.0))
        if count < FREE_ATTEMPTS:
            return 0.0
        return min(2.0 ** (count - FREE_ATTEMPTS), MAX_WAIT) - (self._clock() - last)

    def _note_wrong(self, source: str) -> None:
        now = self._clock()
        self._wrong = {one: found for one, found in self._wrong.items() if now - found[1] < FORGET_AFTER}
        self._wrong[source] = self._wrong.get(source, (0, 0.0))[0] + 1, now
        self._lately.append(now)


def _neighbourhood(source: str) -> str:
    """One visitor may have a whole /64 of IPv6 addresses; they count as one."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source
    if address.version == 4:
        return source
    return str(ipaddress.ip_network((address, 64), strict=False))
