"""When the job as a whole must pause, stop or wait: the rules that look at several answers in a row.

Pure: each answer, in the order of arrival, changes a small frozen memory. What an answer means for its own
row stands in ``policy``; these rules only keep a mistake about the file, the account or the network from
costing thousands of calls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bulkremove.model import EndReason, HoldReason
from bulkremove.pacing import LONGEST_WAIT, Signal
from bulkremove.policy import RULES, Answer, Finding

ALL_MISSING = 10
"""So many first rows, all not found, mean that the file or the account is wrong."""
IN_A_ROW = {Finding.BAD_REQUEST: 3, Finding.FORBIDDEN: 3, Finding.MUDDLED: 2}
FAILED_OF_LAST_TEN = 5


@dataclass(frozen=True, slots=True)
class Halt:
    """Why the job ends early. ``for_good``: the rows left are ``not_sent``; else ``resume`` goes on."""

    reason: str
    code: EndReason = EndReason.ANSWERS
    for_good: bool = False
    exit_code: int = 5
    goes_on: bool = False
    """Whether time alone mends it, so that an unattended run may go on by itself; else a person must look."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """What the rules remember of a run's answers so far."""

    expect_missing: bool = False
    answers: int = 0
    """Answers that settled a row or tried to."""
    missing: int = 0
    """How many of them were ``not_found``, while all were."""
    last: Finding | None = None
    repeated: int = 0
    """How often ``last`` came in a row."""
    failed: tuple[bool, ...] = ()
    """For the last ten answers: was it a 5xx?"""


_NO_ROWS = frozenset({Finding.LIMITED, Finding.UNAUTHORISED, Finding.NEVER_SENT})
"""Answers that say nothing about a row; they neither make nor break a sequence."""


def observe(breaker: Breaker, answer: Answer) -> tuple[Breaker, Halt | None, Signal | None]:
    """The memory after ``answer``; whether the job ends early; whether everybody waits."""
    finding = answer.finding
    hold = RULES[finding].hold
    signal = Signal(hold, answer.wait) if hold else None
    if finding in _NO_ROWS:
        return breaker, None, signal
    repeated = breaker.repeated + 1 if finding is breaker.last else 1
    breaker = replace(
        breaker,
        answers=breaker.answers + 1,
        missing=breaker.missing + (finding is Finding.NOT_FOUND),
        last=finding,
        repeated=repeated,
        failed=(*breaker.failed[-9:], finding is Finding.SERVER_ERROR),
    )
    if finding is Finding.SERVER_ERROR:
        if sum(breaker.failed) >= FAILED_OF_LAST_TEN:
            signal = Signal(HoldReason.FAILING, None)
        elif answer.wait is not None:
            signal = Signal(HoldReason.FAILING, min(answer.wait, LONGEST_WAIT))
    return breaker, _halt(breaker, answer), signal


def _halt(breaker: Breaker, answer: Answer) -> Halt | None:
    said = f' (HTTP {answer.http_status}: "{answer.text}")' if answer.text else f" (HTTP {answer.http_status})"
    enough = breaker.repeated >= IN_A_ROW.get(answer.finding, 1)
    match answer.finding:
        case Finding.NOT_JSON:
            return Halt(
                f"Something other than Zoho People answered{said}: a proxy, a sign-in page or maintenance. "
                "Open Zoho People in a browser on this machine, then resume."
            )
        case Finding.NOT_FOUND_ELSEWHERE:
            return Halt(
                f"The address was not found, and the answer is not in Zoho's form{said}. "
                "Check the data centre and the proxy, then resume."
            )
        case Finding.STRANGE:
            return Halt(f"An answer came that this program does not know{said}. Look before you resume.")
        case Finding.REDIRECTED | Finding.SEE_OTHER:
            return Halt(
                f"The call was redirected{said}, and redirects are never followed: wrong data centre or a proxy. "
                "Correct it, then retry.",
                for_good=True,
            )
        case Finding.SCOPE_MISSING:
            return Halt(
                f"The permission (scope) ZOHOPEOPLE.training.DELETE is missing{said}. "
                "Make a new grant code with it and run `bulkremove login`, then resume.",
                code=EndReason.NOT_AUTHORIZED,
                exit_code=7,
            )
        case Finding.WRONG_DATA_CENTRE:
            return Halt(
                f"This token belongs to another data centre{said}. Run `bulkremove login` with the right one, "
                "then retry.",
                for_good=True,
                code=EndReason.NOT_AUTHORIZED,
                exit_code=7,
            )
        case Finding.FORBIDDEN if enough:
            return Halt(
                f"Zoho forbade 3 rows in a row{said}. The user who made the grant code probably is no admin of "
                "these courses. Mend that, then retry.",
                for_good=True,
                code=EndReason.NOT_AUTHORIZED,
                exit_code=7,
            )
        case Finding.BAD_REQUEST if enough and breaker.answers == breaker.repeated:
            return Halt(
                f"Zoho refused the first 3 rows as malformed{said}. Check that the columns hold Zoho's course, "
                "batch and learner ids, then resume."
            )
        case Finding.MUDDLED if enough:
            return Halt(
                f"2 answers in a row could not be understood{said}. Look in Zoho People whether the learners are "
                "still in their batches, then resume."
            )
        case Finding.NOT_FOUND if breaker.answers == breaker.missing == ALL_MISSING and not breaker.expect_missing:
            return Halt(
                f"Zoho knew none of the first {ALL_MISSING} learners: wrong organisation, wrong columns, or "
                "employee record numbers instead of learner ids? If they are expected to be gone, resume with "
                "--expect-missing."
            )
    return None
