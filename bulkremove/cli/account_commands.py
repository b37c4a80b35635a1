"""The commands login, accounts and doctor. No secret is echoed, and none is taken as an argument."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from bulkremove.cli.console import Screen, json_option, sandbox_options
from bulkremove.domain.data_centers import DATA_CENTERS

if TYPE_CHECKING:
    from bulkremove.app import App
    from bulkremove.zoho.accounts import Account


def add_to(group: click.Group) -> None:
    """Add these commands to the group."""
    for command in (login, accounts, doctor):
        group.add_command(command)


@click.command()
@click.argument("name", required=False)
@click.pass_obj
def login(screen: Screen, name: str | None) -> None:
    """Store the account NAME: paste a grant code of Zoho's self client.

    Make the code in Zoho's API console (Self Client, Generate Code) with the scope ZOHOPEOPLE.training.DELETE; it is
    good for three minutes. The commands find and roster need ZOHOPEOPLE.training.READ, too,
    and leavers also ZOHOPEOPLE.forms.READ.

    Example: bulkremove login
    """
    import asyncio

    from bulkremove.app.login import log_in

    with screen.app() as app:
        account, organization, stored = name or app.settings.account, app.settings.organization, app.accounts.all()
    dc = click.prompt("Data centre", type=click.Choice(list(DATA_CENTERS)), default="us", err=True)
    organization = organization or _ask_organization(account, [other for other in stored if other.dc == dc])
    client_id = click.prompt("Client id", err=True)
    secret = click.prompt("Client secret (not shown)", hide_input=True, err=True)
    code = click.prompt("Grant code (not shown)", hide_input=True, err=True)

    with screen.app() as app:
        sentences = asyncio.run(
            log_in(
                app.context,
                name=account,
                dc=dc,
                organization=organization,
                client_id=client_id.strip(),
                client_secret=secret.strip(),
                code=code.strip(),
            )
        )
    for sentence in sentences:
        screen.print_result(sentence)


def _ask_organization(name: str, in_data_center: list[Account]) -> str:
    """Ask whose limit the account uses; no answer is assumed where another account may belong to it."""
    stored_organization = next((account.organization for account in in_data_center if account.name == name), "")
    others = {account.organization or f"that of account {account.name}" for account in in_data_center}
    if any(account.name != name for account in in_data_center):
        click.echo(
            f"Accounts of one organisation share its limit. Known here: {', '.join(sorted(others))}. If this account "
            "belongs to one of these, give the same name.",
            err=True,
        )
        return str(click.prompt("Organisation at Zoho", default=stored_organization or None, err=True))
    return str(
        click.prompt(
            "Organisation at Zoho (any name that tells it from others)", default=stored_organization or name, err=True
        )
    )


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def accounts(context: click.Context, as_json: bool) -> None:
    """List the accounts stored on this machine.

    Example: bulkremove accounts
    """
    if context.invoked_subcommand is not None:
        return
    screen: Screen = context.obj
    with screen.app() as app:
        stored_accounts = app.accounts.all()
    if as_json:
        screen.print_result(
            json.dumps(
                [
                    {"name": a.name, "organization": a.organization, "dc": a.dc, "stored_in": a.stored_in}
                    for a in stored_accounts
                ]
            )
        )
        return
    if not stored_accounts:
        screen.print_result("There are no accounts yet. `bulkremove login` stores one.")
    for account in stored_accounts:
        client = f"client id ...{account.client_id_ends}"
        organization = account.organization or "organisation not named"
        screen.print_result(
            f"{account.name:<20}  {account.dc}  {organization}  {client}  kept in the {account.stored_in}"
        )


@accounts.command()
@click.argument("name")
@click.pass_obj
def remove(screen: Screen, name: str) -> None:
    """Revoke the token of account NAME at Zoho and delete the account from this machine."""
    from bulkremove.app import this_person
    from bulkremove.app.login import log_out

    for sentence in screen.call(lambda app: log_out(app.context, app.users, name, by=this_person())):
        screen.print_result(sentence)


@click.command()
@click.option("--fresh", is_flag=True, help="Request a new access token; without it none is spent.")
@click.option(
    "--read",
    nargs=2,
    metavar="COURSE BATCH",
    help="Show only which fields Zoho's lists of this course and batch have: names and types, no value.",
)
@click.option("--leavers", is_flag=True, help="With --read: also the fields of employees and of a learner's courses.")
@json_option
@sandbox_options
@click.pass_obj
def doctor(
    screen: Screen,
    fresh: bool,
    read: tuple[str, str] | None,
    leavers: bool,
    as_json: bool,
    sandbox: str | None,
    speed: float | None,
) -> int:
    """Check settings, folders, journal, nights, notices, credentials and clock, and say what to fix. Removes nothing.

    It ends with 0 if all is well, 7 if credentials or token are not, and 1 for anything else.

    Example: bulkremove doctor
    """
    if read is not None:
        return _show_fields(screen, *read, for_leavers=leavers, as_json=as_json, sandbox=sandbox, speed=speed)
    if sandbox is not None or speed is not None or leavers:
        raise click.UsageError(
            "--leavers, --sandbox and --speed are for --read; the checks are those of this installation."
        )
    from bulkremove.app.doctor import checks as run_checks
    from bulkremove.app.results import Check
    from bulkremove.app.setting_checks import SettingValue, setting_values

    async def look(app: App) -> tuple[list[Check], list[SettingValue]]:
        return await run_checks(app.context, fresh=fresh), setting_values(app.settings)

    checks, settings = screen.call(look)
    failed_checks = {check.name for check in checks if not check.ok}
    code = 7 if failed_checks & {"credentials", "token"} else 1 if failed_checks else 0
    if as_json:
        document = {
            "exit_code": code,
            "checks": [{"name": c.title, "ok": c.ok, "message": c.message, "hint": c.hint} for c in checks],
            "settings": [{"name": s.name, "value": s.value, "source": s.source} for s in settings],
        }
        screen.print_result(json.dumps(document))
        return code
    for setting in settings:
        screen.print_result(f"     {setting.name:<18} {f'{setting.value} {setting.unit}'.rstrip()}  ({setting.source})")
    for check in checks:
        screen.print_result(f"{'ok ' if check.ok else 'BAD'}  {check.title:<13} {check.message} {check.hint}".rstrip())
    return code


def _show_fields(
    screen: Screen,
    course: str,
    batch: str,
    *,
    for_leavers: bool,
    as_json: bool,
    sandbox: str | None,
    speed: float | None,
) -> int:
    """Print the fields of Zoho's answers about a batch; returns the exit code."""
    from bulkremove.app.listings import AnswerFields
    from bulkremove.cli.listing_commands import check_ids

    check_ids(course=course, batch=batch)

    async def look(app: App) -> list[AnswerFields]:
        async with app.listings.open() as lists:
            return await lists.fields(course, batch, for_leavers=for_leavers)

    answers = screen.call(look, sandbox=sandbox, speed=speed)
    if as_json:
        names = [
            {"read": one.operation.name, "usable": not one.problem, "problem": one.problem, "fields": one.fields}
            for one in answers
        ]
        screen.print_result(json.dumps({"reads": names}))
    for one in [] if as_json else answers:
        screen.print_result(f"{'ok ' if not one.problem else 'BAD'}  {one.operation.name}  {one.problem}".rstrip())
        for field, kind in one.fields.items():
            screen.print_result(f"       {field:<50} {kind}")
    return 1 if any(one.problem for one in answers) else 0
