"""The commands forget, backup, restore-backup and journal: erasure of learners, backups, and restored journals."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulkremove.cli.console import Screen
from bulkremove.domain.errors import ConsentMissing
from bulkremove.domain.ids import is_id
from bulkremove.domain.plural import pluralize

if TYPE_CHECKING:  # commands load the app when they run
    from bulkremove.app import App

MAX_PREVIEW_LINES = 40
"""Lines shown of each file from a backup before it is restored."""


def add_to(group: click.Group) -> None:
    """Add these commands to the group."""
    for command in (forget, backup, restore_backup, journal):
        group.add_command(command)


@click.command()
@click.argument("learner")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.pass_obj
def forget(screen: Screen, learner: str, yes: bool) -> int:
    """Erase the data of the learner with the id LEARNER from journal and kept files, after showing where they stand.

    Totals and the audit log stay; the log holds no data of learners.

    Example: bulkremove forget 478346000019558209
    """
    from bulkremove.app import this_person

    if not is_id(learner):
        raise click.UsageError(f"{learner!r} is not a learner id.")
    erasure = screen.call(lambda app: app.retention.find_learner(learner))
    for job, count in erasure.rows.items():
        screen.print_result(f"Job {job}: {pluralize(count, 'row is', 'rows are')} emptied.")
    if erasure.texts:
        screen.print_result(f"{pluralize(erasure.texts, 'text')} elsewhere in the journal: the id is taken out.")
    for path, match in erasure.files.items():
        what = f"{pluralize(len(match.numbers), 'row is', 'rows are')} taken out"
        if match.is_deleted:
            what = "the upload is deleted" if match.is_upload else "it is deleted; `bulkremove report` makes it again"
        screen.print_result(f"{path}: {what}.")
    for sentence in erasure.manual_steps:
        screen.print_result(sentence)
    if not erasure.is_erasable:
        screen.print_result("There is nothing that this command may change.")
        return 0
    _confirm("Erase this learner's data?", yes)
    failures = screen.call(lambda app: app.retention.forget(erasure, by=this_person()))
    if failures:
        screen.print_result("The learner's data were erased, but for this:")
        for sentence in failures:
            screen.print_result(sentence)
        return 1
    screen.print_result("The learner's data were erased.")
    return 0


@click.command()
@click.argument("file")
@click.pass_obj
def backup(screen: Screen, file: str) -> None:
    """Write journal, settings and protected list to the zip FILE, also while jobs run. Credentials are not in it.

    Example: bulkremove backup /backup/monday.zip
    """
    from bulkremove.app import this_person

    screen.call(lambda app: app.backups.make(Path(file).absolute(), by=this_person()))
    where = str(Path(file).absolute())
    screen.print_result(f"Journal, settings and protected list are in {where}; credentials are not.", file=where)


@click.command("restore-backup")
@click.argument("file")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.pass_obj
def restore_backup(screen: Screen, file: str, yes: bool) -> None:
    """Put a backup back in the place of the journal; what was done since it was made is lost.

    Example: bulkremove restore-backup /backup/monday.zip
    """
    from bulkremove.app import this_person

    path = Path(file).absolute()
    backup = screen.call(lambda app: app.backups.inspect(path))
    for place, text in backup.files.items():
        lines = text.splitlines()
        screen.warn(f"{place} is taken from the backup, {pluralize(len(lines), 'line')}:")
        for line in lines[:MAX_PREVIEW_LINES]:
            screen.warn(f"  {line}")
        if len(lines) > MAX_PREVIEW_LINES:
            screen.warn(f"  ... and {len(lines) - MAX_PREVIEW_LINES:,} more")
    for place in backup.differing:
        screen.warn(f"{place} differs from the one in the backup and is left as it is.")
    _confirm(f"Replace the journal with the one in {path}? What was done since then is lost.", yes)
    screen.call(lambda app: app.backups.restore(path, backup, by=this_person()))
    screen.print_result(f"The journal of {path} is in place. Nothing is sent or changed before it is accepted.")
    screen.print_result(f"Next: {screen.command('journal', 'accept-restore')}")


@click.group()
def journal() -> None:
    """Care for the journal itself.

    Example: bulkremove journal accept-restore
    """


@journal.command("accept-restore")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.pass_obj
def accept_restore(screen: Screen, yes: bool) -> None:
    """Continue with a journal that was replaced by an older copy, after showing what can't be known any more.

    Rows that may have been sent since the copy was made become unknown; no others change.
    """
    from bulkremove.app import this_person

    restored = screen.call(lambda app: app.backups.restored())
    if restored is None:
        screen.print_result("This is the journal that was used last. Nothing was changed.")
        return
    if restored.changes is None:
        screen.warn("The file journal.mark does not say how much was done since the copy was made.")
    else:
        screen.warn(f"{restored.changes:,} calls and audit entries made since the copy are lost.")
    for job, rows in restored.rows.items():
        screen.warn(f"Job {job}: {rows:,} open rows may have been sent since; they become unknown.")
    for job in restored.unfinished:
        screen.warn(f"Job {job} is not over; it is not sent before somebody resumes or approves it.")
    for job in restored.jobs:
        screen.warn(f"Job {job} was made since and is lost; its report, if it has one, is all that is left of it.")
    if restored.calls is None:
        screen.warn("How many learners were removed since is not known, so today's cap counts as used up.")
    elif restored.calls.removals:
        screen.warn(f"Up to {restored.calls.removals:,} removals of lost jobs count for today's cap.")
    screen.warn("Learners whose data were erased since the copy was made are in it again; erase them anew.")
    for name in screen.call(_names_with_access):
        screen.warn(f"{name} may use the page or the HTTP API again; revoke that if it was revoked since.")
    _confirm("Continue with this journal?", yes)
    screen.call(lambda app: app.backups.accept(restored, by=this_person()))
    screen.print_result("The journal is accepted. Look each unknown learner up in Zoho People before you retry a job.")


async def _names_with_access(app: App) -> list[str]:
    users, tokens = await app.users.all(), await app.tokens.all()
    valid = [token for token in tokens if token.revoked_at is None]
    return [
        *(f"User {user.name} ({user.access})" for user in users),
        *(f"Token {token.id} ({token.name}, {token.access})" for token in valid),
    ]


def _confirm(question: str, yes: bool) -> None:
    """Ask a person to agree, unless --yes was given. Raises ConsentMissing."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConsentMissing("There is no terminal to ask on, so nothing was changed.", hint="Give --yes.")
    if not click.confirm(question, err=True):
        raise ConsentMissing("Nothing was changed.")
