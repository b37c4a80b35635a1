"""Access tokens: cached on disk, refreshed once for all callers, and never more often than Zoho allows.

Zoho gives one refresh token 10 access tokens in 10 minutes and then none (Kaizen 43, "Token limits"); this module
requests at most 3.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from filelock import Timeout

from bulkremove.domain.clock import Clock, Epoch, Monotonic, later, seconds_between
from bulkremove.domain.errors import LocalFileFailed, NotAuthorized, TokenDelayed
from bulkremove.domain.operation import REMOVE_LEARNER, Operation
from bulkremove.platform.file_lock import file_lock
from bulkremove.platform.secure_files import private_folder, read_private, write_private
from bulkremove.zoho.accounts import Credentials, scopes_in
from bulkremove.zoho.token_endpoint import (
    RETRY_SECONDS,
    Post,
    delayed_by,
    error_in,
    is_throttled,
    is_usable,
    lifetime,
    post_to_endpoint,
    raise_if_fatal,
    token_in,
)

EXPIRY_MARGIN, EXPIRY_SHARE = 180.0, 0.2
"""A token is renewed when EXPIRY_MARGIN seconds or EXPIRY_SHARE of its lifetime are left, whichever is less."""
MAX_REFRESHES, REFRESH_WINDOW = 3, 600.0
"""At most MAX_REFRESHES requests for a token in any REFRESH_WINDOW seconds."""
TOKEN_LOCK_SECONDS = 600.0
"""Seconds after "too many requests" in which no token is requested."""
MAX_TOKEN_LOCKS = 3
"""After so many token locks in a row the run pauses."""
MAX_CONSECUTIVE_FAILURES = 3
"""After so many such failures in a row the run pauses."""


@dataclass(frozen=True, slots=True)
class _TokenState:
    """The content of the token file. Times are of the wall clock, since monotonic ones are not valid after a reboot."""

    token: str = field(default="", repr=False)
    made_at: Epoch = Epoch(0.0)
    ends_at: Epoch = Epoch(0.0)
    refreshed: tuple[Epoch, ...] = ()
    """When tokens were requested in the last REFRESH_WINDOW seconds."""
    locked_until: Epoch = Epoch(0.0)
    locks: int = 0
    """Token locks in a row, with no token in between."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The result of exchanging a grant code. ``scopes`` is empty when the reply names none."""

    refresh_token: str = field(repr=False)
    scopes: tuple[str, ...] = ()


class AccessTokens:
    """The access tokens of one client, shared by all processes that use the folder ``home``."""

    def __init__(self, credentials: Credentials, *, accounts_url: str, home: Path, clock: Clock, post: Post) -> None:
        self._credentials = credentials
        self._url = f"{accounts_url}/oauth/v2/token"
        self._clock = clock
        self._post = post
        identity = f"{accounts_url}|{credentials.client_id}|{credentials.refresh_token}"
        name = hashlib.sha256(identity.encode()).hexdigest()[:24]
        self._folder = home / "tokens"
        self._file = self._folder / f"{name}.json"
        self._task_lock = asyncio.Lock()
        self._cached: _TokenState | None = None
        self._failures = 0
        self._retry_at = Monotonic(0.0)
        """Until then, after a failure, no token is requested."""

    async def ensure(self) -> None:
        """Check that the account gets tokens: request one unless one is cached.

        A token that is about to expire is not renewed here, since the new one might expire during a long wait for a
        slot. Raises NotAuthorized or TokenDelayed.
        """
        if self._cached is None:
            await self._obtain(refused=None)

    async def token(self) -> str:
        """Return a token that is not about to expire, if need be a new one. Raises NotAuthorized or TokenDelayed."""
        if self._cached is not None and self._is_valid(self._cached):
            return self._cached.token
        return await self._obtain(refused=None)

    async def cached(self) -> str:
        """Return the token on disk, valid or not; empty if there is none."""
        async with self._task_lock, self._file_lock():
            return self._read().token

    async def renew(self, refused: str) -> str:
        """Return another token than ``refused``, with a single refresh for all callers in all processes.

        Raises NotAuthorized or TokenDelayed.
        """
        return await self._obtain(refused=refused)

    async def _obtain(self, refused: str | None) -> str:
        async with self._task_lock, self._file_lock():
            state = self._read()
            if refused is not None and state.token == refused:
                state = replace(state, token="")
                self._cached = None
                self._write(state)  # before any wait, so that no other caller gets it
            if not self._is_valid(state):
                state = await self._refresh(state)
            self._cached = state
            return state.token

    def _is_valid(self, state: _TokenState) -> bool:
        """Whether the token can be used; not if the wall clock was set back to before it was made."""
        margin = min(EXPIRY_MARGIN, EXPIRY_SHARE * self._seconds(state.made_at, state.ends_at))
        ends_at = self._after(state.ends_at, -margin)
        return is_usable(state.token) and later(state.made_at, -60.0) <= self._clock.wall() < ends_at

    def _after(self, at: Epoch, seconds: float) -> Epoch:
        """The wall time ``seconds`` of the run's clock after ``at``; that clock may be faster (``Clock.speed``)."""
        return later(at, seconds / self._clock.speed)

    def _seconds(self, start: Epoch, end: Epoch) -> float:
        """The seconds of the run's clock between two wall times."""
        return seconds_between(start, end) * self._clock.speed

    async def _refresh(self, state: _TokenState) -> _TokenState:
        if (wait := seconds_between(self._clock.monotonic(), self._retry_at)) > 0:
            raise delayed_by("Zoho gave no access token a moment ago.", wait)
        now = self._clock.wall()
        # After the wall clock was set back, stored times may lie in the future: count them as if they were now.
        if now < state.locked_until:
            state = replace(state, locked_until=min(state.locked_until, self._after(now, TOKEN_LOCK_SECONDS)))
            self._write(state)
            wait = self._seconds(now, state.locked_until)
            raise delayed_by("Zoho gives no access tokens at the moment (too many requests).", wait)
        recent = tuple(min(at, now) for at in state.refreshed if self._after(now, -REFRESH_WINDOW) < at)
        if len(recent) >= MAX_REFRESHES:
            wait = self._seconds(now, self._after(recent[-MAX_REFRESHES], REFRESH_WINDOW))
            raise delayed_by(f"{MAX_REFRESHES} access tokens were requested within ten minutes.", wait)
        state = replace(state, token="", refreshed=(*recent, now))
        self._write(state)  # before the call, so that it counts even if the process is killed meanwhile
        form = {"grant_type": "refresh_token", "refresh_token": self._credentials.refresh_token}
        try:
            members = await post_to_endpoint(self._post, self._url, self._credentials, form)
        except TokenDelayed as delayed:
            raise self._count_failure(delayed) from None
        if is_throttled(members):
            raise self._record_token_lock(state)
        token = token_in(members, "access_token")
        if not token:
            raise_if_fatal(members)
            raise self._count_failure(delayed_by("Zoho's answer held no usable access token.", RETRY_SECONDS))
        self._failures = 0
        ends_at = self._after(now, lifetime(members.get("expires_in")))
        state = replace(state, token=token, made_at=now, ends_at=ends_at, locked_until=Epoch(0.0), locks=0)
        self._write(state)
        return state

    def _count_failure(self, delayed: TokenDelayed) -> TokenDelayed:
        """Return the same error, or after MAX_CONSECUTIVE_FAILURES one that pauses the run (``retry_in`` None)."""
        self._failures += 1
        if self._failures < MAX_CONSECUTIVE_FAILURES:
            self._retry_at = later(self._clock.monotonic(), RETRY_SECONDS)
            return delayed
        self._failures = 0
        return TokenDelayed(
            f"Zoho gave no access token, {MAX_CONSECUTIVE_FAILURES} times in a row. {delayed.message}",
            retry_in=None,
            hint="Check the network of this machine and whether Zoho is up, then resume.",
        )

    def _record_token_lock(self, state: _TokenState) -> TokenDelayed:
        """Store the token lock that Zoho began, and return the error to raise."""
        locks = state.locks + 1
        locked_until = self._after(self._clock.wall(), TOKEN_LOCK_SECONDS)
        self._write(replace(state, locked_until=locked_until, locks=locks % MAX_TOKEN_LOCKS))
        if locks >= MAX_TOKEN_LOCKS:
            return TokenDelayed(
                "Zoho gave no access token, three times ten minutes apart (too many requests).",
                retry_in=None,
                hint="Another program keeps requesting tokens for this client; stop it, then resume.",
            )
        return delayed_by("Zoho gives no access tokens at the moment (too many requests).", TOKEN_LOCK_SECONDS)

    @asynccontextmanager
    async def _file_lock(self) -> AsyncIterator[None]:
        """Hold the token file's lock against other processes; waiting for it does not block the event loop."""
        private_folder(self._folder)
        lock = file_lock(self._file.with_suffix(".lock"), timeout=0)
        while True:
            try:
                lock.acquire()
                break
            except Timeout:
                await asyncio.sleep(0.05)
            except OSError as error:
                raise LocalFileFailed(f"The folder {self._folder} can't be used: {error.strerror}.") from None
        try:
            yield
        finally:
            lock.release()

    def _read(self) -> _TokenState:
        text = read_private(self._file)
        if text is None:
            return _TokenState()
        try:
            fields = json.loads(text)
            return _TokenState(**{**fields, "refreshed": tuple(fields["refreshed"])})
        except (ValueError, TypeError, KeyError):
            return _TokenState()  # an older format or a damaged file: the next token replaces it

    def _write(self, state: _TokenState) -> None:
        write_private(self._file, json.dumps(asdict(state)))


async def exchange(post: Post, accounts_url: str, credentials: Credentials, code: str) -> Grant:
    """Exchange a grant code of Zoho's self client for a refresh token. Raises NotAuthorized or TokenDelayed."""
    form = {"grant_type": "authorization_code", "code": code}
    members = await post_to_endpoint(post, f"{accounts_url}/oauth/v2/token", credentials, form)
    if is_throttled(members):
        raise delayed_by("Zoho gives no tokens at the moment (too many requests).", TOKEN_LOCK_SECONDS)
    token = token_in(members, "refresh_token")
    if not token:
        if error_in(members) == "invalid_code":
            raise NotAuthorized(
                "Zoho does not know this grant code.",
                hint="A code is good for one use, for the minutes that it was made for, and for one data centre. "
                "Make a new one.",
            )
        raise_if_fatal(members)
        raise NotAuthorized(
            "Zoho's answer held no refresh token.", hint="Make a new grant code in the API console and paste that."
        )
    scope = members.get("scope")
    return Grant(token, scopes_in(scope) if isinstance(scope, str) else ())


async def revoke(post: Post, accounts_url: str, credentials: Credentials) -> None:
    """Revoke the refresh token at Zoho. Raises TokenDelayed when Zoho can't be reached or refuses."""
    url, form = f"{accounts_url}/oauth/v2/token/revoke", {"token": credentials.refresh_token}
    members = await post_to_endpoint(post, url, credentials, form)
    if members.get("error"):
        raise TokenDelayed("Zoho did not revoke the refresh token.", retry_in=None)


def is_scope_missing(scopes: tuple[str, ...], operation: Operation = REMOVE_LEARNER) -> bool:
    """Whether the granted scopes do not allow an operation; with no scopes known, False."""
    return bool(scopes) and not any(scope in scopes for scope in operation.scopes)
