"""Sessions of users and of the start link, by digests of their keys: no session can be stolen from the disk.

A restart ends the sessions of users; those of the local user outlive it (``LocalSessions``).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from bulkremove.app import SessionUser, Users, this_person
from bulkremove.domain.clock import Epoch
from bulkremove.domain.permissions import Access, Role
from bulkremove.web.local_sessions import LINK_FILE, LocalSessions
from bulkremove.web.routes import Person

SIGNED_OUT = (
    f"You are signed out. Open the link that bulkremove printed when it was started; it stands in the file {LINK_FILE} "
    "of its home folder, too. A link is good once."
)
"""What the local user is told."""
MAX_IDLE_SECONDS = 3600.0
"""Seconds without a request after which a user's session ends."""
MAX_SESSION_SECONDS = 12 * 3600.0
"""Seconds after which a user's session ends, even if it is in use."""
MAX_LOCAL_SESSION_SECONDS = 7 * 24 * 3600.0
"""Seconds after which the start link's session ends: long enough for a job of 20,000 rows, which takes half a day."""
MAX_BROWSER_LENGTH = 100
"""Characters of a browser's name that are stored."""
MAX_SESSIONS = 1000
"""Open sessions; one more ends the one that was unused for longest."""


@dataclass(slots=True)
class _Session:
    session_user: SessionUser | None
    """None: the local user, who opened the start link."""
    opened_at: float
    """Monotonic seconds, as is ``last_used_at``, the time of the last request."""
    last_used_at: float
    source: str = ""
    browser: str = ""

    @property
    def user(self) -> tuple[str, str] | None:
        """Whose it is, by name and password: what they may do changes between their sessions."""
        return (self.session_user.name, self.session_user.password_digest) if self.session_user else None


@dataclass(frozen=True, slots=True)
class OpenSession:
    """An open session as its user sees it. ``id``: names it without being its key; ``age``, ``idle``: seconds."""

    id: str
    source: str
    """IP address of its browser at sign-in."""
    browser: str
    """The name that the browser gave itself."""
    age: float
    idle: float
    is_this: bool


class Sessions:
    """The open sessions, and the start token, which opens one session. With ``users`` there is no start token."""

    def __init__(
        self,
        people: Users,
        *,
        users: bool,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        stored: LocalSessions | None = None,
    ) -> None:
        """``stored``: where the local user's sessions outlive the server; None: they end with it."""
        self._people = people
        self._clock, self._wall = clock, wall
        self.users = users
        self._start_token: str | None = None if users else secrets.token_urlsafe(32)
        self._stored, self._start_url = None if users else stored, ""
        self._sessions: dict[str, _Session] = {}
        """By the digest of its key."""
        if self._stored:
            for digest, at in self._stored.load().items():
                age = max(0.0, wall() - at)
                self._sessions[digest] = _Session(None, clock() - age, clock())

    @property
    def start_token(self) -> str | None:
        """The token of the start link; None when it was used or when users sign in."""
        return self._start_token

    def announce(self, start_url: str) -> str:
        """Store the start link, which begins with ``start_url``, for whoever signs out or closes the terminal."""
        self._start_url = start_url
        link = f"{start_url}{self._start_token}" if self._start_token else ""
        if self._stored:
            self._stored.write_link(link)
        return link

    def open_with_start_token(self, token: str, *, source: str = "", browser: str = "") -> str | None:
        """Open a session for the start token, which becomes invalid; its key, or None for any other token."""
        expected = self._start_token
        if expected is None or not hmac.compare_digest(expected.encode(), token.encode("utf-8", "replace")):
            return None
        self._start_token = None
        self.announce(self._start_url)
        return self.open(None, source=source, browser=browser)

    def open(self, user: SessionUser | None, *, source: str = "", browser: str = "") -> str:
        """Open a session for a user, or for the local user (None), and return its key.

        ``source``: IP address of the browser; ``browser``: the name that it gives itself.
        """
        now = self._clock()
        self._sessions = {key: session for key, session in self._sessions.items() if self._is_alive(session)}
        if len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].last_used_at)]
        key = secrets.token_urlsafe(32)
        self._sessions[_digest(key)] = _Session(user, now, now, source, browser[:MAX_BROWSER_LENGTH])
        self._store()
        return key

    async def person_of(self, key: str, *, watching: bool = False) -> Person | None:
        """Return the person of a session, or None if it has ended. ``watching``: do not count this as its use."""
        session = self._sessions.get(_digest(key))
        if session is None or not self._is_alive(session):
            return None
        if not watching:
            session.last_used_at = self._clock()
        if session.session_user is None:
            return Person(this_person(), Access.everywhere(Role.ADMIN))
        user = await self._people.refresh(session.session_user)
        if user is None:
            self.close(key)
            return None

        async def present_access() -> Access:
            present = await self._people.refresh(session.session_user) if session.session_user else None
            return present.access if present else Access()

        return Person(user.name, user.access, user.one_time, present_access=present_access)

    def renew(self, key: str, user: SessionUser) -> None:
        """Keep a session whose user has changed the password, which ends all their others."""
        if session := self._sessions.get(_digest(key)):
            session.session_user = user

    def of_same_user(self, key: str) -> list[OpenSession]:
        """List the open sessions of the user of a session, that one included, the newest first."""
        now, this = self._clock(), _digest(key)
        user = self._sessions[this].user
        sessions = [
            self._as_open(digest, session, now, this)
            for digest, session in self._sessions.items()
            if session.user == user and self._is_alive(session)
        ]
        return sorted(sessions, key=lambda session: session.age)

    @staticmethod
    def _as_open(digest: str, session: _Session, now: float, this: str) -> OpenSession:
        age, idle = now - session.opened_at, now - session.last_used_at
        return OpenSession(digest[:16], session.source, session.browser, age, idle, digest == this)

    def of_all(self, key: str) -> list[tuple[str, OpenSession]]:
        """List the open sessions of everybody with whose they are, the newest first. ``key``: of the one that asks."""
        now, this, sessions = self._clock(), _digest(key), []
        for digest, session in self._sessions.items():
            if self._is_alive(session):
                name = session.session_user.name if session.session_user else this_person()
                sessions.append((name, self._as_open(digest, session, now, this)))
        return sorted(sessions, key=lambda pair: pair[1].age)

    def end_of_any(self, key: str, session_id: str) -> str | None:
        """End a session, whoever's it is, but that of ``key``; returns whose it was, None if there is no such one."""
        for name, session in self.of_all(key):
            if session.id == session_id and not session.is_this:
                self._sessions = {digest: one for digest, one in self._sessions.items() if digest[:16] != session_id}
                self._store()
                return name
        return None

    def end(self, key: str, session_id: str) -> bool:
        """End another session of the user of a session; False if there is none of this id."""
        others = {session.id for session in self.of_same_user(key) if not session.is_this}
        ended = [other for other in self._sessions if other[:16] == session_id and session_id in others]
        for other in ended:
            del self._sessions[other]
        self._store()
        return bool(ended)

    def close(self, key: str) -> None:
        """End a session, if there is one of that key. The local user gets a new start link for it."""
        if self._sessions.pop(_digest(key), None) is None:
            return
        self._store()
        if not self.users and self._start_token is None:
            self._start_token = secrets.token_urlsafe(32)
            self.announce(self._start_url)

    def _store(self) -> None:
        """Store when each of the local user's sessions was opened, by the wall clock."""
        if self._stored:
            now, wall = self._clock(), self._wall()
            self._stored.save({digest: Epoch(wall - now + one.opened_at) for digest, one in self._sessions.items()})

    def _is_alive(self, session: _Session) -> bool:
        now = self._clock()
        if session.session_user is None:
            return now - session.opened_at < MAX_LOCAL_SESSION_SECONDS
        return now - session.opened_at < MAX_SESSION_SECONDS and now - session.last_used_at < MAX_IDLE_SECONDS


def _digest(key: str) -> str:
    """The digest of a session's key, which names it without giving it away."""
    return hashlib.sha256(key.encode()).hexdigest()
