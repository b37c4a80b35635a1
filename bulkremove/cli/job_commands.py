"""The commands jobs, show, canary, report and note, for jobs that are stored in the journal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from bulkremove.cli.console import Screen, json_option, printable, sandbox_of
from bulkremove.domain.attempt import LookupResult, Outcome
from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import Job, JobState, Tally
from bulkremove.domain.permissions import EVERY_ACCOUNT, AccountSet
from bulkremove.domain.row import Status
from bulkremove.domain.standing import standing_of
from bulkremove.platform.local_time import local

if TYPE_CHECKING:
    from bulkremove.app import App
    from bulkremove.storage.interface.claims import Holder

_MAX_UNKNOWN_ROWS = 20
"""Unknown rows that ``show`` lists."""


def add_to(group: click.Group) -> None:
    """Add these commands to the group."""
    for command in (jobs, show, canary, report, note):
        group.add_command(command)


@click.command()
@click.option("--state", type=click.Choice([state.value for state in JobState if state is not JobState.STORING]))
@click.option("--file", "source", metavar="TEXT", default="", help="Only jobs whose file's name contains TEXT.")
@click.option(
    "-n", "--limit", "--newest", type=click.IntRange(1, 100_000), default=50, show_default=True, help="Jobs on a page."
)
@click.option("--page", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="Which page.")
@json_option
@click.pass_obj
def jobs(screen: Screen, state: str | None, source: str, limit: int, page: int, as_json: bool) -> None:
    """List jobs, the newest first; with --account only those of that account.

    Example: bulkremove jobs --state paused --account acme
    """
    job_state, account = JobState(state) if state else None, str(screen.flags.get("account") or "")

    accounts = AccountSet.only(account) if account else EVERY_ACCOUNT

    async def load(
        app: App,
    ) -> tuple[list[Job], Mapping[str, Tally], bool, Mapping[str, Holder], frozenset[str], Epoch]:
        found, tallies, has_more = await app.jobs.page(
            accounts=accounts, page=page, limit=limit, state=job_state, source=source
        )
        unconfirmed = await app.canaries.waiting_jobs(found) if as_json else frozenset[str]()
        return found, tallies, has_more, await app.context.storage.claims.holders(), unconfirmed, app.clock.wall()

    matches, tallies, has_more, holders, unconfirmed, now = screen.look(load)
    if as_json:
        from bulkremove.report import as_json as report_json
        from bulkremove.report import utc

        documents = []
        for job in matches:
            tally, holder = tallies[job.id], holders.get(job.id)
            running = {"pid": holder.pid, "machine": holder.host, "since": utc(holder.since)} if holder else None
            step = _next_step(screen, job, tally, now, is_running=bool(holder), is_unconfirmed=job.id in unconfirmed)
            needs_review = tally.open > 0 and job.needs_review(now)
            documents.append(
                {
                    **report_json(job, tally),
                    "standing": standing_of(job, tally, now=now, is_running=bool(holder)),
                    "needs_review": needs_review,
                    "running": running,
                    "next_step": step,
                }
            )
        screen.print_result(json.dumps(documents))
        return
    if not matches and (job_state or source or account or page > 1):
        screen.print_result("No job matches.")
    elif not matches:
        screen.print_result("There are no jobs yet. `bulkremove preview FILE` shows what a file would remove.")
    for job in matches:
        tally = tallies[job.id]
        created = f"{local(job.created_at):%Y-%m-%d %H:%M}"
        settled = f"{tally.total - tally.open:,}/{tally.total:,}"
        source_name = ("SANDBOX " if job.is_sandbox else "") + printable(job.source)
        standing = standing_of(job, tally, now=now, is_running=job.id in holders)
        due_text = f"  ({due})" if (due := _due(job)) else ""
        screen.print_result(f"{job.id}  {created}  {standing.label:<22}  {settled:>15}  {source_name}{due_text}")
    if has_more:
        screen.info(f"There are more: --page {page + 1}")


def _next_step(screen: Screen, job: Job, tally: Tally, now: Epoch, *, is_running: bool, is_unconfirmed: bool) -> str:
    """The command that goes on with a job, or looks after what is left of it; empty if nothing is to be done.

    ``is_unconfirmed``: its first removal waits for a person's answer.
    """
    from bulkremove.app.review import required_row_count

    if is_running:
        return screen.command("show", job.id)
    if is_unconfirmed:
        return screen.command("canary", job.id)
    if job.state is JobState.HELD:
        return screen.command("approve", job.id)
    if job.state.is_resumable:
        return screen.command(
            "resume", job.id, values={"rows": required_row_count(job, tally.open, now), **sandbox_of(job)}
        )
    if tally[Status.UNKNOWN]:
        return screen.command("show", job.id)
    return screen.command("retry", job.id, values=sandbox_of(job)) if tally[Status.NOT_SENT] else ""


def _due(job: Job) -> str:
    return f"runs from {local(job.due_at):%Y-%m-%d %H:%M} on" if job.due_at is not None else ""


@click.command()
@click.argument("job")
@json_option
@click.pass_obj
def show(screen: Screen, job: str, as_json: bool) -> None:
    """Show where JOB stands, what happened to it, and its unknown rows.

    Example: bulkremove show 20261123-k3f9
    """

    async def load(app: App) -> tuple[Job, Tally, str, list[tuple[Epoch, str, str]], list[Outcome], bool, bool, Epoch]:
        jobs, reports, stored, now = app.jobs, app.reports, await app.jobs.find(job), app.clock.wall()
        unknown = await reports.outcomes(stored, Status.UNKNOWN)
        unconfirmed = await app.canaries.waiting(stored) is not None
        tally, summary, events = await jobs.tally(stored), await reports.summary(stored), await jobs.events(stored)
        return stored, tally, summary, events, unknown, unconfirmed, await jobs.is_running(stored), now

    stored_job, tally, summary, events, unknown, unconfirmed, is_running, now = screen.look(load)
    needs_review = tally.open > 0 and stored_job.needs_review(now)
    if as_json:
        from bulkremove.report import as_json as report_json
        from bulkremove.report import utc

        document = {
            **report_json(stored_job, tally),
            "standing": standing_of(stored_job, tally, now=now, is_running=is_running),
            "needs_review": needs_review,
            "events": [{"at": utc(at), "name": name, "text": text} for at, name, text in events],
            "unknown_rows": [outcome.number for outcome in unknown],
        }
        screen.print_result(json.dumps(document))
        return
    due = f"It {_due(stored_job)}." if stored_job.due_at is not None else ""
    screen.print_result(f"Job {stored_job.id}: {stored_job.state.value}. {stored_job.reason}{due}".strip())
    screen.print_result(summary)
    for outcome in unknown[:_MAX_UNKNOWN_ROWS]:
        screen.print_result(f"  row {outcome.number}: {printable(outcome.detail)}")
        for row_note in outcome.notes:
            screen.print_result(f"    {row_note.author} noted: {printable(row_note.full_text)}")
    if len(unknown) > _MAX_UNKNOWN_ROWS:
        screen.print_result(f"  ... and {len(unknown) - _MAX_UNKNOWN_ROWS:,} more unknown rows")
    if stored_job.state.is_approvable:
        screen.print_result(
            f"To let it run{' before' * (stored_job.due_at is not None)}: {screen.command('approve', stored_job.id)}"
        )
    if needs_review:
        from bulkremove.app.review import review_text

        screen.print_result(f"It needs review. {review_text(stored_job, tally.open, now)}")
    if stored_job.state.is_resumable:
        step = _next_step(screen, stored_job, tally, now, is_running=False, is_unconfirmed=unconfirmed)
        screen.print_result(f"To resume: {step}")
    if unknown and stored_job.state.is_over:
        retry_command = screen.command(
            "retry", stored_job.id, values={"unknown_checked": True, **sandbox_of(stored_job)}
        )
        screen.print_result(
            f"Look each unknown learner up in Zoho People. To send these rows again after that: {retry_command}"
        )
    for at, _, text in events:
        screen.print_result(f"  {local(at):%Y-%m-%d %H:%M:%S}  {printable(text)}")


@click.command()
@click.argument("job")
@click.option("--gone", is_flag=True, help="A person has looked: the learner is gone from the batch.")
@click.option("--enrolled", is_flag=True, help="A person has looked: who is put back is in the batch.")
@click.option("--again", is_flag=True, help="The learner's data were erased or deleted: send one row alone again.")
@click.pass_obj
def canary(screen: Screen, job: str, gone: bool, enrolled: bool, again: bool) -> None:
    """Show the first removal of an account, which JOB made alone; --gone lets the other rows follow.

    The first person who is put back is confirmed with --enrolled.

    Example: bulkremove canary 20261123-k3f9 --gone
    """
    from bulkremove.app import this_person
    from bulkremove.app.canary import confirming_answer

    if gone + enrolled + again > 1:
        raise click.UsageError("Give one of --gone, --enrolled and --again.")

    async def answer(app: App) -> str:
        stored = await app.jobs.find(job)
        if again:
            await app.canaries.give_up(stored, by=this_person())
            return "Nothing is confirmed. The next run sends one row alone again."
        if not (gone or enrolled):
            return await app.canaries.question(stored) or f"No {stored.words.noun} of job {job} waits to be confirmed."
        if enrolled is not stored.is_enrolment:
            raise click.UsageError(f"Job {job} {stored.words.does} learners: give --{confirming_answer(stored)}.")
        await app.canaries.confirm(stored, by=this_person())
        tally, now = await app.jobs.tally(stored), app.clock.wall()
        step = _next_step(screen, stored, tally, now, is_running=False, is_unconfirmed=False)
        return f"Confirmed. The other rows may follow: {step}" if stored.state.is_resumable else "Confirmed."

    screen.print_result(screen.look(answer), job=job)


@click.command()
@click.argument("job")
@click.option("-o", "output", metavar="FILE", help="Where it goes: .csv, .xlsx or .jsonl; - prints CSV.")
@click.option(
    "--rows",
    type=click.Choice(["retry", "undo"]),
    help="Write only the rows that were not sent (retry) or removed (undo), with the file's own columns.",
)
@click.pass_obj
def report(screen: Screen, job: str, output: str | None, rows: str | None) -> None:
    """Write the report of JOB again, or a list of some of its rows.

    Example: bulkremove report 20261123-k3f9 -o leavers-report.xlsx
    """
    from bulkremove.app import this_person
    from bulkremove.report import RowSelection

    if rows and output is None:
        raise click.UsageError("--rows needs -o FILE.")
    selection = RowSelection(rows) if rows else None
    if output == "-":
        with TemporaryDirectory(prefix="bulkremove-") as folder:
            copy = Path(folder) / "report.csv"
            if screen.call(lambda app: app.reports.write(job, copy, rows=selection, by=this_person())):
                screen.copy(copy)
        return
    path = Path(output).absolute() if output else None
    written = screen.call(lambda app: app.reports.write(job, path, rows=selection, by=this_person()))
    text = str(written) if written else "There are no such rows, so no file was written."
    screen.print_result(text, job=job, file=str(written) if written else None)


@click.command()
@click.argument("job")
@click.argument("row", type=click.IntRange(min=1))
@click.argument("text", required=False, default="")
@click.option("--gone", is_flag=True, help="The learner is gone from the batch.")
@click.option("--still-there", is_flag=True, help="The learner is still in the batch.")
@click.pass_obj
def note(screen: Screen, job: str, row: int, text: str, gone: bool, still_there: bool) -> None:
    """Note what you found in Zoho People about an unknown ROW of JOB; report and page show it with name and time.

    Example: bulkremove note 20261123-k3f9 17 --still-there "asked the trainer"
    """
    from bulkremove.app import this_person

    if gone and still_there:
        raise click.UsageError("--gone and --still-there exclude each other.")
    result = LookupResult.GONE if gone else LookupResult.STILL_THERE if still_there else None
    screen.call(lambda app: app.jobs.add_note(job, row, text, result=result, by=this_person()))
    screen.print_result(f"Noted for row {row} of job {job}.", job=job, row=row)
