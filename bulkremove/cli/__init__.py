"""The command line: arguments in, answers out. It counts, filters and decides nothing; every act is a use case.

Answers go to standard output, everything else to standard error. No traceback ever reaches a person; `--debug` logs
one.
"""

from __future__ import annotations

import logging
import os
import sys

import click

from bulkremove import __version__
from bulkremove.cli import account_commands, job_commands, run_commands, sandbox_command
from bulkremove.cli.exits import EXIT_CODES, epilog
from bulkremove.cli.screen import Screen
from bulkremove.errors import BulkremoveError

__all__ = ["EXIT_CODES", "cli", "main"]


@click.group(epilog=epilog(), context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--account", metavar="NAME", help="The stored account to use.  [default: default]")
@click.option("--home", metavar="FOLDER", help="Where journal, tokens and settings are.")
@click.option("--config", metavar="FILE", help="The settings file.  [default: bulkremove.toml in the home folder]")
@click.option("-q", "--quiet", is_flag=True, help="Only answers and errors.")
@click.option("-v", "--verbose", is_flag=True, help="A line for every row.")
@click.option("--debug", is_flag=True, help="Log tracebacks too; never secrets.")
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
    no_color: bool,
) -> None:
    """Take learners off Zoho People training batches in bulk, at most 30 a minute, every row accounted for.

    Example: bulkremove preview leavers.xlsx
    """
    logging.basicConfig(stream=sys.stderr, level=logging.DEBUG if debug else logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    flags = {"account": account, "home": home, "config": config}
    context.obj = Screen(flags, quiet=quiet, verbose=verbose, color=not (no_color or os.environ.get("NO_COLOR")))


run_commands.add_to(cli)
job_commands.add_to(cli)
account_commands.add_to(cli)
sandbox_command.add_to(cli)


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        code = cli.main(prog_name="bulkremove", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("Stopped. Nothing more was sent.", err=True)
        code = 130
    except click.ClickException as error:
        error.show()
        code = 2
    except BulkremoveError as error:
        logging.debug("told to the person", exc_info=True)
        click.echo(f"Error: {error}", err=True)
        code = error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception:
        logging.debug("unexpected", exc_info=True)
        click.echo("Error: something unexpected happened. Run it again with --debug and send that log.", err=True)
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
