"""users, tokens and audit: who may use the page and the HTTP API, and what was done. No secret is an argument."""

from __future__ import annotations

import json
import sys

import click

from bulkremove.cli.console import Screen, json_option, shown
from bulkremove.domain.permissions import Role
from bulkremove.platform.local_time import local

role_option = click.option(
    "--role", type=click.Choice([role.value for role in Role]), required=True, help="What they may do."
)


def add_to(group: click.Group) -> None:
    """Add these commands to the group."""
    for command in (users, tokens, audit):
        group.add_command(command)


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def users(context: click.Context, as_json: bool) -> None:
    """List the people who may sign in on the page.

    A preparer uploads and looks; an approver also confirms, cancels and retries; an admin also reads the audit log.

    Example: bulkremove users add jo --role approver
    """
    if context.invoked_subcommand is not None:
        return
    screen: Screen = context.obj
    found = screen.call(lambda app: app.users.all())
    if as_json:
        screen.answer(json.dumps([{"name": one.name, "role": one.role, "added_at": one.added_at} for one in found]))
        return
    if not found:
        screen.answer("There are no users: the page is for whoever sits at this machine. `bulkremove users add NAME`.")
    for one in found:
        screen.answer(f"{one.name:<20}  {one.role.value}")


@users.command("add")
@click.argument("name")
@role_option
@click.pass_obj
def add_user(screen: Screen, name: str, role: str) -> None:
    """Let NAME sign in. The password is asked for, or read from standard input."""
    from bulkremove.app import this_person

    typed = _password()
    screen.call(lambda app: app.users.add_user(name, Role(role), typed, by=this_person()))
    screen.answer(f"User {name} may sign in as {role}.")


@users.command()
@click.argument("name")
@click.pass_obj
def password(screen: Screen, name: str) -> None:
    """Give NAME another password; their sessions end."""
    from bulkremove.app import this_person

    typed = _password()
    screen.call(lambda app: app.users.set_password(name, typed, by=this_person()))
    screen.answer(f"User {name} has another password.")


@users.command("remove")
@click.argument("name")
@click.pass_obj
def remove_user(screen: Screen, name: str) -> None:
    """Let NAME in no more; their sessions end at once."""
    from bulkremove.app import this_person

    screen.call(lambda app: app.users.remove_user(name, by=this_person()))
    screen.answer(f"User {name} may not sign in any more.")


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def tokens(context: click.Context, as_json: bool) -> None:
    """List the tokens with which programs use the HTTP API of `bulkremove serve`.

    Example: bulkremove tokens add hr-system --role preparer
    """
    if context.invoked_subcommand is not None:
        return
    screen: Screen = context.obj
    found = screen.call(lambda app: app.users.tokens())
    if as_json:
        names = ("id", "name", "role", "added_at", "revoked_at")
        screen.answer(json.dumps([{name: getattr(one, name) for name in names} for one in found]))
        return
    if not found:
        screen.answer("There are no tokens yet. `bulkremove tokens add NAME --role preparer` makes one.")
    for one in found:
        state = "good" if one.revoked_at is None else f"revoked {_when(one.revoked_at)}"
        screen.answer(f"{one.id}  {one.name:<20}  {one.role.value:<9}  {state}")


@tokens.command("add")
@click.argument("name")
@role_option
@click.pass_obj
def add_token(screen: Screen, name: str, role: str) -> None:
    """Make a token for the program NAME. It is shown once and kept nowhere."""
    from bulkremove.app import this_person

    token, secret = screen.call(lambda app: app.users.add_token(name, Role(role), by=this_person()))
    screen.say(f"Token {token.id} for {name} as {role}. It is not shown again:")
    screen.answer(secret)


@tokens.command()
@click.argument("token")
@click.pass_obj
def revoke(screen: Screen, token: str) -> None:
    """End the token with the id TOKEN at once."""
    from bulkremove.app import this_person

    screen.call(lambda app: app.users.revoke_token(token, by=this_person()))
    screen.answer(f"Token {token} is revoked.")


@click.group(invoke_without_command=True)
@click.option("-n", "--newest", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many.")
@json_option
@click.pass_context
def audit(context: click.Context, newest: int, as_json: bool) -> None:
    """Show who did what, the newest first.

    Example: bulkremove audit verify
    """
    if context.invoked_subcommand is not None:
        return
    screen: Screen = context.obj
    found = screen.call(lambda app: app.audit.newest(newest))
    if as_json:
        names = ("id", "at", "actor", "act", "facts", "hash")
        screen.answer(json.dumps([{name: getattr(one, name) for name in names} for one in found]))
        return
    for one in found:
        facts = ", ".join(f"{name} {value}" for name, value in one.facts.items())
        screen.answer(f"{one.id:>6}  {_when(one.at)}  {shown(one.actor)}  {one.act}  {shown(facts)}".rstrip())


@audit.command()
@click.pass_obj
def verify(screen: Screen) -> int:
    """Check the whole chain of the audit log; names the first entry that does not fit.

    Keep the last hash somewhere else: with it you can tell a chain that was cut short or made anew.
    """
    found = screen.call(lambda app: app.audit.verify())
    if found.broken:
        number, why = found.broken
        screen.answer(f"The audit log is broken at entry {number}: {why}. The {found.entries:,} before it are sound.")
        return 1
    if screen.call(lambda app: app.backups.restored()) is not None:
        screen.answer(
            "The journal was replaced by an older copy, or by another journal; what was done since is lost. "
            f"What is left of the audit log is whole: {found.entries:,} entries, last hash {found.head}."
        )
        return 1
    screen.answer(f"The audit log is sound: {found.entries:,} entries, last hash {found.head}.")
    return 0


def _password() -> str:
    if sys.stdin.isatty():
        typed: str = click.prompt("Password (not shown)", hide_input=True, confirmation_prompt=True, err=True)
        return typed
    return sys.stdin.readline().rstrip("\r\n")


def _when(seconds: float) -> str:
    return f"{local(seconds):%Y-%m-%d %H:%M:%S}"
