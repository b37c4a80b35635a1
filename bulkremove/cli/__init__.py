"""The command line: it parses arguments, calls a use case of ``bulkremove.app`` and prints the result.

Results go to standard output, everything else to standard error. Tracebacks are only in the log of `--debug`.
"""

from __future__ import annotations

import sys

from bulkremove.cli.error_line import report_error
from bulkremove.cli.exit_codes import EXIT_CODES
from bulkremove.cli.output_streams import install_streams

__all__ = ["EXIT_CODES", "main"]


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
