"""The commands preview, run, resume and retry: they send removals, or show which would be sent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulkremove.cli import file_preview, preview_text
from bulkremove.cli.confirmed_run import confirm_and_run
from bulkremove.cli.console import Screen, ask_number, json_option, printable, sandbox_options
from bulkremove.cli.run_display import run_job
from bulkremove.cli.run_options import (
    cap_options,
    check_options,
    consent_options,
    limit_options,
    reading_options,
    run_options,
    split_params,
)
from bulkremove.domain.job import FrontEnd

if TYPE_CHECKING:
    pass


def add_to(group: click.Group) -> None:
    """Add these commands to the group."""
    for command in (preview, run, resume, retry):
        group.add_command(command)


@click.command()
@click.argument("file")
@reading_options
@check_options
@limit_options
@cap_options
@click.option("-o", "output", metavar="FILE", help="Write the plan row by row: .csv or .jsonl.")
@json_option
@sandbox_options
@click.pass_obj
def preview(screen: Screen, /, file: str, output: str | None, as_json: bool, **params: Any) -> int:
    """Show what FILE would remove, and remove nothing.

    FILE: a file, - for standard input, an https address, or 'command PROGRAM ...'. Its ids are those that `bulkremove
    find` and `bulkremove roster` give.

    Example: bulkremove preview leavers.xlsx --sheet "March"
    """
    return _dry_run(screen, file, output, as_json, params)


@click.command()
@click.argument("file")
@click.option("--dry-run", is_flag=True, help="The same as preview: shows the plan and removes nothing.")
@consent_options
@cap_options
@run_options
@reading_options
@check_options
@limit_options
@json_option
@sandbox_options
@click.pass_obj
def run(
    screen: Screen,
    /,
    file: str,
    dry_run: bool,
    plan_hash: str | None,
    yes: bool,
    compared: int | None,
    report: str | None,
    expect_missing: bool,
    as_json: bool,
    **params: Any,
) -> int:
    """Remove the learners in FILE from their batches, after showing the plan and asking.

    FILE: a file, - for standard input, an https address, or 'command PROGRAM ...'.

    Example: bulkremove run leavers.csv
    """
    if dry_run:
        params |= {"report": report, "expect_missing": expect_missing}
        return _dry_run(screen, file, None, as_json, params)
    from bulkremove.app import Consent

    reading, settings, sandbox = split_params(params)
    with screen.app(**settings, **sandbox) as app:
        preview, folder = file_preview.read(screen, app, file, reading)
        preview = file_preview.check(screen, app, preview, params)
        consent = Consent(plan_hash, None, yes, compared)
        return confirm_and_run(screen, app, preview, folder, consent, report, expect_missing, as_json, params)


@click.command()
@click.argument("job", required=False)
@click.option("--rows", type=int, metavar="N", help="The number of rows left, of a job that needs review.")
@click.option("--max-removals", type=int, metavar="N", help="Go on beyond the cap of the day.  [default: 500]")
@run_options
@limit_options
@json_option
@sandbox_options
@click.pass_obj
def resume(
    screen: Screen,
    /,
    job: str | None,
    rows: int | None,
    report: str | None,
    expect_missing: bool,
    as_json: bool,
    **params: Any,
) -> int:
    """Go on with JOB, or with the latest one that a command ran. The file is not needed any more.

    A job that has not run for an hour, that a person paused, or that the page or a nightly run ran last needs review:
    it shows what is left and asks.

    Example: bulkremove resume
    """
    import asyncio

    _, settings, sandbox = split_params(params)
    with screen.app(**settings, **sandbox) as app:
        from bulkremove.app.review import why_review

        if job is None:
            of_account = app.settings.account, app.accounts.client(app.settings), app.settings.host
            stored = asyncio.run(app.jobs.newest_unfinished(*of_account))
        else:
            stored = asyncio.run(app.jobs.find(job))
        rows_left, now = asyncio.run(app.jobs.tally(stored)).open, app.clock.wall()
        review = why_review(stored, rows_left, settings=app.settings, now=now, front_end=FrontEnd.COMMAND)
        if rows is None and review and sys.stdin.isatty():
            screen.warn(f"Job {stored.id} ({printable(stored.source)}) needs review. {review}")
            screen.warn(f"Its rows: {screen.command('report', stored.id)}")
            rows = ask_number(f"Type the number of rows left ({rows_left:,}) to {stored.words.act} these learners")
        return run_job(screen, app, stored.id, report, expect_missing, as_json, params, rows_reviewed=rows)


@click.command()
@click.argument("job")
@click.option("--unknown-checked", is_flag=True, help="Send unknown rows too: each was looked up in Zoho People.")
@consent_options
@cap_options
@run_options
@check_options
@limit_options
@json_option
@sandbox_options
@click.pass_obj
def retry(
    screen: Screen,
    /,
    job: str,
    unknown_checked: bool,
    plan_hash: str | None,
    yes: bool,
    compared: int | None,
    report: str | None,
    expect_missing: bool,
    as_json: bool,
    **params: Any,
) -> int:
    """Make a new job of what JOB did not send, show it, ask, and run it.

    Example: bulkremove retry 20261123-k3f9
    """
    import asyncio

    from bulkremove.app import Consent

    _, settings, sandbox = split_params(params)
    with screen.app(**settings, **sandbox) as app:
        preview = asyncio.run(app.plans.retry(job, unknown_checked=unknown_checked))
        preview = file_preview.check(screen, app, preview, params)
        folder = Path(asyncio.run(app.jobs.find(job)).folder)
        consent = Consent(plan_hash, None, yes, compared)
        return confirm_and_run(screen, app, preview, folder, consent, report, expect_missing, as_json, params)


def _dry_run(screen: Screen, file: str, output: str | None, as_json: bool, params: dict[str, Any]) -> int:
    reading, settings, sandbox = split_params(params)
    with screen.app(**settings, **sandbox) as app:
        preview, _ = file_preview.read(screen, app, file, reading)
        preview = file_preview.check(screen, app, preview, params)
        file_preview.record_shown(app, preview)
    command = screen.command("run", file, values={**params, "plan": preview.plan.hash})
    if output is not None:
        from bulkremove.report import write_plan

        write_plan(Path(output), preview.plan)
    return preview_text.show(screen, preview, command, as_json=as_json)
