"""What a child process may know: the environment without this program's own variables, which hold secrets."""

from __future__ import annotations

import os
from contextlib import suppress

from bulkremove.platform.service_credentials import FOLDER


def child_environment() -> dict[str, str]:
    """Return this process's environment without this program's variables and the place of its credentials."""
    ours = ("BULKREMOVE_", FOLDER)
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(ours)}


def forbid_core_dumps() -> None:
    """Let neither this process nor its children write their memory, which holds secrets, to disk when they crash."""
    try:
        import resource
    except ImportError:  # Windows has no core files
        return
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_process(*, memory_bytes: int, cpu_seconds: int) -> None:
    """Limit this process's memory and time, as far as the system can.

    Windows has no such limits, and macOS none of the address space: there the limits of the readers remain, on what a
    file may hold and inflate to, and the time after which the parent ends the process.
    """
    try:
        import resource
    except ImportError:
        return
    for name, value in (("RLIMIT_AS", memory_bytes), ("RLIMIT_DATA", memory_bytes), ("RLIMIT_CPU", cpu_seconds)):
        with suppress(AttributeError, OSError, ValueError):
            kind = getattr(resource, name)
            _, most = resource.getrlimit(kind)
            limit = value if most == resource.RLIM_INFINITY else min(value, most)
            resource.setrlimit(kind, (limit, limit))
