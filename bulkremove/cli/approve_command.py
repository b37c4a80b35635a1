"""The command approve: it shows what is left of a held job, asks for the number, and releases it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING

import click

from bulkremove.cli.console import Screen, ask_number, json_option, printable, sandbox_of
from bulkremove.domain.errors import ConsentMissing
from bulkremove.domain.job import FrontEnd, Job
from bulkremove.domain.plural import pluralize
from bulkremove.platform.local_time import local

if TYPE_CHECKING:
    from bulkremove.app import App

_MAX_BATCHES = 20
"""Batches that are listed."""


def add_to(group: click.Group) -> None:
    """Add this command to the group."""
    group.add_command(approve)


@click.command()
@click.argument("job")
@click.option("--plan", "plan_hash", metavar="HASH", help="Approve exactly the plan that was looked at; asks nothing.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.option("--rows", type=int, metavar="N", help="The number of rows left, of a job that was approved before.")
@click.option("--compared", type=int, metavar="N", help="The number of doubtful ids, compared with Zoho People.")
@json_option
@click.pass_obj
def approve(
    screen: Screen, job: str, plan_hash: str | None, yes: bool, rows: int | None, compared: int | None, as_json: bool
) -> None:
    """Show what the held JOB would remove, ask for the number, and release it.

    One of a nightly run runs in the next one, or at once by `bulkremove resume JOB`.

    Example: bulkremove approve 20261123-k3f9
    """
    from bulkremove.app import this_person

    held, batches, over_cap = screen.call(lambda app: _load(app, job))
    removals = batches.total()
    if held.state.is_approvable and plan_hash is None and rows is None and not yes:
        _show(screen, held, batches, over_cap)
        if not sys.stdin.isatty():
            rows_command = screen.command("report", held.id)
            raise ConsentMissing(
                "There is no terminal to ask on. Nothing was approved.",
                hint=f"Look at its rows (`{rows_command}`), then give --plan {held.plan_hash}, or --yes.",
            )
        if held.doubtful_ids and compared is None:
            expected = f"{held.doubtful_ids:,}"
            compared = ask_number(f"If you compared the doubtful ids with Zoho People, type their number ({expected})")
        typed = ask_number(
            f"Type the number of {held.words.nouns} ({removals:,}) to let this job {held.words.act} these learners"
        )
        if typed != removals:
            raise ConsentMissing(f"{typed:,} is not the number of {held.words.nouns}. Nothing was approved.")
        rows = typed
    if plan_hash is not None and plan_hash != held.plan_hash:
        raise ConsentMissing(f"This is not the plan of job {held.id}. Nothing was approved.")
    approved = screen.call(lambda app: app.jobs.approve(job, by=this_person(), compared=compared, rows_left=rows))
    resume_command = screen.command("resume", approved.id, values=sandbox_of(approved))
    if as_json:
        document = {"job": approved.id, "state": approved.state.value, "removals": removals, "command": resume_command}
        screen.print_result(json.dumps(document))
    elif approved.origin is FrontEnd.NIGHTLY:
        run_text = "nightly run against the sandbox" if approved.is_sandbox else "nightly run"
        screen.print_result(f"Job {approved.id} runs in the next {run_text}. At once: {resume_command}")
    else:
        screen.print_result(f"Job {approved.id} is approved. Start it within an hour: {resume_command}")


async def _load(app: App, job_id: str) -> tuple[Job, Counter[tuple[str, str]], str]:
    job = await app.jobs.find(job_id)
    batches = await app.jobs.open_batches(job)
    return job, batches, await app.plans.cap_problem(job, batches.total())


def _show(screen: Screen, job: Job, batches: Counter[tuple[str, str]], over_cap: str) -> None:
    """Show the plan of a held job, as far as it is not done yet. ``over_cap``: why it exceeds today's cap."""
    screen.warn(
        f"File      {printable(job.source)}, prepared by {printable(', '.join(job.prepared_by)) or 'the nightly run'}"
    )
    screen.warn(f"Account   {job.account} on {'SANDBOX ' if job.is_sandbox else ''}{job.host}")
    if job.due_at is not None:
        screen.warn(f"Announced for {local(job.due_at):%Y-%m-%d %H:%M}; an approval lets it run at once")
    else:
        screen.warn(f"Held      {job.reason}")
    if over_cap:
        screen.warn(f"Cap       {over_cap} An approval goes over it.")
    act, preposition = job.words.act.capitalize(), job.words.preposition
    screen.warn(
        f"{act:<9} {pluralize(batches.total(), 'learner')} {preposition} {pluralize(len(batches), 'batch', 'batches')}"
    )
    for (course, batch), count in batches.most_common(_MAX_BATCHES):
        screen.warn(f"          {count:>7,}  course {course}, batch {batch}")
    if len(batches) > _MAX_BATCHES:
        screen.warn(f"          ... and {len(batches) - _MAX_BATCHES:,} more batches")
    screen.warn(f"Plan      {job.plan_hash}")
    screen.warn(f"Its rows  {screen.command('report', job.id)}")
