"""The command leavers: who has left, by Zoho's employees, and which batches they are still in. It removes nobody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulkremove.cli.console import Screen, json_option, printable, sandbox_options
from bulkremove.cli.listing_commands import MANY_CALLS, report_waits
from bulkremove.cli.nightly_commands import chosen_nights
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.plural import pluralize

if TYPE_CHECKING:
    from bulkremove.app import App
    from bulkremove.app.leavers import LeaversFound


def add_to(group: click.Group) -> None:
    """Add the command to the group."""
    group.add_command(leavers)


@click.command()
@click.option("-o", "--output", "file", metavar="FILE", help="Write their enrolments to FILE: .csv or .xlsx.")
@click.option(
    "--accept-fewer",
    is_flag=True,
    help="Zoho may list far fewer employees than last time, or than it counts: I have seen that this is right.",
)
@click.option("--night", metavar="NAME", help="By the account and the rule of this night.")
@json_option
@sandbox_options
@click.pass_obj
def leavers(
    screen: Screen,
    file: str | None,
    accept_fewer: bool,
    night: str | None,
    as_json: bool,
    sandbox: str | None,
    speed: float | None,
) -> int:
    """List the employees who have left, by Zoho, and the batches that they are still in. Removes nobody.

    With -o it writes a file that `bulkremove preview` and `run` read. Who counts as a leaver stands in leaver_statuses,
    leaver_exit_days and leaver_departments. It needs the scopes ZOHOPEOPLE.training.READ and ZOHOPEOPLE.forms.READ, and
    a call for each leaver or more; a night with source = "zoho:leavers" asks for new ones alone.

    Example: bulkremove leavers -o leavers.xlsx
    """
    from bulkremove.app import this_person
    from bulkremove.report.leavers_file import write_leavers
    from bulkremove.report.roster_file import check_path

    path = Path(file).absolute() if file else None
    if path is not None:
        check_path(path)

    async def look(every: App) -> tuple[LeaversFound, bool]:
        app = every.for_night(chosen_nights(every, night)[0]) if night is not None else every

        def say_cost(count: int) -> None:
            if count >= MANY_CALLS:
                minutes = app.listings.minutes_for(count)
                screen.info(f"{count:,} leavers: as many calls or more, {minutes:.0f} minutes at the limit.")

        found = await app.leavers.find(
            remembers=False, accept_fewer=accept_fewer, on_start=say_cost, on_wait=report_waits(screen)
        )
        facts = {"employees": found.employees, "leavers": len(found.leavers.leavers), "enrolments": len(found.rows)}
        if accept_fewer:
            await app.leavers.accept_number(found)
        await app.record(this_person(), AuditAct.LEAVERS, **facts, **({"accepted_fewer": True} if accept_fewer else {}))
        return found, app.settings.is_sandbox

    found, is_sandbox = screen.call(look, sandbox=sandbox, speed=speed)
    if path is not None and found.rows:
        write_leavers(path, [row.cells for row in found.rows], sandbox=is_sandbox)
    if as_json:
        screen.print_result(json.dumps(_as_json(found)))
    else:
        _show(screen, found)
    for failure in dict.fromkeys(found.failures):
        screen.warn(failure)
    if path is not None and found.rows:
        said = {"sandbox": sandbox, "speed": speed}
        screen.info(f"{path} holds them. Next: {screen.command('preview', str(path), values=said)}")
    return 1 if found.failures else 0


def _show(screen: Screen, found: LeaversFound) -> None:
    for row in found.rows:
        who, where = row.employee, row.enrolment
        place = f"{where.course_name or where.course} / {where.batch_name or where.batch}"
        note = f"  not known: {row.note}" if row.note else ""
        screen.print_result(printable(f"{who.name}  {who.email}  {place}{note}"))
    for employee, reason in found.leavers.kept:
        screen.print_result(printable(f"left out: {employee.name}  {employee.email}: {reason}"))
    for note in found.notes[len(found.leavers.kept_words) :]:
        screen.print_result(note)
    screen.print_result(
        f"{pluralize(found.employees, 'employee', 'employees')}, {len(found.leavers.leavers):,} of whom have left; "
        f"{pluralize(len(found.rows), 'enrolment', 'enrolments')} of theirs in batches."
    )


def _as_json(found: LeaversFound) -> dict[str, object]:
    return {
        "employees": found.employees,
        "leavers": len(found.leavers.leavers),
        "enrolments": [
            {
                "name": row.employee.name,
                "email": row.employee.email,
                "course": row.enrolment.course,
                "batch": row.enrolment.batch,
                "learner": row.learner,
                "note": row.note,
            }
            for row in found.rows
        ],
        "left_out": [
            {"name": one.name, "email": one.email, "reason": reason.value} for one, reason in found.leavers.kept
        ],
        "notes": found.notes,
        "failures": found.failures,
    }
