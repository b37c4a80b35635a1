"""forget and backup: keeping no more of people than is needed, and losing nothing that is."""

from __future__ import annotations

from pathlib import Path

import click

from bulkremove.cli.screen import Screen
from bulkremove.ids import LONGEST_ID


def add_to(group: click.Group) -> None:
    """Add these commands to the group."""
    for command in (forget, backup):
        group.add_command(command)


@click.command()
@click.argument("learner")
@click.pass_obj
def forget(screen: Screen, learner: str) -> None:
    """Take the data of the learner with the id LEARNER out of journal and kept files, and say where it stood.

    Totals and the audit log stay; the log holds no data of learners.

    Example: bulkremove forget 478346000019558209
    """
    from bulkremove.app import this_person

    if not (learner.isascii() and learner.isdigit() and len(learner) <= LONGEST_ID):
        raise click.UsageError(f"{learner!r} is no learner id.")
    with screen.app() as app:
        said = app.keeping.forget(learner, by=this_person())
    for sentence in said or ["Nothing of this person was kept."]:
        screen.answer(sentence)


@click.command()
@click.argument("file")
@click.pass_obj
def backup(screen: Screen, file: str) -> None:
    """Copy the journal to FILE, also while jobs run. To restore it, put it in the place of journal.db.

    Example: bulkremove backup /backup/journal-monday.db
    """
    from bulkremove.app import this_person

    with screen.app() as app:
        app.keeping.backup(Path(file).absolute(), by=this_person())
    screen.answer(f"The journal is in {Path(file).absolute()}.")
