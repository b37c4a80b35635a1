"""The line on standard error with which a command ends that failed.

Imports are late, because `--help` needs none of them.
"""

from __future__ import annotations

from bulkremove.cli.exit_codes import of_error


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
