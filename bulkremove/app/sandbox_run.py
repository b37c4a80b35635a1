"""A sandbox run: the bundled sandbox, started and stopped around one act.

The run itself is the very same as against Zoho People; only the addresses, the credentials and the clock's speed
come from here. It stands alone so that no stage has to ask whether its calls reach Zoho.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bulkremove.domain.clock import Clock
from bulkremove.domain.ledger import Quota


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """Which world the sandbox serves, and how many times faster than real time its clock runs."""

    world: Path
    speed: float = 1.0
    account: str = "sandbox"


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that listens. ``url``: its address; ``tokens``: the folder of its access tokens, which end with it."""

    url: str
    tokens: Path


@asynccontextmanager
async def sandbox(options: SandboxOptions, *, quota: Quota, clock: Clock) -> AsyncIterator[RunningSandbox]:
    """Run the sandbox on a free port while the context lasts. Raises SandboxError for a bad world."""
    from bulkremove.sandbox import build

    stand_in = build(options.world, clock=clock, calls=quota.calls, window=quota.window, lock=quota.lock)
    await stand_in.start()
    try:
        with TemporaryDirectory(prefix="bulkremove-") as folder:
            yield RunningSandbox(stand_in.url, Path(folder))
    finally:
        await stand_in.stop()


def credentials(options: SandboxOptions) -> Mapping[str, str]:
    """The made-up credentials of the world, as environment variables."""
    from bulkremove.sandbox import load

    client = load(options.world).client
    return {
        "BULKREMOVE_CLIENT_ID": client.client_id,
        "BULKREMOVE_CLIENT_SECRET": client.client_secret,
        "BULKREMOVE_REFRESH_TOKEN": client.refresh_token,
    }
