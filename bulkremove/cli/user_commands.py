"""The commands users and tokens: access to the page and the HTTP API. No secret is taken as an argument."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, TypedDict

import click

from bulkremove.cli.console import Screen, json_option
from bulkremove.domain.permissions import ALL_ACCOUNTS, Access
from bulkremove.platform.local_time import local

if TYPE_CHECKING:
    from bulkremove.app import App
    from bulkremove.storage.interface.users import Token


def _parse_access(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> Access:
    try:
        return Access.parse(texts)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


role_option = click.option(
    "--role",
    "access",
    metavar="ROLE[@ACCOUNT]",
    multiple=True,
    required=True,
    callback=_parse_access,
    help="What they may do: preparer, approver or admin, for all accounts or for ACCOUNT only. It may be repeated.",
)
one_time_option = click.option("--one-time", is_flag=True, help="They must choose another one when they sign in.")


def add_to(group: click.Group) -> None:
    """Add these commands to the group."""
    for command in (users, tokens):
        group.add_command(command)


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def users(context: click.Context, as_json: bool) -> None:
    """List the people who may sign in on the page.

    A preparer uploads and looks; an approver also confirms, cancels and retries; an admin also reads the audit log,
    and for all accounts changes the settings of the page: for all accounts, also those that come later, or for named
    ones only.

    Example: bulkremove users add jo --role approver@school
    """
    if context.invoked_subcommand is not None:
        return
    screen: Screen = context.obj
    stored_users = screen.look(lambda app: app.users.all())
    if as_json:
        from bulkremove.report import utc

        documents = [
            {"name": user.name, **_roles(user.access), "added_at": utc(user.added_at)} for user in stored_users
        ]
        screen.print_result(json.dumps(documents))
        return
    if not stored_users:
        screen.print_result(
            "There are no users: the page is for the person at this machine. "
            "`bulkremove users add NAME --role ROLE` adds one."
        )
    for user in stored_users:
        screen.print_result(f"{user.name:<20}  {user.access}")


@users.command("add")
@click.argument("name")
@role_option
@one_time_option
@click.pass_obj
def add_user(screen: Screen, name: str, access: Access, one_time: bool) -> None:
    """Let NAME sign in. The password is asked for, or read from standard input."""
    from bulkremove.app import this_person

    new_password = _read_password()
    screen.call(lambda app: app.users.add_user(name, access, new_password, by=this_person(), one_time=one_time))
    screen.print_result(
        f"User {name} may sign in as {access}.",
        user=name,
        role=_roles(access)["role"],
        accounts=_roles(access)["accounts"],
    )


@users.command("change")
@click.argument("name")
@role_option
@click.pass_obj
def change_user(screen: Screen, name: str, access: Access) -> None:
    """Give NAME these roles in place of those that they had, at once, also where they are signed in.

    Example: bulkremove users change jo --role preparer@school --role approver@office
    """
    from bulkremove.app import this_person

    screen.call(lambda app: app.users.change_access(name, access, by=this_person()))
    screen.print_result(
        f"User {name} is {access} now.", user=name, role=_roles(access)["role"], accounts=_roles(access)["accounts"]
    )


@users.command()
@click.argument("name")
@one_time_option
@click.pass_obj
def password(screen: Screen, name: str, one_time: bool) -> None:
    """Give NAME a new password; their sessions end."""
    from bulkremove.app import this_person

    new_password = _read_password()
    screen.call(lambda app: app.users.set_password(name, new_password, by=this_person(), one_time=one_time))
    screen.print_result(f"User {name} has a new password.", user=name)


@users.command("remove")
@click.argument("name")
@click.pass_obj
def remove_user(screen: Screen, name: str) -> None:
    """Remove NAME from the users; their sessions end at once, and their tokens are revoked."""
    from bulkremove.app import this_person

    owned = screen.call(lambda app: app.users.remove_user(name, by=this_person()))
    revoked = (
        f" Their tokens are revoked: {', '.join(f'{token.id} ({token.name})' for token in owned)}." if owned else ""
    )
    screen.print_result(
        f"User {name} may not sign in any more.{revoked}", user=name, tokens=[token.id for token in owned]
    )


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

    async def load(app: App) -> list[tuple[Token, Access]]:
        return [(token, (await app.tokens.limited(token)).access) for token in await app.tokens.all()]

    stored_tokens = screen.look(load)
    if as_json:
        from bulkremove.report import utc

        documents = [
            {
                "id": token.id,
                "name": token.name,
                **_roles(token.access),
                "as_owner": limited.texts,
                "owner": token.owner,
                "added_at": utc(token.added_at),
                "revoked_at": utc(token.revoked_at) or None,
            }
            for token, limited in stored_tokens
        ]
        screen.print_result(json.dumps(documents))
        return
    if not stored_tokens:
        screen.print_result("There are no tokens yet. `bulkremove tokens add NAME --role preparer` makes one.")
    for token, limited in stored_tokens:
        state = "good" if token.revoked_at is None else f"revoked {local(token.revoked_at):%Y-%m-%d %H:%M:%S}"
        owner = f", of {token.owner}" if token.owner else ""
        limit = "" if limited == token.access else f", limited by its owner to {limited}"
        screen.print_result(f"{token.id}  {token.name:<20}  {token.access!s:<9}  {state}{owner}{limit}")


@tokens.command("add")
@click.argument("name")
@role_option
@click.option("--owner", metavar="USER", default="", help="The person who is responsible for it; else you are.")
@click.pass_obj
def add_token(screen: Screen, name: str, access: Access, owner: str) -> None:
    """Make a token for the program NAME. It is shown once and not stored.

    It may never do more than its owner may at that moment, if that is one of the users. Under `four_eyes` its owner
    can't approve what it prepared, nor it what its owner prepared.
    """
    from bulkremove.app import this_person

    token, secret = screen.call(lambda app: app.tokens.add(name, access, by=this_person(), owner=owner))
    screen.info(f"Token {token.id} for {name} as {access}, of {token.owner}. It is not shown again:")
    screen.print_result(
        secret,
        id=token.id,
        name=name,
        role=_roles(access)["role"],
        accounts=_roles(access)["accounts"],
        owner=token.owner,
    )


@tokens.command()
@click.argument("token")
@click.pass_obj
def revoke(screen: Screen, token: str) -> None:
    """End the token with the id TOKEN at once."""
    from bulkremove.app import this_person

    screen.call(lambda app: app.tokens.revoke(token, by=this_person()))
    screen.print_result(f"Token {token} is revoked.", id=token)


class _Roles(TypedDict):
    """For programs: the role for all accounts, or null, and those for named ones."""

    role: str | None
    accounts: dict[str, str]


def _roles(access: Access) -> _Roles:
    roles: dict[str, str] = dict(access.roles)
    return {"role": roles.pop(ALL_ACCOUNTS, None), "accounts": roles}


def _read_password() -> str:
    if sys.stdin.isatty():
        entered: str = click.prompt("Password (not shown)", hide_input=True, confirmation_prompt=True, err=True)
        return entered
    return sys.stdin.readline().rstrip("\r\n")
