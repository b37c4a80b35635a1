"""The commands find and roster, which read courses, batches and learners from Zoho. They remove nothing."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulkremove.cli.console import Screen, json_option, options, sandbox_options
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.ids import is_id
from bulkremove.domain.plural import pluralize

if TYPE_CHECKING:
    from bulkremove.app import App
    from bulkremove.app.listings import CourseFound
    from bulkremove.domain.listing import Roster
    from bulkremove.domain.table import Table
    from bulkremove.engine.slot_decisions import Wait
    from bulkremove.reading.options import Match

MANY_CALLS = 10
"""Calls from which on it is said how long they take."""

listing_options = options(
    click.option("--fresh", is_flag=True, help="Ask Zoho anew, whatever it listed a few minutes ago."),
    sandbox_options,
)


def add_to(group: click.Group) -> None:
    """Add these commands to the group."""
    for command in (find, roster):
        group.add_command(command)


def check_ids(**ids: str) -> None:
    """Check that these are ids, by what they are ids of. Raises click.UsageError."""
    for name, value in ids.items():
        if not is_id(value):
            raise click.UsageError(f"{value!r} is no {name} id.")


def report_waits(screen: Screen) -> Callable[[Wait], None]:
    """A function that says once that calls wait for the limit."""
    told: list[Wait] = []

    def report(wait: Wait) -> None:
        from bulkremove.engine.slot_decisions import Waiting

        if wait.reason is Waiting.WINDOW and not told:
            told.append(wait)
            screen.info("Zoho's limit of calls a minute is used up for the moment; waiting.")

    return report


def resolver(screen: Screen, app: App, match: Match) -> Callable[[Table], Awaitable[Table]]:
    """What asks Zoho for the ids of a file that lacks some."""
    from bulkremove.app.matching import resolve
    from bulkremove.reading.options import Match

    whose = (
        "courses and batches, with two calls a course"
        if match is Match.LEARNER_ID
        else ("learners, with three calls a batch")
    )

    async def ask(table: Table) -> Table:
        screen.info(f"Zoho is asked for the ids of these {whose} or more.")
        async with app.listings.open(on_wait=report_waits(screen)) as lists:
            return await resolve(table, match, lists)

    return ask


@click.command()
@click.argument("text")
@listing_options
@json_option
@click.pass_obj
def find(screen: Screen, text: str, fresh: bool, sandbox: str | None, speed: float | None, as_json: bool) -> None:
    """List the courses that Zoho finds by TEXT, and their batches, with the ids that a removal needs.

    It needs the scope ZOHOPEOPLE.training.READ. An empty TEXT lists all courses.

    Example: bulkremove find "Fire safety"
    """

    async def look(app: App) -> list[CourseFound]:
        async with app.listings.open(is_fresh=fresh, on_wait=report_waits(screen)) as lists:
            return await lists.find(text)

    found = screen.call(look, sandbox=sandbox, speed=speed)
    if as_json:
        screen.print_result(json.dumps([_as_json(one) for one in found]))
        return
    for one in found:
        screen.print_result(f"course {one.course.id}  {one.course.name}")
        for batch in one.batches or ():
            size = "" if batch.learners is None else f"  ({pluralize(batch.learners, 'learner', 'learners')})"
            screen.print_result(f"   batch {batch.id}  {batch.name}{size}")
    if not found:
        screen.print_result(f"Zoho finds no course by {text!r}.")
    elif any(one.batches is None for one in found):
        screen.info("These are many courses, so their batches were not listed. Give a text that finds fewer.")
    else:
        screen.info("Next: bulkremove roster COURSE BATCH -o FILE writes the learners of a batch.")


def _as_json(one: CourseFound) -> dict[str, object]:
    batches = (
        None
        if one.batches is None
        else [{"batch": batch.id, "name": batch.name, "learners": batch.learners} for batch in one.batches]
    )
    return {"course": one.course.id, "name": one.course.name, "batches": batches}


@click.command()
@click.argument("course")
@click.argument("batch", required=False)
@click.option("-o", "--output", "file", required=True, metavar="FILE", help="Where it goes: .csv or .xlsx.")
@listing_options
@click.pass_obj
def roster(
    screen: Screen, course: str, batch: str | None, file: str, fresh: bool, sandbox: str | None, speed: float | None
) -> None:
    """Write the learners of a batch, or of all batches of a course, to FILE: ids, names, e-mail addresses, progress.

    Write x in its column "Remove (x)" for those who are to be removed; then `bulkremove preview FILE --only "Remove
    (x)=x"` reads it. It needs the scope ZOHOPEOPLE.training.READ, and takes three calls a batch or more.

    Example: bulkremove roster 478346000019501001 478346000019502001 -o spring.xlsx
    """
    from bulkremove.app import this_person
    from bulkremove.domain.table import ROSTER_COLUMN
    from bulkremove.report.roster_file import check_path, write_rosters

    check_ids(course=course, **({"batch": batch} if batch else {}))
    path = Path(file).absolute()
    check_path(path)

    async def look(app: App) -> tuple[list[Roster], bool]:
        async with app.listings.open(is_fresh=fresh, on_wait=report_waits(screen)) as lists:
            batches = [batch] if batch else [one.id for one in await lists.batches(course)]
            calls = 3 * len(batches)
            if calls >= MANY_CALLS:
                minutes = app.listings.minutes_for(calls)
                screen.info(f"{len(batches)} batches: {calls} calls or more, {minutes:.0f} minutes at the limit.")
            rosters = [await lists.roster(course, one) for one in batches]
        learners = sum(len(one.learners) for one in rosters)
        await app.record(this_person(), AuditAct.ROSTER, course=course, batches=len(rosters), learners=learners)
        return rosters, app.settings.is_sandbox

    rosters, is_sandbox = screen.call(look, sandbox=sandbox, speed=speed)
    write_rosters(path, rosters, sandbox=is_sandbox)
    learners = sum(len(one.learners) for one in rosters)
    for one in rosters:
        if not one.is_complete:
            counted = "does not say how many it has" if one.batch.learners is None else f"counts {one.batch.learners:,}"
            screen.warn(
                f"Batch {one.batch.id} may not be whole: Zoho lists {len(one.learners):,} learners and {counted}."
            )
    screen.print_result(
        f"{path} holds {pluralize(learners, 'learner', 'learners')} of {pluralize(len(rosters), 'batch', 'batches')}.",
        file=str(path),
        learners=learners,
    )
    said = {"only": f"{ROSTER_COLUMN}=x", "sandbox": sandbox, "speed": speed}
    command = screen.command("preview", str(path), values=said)
    screen.info(f"Next: write x in the column {ROSTER_COLUMN!r} for those who are to be removed. Then {command}")
