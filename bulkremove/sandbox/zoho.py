"""What Zoho People does with one request: the answer, the effect, and how the answer fails to arrive.

In the order of the real service, the call counts, then the token is checked, then the learner is removed or enrolled.
Any API call but these documented ones and reads gets 404, and a DELETE that could remove more than one learner from one
batch is logged as an alarm. The state is in memory; no socket, no clock and no log are used here.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from urllib.parse import parse_qs, unquote

from bulkremove.domain.ids import MAX_ID_DIGITS
from bulkremove.domain.operation import COUNT_EMPLOYEES, ENROLL_LEARNER, FORM_READS, REMOVE_LEARNER, Call, Operation
from bulkremove.domain.row import Removal
from bulkremove.sandbox import employees, reads, replies
from bulkremove.sandbox.faults import BROKEN, OK, Fault, Faults, FaultSelector
from bulkremove.sandbox.oauth import IssuedTokens
from bulkremove.sandbox.replies import CannedResponse, LockResponse
from bulkremove.sandbox.threshold import ForeignCalls, Threshold
from bulkremove.sandbox.world import World

TOKEN_PATH = "/oauth/v2/token"  # noqa: S105 - a path, not a secret
REVOKE_PATH = "/oauth/v2/token/revoke"

_REMOVAL = re.compile(re.sub(r"\{\w+\}", "([0-9]+)", REMOVE_LEARNER.path), re.ASCII)
"""The path of a removal. Ids of any length match: one that is too long gets ``BAD_INPUT``, not 404."""
_ENROLMENT = re.compile(re.sub(r"\{\w+\}", "([0-9]+)", ENROLL_LEARNER.path), re.ASCII)
_FIRST_NEW_LEARNER = 478346000029000001
"""The learner id of the first person who is enrolled again; whether Zoho gives a new one is not known."""
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
    enrolment: Removal | None = None
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
        self.employees = world.staff()
        self.employee_threshold = Threshold(employees.CALLS, threshold.window, threshold.lock)
        self._threshold = threshold
        self._lock_response = lock_response
        self._throttled_with = world.client.throttled_with
        self._turns = FaultSelector(faults)
        self._foreign = ForeignCalls(faults.foreign_per_minute)
        self._tokens = IssuedTokens(world.client)
        self._new_learners = count(_FIRST_NEW_LEARNER)

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
        if not path.startswith(("/api/", "/people/api/")):
            return Treatment(replies.NOT_FOUND, alarm=alarm)
        removal, enrolment = _removal(method, path, query), _enrolment(method, path, query)
        read = reads.requested_read(method, path, query)
        operation = read.operation if read else ENROLL_LEARNER if enrolment else REMOVE_LEARNER
        treatment = self._call(operation, removal or enrolment, read, header, now)
        return replace(treatment, removal=removal, enrolment=enrolment, alarm=alarm)

    def _call(
        self, operation: Operation, row: Removal | None, read: Call | None, header: str | None, now: float
    ) -> Treatment:
        scopes = operation.scopes
        objection = self._tokens.objection(header, now, scopes)
        for time in self._foreign.until(now):
            self._threshold.arrive(time, foreign=True)
        is_form = read is not None and read.operation in FORM_READS
        threshold = self.employee_threshold if is_form else self._threshold
        if not threshold.arrive(now):
            remaining = threshold.locked_until - now
            answer = replies.locked(
                self._lock_response, calls=threshold.calls, window=threshold.window, remaining=remaining
            )
            return Treatment(answer, counted=True, locked=True, token_ok=objection is None)
        if read is not None and objection is None:
            return self._read(read, header)
        if objection or row is None:
            return Treatment(objection or replies.NOT_FOUND, counted=True, token_ok=objection is None)
        return self._change(operation, row, header)

    def _read(self, call: Call, header: str | None) -> Treatment:
        if call.operation == COUNT_EMPLOYEES:  # no fault's turn: those of the list are counted by its pages
            return Treatment(employees.count(self.employees), counted=True, token_ok=True)
        is_form = call.operation in FORM_READS
        fault = self._turns.employees() if is_form else self._turns.read()
        delay = self._turns.latency("") + (fault.seconds or 0.0 if fault.kind == "slow" else 0.0)
        if fault.kind == "expired_token":
            self._tokens.expire(header)
        answer = replies.canned(fault.kind, learner="", path=call.path, seconds=fault.seconds)
        if answer is None and is_form:
            answer = employees.answer(self.employees, dict(call.query), fault.kind)
        answer = answer or reads.answer(self._world, self.employees, self.enrolled, call, fault.kind)
        return Treatment(answer, fault, counted=True, token_ok=True, delay=delay)

    def _change(self, operation: Operation, row: Removal, header: str | None) -> Treatment:
        learner = row.learner
        fault = self._turns.row(learner)
        delay = self._turns.latency(learner)
        if fault.kind == "slow":
            delay += fault.seconds or 0.0
        if fault.kind == "expired_token":
            self._tokens.expire(header)
        canned = replies.canned(fault.kind, learner=learner, path=operation.call(row.ids).path, seconds=fault.seconds)
        performed = canned is None and fault.kind not in BROKEN
        is_removal = operation is REMOVE_LEARNER
        effect = (performed or fault.effect) and (self._remove(row) if is_removal else self._enrol(row))
        regular = (
            self._answer_to_removal(row, fault, effect) if is_removal else self._answer_to_enrolment(row, fault, effect)
        )
        answer = canned or regular
        token_ok = fault.kind not in ("401", "expired_token", "blank_credential", "scope_missing")
        return Treatment(answer, fault, effect, counted=True, token_ok=token_ok, delay=delay)

    def _remove(self, removal: Removal) -> bool:
        """Remove a learner; whether there was one."""
        if removal not in self.enrolled:
            return False
        self.enrolled.discard(removal)
        self.removed.add(removal)
        return True

    def _enrol(self, enrolment: Removal) -> bool:
        """Enrol an employee, who gets a new learner id; False for one in the batch, and for an unknown one or batch."""
        course, batch, record_number = enrolment.ids
        learner = self._world.learner_of(record_number)
        here = {one.learner for one in self.enrolled if (one.course, one.batch) == (course, batch)}
        is_here = any(self._world.person(one).erecno == record_number for one in here)
        if learner is None or is_here or not self._is_known(enrolment):
            return False
        new_learner = str(next(self._new_learners))
        self._world = self._world.with_learner(course, batch, new_learner, self._world.person(learner))
        self.enrolled.add(Removal(course, batch, new_learner))
        return True

    def _is_known(self, enrolment: Removal) -> bool:
        """Whether there are such a batch and such an employee."""
        is_batch = any((one.course, one.batch) == (enrolment.course, enrolment.batch) for one in self._world.batches)
        return is_batch and self._world.learner_of(enrolment.learner) is not None

    def _answer_to_enrolment(self, enrolment: Removal, fault: Fault, enrolled: bool) -> CannedResponse:
        """The success, also if it never arrives completely; else a refusal, of which no form is documented."""
        if enrolled or fault.kind in BROKEN:
            answer = replies.enrolled()
            is_number = fault.kind == "number_code"
            return replace(answer, body=answer.body.replace(b'"200"', b"200")) if is_number else answer
        return replies.BAD_INPUT if self._is_known(enrolment) else replies.NOT_FOUND

    def _answer_to_removal(self, removal: Removal, fault: Fault, removed: bool) -> CannedResponse:
        if max(map(len, (removal.course, removal.batch, removal.learner))) > MAX_ID_DIGITS:
            return replies.BAD_INPUT
        if fault.kind in BROKEN:
            return replies.removed(removal.learner)  # never arrives completely
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


def _enrolment(method: str, path: str, query: str) -> Removal | None:
    """The enrolment of one employee that a request asks for; None for any other call."""
    match = _ENROLMENT.fullmatch(path) if method == ENROLL_LEARNER.method else None
    listed = re.fullmatch(r"\[([0-9]{1,19})\]", "".join(parse_qs(query).get(ENROLL_LEARNER.id_list, [])), re.ASCII)
    return Removal(match[1], match[2], listed[1]) if match and listed else None


def _alarm(method: str, path: str, query: str) -> str | None:
    """Why a request could do damage on the real service, which resolves ``..`` and ``%2e`` as every web server does."""
    if method == "DELETE" and _removal(method, path, query) is None:
        resolved = posixpath.normpath(unquote(path))
        return next((alarm for form, alarm in _WIDER_DELETES if form.fullmatch(resolved)), "DELETE of something else")
    if query and not _SECRETS.isdisjoint(parse_qs(query, keep_blank_values=True)):
        return "a secret in the address"
    return None
