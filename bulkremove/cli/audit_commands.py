"""The commands audit and audit verify: who did what, and whether the log is whole."""

from __future__ import annotations

import json

import click

from bulkremove.cli.console import Screen, json_option, printable
from bulkremove.domain.permissions import EVERY_ACCOUNT
from bulkremove.platform.local_time import local


def add_to(group: click.Group) -> None:
    """Add these commands to the group."""
    group.add_command(audit)


@click.group(invoke_without_command=True)
@click.option("-n", "--newest", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many.")
@json_option
@click.pass_context
def audit(context: click.Context, newest: int, as_json: bool) -> None:
    """Show who did what, the newest first.

    With --json, hashed_at is the time as the hash covers it, in epoch seconds.

    Example: bulkremove audit verify
    """
    if context.invoked_subcommand is not None:
        return
    from bulkremove.app.audit_text import facts_in_words
    from bulkremove.domain.audit_acts import act_in_words

    screen: Screen = context.obj
    entries = screen.look(lambda app: app.audit.newest(newest, EVERY_ACCOUNT))
    if as_json:
        from bulkremove.report import utc

        names = ("id", "actor", "act", "facts", "hash")
        documents = [
            {"at": utc(entry.at), "hashed_at": entry.at, **{name: getattr(entry, name) for name in names}}
            for entry in entries
        ]
        screen.print_result(json.dumps(documents))
        return
    for entry in entries:
        details, act = printable(facts_in_words(entry.facts)), act_in_words(entry.act)
        screen.print_result(
            f"{entry.id:>6}  {local(entry.at):%Y-%m-%d %H:%M:%S}  {printable(entry.actor)} {act}  {details}".rstrip()
        )


@audit.command()
@click.option(
    "--hash", "expected_hash", metavar="HASH", default="", help="A hash from a notice: is its entry still there?"
)
@click.pass_obj
def verify(screen: Screen, expected_hash: str) -> int:
    """Check the whole hash chain of the audit log; names the first entry that does not fit.

    Notices and nightly runs name the last hash: with one of them you can tell a chain that was cut short or made again.
    """
    check = screen.call(lambda app: app.audit.verify(expected_hash=expected_hash.strip().rstrip(".").lower()))
    if check.broken:
        number, reason = check.broken
        screen.print_result(
            f"The audit log is broken at entry {number}: {reason}. The {check.entries:,} before it are sound."
        )
        return 1
    if not check.has_expected_hash:
        screen.print_result(
            f"No entry of the audit log has the hash {printable(expected_hash)}: the log was cut short or made anew "
            "since, or the hash is of another home folder."
        )
        return 1
    if screen.call(lambda app: app.backups.restored()) is not None:
        screen.print_result(
            "The journal was replaced by an older copy, or by another journal; what was done since is lost. "
            f"What is left of the audit log is whole: {check.entries:,} entries, last hash {check.head}. "
            f"{screen.command('journal', 'accept-restore')} continues with it."
        )
        return 1
    screen.print_result(
        f"The audit log is sound: {check.entries:,} entries, last hash {check.head}.",
        entries=check.entries,
        head=check.head,
    )
    return 0
