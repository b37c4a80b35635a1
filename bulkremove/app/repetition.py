"""Work that a long-lived process repeats until it is stopped, whatever goes wrong in between."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from bulkremove.domain.clock import Clock
from bulkremove.domain.errors import BulkremoveError
from bulkremove.engine.progress import Stop


async def repeat(work: Callable[[], Awaitable[object]], what: str, *, every: float, stop: Stop, clock: Clock) -> None:
    """Do the work, wait ``every`` seconds of the clock, and again, until stopped; a failure is logged and ends nothing.

    ``what``: names the work in the log, such as ``A nightly run``.
    """
    while not stop.requested:
        try:
            await work()
        except (BulkremoveError, OSError) as error:
            logging.getLogger(__name__).warning("%s", error)
        except Exception as error:  # or it would never be done again, and nobody would know
            logging.getLogger(__name__).warning("%s ended unexpectedly: %s", what, type(error).__name__)
        await stop.sleep(every, clock)
