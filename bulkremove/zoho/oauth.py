"""Access tokens: cached on disk, refreshed once for all callers, and never more often than Zoho allows.

Zoho gives one refresh token 10 access tokens in 10 minutes and then none (Kaizen 43, "Token limits"); this module
requests at most 3. Replies of the token endpoint contain secrets, so none of their text reaches a message.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from filelock import Timeout

from bulkremove.domain.attempt import Reply
from bulkremove.domain.clock import Clock, Epoch, Monotonic, later, seconds_between
from bulkremove.domain.errors import ExchangeFailed, LocalFileFailed, NoDescriptors, NotAuthorized, TokenDelayed
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.platform.file_lock import file_lock
from bulkremove.platform.secure_files import private_folder, read_private, write_private
from bulkremove.zoho.accounts import Credentials

Post = Callable[[str, Mapping[str, str]], Awaitable[Reply]]
"""Posts a form to a URL; raises NeverSent or Unanswered."""

EXPIRY_MARGIN, EXPIRY_SHARE = 180.0, 0.2
"""A token is renewed when EXPIRY_MARGIN seconds or EXPIRY_SHARE of its lifetime are left, whichever is less."""
MAX_REFRESHES, REFRESH_WINDOW = 3, 600.0
"""At most MAX_REFRESHES requests for a token in any REFRESH_WINDOW seconds."""
TOKEN_LOCK = 600.0
"""Seconds after "too many requests" in which no token is requested."""
MAX_TOKEN_LOCKS = 3
"""After so many token locks in a row the run pauses."""
RETRY_SOON = 15.0
"""Seconds until the next attempt after the token endpoint could not be reached or gave no token."""
MAX_CONSECUTIVE_FAILURES = 3
"""After so many such failures in a row the run pauses."""

_FATAL_ERRORS = frozenset(
    {"invalid_code", "invalid_client", "invalid_grant", "invalid_client_secret", "unauthorized_client"}
)
_USABLE_TOKEN = re.compile(r"[!-~]{1,2000}")
"""What can stand in a header; a longer one would be refused by the server before Zoho People sees the call."""


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
        is_usable = _USABLE_TOKEN.fullmatch(state.token) is not None
        return is_usable and later(state.made_at, -60.0) <= self._clock.wall() < ends_at

    def _after(self, at: Epoch, seconds: float) -> Epoch:
        """The wall time ``seconds`` of the run's clock after ``at``; that clock may be faster (``Clock.speed``)."""
        return later(at, seconds / self._clock.speed)

    def _seconds(self, earlier: Epoch, later: Epoch) -> float:
        """The seconds of the run's clock between two wall times."""
        return seconds_between(earlier, later) * self._clock.speed

    async def _refresh(self, state: _TokenState) -> _TokenState:
        if (wait := seconds_between(self._clock.monotonic(), self._retry_at)) > 0:
            raise _delayed("Zoho gave no access token a moment ago.", wait)
        now = self._clock.wall()
        # After the wall clock was set back, stored times may lie in the future: count them as if they were now.
        if now < state.locked_until:
            state = replace(state, locked_until=min(state.locked_until, self._after(now, TOKEN_LOCK)))
            self._write(state)
            wait = self._seconds(now, state.locked_until)
            raise _delayed("Zoho gives no access tokens at the moment (too many requests).", wait)
        recent = tuple(min(at, now) for at in state.refreshed if self._after(now, -REFRESH_WINDOW) < at)
        if len(recent) >= MAX_REFRESHES:
            wait = self._seconds(now, self._after(recent[-MAX_REFRESHES], REFRESH_WINDOW))
            raise _delayed(f"{MAX_REFRESHES} access tokens were requested within ten minutes.", wait)
        state = replace(state, token="", refreshed=(*recent, now))
        self._write(state)  # before the call, so that it counts even if the process is killed meanwhile
        form = {"grant_type": "refresh_token", "refresh_token": self._credentials.refresh_token}
        try:
            members = await _post_form(self._post, self._url, self._credentials, form)
        except TokenDelayed as delayed:
            raise self._count_failure(delayed) from None
        if _is_throttled(members):
            raise self._record_token_lock(state)
        token = _token(members, "access_token")
        if not token:
            _raise_if_fatal(members)
            raise self._count_failure(_delayed("Zoho's answer held no usable access token.", RETRY_SOON))
        self._failures = 0
        ends_at = self._after(now, _lifetime(members.get("expires_in")))
        state = replace(state, token=token, made_at=now, ends_at=ends_at, locked_until=Epoch(0.0), locks=0)
        self._write(state)
        return state

    def _count_failure(self, delayed: TokenDelayed) -> TokenDelayed:
        """Return the same error, or after MAX_CONSECUTIVE_FAILURES one that pauses the run (``retry_in`` None)."""
        self._failures += 1
        if self._failures < MAX_CONSECUTIVE_FAILURES:
            self._retry_at = later(self._clock.monotonic(), RETRY_SOON)
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
        locked_until = self._after(self._clock.wall(), TOKEN_LOCK)
        self._write(replace(state, locked_until=locked_until, locks=locks % MAX_TOKEN_LOCKS))
        if locks >= MAX_TOKEN_LOCKS:
            return TokenDelayed(
                "Zoho gave no access token, three times ten minutes apart (too many requests).",
                retry_in=None,
                hint="Another program keeps requesting tokens for this client; stop it, then resume.",
            )
        return _delayed("Zoho gives no access tokens at the moment (too many requests).", TOKEN_LOCK)

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
    members = await _post_form(post, f"{accounts_url}/oauth/v2/token", credentials, form)
    if _is_throttled(members):
        raise _delayed("Zoho gives no tokens at the moment (too many requests).", TOKEN_LOCK)
    token = _token(members, "refresh_token")
    if not token:
        if _error(members) == "invalid_code":
            raise NotAuthorized(
                "Zoho does not know this grant code.",
                hint="A code is good for one use within 3 minutes and for one data centre; make a new one.",
            )
        _raise_if_fatal(members)
        raise NotAuthorized(
            "Zoho's answer held no refresh token.", hint="Make a new grant code in the API console and paste that."
        )
    scope = members.get("scope")
    return Grant(token, tuple(scope.replace(",", " ").split()) if isinstance(scope, str) else ())


async def revoke(post: Post, accounts_url: str, credentials: Credentials) -> None:
    """Revoke the refresh token at Zoho. Raises TokenDelayed when Zoho can't be reached or refuses."""
    url, form = f"{accounts_url}/oauth/v2/token/revoke", {"token": credentials.refresh_token}
    members = await _post_form(post, url, credentials, form)
    if members.get("error"):
        raise TokenDelayed("Zoho did not revoke the refresh token.", retry_in=None)


async def _post_form(post: Post, url: str, credentials: Credentials, form: Mapping[str, str]) -> Mapping[str, object]:
    """Return the members of the JSON reply, none when it is not an object. Secrets go in the body, not in the URL."""
    client = {"client_id": credentials.client_id, "client_secret": credentials.client_secret}
    try:
        reply = await post(url, {**client, **form})
    except NoDescriptors as error:
        raise _delayed(error.message, RETRY_SOON) from None
    except ExchangeFailed as error:
        raise _delayed(f"Zoho's accounts host can't be reached. {error.message}", RETRY_SOON) from None
    if reply.status == 429:
        return {"error": "too many requests"}
    failure = f"HTTP {reply.status}" if reply.status >= 300 else ""
    try:
        members = json.loads(reply.body)
    except (ValueError, RecursionError):
        members = {}
    members = members if isinstance(members, dict) else {}
    return {**members, "error": members.get("error") or failure}


def _is_throttled(members: Mapping[str, object]) -> bool:
    """Whether Zoho refuses for too many requests; by the text: the status is 200 (documented) or 400 (observed)."""
    text = f"{members.get('error', '')} {members.get('error_description', '')}".lower()
    return "too many requests" in text or "access denied" in text or "access_denied" in text


def _token(members: Mapping[str, object], name: str) -> str:
    """The token of a reply; empty if it holds none that can be used, or an error beside it."""
    token = members.get(name)
    return token if isinstance(token, str) and _USABLE_TOKEN.fullmatch(token) and not members["error"] else ""


def _error(members: Mapping[str, object]) -> str:
    """The error that a reply names, in small letters, whether it is a text or an object with a code."""
    error = members.get("error")
    if isinstance(error, dict):
        error = error.get("code") or error.get("error")
    return str(error or "").strip().lower()


def _raise_if_fatal(members: Mapping[str, object]) -> None:
    if (error := _error(members)) in _FATAL_ERRORS:
        raise NotAuthorized(
            f"Zoho refuses the account's credentials ({error}): revoked, mistyped, or of another data centre.",
            hint="A person must run `bulkremove login` again.",
        )


def _lifetime(value: object) -> float:
    """Convert ``expires_in`` to seconds; 3600, Zoho's own value, when it is missing or not plausible."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 86_400:
        return float(value)
    return 3600.0


def _delayed(message: str, seconds: float) -> TokenDelayed:
    return TokenDelayed(message, retry_in=seconds, hint="The rows wait; nothing is lost.")


def is_scope_missing(scopes: tuple[str, ...]) -> bool:
    """Whether the granted scopes do not allow removing a learner; with no scopes known, False."""
    return bool(scopes) and not any(scope in scopes for scope in REMOVE_LEARNER.scopes)
