"""Access tokens: kept on disk, refreshed once for all who wait, never more often than Zoho allows.

Zoho gives one refresh token 10 access tokens in 10 minutes and then none (Kaizen 43, "Token limits"); this module
asks at most 3 times. Answers of the token endpoint hold secrets, so none of their text reaches a message.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout

from bulkremove.domain.attempt import Reply
from bulkremove.domain.clock import Clock
from bulkremove.domain.errors import ExchangeFailed, LocalFileFailed, NotAuthorized, TokenDelayed
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.platform.secure_files import private_folder, read_private, write_private
from bulkremove.zoho.accounts import Credentials

Post = Callable[[str, Mapping[str, str]], Awaitable[Reply]]
"""Sends a form to an address; raises NeverSent or Unanswered."""

EXPIRY_MARGIN, EXPIRY_SHARE = 180.0, 0.2
"""A token is renewed when so many seconds of its life are left, or this share of it where that is less."""
MAX_REFRESHES, REFRESH_WINDOW = 3, 600.0
"""Our own cap, in any so many seconds."""
TOKEN_LOCK = 600.0
"""Seconds after "too many requests" in which no token is asked for."""
MAX_TOKEN_LOCKS = 3
RETRY_SOON = 15.0
"""Seconds before another try when the token endpoint could not be reached or stumbled."""

MAX_CONSECUTIVE_FAILURES = 3
"""After so many of them in a row the run pauses."""

_FATAL_ERRORS = frozenset(
    {"invalid_code", "invalid_client", "invalid_grant", "invalid_client_secret", "unauthorized_client"}
)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the token file holds. Epoch seconds; a monotonic time would mean nothing after a reboot."""

    token: str = field(default="", repr=False)
    made_at: float = 0.0
    ends_at: float = 0.0
    refreshed: tuple[float, ...] = ()
    """When tokens were asked for in the last ten minutes."""
    locked_until: float = 0.0
    locks: int = 0
    """Token locks with no token in between."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What a grant code was exchanged for. ``scopes`` is empty when the answer names none."""

    refresh_token: str = field(repr=False)
    scopes: tuple[str, ...] = ()


class AccessTokens:
    """The access tokens of one client, shared by all processes that use the folder ``home``."""

    def __init__(self, credentials: Credentials, *, accounts_url: str, home: Path, clock: Clock, post: Post) -> None:
        self._credentials = credentials
        self._url = f"{accounts_url}/oauth/v2/token"
        self._clock = clock
        self._post = post
        whose = f"{accounts_url}|{credentials.client_id}|{credentials.refresh_token}"
        name = hashlib.sha256(whose.encode()).hexdigest()[:24]
        self._folder = home / "tokens"
        self._file = self._folder / f"{name}.json"
        self._turn = asyncio.Lock()
        self._cached: _Kept | None = None
        self._stumbles = 0
        self._again_at = 0.0
        """Monotonic seconds; who asks earlier, after a stumble, asks nobody."""

    async def ensure(self) -> None:
        """Make sure that the account gives tokens: ask for one unless one was given before.

        Raises NotAuthorized or TokenDelayed. A token whose life is shorter than the wait for a slot is not renewed
        here, since it would expire unused.
        """
        if self._cached is None:
            await self._fresh(refused=None)

    async def token(self) -> str:
        """A token to send with now: not about to expire, or just asked for. Raises NotAuthorized or TokenDelayed."""
        if self._cached is not None and self._good(self._cached):
            return self._cached.token
        return await self._fresh(refused=None)

    async def cached(self) -> str:
        """The token on disk, good or not; empty if there is none."""
        async with self._turn, self._alone():
            return self._read().token

    async def renew(self, refused: str) -> str:
        """Another token than ``refused``; however many ask, and in however many processes, one refresh."""
        return await self._fresh(refused=refused)

    async def _fresh(self, refused: str | None) -> str:
        async with self._turn, self._alone():
            kept = self._read()
            if refused is not None and kept.token == refused:
                kept = replace(kept, token="")
                self._cached = None
                self._write(kept)  # before any wait, so that nobody is given it again
            if not self._good(kept):
                kept = await self._refresh(kept)
            self._cached = kept
            return kept.token

    def _good(self, kept: _Kept) -> bool:
        """Also false when the wall clock stands before the token's making: then its end means nothing."""
        margin = min(EXPIRY_MARGIN, EXPIRY_SHARE * (kept.ends_at - kept.made_at))
        return bool(kept.token) and kept.made_at - 60 <= self._clock.wall() < kept.ends_at - margin

    async def _refresh(self, kept: _Kept) -> _Kept:
        if (rest := self._again_at - self._clock.monotonic()) > 0:
            raise _delayed("Zoho gave no access token a moment ago.", rest)
        now = self._clock.wall()
        # A wall clock that was set back makes these times lie ahead; they hold no longer than from now on.
        if now < kept.locked_until:
            kept = replace(kept, locked_until=min(kept.locked_until, now + TOKEN_LOCK))
            self._write(kept)
            raise _delayed("Zoho gives no access tokens at the moment (too many requests).", kept.locked_until - now)
        recent = tuple(min(at, now) for at in kept.refreshed if now - REFRESH_WINDOW < at)
        if len(recent) >= MAX_REFRESHES:
            again = recent[-MAX_REFRESHES] + REFRESH_WINDOW - now
            raise _delayed(f"{MAX_REFRESHES} access tokens were asked for within ten minutes.", again)
        kept = replace(kept, token="", refreshed=(*recent, now))
        self._write(kept)  # before the call: one that is killed in flight counts too
        form = {"grant_type": "refresh_token", "refresh_token": self._credentials.refresh_token}
        try:
            members = await self._call(form)
        except TokenDelayed as stumbled:
            raise self._stumbled(stumbled) from None
        if _throttled(members):
            self._throttle(kept)
        token = members.get("access_token")
        if not isinstance(token, str) or not token:
            _refuse_if_dead(members)
            raise self._stumbled(_delayed("Zoho's answer held no access token.", RETRY_SOON))
        self._stumbles = 0
        life = _seconds(members.get("expires_in"))
        kept = replace(kept, token=token, made_at=now, ends_at=now + life, locked_until=0.0, locks=0)
        self._write(kept)
        return kept

    def _stumbled(self, delayed: TokenDelayed) -> TokenDelayed:
        """The same, or after some in a row: not within this run."""
        self._stumbles += 1
        if self._stumbles < MAX_CONSECUTIVE_FAILURES:
            self._again_at = self._clock.monotonic() + RETRY_SOON
            return delayed
        self._stumbles = 0
        return TokenDelayed(
            f"Zoho gave no access token, {MAX_CONSECUTIVE_FAILURES} times in a row. {delayed.message}",
            retry_in=None,
            hint="Check the network of this machine and whether Zoho is up, then resume.",
        )

    def _throttle(self, kept: _Kept) -> None:
        locks = kept.locks + 1
        self._write(replace(kept, locked_until=self._clock.wall() + TOKEN_LOCK, locks=locks % MAX_TOKEN_LOCKS))
        if locks >= MAX_TOKEN_LOCKS:
            raise TokenDelayed(
                "Zoho gave no access token, three times ten minutes apart (too many requests).",
                retry_in=None,
                hint="Something else asks for tokens of this client all the time; end that, then resume.",
            )
        raise _delayed("Zoho gives no access tokens at the moment (too many requests).", TOKEN_LOCK)

    async def _call(self, form: Mapping[str, str]) -> Mapping[str, object]:
        return await _ask(self._post, self._url, self._credentials, form)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """No other process refreshes meanwhile; waits without holding the event loop up."""
        private_folder(self._folder)
        lock = FileLock(self._file.with_suffix(".lock"), mode=0o600)
        while True:
            try:
                lock.acquire(timeout=0)
                break
            except Timeout:
                await asyncio.sleep(0.05)
            except OSError as error:
                raise LocalFileFailed(f"The folder {self._folder} can't be used: {error.strerror}.") from None
        try:
            yield
        finally:
            lock.release()

    def _read(self) -> _Kept:
        text = read_private(self._file)
        if text is None:
            return _Kept()
        try:
            facts = json.loads(text)
            return _Kept(**{**facts, "refreshed": tuple(facts["refreshed"])})
        except (ValueError, TypeError, KeyError):
            return _Kept()  # an older form of the file, or a damaged one: a new token mends it

    def _write(self, kept: _Kept) -> None:
        write_private(self._file, json.dumps(asdict(kept)))


async def exchange(post: Post, accounts_url: str, credentials: Credentials, code: str) -> Granted:
    """The refresh token for a grant code of Zoho's self client. Raises NotAuthorized or TokenDelayed."""
    form = {"grant_type": "authorization_code", "code": code}
    members = await _ask(post, f"{accounts_url}/oauth/v2/token", credentials, form)
    if _throttled(members):
        raise _delayed("Zoho gives no tokens at the moment (too many requests).", TOKEN_LOCK)
    token = members.get("refresh_token")
    if not isinstance(token, str) or not token:
        if members.get("error") == "invalid_code":
            raise NotAuthorized(
                "Zoho does not know this grant code.",
                hint="A code is good for one use within 3 minutes and for one data centre; make a new one.",
            )
        _refuse_if_dead(members)
        raise NotAuthorized(
            "Zoho's answer held no refresh token.", hint="Make a new grant code in the API console and paste that."
        )
    scope = members.get("scope")
    return Granted(token, tuple(scope.replace(",", " ").split()) if isinstance(scope, str) else ())


async def revoke(post: Post, accounts_url: str, credentials: Credentials) -> None:
    """Tell Zoho that the refresh token is dead. Raises TokenDelayed when Zoho can't be reached."""
    await _ask(post, f"{accounts_url}/oauth/v2/token/revoke", credentials, {"token": credentials.refresh_token})


async def _ask(post: Post, url: str, credentials: Credentials, form: Mapping[str, str]) -> Mapping[str, object]:
    """The answer's members, none when it is no JSON object. Secrets go in the body, never in the URL."""
    client = {"client_id": credentials.client_id, "client_secret": credentials.client_secret}
    try:
        reply = await post(url, {**client, **form})
    except ExchangeFailed as failed:
        raise _delayed(f"Zoho's accounts host can't be reached. {failed.message}", RETRY_SOON) from None
    if reply.status == 429:
        return {"error": "too many requests"}
    try:
        members = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return members if isinstance(members, dict) else {}


def _throttled(members: Mapping[str, object]) -> bool:
    """Zoho tells it with HTTP 200 (documented) or 400 (seen), so the words decide."""
    words = f"{members.get('error', '')} {members.get('error_description', '')}".lower()
    return "too many requests" in words or "access denied" in words or "access_denied" in words


def _refuse_if_dead(members: Mapping[str, object]) -> None:
    error = members.get("error")
    if isinstance(error, str) and error in _FATAL_ERRORS:
        raise NotAuthorized(
            f"Zoho refuses the account's credentials ({error}): revoked, mistyped, or of another data centre.",
            hint="A person must run `bulkremove login` again.",
        )


def _seconds(value: object) -> float:
    """``expires_in`` in seconds; Zoho's own 3600 where the answer names no sensible number."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 86_400:
        return float(value)
    return 3600.0


def _delayed(what: str, seconds: float) -> TokenDelayed:
    return TokenDelayed(what, retry_in=seconds, hint="The rows wait; nothing is lost.")


def missing_scope(scopes: tuple[str, ...]) -> bool:
    """Whether the scopes that Zoho named do not let a learner be removed; unknown counts as not missing."""
    return bool(scopes) and not any(scope in scopes for scope in REMOVE_LEARNER.scopes)
