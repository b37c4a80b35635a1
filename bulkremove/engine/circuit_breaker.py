"""The circuit breaker: rules over several responses that end a run early or make all rows wait.

Pure: each response, in the order of arrival, gives a new frozen ``Breaker``. What a response means for its own row is
decided in ``decision_table``; these rules keep a mistake about the file, the account or the network from costing
thousands of calls.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bulkremove.domain.attempt import PendingRow
from bulkremove.domain.clock import Monotonic
from bulkremove.domain.ids import without_ids
from bulkremove.domain.job import EndReason
from bulkremove.domain.ledger import SuspensionReason
from bulkremove.domain.operation import ENROLL_LEARNER, REMOVE_LEARNER, PlannedOperation
from bulkremove.engine.decision_table import RULES
from bulkremove.engine.events import RunEnd
from bulkremove.engine.rate_limit import MAX_REQUESTED_WAIT_SECONDS
from bulkremove.engine.slot_decisions import Signal
from bulkremove.zoho.response_kind import Response, ResponseKind

MAX_LEADING_NOT_FOUND = 10
"""If this many first rows are all not found, the file or the account is wrong."""
MAX_CONSECUTIVE = {ResponseKind.BAD_REQUEST: 3, ResponseKind.FORBIDDEN: 3, ResponseKind.CONTRADICTORY: 2}
"""Consecutive responses of a kind that end the run; bad requests only at its start."""
MAX_SAME_REFUSALS = 5
"""Consecutive refusals in the same unknown words that end the run wherever they come: it may be a limit in a form
that this program doesn't know, and each further call would lengthen the lock."""
MAX_FAILURES_OF_LAST_TEN = 5
"""Server errors and calls without an answer, among the last ten, that make all rows wait."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """The state of the circuit breaker: what the rules need to know of a job's earlier responses."""

    expect_missing: bool = False
    responses: int = 0
    """Answers of Zoho People about a row so far."""
    missing: int = 0
    """How many of them were ``NOT_FOUND``, without those that prove a removal: they are not counted at all."""
    last_kind: ResponseKind | None = None
    repeated: int = 0
    """How many times in succession ``last_kind`` has come."""
    refusal: tuple[str | None, str] | None = None
    """The code and text of the last response, if it was a refusal that no known code explains."""
    same_refusals: int = 0
    """How many times in succession ``refusal`` has come."""
    failed: tuple[bool, ...] = ()
    """For each of the last ten responses, whether it was a 5xx or none at all."""
    max_missing: int = MAX_LEADING_NOT_FOUND
    """So many not found, and nothing else, end the run; each time that a person resumes it, as many more."""
    page_limited_at: Monotonic | None = None
    """When a page, not JSON, told of a limit, if nothing of Zoho People's own came since."""
    operation: PlannedOperation = REMOVE_LEARNER
    """That of the calls, which texts name."""


_SAME_SEQUENCE = {ResponseKind.OTHER_WORDING: ResponseKind.CONTRADICTORY}
"""Kinds that continue a sequence of another one."""
_NOT_ABOUT_A_ROW = frozenset(
    {
        ResponseKind.LIMITED,
        ResponseKind.UNAUTHORIZED,
        ResponseKind.UNAUTHORIZED_UNPROVEN,
        ResponseKind.NEVER_SENT,
    }
)
"""Responses that say nothing about a row; they neither continue nor interrupt a sequence."""

_FAILED = frozenset({ResponseKind.SERVER_ERROR, ResponseKind.UNANSWERED})


def resumed(
    response_kinds: Mapping[str, int], *, expect_missing: bool, operation: PlannedOperation = REMOVE_LEARNER
) -> Breaker:
    """Return the state after a job's earlier runs: the rules about first rows are about the job, not about each run.

    ``response_kinds``: how many responses of which kind the job got, without those that proved a removal.
    """
    counts = {ResponseKind(kind): count for kind, count in response_kinds.items()}
    responses = sum(count for kind, count in counts.items() if RULES[kind].proves_reachable)
    bad_requests, missing = counts.get(ResponseKind.BAD_REQUEST, 0), counts.get(ResponseKind.NOT_FOUND, 0)
    return Breaker(
        expect_missing,
        responses,
        missing,
        ResponseKind.BAD_REQUEST if bad_requests == responses else None,
        bad_requests if bad_requests == responses else 0,
        max_missing=MAX_LEADING_NOT_FOUND + (missing if missing >= MAX_LEADING_NOT_FOUND else 0),
        operation=operation,
    )


def observe(
    breaker: Breaker, response: Response, *, inferred: bool, sent_at: Monotonic, now: Monotonic
) -> tuple[Breaker, RunEnd | None, Signal | None]:
    """Return the state after ``response``, the end of the run if it must end, and the signal if all rows must wait.

    ``inferred``: it proves that an earlier attempt removed the learner. It counts neither as missing nor as found: a
    wrong id whose first answer was lost looks the same. ``sent_at``: when the request left; ``now``: when the response
    came.
    """
    response_kind = response.kind
    suspension = RULES[response_kind].suspension
    signal = Signal(suspension, response.wait) if suspension else None
    limited_at = breaker.page_limited_at
    if limited_at is None or sent_at > limited_at:  # the others were under way when the first page came
        if response_kind in (ResponseKind.LIMITED, ResponseKind.LIMITED_UNPROVEN) and not response.is_json:
            if limited_at is not None:
                return breaker, _something_between(response), signal
            breaker = replace(breaker, page_limited_at=now)
        elif response.is_json and response.http_status is not None:
            breaker = replace(breaker, page_limited_at=None)
    if response_kind in _NOT_ABOUT_A_ROW:
        return breaker, None, signal
    sequence = _SAME_SEQUENCE.get(response_kind, response_kind)
    repeated = breaker.repeated + 1 if sequence is breaker.last_kind else 1
    is_unexplained = response_kind is ResponseKind.BAD_REQUEST and not response.meaning
    refusal = (response.api_code, response.text) if is_unexplained else None
    breaker = replace(
        breaker,
        responses=breaker.responses + (RULES[response_kind].proves_reachable and not inferred),
        missing=breaker.missing + (response_kind is ResponseKind.NOT_FOUND and not inferred),
        last_kind=sequence,
        repeated=repeated,
        refusal=refusal,
        same_refusals=0 if refusal is None else breaker.same_refusals + 1 if refusal == breaker.refusal else 1,
        failed=(*breaker.failed[-9:], response_kind in _FAILED),
    )
    if response_kind in _FAILED:
        if sum(breaker.failed) >= MAX_FAILURES_OF_LAST_TEN:
            signal = Signal(SuspensionReason.FAILING, None)
        elif response.wait is not None:
            signal = Signal(SuspensionReason.FAILING, min(response.wait, MAX_REQUESTED_WAIT_SECONDS))
    return breaker, _run_end(breaker, response), signal


def _something_between(response: Response) -> RunEnd:
    """Zoho People itself tells of its limit in JSON; a page that does so again after the wait is somebody else's."""
    return RunEnd(
        f'Something between this machine and Zoho People answers, for the second time with a page ("{response.text}"): '
        "a proxy, a firewall or maintenance. Open Zoho People in a browser on this machine, then resume.",
        code=EndReason.WEB_PAGE,
    )


def _run_end(breaker: Breaker, response: Response) -> RunEnd | None:
    quote = f': "{response.text}"' if response.text else ""
    details = f" (HTTP {response.http_status}{quote})"
    sequence = _SAME_SEQUENCE.get(response.kind, response.kind)
    is_limit_reached = breaker.repeated >= MAX_CONSECUTIVE.get(sequence, 1)
    operation, words = breaker.operation, breaker.operation.words
    match response.kind:
        case ResponseKind.NOT_JSON:
            return RunEnd(
                f"Something other than Zoho People answered{details}: a proxy, a sign-in page or maintenance. "
                "Open Zoho People in a browser on this machine, then resume.",
                code=EndReason.WEB_PAGE,
            )
        case ResponseKind.NOT_FOUND_FOREIGN:
            return RunEnd(
                f"The address was not found, and the response is not in Zoho's form{details}. "
                "Check the data centre and the proxy, then resume."
            )
        case ResponseKind.UNEXPECTED:
            return RunEnd(f"A response came that this program does not know{details}. Find out why before you resume.")
        case ResponseKind.REDIRECTED | ResponseKind.SEE_OTHER:
            return RunEnd(
                f"The call was redirected{details}, and redirects are never followed: wrong data centre or a proxy. "
                "Correct it, then retry.",
                is_final=True,
            )
        case ResponseKind.SCOPE_MISSING:
            return RunEnd(
                f"The permission (scope) {operation.scopes[0]} is missing{details}. "
                "Log in again with a new grant code that has it, then resume.",
                code=EndReason.NOT_AUTHORIZED,
            )
        case ResponseKind.WRONG_DATA_CENTER:
            return RunEnd(
                f"This token belongs to another data centre{details}. Log in again with the right one, then retry.",
                is_final=True,
                code=EndReason.NOT_AUTHORIZED,
            )
        case ResponseKind.FORBIDDEN if is_limit_reached:
            return RunEnd(
                f"Zoho forbade 3 {words.nouns} in succession{details}. The user who made the grant code is probably "
                "not an admin of these courses. Correct that, then retry.",
                is_final=True,
                code=EndReason.NOT_AUTHORIZED,
            )
        case ResponseKind.BAD_REQUEST if is_limit_reached and breaker.responses == breaker.repeated:
            return RunEnd(
                f"Zoho refused the first 3 rows as malformed{details}. Check that the columns hold Zoho's ids "
                f"({', '.join(operation.roles)}), then resume."
            )
        case ResponseKind.BAD_REQUEST if breaker.same_refusals >= MAX_SAME_REFUSALS:
            return RunEnd(
                f"Zoho refused {MAX_SAME_REFUSALS} rows in succession with the same words, which this program does not "
                f"know{details}. If they report a limit, wait until it ends; then resume."
            )
        case ResponseKind.CONTRADICTORY if is_limit_reached:
            return RunEnd(
                f"2 responses in a row could not be understood{details}. Look in Zoho People whether the learners are "
                "in their batches, then resume."
            )
        case ResponseKind.OTHER_WORDING if is_limit_reached:
            return RunEnd(
                f"Zoho reports a success in words that nobody has accepted yet{details}. Cancel the job, look in "
                "Zoho People whether the learners are gone from their batches, and note it. Then these words can be "
                "accepted for this account, and the rows that were not sent can be retried."
            )
        case ResponseKind.NOT_FOUND if (
            breaker.responses == breaker.missing >= breaker.max_missing and not breaker.expect_missing
        ):
            if operation == ENROLL_LEARNER:
                return RunEnd(
                    f"Zoho knew none of the first {MAX_LEADING_NOT_FOUND} people or their batches: wrong organisation? "
                    "Look at the batches in Zoho People, then resume."
                )
            return RunEnd(
                f"Zoho knew none of the first {MAX_LEADING_NOT_FOUND} learners: wrong organisation, wrong columns, or "
                "employee record numbers instead of learner ids? If they are expected to be gone, "
                "say so when you resume the job."
            )
    return None


def without_id(response: Response, pending_row: PendingRow) -> Response:
    """The response without ids in its text, which the reason of a run's end may quote."""
    learner, text = pending_row.removal.learner, without_ids(response.text)
    if learner in text:  # a short one; compiling the expression costs a tenth of a row's processor time
        text = re.sub(f"(?<![0-9]){learner}(?![0-9])", "…", text)
    return response if text == response.text else replace(response, text=text)


def with_row(run_end: RunEnd, pending_row: PendingRow, response: Response) -> RunEnd:
    """The end of a run with the row whose response caused it, if a person must look at that row.

    It names no learner: it is stored as the job's reason, and goes into events, notices and the report's other rows.
    """
    if not RULES[response.kind].open and response.kind not in (ResponseKind.BAD_REQUEST, ResponseKind.REDIRECTED):
        return run_end
    return replace(
        run_end,
        reason=f"{run_end.reason} This was row {pending_row.number}; look the learner up in Zoho People.",
    )
