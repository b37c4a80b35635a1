"""The command line: it parses arguments, calls a use case of ``bulkremove.app`` and prints the result.

Results go to standard output, everything else to standard error. Tracebacks are only in the log of `--debug`.
"""

from __future__ import annotations

import sys

from bulkremove.cli.exit_codes import EXIT_CODES, of_error
from bulkremove.cli.output_streams import install_streams

__all__ = ["EXIT_CODES", "main", "report_error"]


def main() -> None:
    """Run the command line and exit the process with its exit code."""
    install_streams()
    if sys.argv[1:] == ["--help"]:
        sys.exit(_help())
    from bulkremove.cli.program import run

    sys.exit(run())


def _help() -> int:
    # To import click takes almost four times as long as to start Python; a test compares this file with click's help.
    try:
        with open(f"{__path__[0]}/help.txt", encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs time here
            sys.stdout.write(file.read())
            sys.stdout.flush()
    except Exception as error:
        return report_error(error)
    return 0


def report_error(error: Exception, prefix: str = "") -> int:
    """Print the error's message to standard error and return the exit code; the traceback is logged at DEBUG.

    ``prefix``: what the error is about, such as the name of a night.
    """
    import logging

    import click

    from bulkremove.domain.errors import BulkremoveError

    logging.getLogger(__name__).debug("%s", type(error).__name__, exc_info=error)
    if isinstance(error, BulkremoveError):
        click.echo(f"Error: {prefix}{error}", err=True)
        return of_error(error)
    click.echo(f"Error: {prefix}something unexpected happened. Run it again with --debug and send that log.", err=True)
    return 1
