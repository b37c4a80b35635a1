"""The bundled sandbox, started and stopped around runs.

A run against it is the same code as one against Zoho People; only addresses, credentials and the clock's speed differ,
and they come from here, so that no other module has to distinguish the two.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bulkremove.domain.clock import Clock
from bulkremove.domain.ledger import Quota
from bulkremove.zoho.accounts import SCOPE_VARIABLE

if TYPE_CHECKING:  # it imports what most commands do not need
    from bulkremove.engine.fair_queue import FairQueue


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """The sandbox's options. ``world``: a JSON file; ``speed``: how many times faster than real time its clock runs."""

    world: Path
    speed: float = 1.0
    account: str = "sandbox"

    @property
    def flags(self) -> Mapping[str, object]:
        """The settings of an application for it: any address of this machine, since its own is known only later."""
        here = "http://127.0.0.1"
        return {"api_url": here, "accounts_url": here, "account": self.account, "speed": self.speed}


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A started sandbox. ``url``: its address; ``tokens``: the folder of its access tokens, deleted when it stops."""

    url: str
    tokens: Path


@dataclass(slots=True)
class SharedByRuns:
    """What the runs of all accounts and nights of one process share."""

    sandbox: RunningSandbox | None = None
    """The bundled sandbox while it runs."""
    queues: dict[tuple[AbstractEventLoop, str], FairQueue] = field(default_factory=dict)
    """The queue of each ledger; each event loop has its own."""


@asynccontextmanager
async def sandbox(options: SandboxOptions, *, quota: Quota, clock: Clock) -> AsyncIterator[RunningSandbox]:
    """Run the sandbox on a free port while the context lasts. Raises SandboxError for a bad world."""
    from bulkremove.sandbox import build_sandbox

    server = build_sandbox(options.world, clock=clock, calls=quota.calls, window=quota.window, lock=quota.lock)
    await server.start()
    try:
        with TemporaryDirectory(prefix="bulkremove-") as folder:
            yield RunningSandbox(server.url, Path(folder))
    finally:
        await server.stop()


def credentials(options: SandboxOptions) -> Mapping[str, str]:
    """The made-up credentials of the world, as environment variables."""
    from bulkremove.sandbox import load_world

    client = load_world(options.world).client
    return {
        "BULKREMOVE_CLIENT_ID": client.client_id,
        "BULKREMOVE_CLIENT_SECRET": client.client_secret,
        "BULKREMOVE_REFRESH_TOKEN": client.refresh_token,
        SCOPE_VARIABLE: client.scope,
    }
