"""A run of a job as a command shows it: signals, progress, the summary, and the command that resumes the job."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulkremove.cli.console import Screen
from bulkremove.cli.exit_codes import of_job
from bulkremove.domain.errors import ActionRefused, BulkremoveError, JobBusy
from bulkremove.domain.job import EndReason, FrontEnd

if TYPE_CHECKING:
    from bulkremove.app import App, RunResult
    from bulkremove.cli.progress_line import ProgressDisplay

OTHER_JOBS_POLL_SECONDS = 10.0
"""Real seconds between two looks at the jobs that other processes run."""


def run_job(
    screen: Screen,
    app: App,
    job_id: str,
    report: str | None,
    expect_missing: bool,
    as_json: bool,
    params: dict[str, Any],
    *,
    claimed: bool = False,
    rows_reviewed: int | None = None,
) -> int:
    """Run a job until it ends or is stopped, show its result, and return the exit code. Errors are printed.

    ``params``: the parameters of the command; ``claimed``: the job is new and the caller holds its claim, so that it is
    withdrawn if it is refused; ``rows_reviewed``: the number of rows left that the person saw.
    """
    import asyncio

    from bulkremove.app import this_person
    from bulkremove.app.canary import confirming_answer
    from bulkremove.cli.error_line import report_error

    params = {**params, "expect_missing": expect_missing}
    resume_command = _resume_command(screen, job_id, {**params, "report": report})
    path = Path(report).absolute() if report else None
    try:
        ended = asyncio.run(_run(screen, app, job_id, path, expect_missing, resume_command, claimed, rows_reviewed))
    except (Exception, KeyboardInterrupt) as error:
        screen.add_global_options(error)
        code = report_error(error) if isinstance(error, Exception) else 130
        if claimed and asyncio.run(_withdrawn(app, job_id)):
            screen.warn(f"Job {job_id} was cancelled before its first row.")
        elif not isinstance(error, JobBusy | ActionRefused) and _resumable(app, job_id):
            screen.warn(f"Job {job_id} is kept. To resume: {resume_command}")
        return code
    if ended.report:
        resume_command = _resume_command(screen, job_id, params)
    _show_end(screen, ended, as_json)
    question = asyncio.run(app.canaries.question(ended.job))
    if question and sys.stdin.isatty() and not as_json:
        screen.warn(question)
        expected = confirming_answer(ended.job)
        typed = click.prompt(f"Type {expected} to send the other rows", default="", show_default=False, err=True)
        if typed.strip().casefold() == expected:
            asyncio.run(app.canaries.confirm(ended.job, by=this_person()))
            question = ""
            if ended.job.state.is_resumable:
                return run_job(screen, app, job_id, None, expect_missing, as_json, params, claimed=claimed)
    if question:
        screen.warn(
            f"{question} If so: {screen.command('canary', job_id, values={confirming_answer(ended.job): True})}"
        )
    if question and ended.job.state.is_resumable:
        screen.warn(ended.job.reason)  # it goes on only after the answer
    elif ended.job.state.is_resumable:
        first = ""
        if ended.job.reason_code is EndReason.NOT_AUTHORIZED:
            first = f"To look for the cause: {screen.command('doctor')}. To log in again: {screen.command('login')}\n"
        screen.warn(f"{ended.job.reason}\n{first}To resume: {resume_command}")
    elif ended.job.reason:
        screen.warn(f"{ended.job.reason}\nTo send what was not sent: {screen.command('retry', job_id)}")
    return of_job(ended.job, ended.tally)


async def _withdrawn(app: App, job_id: str) -> bool:
    from bulkremove.app import this_person

    try:
        return await app.jobs.withdraw(job_id, by=this_person())
    except BulkremoveError:
        return False  # the journal can't be written


def _resumable(app: App, job_id: str) -> bool:
    import asyncio

    try:
        return asyncio.run(app.jobs.find(job_id)).state.is_resumable
    except BulkremoveError:
        return True  # the journal can't be read; to resume a job that is over does no harm


async def _run(
    screen: Screen,
    app: App,
    job_id: str,
    report: Path | None,
    expect_missing: bool,
    resume_command: str,
    claimed: bool,
    rows_reviewed: int | None,
) -> RunResult:
    import asyncio

    from bulkremove.app import Stop, this_person
    from bulkremove.cli.progress_line import ProgressDisplay
    from bulkremove.platform.stop_signals import CLOSE, INTERRUPT, TERMINATE, on_stop_signals

    stop = Stop()
    live = ProgressDisplay(screen, clock=app.clock, quota=app.settings.quota)

    def request_stop(reason: str, code: EndReason) -> None:
        if stop.requested:
            # The journal stays sound when a process is killed, so nothing is lost by not waiting.
            live.__exit__()
            screen.warn(f"Ended at once. To resume: {resume_command}")
            os._exit(130 if code is EndReason.INTERRUPTED else 5)
        stop.request(reason, code)
        screen.info("Stopping; the rows in flight are finished first. Press Ctrl-C again to end at once.")

    on_stop_signals(
        {
            INTERRUPT: partial(request_stop, "Stopped by Ctrl-C.", EndReason.INTERRUPTED),
            TERMINATE: partial(request_stop, "The system asked the run to stop.", EndReason.TERMINATED),
            CLOSE: partial(request_stop, "The terminal was closed.", EndReason.TERMINATED),
        }
    )
    tasks = [asyncio.create_task(live.tick()), asyncio.create_task(_watch_others(app, job_id, live))]
    try:
        with live:
            return await app.runs.run(
                job_id,
                stop=stop,
                on_progress=live.show,
                by=this_person(),
                report=report,
                expect_missing=expect_missing,
                claimed=claimed,
                front_end=FrontEnd.COMMAND,
                rows_reviewed=rows_reviewed,
            )
    finally:
        for task in tasks:
            task.cancel()


async def _watch_others(app: App, job_id: str, live: ProgressDisplay) -> None:
    """Keep up to date how many rows the other jobs of the account have left. Runs until cancelled."""
    while True:
        with suppress(BulkremoveError):  # the run itself ends for it
            live.other_rows = await app.jobs.rows_beside(await app.jobs.find(job_id))
        await app.clock.sleep(OTHER_JOBS_POLL_SECONDS * app.clock.speed)


def _show_end(screen: Screen, ended: RunResult, as_json: bool) -> None:
    if ended.warning:
        (screen.warn if as_json else screen.print_result)(ended.warning, bold=True, fg="red")
    if as_json:
        from bulkremove.report import as_json as report_json

        paths = {name: str(path) if path else None for name, path in (("report", ended.report), ("retry", ended.retry))}
        document = report_json(ended.job, ended.tally)
        screen.print_result(json.dumps({**document, **paths, "exit_code": of_job(ended.job, ended.tally)}))
    else:
        screen.print_result(ended.summary)
    if ended.retry:
        screen.info(f"Rows worth another try: {ended.retry}")


def _resume_command(screen: Screen, job_id: str, params: dict[str, Any]) -> str:
    names = (
        "sandbox",
        "speed",
        "limit",
        "lock",
        "daily_limit",
        "concurrency",
        "max_removals",
        "expect_missing",
        "report",
    )
    return screen.command("resume", job_id, values={name: params.get(name) for name in names})
