"""One real nightly run as a process of its own, for tests that kill it: only its calls go to a sandbox.

The settings come from the environment as usual, the address of the sandbox process from SANDBOX_URL.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bulkremove.app import App, Stop
from bulkremove.app.connections import Connections
from bulkremove.app.sandbox_run import RunningSandbox, SharedByRuns
from bulkremove.cli.exit_codes import of_nightly_run
from bulkremove.config import load
from bulkremove.platform.system_clock import SystemClock
from tests.nightly_fixtures import confirm_canary, remember


class ConnectionsOfAnotherProcess(Connections):
    """Connections whose calls go to the sandbox at SANDBOX_URL."""

    @asynccontextmanager
    async def in_sandbox(self) -> AsyncIterator[RunningSandbox | None]:
        with TemporaryDirectory() as tokens:
            yield RunningSandbox(os.environ["SANDBOX_URL"], Path(tokens))


async def main() -> int:
    app = App(load({}, os.environ), environ=os.environ, clock=SystemClock(60.0))
    app = app.for_night(app.settings.nights[0])
    app.connections = ConnectionsOfAnotherProcess(app.context, app.accounts, None, SharedByRuns())
    if "past" in sys.argv:
        await confirm_canary(app)
        await remember(app, 12)
        return 0
    result = await app.nightly_runs(app.supervisor()).run(stop=Stop())
    return of_nightly_run(result)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
