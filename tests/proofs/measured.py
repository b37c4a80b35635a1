"""The program, which says at its end how much memory it took at most."""

from __future__ import annotations

import atexit
import sys
from pathlib import Path

from bulkremove.cli import main


def _say() -> None:
    # Not ru_maxrss, which a process inherits from the one that started it.
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    kilobytes = next(line for line in status if line.startswith("VmHWM")).split()[1]
    sys.stderr.write(f"peak {int(kilobytes) // 1024} MB\n")


if __name__ == "__main__":
    atexit.register(_say)
    main()
