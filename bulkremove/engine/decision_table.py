"""The decision table: from the response to an attempt, or from none, to a verdict about its row.

Pure: no clock, no randomness, no I/O. A response that no other line of the table describes falls to the most careful
one: the attempt may have had an effect, and a person must look before anything more is sent. What responses mean for
the whole run is decided in ``circuit_breaker``; how a body is parsed, in ``zoho.response_parser``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from bulkremove.domain.attempt import Attempt
from bulkremove.domain.clock import Clock, seconds_between
from bulkremove.domain.ledger import SuspensionReason
from bulkremove.domain.operation import REMOVE_LEARNER, PlannedOperation
from bulkremove.domain.planner import PROTECTED
from bulkremove.domain.row import Status
from bulkremove.storage.interface.attempts import DoneElsewhere
from bulkremove.zoho.response_kind import Response, ResponseKind

MAX_ATTEMPTS = 3
"""Attempts of a row that may have had an effect; after so many it is not sent again."""

MAX_RETRY_AGE_SECONDS = 900.0
"""Seconds after the first unanswered attempt in which a row may be sent again. Later, the learner may have been
enrolled again, and a repeat would remove somebody who should stay."""


class Step(Enum):
    """What happens to the row next."""

    SETTLE = "settle"
    """Nothing: it has its status."""
    RETRY = "repeat"
    """Another attempt after a back-off."""
    RETRY_UNCOUNTED = "ask again"
    """Another attempt as soon as there is a slot; this one does not count."""
    RENEW = "renew"
    """Another attempt with a new token; this one does not count."""
    LEAVE = "leave"
    """Nothing until a person has looked: the run ends early."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a response means for its row. ``status`` is set exactly when ``step`` is SETTLE."""

    step: Step
    status: Status | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table. ``open``: the attempt may have had an effect. ``suspension``: why all rows must wait."""

    step: Step
    open: bool
    response_text: str
    """The response, as the table of docs/outcomes.md describes it."""
    row_text: str
    """What becomes of the row, as that table describes it."""
    suspension: SuspensionReason | None = None
    proves_reachable: bool = False
    """Zoho People itself answered about the row, not a proxy or a gateway in front of it: calls get through."""


RULES: dict[ResponseKind, Rule] = {
    ResponseKind.REMOVED: Rule(
        Step.SETTLE,
        False,
        '2xx, JSON, code 200, message absent or "success", no member that says otherwise',
        "`removed`; of an enrolment `enrolled`",
        proves_reachable=True,
    ),
    ResponseKind.ACCEPTED_WORDING: Rule(
        Step.SETTLE,
        False,
        "the same with another message, word for word one that a person has accepted",
        "`removed`",
        proves_reachable=True,
    ),
    ResponseKind.OTHER_WORDING: Rule(
        Step.RETRY,
        True,
        "the same with another message that reports a success, which nobody has accepted",
        "open; sent again within 15 minutes, else `unknown`",
    ),
    ResponseKind.NOT_FOUND: Rule(
        Step.SETTLE,
        False,
        "404 in Zoho's JSON form",
        "`not_found`, or `removed_inferred` after an unanswered attempt; of an enrolment `refused`, or `unknown` then",
        proves_reachable=True,
    ),
    ResponseKind.BAD_REQUEST: Rule(
        Step.SETTLE,
        False,
        "400 with INVALID_INPUT, INPUT_PARAMETER_MISSING or an unknown code",
        "`refused`",
        proves_reachable=True,
    ),
    ResponseKind.REFUSED_BY_RULE: Rule(
        Step.SETTLE,
        False,
        "another documented code, such as COURSE_ALREADY_COMPLETED",
        "`refused`, in its own words",
        proves_reachable=True,
    ),
    ResponseKind.FORBIDDEN: Rule(Step.SETTLE, False, "403 in JSON", "`refused`", proves_reachable=True),
    ResponseKind.UNAUTHORIZED: Rule(
        Step.RENEW,
        False,
        "401 in JSON, or code 7213, or 400 with code 7202",
        "sent once more with a new token",
    ),
    ResponseKind.UNAUTHORIZED_UNPROVEN: Rule(
        Step.RENEW,
        True,
        "401 without a JSON object",
        "open; sent once more with a new token",
    ),
    ResponseKind.SCOPE_MISSING: Rule(
        Step.LEAVE, False, "code 7218, or a text that a scope is missing or invalid", "left for later"
    ),
    ResponseKind.WRONG_DATA_CENTER: Rule(Step.LEAVE, False, "code 7201", "left for later"),
    ResponseKind.LIMITED: Rule(
        Step.RETRY_UNCOUNTED,
        False,
        "429, 422, code 7209, or a text that the threshold is exceeded",
        "sent again after the lock; the attempt does not count",
        SuspensionReason.LOCKED,
    ),
    ResponseKind.LIMITED_UNPROVEN: Rule(
        Step.RETRY,
        True,
        "the same in a 5xx, in a 2xx that is not JSON, or beside a claimed success",
        "open; sent again after the lock within 15 minutes, else `unknown`",
        SuspensionReason.LOCKED,
    ),
    ResponseKind.REDIRECTED: Rule(Step.LEAVE, False, "301, 302, 307, 308", "never followed; left for later"),
    ResponseKind.SEE_OTHER: Rule(Step.LEAVE, True, "303", "never followed; open"),
    ResponseKind.NOT_JSON: Rule(Step.LEAVE, True, "2xx with HTML or anything else that is no JSON", "open"),
    ResponseKind.CONTRADICTORY: Rule(
        Step.RETRY,
        True,
        "2xx empty, 202, 204, from a cache (`Age`), contradictory or unknown JSON",
        "open; sent again within 15 minutes, else `unknown`",
    ),
    ResponseKind.NOT_FOUND_FOREIGN: Rule(Step.LEAVE, True, "404 in any other form", "open"),
    ResponseKind.SERVER_ERROR: Rule(
        Step.RETRY,
        True,
        "5xx, or a 400 or 403 whose code or text tells of a failure of the server",
        "open; sent again within 15 minutes, else `unknown`",
    ),
    ResponseKind.UNEXPECTED: Rule(
        Step.LEAVE,
        True,
        "400 or 403 without a JSON object, a claimed success in another status than 2xx, and anything else",
        "open",
    ),
    ResponseKind.UNANSWERED: Rule(
        Step.RETRY,
        True,
        "no usable response: time-out, reset, truncated or endless body, crash",
        "open; sent again within 15 minutes, else `unknown`",
    ),
    ResponseKind.NEVER_SENT: Rule(
        Step.RETRY_UNCOUNTED,
        False,
        "no connection: name look-up, refused, timed out, TLS",
        "sent again; the attempt does not count",
        SuspensionReason.UNREACHABLE,
    ),
}
"""The whole table. A row with an ``open`` attempt ends as ``unknown`` unless a later attempt settles it."""


def is_open(attempt: Attempt) -> bool:
    """Whether the attempt may have had an effect; one without a response kind may, since a crash cut it off."""
    return attempt.response_kind is None or RULES[ResponseKind(attempt.response_kind)].open


def judge(response: Response, earlier_attempts: Sequence[Attempt], operation: PlannedOperation) -> Verdict:
    """Decide what ``response`` means for its row. ``earlier_attempts``: the row's attempts without the present one.

    ``operation``: that of its call. Only of a removal a "not found" says more than that Zoho refused it.
    """
    rule = RULES[response.kind]
    unanswered = sum(map(is_open, earlier_attempts))
    if rule.step is Step.RETRY and unanswered + 1 >= MAX_ATTEMPTS:
        return unknown_verdict(f"{MAX_ATTEMPTS} attempts brought no usable response")
    if rule.step is not Step.SETTLE:
        return Verdict(rule.step)
    match response.kind:
        case ResponseKind.REMOVED:
            return Verdict(Step.SETTLE, operation.success, f"Zoho confirmed the {operation.words.noun}.")
        case ResponseKind.ACCEPTED_WORDING:
            words = f"Zoho answered {_described(response)}, which a person has accepted as the proof of a removal."
            return Verdict(Step.SETTLE, Status.REMOVED, words)
        case ResponseKind.NOT_FOUND if unanswered and operation == REMOVE_LEARNER:
            return Verdict(
                Step.SETTLE,
                Status.REMOVED_INFERRED,
                "An earlier attempt got no response, and now Zoho knows no such learner in this batch: "
                "most likely that attempt removed the learner.",
            )
        case ResponseKind.NOT_FOUND if operation == REMOVE_LEARNER:
            return Verdict(
                Step.SETTLE,
                Status.NOT_FOUND,
                "Zoho knows no such learner in this batch: gone before, or a wrong id.",
            )
    if unanswered:
        # The refusal is about this attempt only; an earlier one may have had its effect.
        return unknown_verdict(f"an attempt got no response, and the next was refused ({_described(response)})")
    return refused(response)


def refused(response: Response) -> Verdict:
    """The verdict for a row that Zoho refused for good, without effect."""
    meaning = f"{response.meaning} " if response.meaning else ""
    return Verdict(Step.SETTLE, Status.REFUSED, f"{meaning}Zoho refused this row: {_described(response)}.")


def protected(attempts: Sequence[Attempt]) -> Verdict:
    """The verdict for a row whose learner is on the list of protected learners, by now."""
    status = Status.UNKNOWN if any(map(is_open, attempts)) else Status.NOT_SENT
    return Verdict(Step.SETTLE, status, PROTECTED)


def done_elsewhere(done: DoneElsewhere, attempts: Sequence[Attempt]) -> Verdict:
    """The verdict for a row that another job has settled, or may have, since this job was planned."""
    job = f"job {done.job}" if done.job else "a job of another account of this organisation"
    place = f"row {done.number} of {job}" if done.job else job
    if done.status is Status.UNKNOWN and not done.was_seen:
        note = ". Note there what you find" if done.job else ""
        return unknown_verdict(f"{place} may have done the same, which is unknown too{note}")
    words = f"{job[0].upper()}{job[1:]} settled this meanwhile: {done.status.value}."
    if done.status is Status.ENROLLED:
        words = f"{job[0].upper()}{job[1:]} put this person back meanwhile."
    if done.was_seen:
        words = f"A person saw in Zoho People that this is done ({place})."
    if done.is_opposite:
        later, not_done = (
            ("put this person back", "removed")
            if done.status is Status.ENROLLED
            else ("remove this person", "put back")
        )
        words = f"Since this job was planned, {job} was made to {later}, so they are not {not_done}."
    if any(map(is_open, attempts)):
        return Verdict(Step.SETTLE, Status.UNKNOWN, f"An attempt got no response. {words}")
    if done.is_opposite:
        return Verdict(Step.SETTLE, Status.NOT_SENT, words)
    return Verdict(Step.SETTLE, Status.DONE_BEFORE, f"{words} Not sent.")


def unknown_verdict(reason: str) -> Verdict:
    """The verdict for a row of which an attempt may have had an effect, and nothing can settle it any more."""
    return Verdict(
        Step.SETTLE,
        Status.UNKNOWN,
        f"Not known whether this worked: {reason}. Look the learner up in Zoho People.",
    )


def too_late(attempts: Sequence[Attempt], clock: Clock) -> Verdict | None:
    """The verdict for a row that must not be sent again after these attempts; None if it may be.

    The age of the first unanswered attempt is the greater of those by the wall clock and by the monotonic clock. After
    a reboot the latter is not known, so the row counts as too old.
    """
    unanswered = [attempt for attempt in attempts if is_open(attempt)]
    if not unanswered:
        return None
    if len(unanswered) >= MAX_ATTEMPTS:
        return unknown_verdict(f"{MAX_ATTEMPTS} attempts brought no usable response")
    first = unanswered[0]
    age = max(seconds_between(first.sent_at, clock.wall()), seconds_between(first.sent_mono, clock.monotonic()))
    if first.boot != clock.boot or not 0 <= age <= MAX_RETRY_AGE_SECONDS:
        return unknown_verdict("an attempt got no response, and more than 15 minutes may have passed since")
    return None


def back_off_seconds(retry: int, random: float) -> float:
    """Seconds before the ``retry``-th repeat (from 1): exponential with full jitter; ``random`` in [0, 1)."""
    return random * min(60.0, 4.0 * 2.0 ** (retry - 1))


def _described(response: Response) -> str:
    code = f", code {response.api_code}" if response.api_code else ""
    text = f': "{response.text}"' if response.text else ""
    return f"HTTP {response.http_status}{code}{text}"
