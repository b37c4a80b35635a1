"""The exit codes and their meanings, for every command, for `--help` and for docs/outcomes.md (compared by a test).

Imports are late, because `--help` needs none of the domain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bulkremove.app.nightly import NightlyResult
    from bulkremove.domain.errors import BulkremoveError
    from bulkremove.domain.job import Job, Tally

EXIT_CODES = {
    0: "all removed, or known to be gone; or all put back",
    1: "an unexpected error, or the journal or Zoho's lists can't be used",
    2: "usage, or the file is refused; nothing was sent",
    3: "finished, but some rows are refused, unknown, invalid or of another person",
    4: "refused: over a cap, or not confirmed; nothing was sent. A nightly run: a file or job waits for a person",
    5: "stopped early: what is left can be resumed or retried. A nightly run: the next one goes on by itself",
    6: "another process runs the job, or another home folder uses the same limit",
    7: "not authorised",
    8: "a nightly run has failed: its source, account, journal, clock or time window",
    130: "stopped by Ctrl-C",
}


def epilog() -> str:
    """The list of exit codes at the end of `--help`, marked so that click keeps its line breaks."""
    return "\b\nExit codes:\n" + "\n".join(f"  {code:>3}  {meaning}" for code, meaning in EXIT_CODES.items())


def of_job(job: Job, tally: Tally) -> int:
    """The exit code after a run of a job."""
    from bulkremove.domain.job import EndReason

    match job.reason_code:
        case EndReason.NONE:
            return 3 if tally.needs_person else 0
        case EndReason.INTERRUPTED:
            return 130
        case EndReason.NOT_AUTHORIZED:
            return 7
    return 5


def of_nightly_run(result: NightlyResult) -> int:
    """The exit code of a nightly run."""
    from bulkremove.app.nightly import NightlyRunEnd
    from bulkremove.domain.job import EndReason

    if any(job.reason_code is EndReason.INTERRUPTED for job in result.ran):
        return 130
    codes = {
        NightlyRunEnd.GOES_ON: 5,
        NightlyRunEnd.ROWS_NEED_PERSON: 3,
        NightlyRunEnd.NEEDS_PERSON: 4,
        NightlyRunEnd.FAILED: 8,
    }
    return codes.get(result.end, 0)


def of_nightly_error(error: BulkremoveError) -> int:
    """The exit code of a nightly run that ended with this error."""
    code = of_error(error)
    return code if code == 6 else 8


def worst_code(codes: Iterable[int]) -> int:
    """The exit code of a command that ran several nights: that which asks most of a person; 0 for none."""
    return max(codes, key=_CODES_BY_SEVERITY.index, default=0)


_CODES_BY_SEVERITY = (0, 5, 3, 4, 6, 1, 2, 7, 8, 130)


def of_error(error: BulkremoveError) -> int:
    """The exit code of a command that ended with this error."""
    from bulkremove.domain import errors

    match error:
        case errors.NotAuthorized():
            return 7
        case errors.JobBusy() | errors.OtherHomeSends():
            return 6
        case errors.TokenDelayed():
            return 5
        case errors.ActionRefused():
            return 4
        case (
            errors.ReadFailed()
            | errors.JournalFailed()
            | errors.NoticeFailed()
            | errors.OutputFailed()
            | errors.ExchangeFailed()
        ):
            return 1
    return 2
