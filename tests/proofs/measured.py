"""The program, which says at its end how much memory it took at most."""

from __future__ import annotations

import atexit
import resource
import sys

from bulkremove.cli import main


def _say() -> None:
    sys.stderr.write(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB\n")


if __name__ == "__main__":
    atexit.register(_say)
    main()
