"""The group of all commands, and how an error becomes a message and an exit code.

The package's ``__init__`` imports this module only when it is needed: it answers `--help` without click.
"""

from __future__ import annotations

import os

import click

from bulkremove.cli import (
    account_commands,
    approve_command,
    audit_commands,
    data_commands,
    demo_command,
    job_commands,
    leavers_command,
    listing_commands,
    nightly_commands,
    reenroll_command,
    run_commands,
    sandbox_command,
    schedule_commands,
    serve_command,
    shell_help,
    stop_commands,
    user_commands,
    wording_commands,
)
from bulkremove.cli.console import Screen, accept_global_options, accept_json
from bulkremove.cli.error_line import report_error
from bulkremove.cli.exit_codes import epilog
from bulkremove.cli.logs import LEVELS, Logs
from bulkremove.domain.version import __version__
from bulkremove.platform.child_process import forbid_core_dumps


@click.group(epilog=epilog(), context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--account", metavar="NAME", help="The stored account to use.  [default: default]")
@click.option("--home", metavar="FOLDER", help="Where journal, tokens and settings are.")
@click.option("--config", metavar="FILE", help="The settings file.  [default: bulkremove.toml in the home folder]")
@click.option("-q", "--quiet", is_flag=True, help="Only answers and errors.")
@click.option("-v", "--verbose", is_flag=True, help="A line for every row.")
@click.option("--debug", is_flag=True, help="Log tracebacks too; never secrets.")
@click.option("--events", type=click.Choice(["text", "json"]), help="Log jobs, nights, notices, sign-ins, a line each.")
@click.option("--log-file", metavar="FILE", help="Append messages and events to FILE.")
@click.option("--log-level", type=click.Choice(LEVELS), help="Which messages to log.  [default: warning]")
@click.option("--no-color", is_flag=True, help="No colours; the variable NO_COLOR does the same.")
@click.version_option(__version__, prog_name="bulkremove")
@click.pass_context
def cli(
    context: click.Context,
    account: str | None,
    home: str | None,
    config: str | None,
    quiet: bool,
    verbose: bool,
    debug: bool,
    events: str | None,
    log_file: str | None,
    log_level: str | None,
    no_color: bool,
) -> None:
    """Take learners off Zoho People training batches in bulk, at most 30 a minute, every row accounted for.

    Example: bulkremove preview leavers.xlsx
    """
    forbid_core_dumps()
    logs = Logs()
    logs.configure(form=events, file=log_file, level="debug" if debug else log_level)
    flags = {"account": account, "home": home, "config": config}
    color = not (no_color or os.environ.get("NO_COLOR"))
    context.obj = Screen(flags, quiet=quiet, verbose=verbose, color=color, logs=logs)


run_commands.add_to(cli)
reenroll_command.add_to(cli)
job_commands.add_to(cli)
stop_commands.add_to(cli)
account_commands.add_to(cli)
listing_commands.add_to(cli)
leavers_command.add_to(cli)
user_commands.add_to(cli)
audit_commands.add_to(cli)
nightly_commands.add_to(cli)
approve_command.add_to(cli)
schedule_commands.add_to(cli)
data_commands.add_to(cli)
wording_commands.add_to(cli)
sandbox_command.add_to(cli)
serve_command.add_to(cli)
demo_command.add_to(cli)
shell_help.add_to(cli)
accept_json(cli)
accept_global_options(cli, [param for param in cli.params if isinstance(param, click.Option) and param.expose_value])


def run() -> int:
    """Run the command of the process's arguments and return its exit code. Errors are printed, not raised."""
    try:
        code = cli.main(prog_name="bulkremove", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("Stopped. Nothing more was sent.", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except Exception as error:
        return report_error(error)
    return code if isinstance(code, int) else 0
