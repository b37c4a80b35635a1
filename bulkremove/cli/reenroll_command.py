"""The command reenroll: it puts people back whom a job removed, or shows who would be put back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from bulkremove.cli import file_preview, preview_text
from bulkremove.cli.confirmed_run import confirm_and_run
from bulkremove.cli.console import Screen, json_option, sandbox_options
from bulkremove.cli.run_options import consent_options, limit_options, split_params

MAX_ROWS = 1_000_000
"""The highest row number that ``--rows`` takes."""


def add_to(group: click.Group) -> None:
    """Add this command to the group."""
    group.add_command(reenroll)


@click.command()
@click.argument("job")
@click.option("--rows", metavar="ROWS", help="Only the people of these rows of JOB, such as 3,7-9.  [default: all]")
@click.option("--dry-run", is_flag=True, help="Show who would be put back, and enrol nobody.")
@consent_options
@click.option("--max-removals", type=int, metavar="N", help="Refuse a plan with more enrolments.  [default: 500]")
@click.option("--check", is_flag=True, help="Ask Zoho who is in these batches, and refuse the plan if it can't say.")
@click.option("--no-check", is_flag=True, help="Don't ask Zoho who is in these batches already.")
@click.option("--report", metavar="FILE", help="Where the report goes: .csv, .xlsx or .jsonl.")
@limit_options
@json_option
@sandbox_options
@click.pass_obj
def reenroll(
    screen: Screen,
    /,
    job: str,
    rows: str | None,
    dry_run: bool,
    plan_hash: str | None,
    yes: bool,
    compared: int | None,
    report: str | None,
    as_json: bool,
    **params: Any,
) -> int:
    """Put people back whom JOB removed: show the plan of enrolments, ask, and run it.

    It needs the scope ZOHOPEOPLE.training.CREATE, and a JOB whose plan was checked with Zoho's lists.

    Example: bulkremove reenroll 20261123-k3f9 --rows 3,7-9
    """
    import asyncio

    from bulkremove.app import Consent

    numbers = _numbers(rows) if rows is not None else None
    params["include_mismatched"] = False
    _, settings, sandbox = split_params(params)
    with screen.app(**settings, **sandbox) as app:
        stored = asyncio.run(app.jobs.find(job))
        preview = asyncio.run(app.reenrolments.preview(job, numbers))
        preview = file_preview.check(screen, app, preview, params)
        if not dry_run:
            consent = Consent(plan_hash, None, yes, compared)
            folder = Path(stored.folder)
            return confirm_and_run(screen, app, preview, folder, consent, report, False, as_json, params)
        file_preview.record_shown(app, preview)
    command = screen.command("reenroll", job, values={**params, "rows": rows, "plan": preview.plan.hash})
    return preview_text.show(screen, preview, command, as_json=as_json)


def _numbers(text: str) -> set[int]:
    """The row numbers that a text such as ``3,7-9`` names. Raises UsageError."""
    numbers: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*([1-9][0-9]{0,6})(?:-([1-9][0-9]{0,6}))?\s*", part, re.ASCII)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last <= MAX_ROWS:
            raise click.UsageError(f"--rows {text!r}: {part.strip()!r} is neither a row nor a range such as 7-9.")
        numbers.update(range(first, last + 1))
    return numbers
