"""What the system sends to a process that is to end, on every system: Ctrl-C, SIGTERM, a closed terminal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping

INTERRUPT, TERMINATE, CLOSE = "SIGINT", "SIGTERM", "SIGHUP"
"""Ctrl-C; the system, or a service manager; the end of the terminal."""
_ALSO = {TERMINATE: "SIGBREAK"}
"""What Windows sends beside or in place of a signal: Ctrl-Break, and the end of its window."""


def on_stop_signals(calls: Mapping[str, Callable[[], None]]) -> None:
    """Call in the running event loop what is to be called for each signal, by its name, until the loop is closed.

    A signal that this system does not have is left out. Where the loop takes no handlers, as on Windows, those of the
    interpreter are used.
    """
    loop = asyncio.get_running_loop()
    for name, call in calls.items():
        for number in filter(None, (getattr(signal, one, None) for one in (name, _ALSO.get(name, "")))):
            try:
                loop.add_signal_handler(number, call)
            except NotImplementedError:
                signal.signal(number, _handler(loop, call))


def _handler(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> Callable[[int, object], None]:
    def handle(number: int, frame: object) -> None:
        if loop.is_closed():  # nobody else will react
            raise KeyboardInterrupt
        loop.call_soon_threadsafe(call)

    return handle
