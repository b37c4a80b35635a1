"""What Zoho People does with one request: the answer, the effect, and how the answer fails to arrive.

In the order of the real service, the call counts, then the token is checked, then the learner is removed. Any API call
but the documented removal and reads gets 404, and a DELETE that could remove more than one learner from one batch is
logged as an alarm. The state is in memory; no socket, no clock and no log are used here.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, unquote

from bulkremove.domain.operation import REMOVE_LEARNER, Call
from bulkremove.domain.row import Removal
from bulkremove.sandbox import reads, replies
from bulkremove.sandbox.faults import BROKEN, OK, Fault, Faults, FaultSelector
from bulkremove.sandbox.oauth import IssuedTokens
from bulkremove.sandbox.replies import CannedResponse, LockResponse
from bulkremove.sandbox.threshold import ForeignCalls, Threshold
from bulkremove.sandbox.world import World

TOKEN_PATH = "/oauth/v2/token"  # noqa: S105 - a path, not a secret
REVOKE_PATH = "/oauth/v2/token/revoke"
MAX_ID_DIGITS = 19
"""Digits; a longer id is none that Zoho can store, and is refused."""

_REMOVAL = re.compile(re.sub(r"\{\w+\}", "([0-9]+)", REMOVE_LEARNER.path), re.ASCII)
"""The path of a removal. Ids of any length match: one that is too long gets ``BAD_INPUT``, not 404."""
_WIDER_DELETES = (
    (re.compile(r"/api/v1/courses/[^/]+/batches/[^/]+"), "DELETE of a whole batch"),
    (re.compile(r"/api/v1/courses/[^/]+"), "DELETE of a whole course"),
    (re.compile(r"/api/v1/courses/[^/]+/learners/[^/]+"), "DELETE of a learner from a whole course"),
)
"""Paths of calls that remove more than one learner from one batch, each with its alarm."""
_SECRETS = frozenset({"client_secret", "refresh_token", "code", "token", "access_token", "authtoken"})
"""Parameters that would put a secret into the address, which servers and proxies log."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done about one request: the answer, its fault and delay (seconds), and what the log says of it."""

    answer: CannedResponse
    fault: Fault = OK
    effect: bool = False
    counted: bool = False
    locked: bool = False
    token_ok: bool | None = None
    delay: float = 0.0
    removal: Removal | None = None
    alarm: str | None = None

    @property
    def status(self) -> int | None:
        """The HTTP status that is sent; None when no answer is sent."""
        return None if self.fault.kind in ("reset", "silence") else self.answer.status


class Zoho:
    """The state of one organisation. Times are seconds of the sandbox's clock and never go back."""

    def __init__(self, world: World, faults: Faults, threshold: Threshold, lock_response: LockResponse) -> None:
        self._world = world
        self.enrolled: set[Removal] = world.enrolled()
        self.removed: set[Removal] = set()
        self._threshold = threshold
        self._lock_response = lock_response
        self._throttled_with = world.client.throttled_with
        self._turns = FaultSelector(faults)
        self._foreign = ForeignCalls(faults.foreign_per_minute)
        self._tokens = IssuedTokens(world.client)

    def begin(self, now: float) -> None:
        """Start the calls of other clients at ``now``."""
        self._foreign.until(now)

    def answer(
        self, method: str, path: str, query: str, *, header: str | None, form: Mapping[str, str], now: float
    ) -> Treatment:
        """Carry out a request that arrives at ``now``, with its Authorization header and its form."""
        alarm = _alarm(method, path, query)
        if method == "POST" and path == TOKEN_PATH:
            return replace(self._grant(form, now), alarm=alarm)
        if method == "POST" and path == REVOKE_PATH:
            return Treatment(self._tokens.revoke(form), alarm=alarm)
        if not path.startswith("/api/"):
            return Treatment(replies.NOT_FOUND, alarm=alarm)
        removal, read = _removal(method, path, query), reads.requested_read(method, path, query)
        return replace(self._call(removal, read, header, now), removal=removal, alarm=alarm)

    def _call(self, removal: Removal | None, read: Call | None, header: str | None, now: float) -> Treatment:
        scopes = (read.operation if read else REMOVE_LEARNER).scopes
        objection = self._tokens.objection(header, now, scopes)
        for time in self._foreign.until(now):
            self._threshold.arrive(time, foreign=True)
        if not self._threshold.arrive(now):
            remaining = self._threshold.locked_until - now
            answer = replies.locked(
                self._lock_response, calls=self._threshold.calls, window=self._threshold.window, remaining=remaining
            )
            return Treatment(answer, counted=True, locked=True, token_ok=objection is None)
        if read is not None and objection is None:
            return self._read(read, header)
        if objection or removal is None:
            return Treatment(objection or replies.NOT_FOUND, counted=True, token_ok=objection is None)
        return self._remove(removal, header)

    def _read(self, call: Call, header: str | None) -> Treatment:
        fault = self._turns.read()
        delay = self._turns.latency("") + (fault.seconds or 0.0 if fault.kind == "slow" else 0.0)
        if fault.kind == "expired_token":
            self._tokens.expire(header)
        answer = replies.canned(fault.kind, learner="", path=call.path, seconds=fault.seconds) or reads.answer(
            self._world, self.enrolled, call, fault.kind
        )
        return Treatment(answer, fault, counted=True, token_ok=True, delay=delay)

    def _remove(self, removal: Removal, header: str | None) -> Treatment:
        learner = removal.learner
        fault = self._turns.removal(learner)
        delay = self._turns.latency(learner)
        if fault.kind == "slow":
            delay += fault.seconds or 0.0
        if fault.kind == "expired_token":
            self._tokens.expire(header)
        canned = replies.canned(
            fault.kind, learner=learner, path=REMOVE_LEARNER.path_of(removal.ids), seconds=fault.seconds
        )
        performed = canned is None and fault.kind not in BROKEN
        effect = (performed or fault.effect) and removal in self.enrolled
        if effect:
            self.enrolled.discard(removal)
            self.removed.add(removal)
        answer = canned or self._regular_answer(removal, fault, removed=effect)
        token_ok = fault.kind not in ("401", "expired_token", "blank_credential", "scope_missing")
        return Treatment(answer, fault, effect, counted=True, token_ok=token_ok, delay=delay)

    def _regular_answer(self, removal: Removal, fault: Fault, *, removed: bool) -> CannedResponse:
        if max(map(len, (removal.course, removal.batch, removal.learner))) > MAX_ID_DIGITS:
            return replies.BAD_INPUT
        if fault.kind in BROKEN:
            return replies.removed(removal.learner)  # never arrives whole
        if not removed:
            return replies.NOT_FOUND
        if fault.kind == "other_learner":
            return replies.removed(str(int(removal.learner) + 1))
        answer = replies.removed(removal.learner)
        return replace(answer, body=answer.body.replace(b'"200"', b"200")) if fault.kind == "number_code" else answer

    def _grant(self, form: Mapping[str, str], now: float) -> Treatment:
        fault = self._turns.token()
        delay = self._turns.latency("") + (fault.seconds or 0.0 if fault.kind == "slow" else 0.0)
        match fault.kind:
            case "ok" | "slow" | "reset" | "silence" | "truncated":
                answer = self._tokens.grant(form, now)
            case "throttled":
                answer = replies.token_throttled(self._throttled_with)
            case "no_token":
                answer = replies.token_refused("general_error")
            case "invalid_code" | "invalid_client" | "invalid_grant":
                answer = replies.token_refused(fault.kind)
            case kind:
                answer = replies.canned(kind, learner="", path=TOKEN_PATH, seconds=fault.seconds) or replies.NOT_FOUND
        return Treatment(answer, fault, delay=delay)


def _removal(method: str, path: str, query: str) -> Removal | None:
    """The removal that a request asks for; None for any other call."""
    match = _REMOVAL.fullmatch(path) if method == REMOVE_LEARNER.method and not query else None
    return Removal(*match.groups()) if match else None


def _alarm(method: str, path: str, query: str) -> str | None:
    """Why a request could do damage on the real service, which resolves ``..`` and ``%2e`` as every web server does."""
    if method == "DELETE" and _removal(method, path, query) is None:
        resolved = posixpath.normpath(unquote(path))
        return next((alarm for form, alarm in _WIDER_DELETES if form.fullmatch(resolved)), "DELETE of something else")
    if query and not _SECRETS.isdisjoint(parse_qs(query, keep_blank_values=True)):
        return "a secret in the address"
    return None
