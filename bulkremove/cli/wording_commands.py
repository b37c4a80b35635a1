"""The commands wordings, wordings accept and wordings withdraw: what counts as a proven removal besides "success"."""

from __future__ import annotations

import json

import click

from bulkremove.cli.console import Screen, json_option
from bulkremove.platform.local_time import local


def add_to(group: click.Group) -> None:
    """Add these commands to the group."""
    group.add_command(wordings)


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def wordings(context: click.Context, as_json: bool) -> None:
    """List the answers of Zoho that people have accepted as the proof of a removal, besides the documented one.

    Example: bulkremove wordings
    """
    if context.invoked_subcommand is not None:
        return
    screen: Screen = context.obj
    accepted = screen.call(lambda app: app.wordings.all())
    if as_json:
        from bulkremove.report import utc

        items = [
            {
                "number": accepted_wording.number,
                "host": accepted_wording.host,
                "client": accepted_wording.client,
                "http_status": accepted_wording.wording.http_status,
                "code": accepted_wording.wording.api_code,
                "message": accepted_wording.wording.message,
                "accepted_by": accepted_wording.by,
                "accepted_at": utc(accepted_wording.accepted_at),
                "job": accepted_wording.job,
            }
            for accepted_wording in accepted
        ]
        screen.print_result(json.dumps(items))
        return
    if not accepted:
        screen.print_result("None is accepted: only Zoho's documented success proves a removal.")
    for accepted_wording in accepted:
        where = f"on {accepted_wording.host}, client {accepted_wording.client[:8]}"
        accepted_by = (
            f"{accepted_wording.by} on {local(accepted_wording.accepted_at):%Y-%m-%d}, after job {accepted_wording.job}"
        )
        screen.print_result(
            f"{accepted_wording.number:>3}  {accepted_wording.wording}  {where}, accepted by {accepted_by}"
        )


@wordings.command()
@click.argument("job")
@click.argument("row", type=click.IntRange(min=1))
@click.pass_obj
def accept(screen: Screen, job: str, row: int) -> None:
    """Accept the answer to ROW of JOB, word for word, as the proof of a removal, for plans that are made after that.

    Somebody must have looked the row up first: bulkremove note JOB ROW --gone

    Example: bulkremove wordings accept 20261123-k3f9 17
    """
    from bulkremove.app import this_person

    accepted = screen.call(lambda app: app.wordings.accept(job, row, by=this_person()))
    screen.print_result(f"Accepted: {accepted.wording}. It counts for plans that are made from now on.")
    screen.print_result(f"To withdraw it: {screen.command('wordings', 'withdraw', str(accepted.number))}")


@wordings.command()
@click.argument("number", type=click.IntRange(min=1))
@click.pass_obj
def withdraw(screen: Screen, number: int) -> None:
    """Withdraw the accepted answer NUMBER; no row is reported as removed by it any more, not even in running jobs.

    Example: bulkremove wordings withdraw 1
    """
    from bulkremove.app import this_person

    screen.call(lambda app: app.wordings.withdraw(number, job=None, by=this_person()))
    screen.print_result(f"Withdrawn: {number}.")
