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
        items = [
            {
                "number": one.number,
                "host": one.host,
                "client": one.client,
                "http_status": one.wording.http_status,
                "code": one.wording.api_code,
                "message": one.wording.message,
                "accepted_by": one.by,
                "accepted_at": one.accepted_at,
                "job": one.job,
            }
            for one in accepted
        ]
        screen.answer(json.dumps(items))
        return
    if not accepted:
        screen.answer("None is accepted: only Zoho's documented success proves a removal.")
    for one in accepted:
        where = f"on {one.host}, client {one.client[:8]}"
        who = f"{one.by} on {local(one.accepted_at):%Y-%m-%d}, after job {one.job}"
        screen.answer(f"{one.number:>3}  {one.wording}  {where}, accepted by {who}")


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
    screen.answer(f"Accepted: {accepted.wording}. It counts for plans that are made from now on.")
    screen.answer(f"To withdraw it: {screen.command('wordings', 'withdraw', str(accepted.number))}")


@wordings.command()
@click.argument("number", type=click.IntRange(min=1))
@click.pass_obj
def withdraw(screen: Screen, number: int) -> None:
    """Withdraw the accepted answer NUMBER; no row is told as removed by it any more, in running jobs neither.

    Example: bulkremove wordings withdraw 1
    """
    from bulkremove.app import this_person

    screen.call(lambda app: app.wordings.withdraw(number, job=None, by=this_person()))
    screen.answer(f"Withdrawn: {number}.")
