"""When the job as a whole must pause, stop or wait: the rules that look at several responses in a row.

Pure: each response, in the order of arrival, changes a small frozen memory. What a response means for its own
row stands in ``decision_table``; these rules only keep a mistake about the file, the account or the network from
costing thousands of calls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bulkremove.domain.job import EndReason
from bulkremove.domain.ledger import SuspensionReason
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.engine.decision_table import RULES
from bulkremove.engine.events import RunEnd
from bulkremove.engine.rate_limit import MAX_WAIT, Signal
from bulkremove.zoho.response_kind import Response, ResponseKind

ALL_MISSING = 10
"""So many first rows, all not found, mean that the file or the account is wrong."""
IN_A_ROW = {ResponseKind.BAD_REQUEST: 3, ResponseKind.FORBIDDEN: 3, ResponseKind.MUDDLED: 2}
FAILED_OF_LAST_TEN = 5


@dataclass(frozen=True, slots=True)
class Breaker:
    """What the rules remember of a run's responses so far."""

    expect_missing: bool = False
    responses: int = 0
    """Answers that settled a row or tried to."""
    missing: int = 0
    """How many of them were ``not_found``, while all were."""
    last: ResponseKind | None = None
    repeated: int = 0
    """How often ``last`` came in a row."""
    failed: tuple[bool, ...] = ()
    """For the last ten responses: was it a 5xx?"""


_NO_ROWS = frozenset({ResponseKind.LIMITED, ResponseKind.UNAUTHORIZED, ResponseKind.NEVER_SENT})
"""Answers that say nothing about a row; they neither make nor break a sequence."""


def observe(breaker: Breaker, response: Response) -> tuple[Breaker, RunEnd | None, Signal | None]:
    """The memory after ``response``; whether the job ends early; whether everybody waits."""
    response_kind = response.kind
    suspension = RULES[response_kind].suspension
    signal = Signal(suspension, response.wait) if suspension else None
    if response_kind in _NO_ROWS:
        return breaker, None, signal
    repeated = breaker.repeated + 1 if response_kind is breaker.last else 1
    breaker = replace(
        breaker,
        responses=breaker.responses + 1,
        missing=breaker.missing + (response_kind is ResponseKind.NOT_FOUND),
        last=response_kind,
        repeated=repeated,
        failed=(*breaker.failed[-9:], response_kind is ResponseKind.SERVER_ERROR),
    )
    if response_kind is ResponseKind.SERVER_ERROR:
        if sum(breaker.failed) >= FAILED_OF_LAST_TEN:
            signal = Signal(SuspensionReason.FAILING, None)
        elif response.wait is not None:
            signal = Signal(SuspensionReason.FAILING, min(response.wait, MAX_WAIT))
    return breaker, _run_end(breaker, response), signal


def _run_end(breaker: Breaker, response: Response) -> RunEnd | None:
    said = f' (HTTP {response.http_status}: "{response.text}")' if response.text else f" (HTTP {response.http_status})"
    enough = breaker.repeated >= IN_A_ROW.get(response.kind, 1)
    match response.kind:
        case ResponseKind.NOT_JSON:
            return RunEnd(
                f"Something other than Zoho People answered{said}: a proxy, a sign-in page or maintenance. "
                "Open Zoho People in a browser on this machine, then resume."
            )
        case ResponseKind.NOT_FOUND_ELSEWHERE:
            return RunEnd(
                f"The address was not found, and the response is not in Zoho's form{said}. "
                "Check the data centre and the proxy, then resume."
            )
        case ResponseKind.STRANGE:
            return RunEnd(f"A response came that this program does not know{said}. Look before you resume.")
        case ResponseKind.REDIRECTED | ResponseKind.SEE_OTHER:
            return RunEnd(
                f"The call was redirected{said}, and redirects are never followed: wrong data centre or a proxy. "
                "Correct it, then retry.",
                for_good=True,
            )
        case ResponseKind.SCOPE_MISSING:
            return RunEnd(
                f"The permission (scope) {REMOVE_LEARNER.scopes[0]} is missing{said}. "
                "Make a new grant code with it and run `bulkremove login`, then resume.",
                code=EndReason.NOT_AUTHORIZED,
            )
        case ResponseKind.WRONG_DATA_CENTER:
            return RunEnd(
                f"This token belongs to another data centre{said}. Run `bulkremove login` with the right one, "
                "then retry.",
                for_good=True,
                code=EndReason.NOT_AUTHORIZED,
            )
        case ResponseKind.FORBIDDEN if enough:
            return RunEnd(
                f"Zoho forbade 3 rows in a row{said}. The user who made the grant code probably is no admin of "
                "these courses. Mend that, then retry.",
                for_good=True,
                code=EndReason.NOT_AUTHORIZED,
            )
        case ResponseKind.BAD_REQUEST if enough and breaker.responses == breaker.repeated:
            return RunEnd(
                f"Zoho refused the first 3 rows as malformed{said}. Check that the columns hold Zoho's course, "
                "batch and learner ids, then resume."
            )
        case ResponseKind.MUDDLED if enough:
            return RunEnd(
                f"2 responses in a row could not be understood{said}. Look in Zoho People whether the learners are "
                "still in their batches, then resume."
            )
        case ResponseKind.NOT_FOUND if (
            breaker.responses == breaker.missing == ALL_MISSING and not breaker.expect_missing
        ):
            return RunEnd(
                f"Zoho knew none of the first {ALL_MISSING} learners: wrong organisation, wrong columns, or "
                "employee record numbers instead of learner ids? If they are expected to be gone, resume with "
                "--expect-missing."
            )
    return None
