"""A rehearsal: the bundled sandbox, started and stopped around one act.

The run itself is the very same as against Zoho People; only the addresses, the credentials and the clock's speed
come from here. It stands alone so that no stage has to ask whether it is only playing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bulkremove.model import Clock, Quota


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """Which world to play in, how many times faster than life, and on which port of this machine."""

    world: Path
    speed: float = 1.0
    port: int = 8030
    account: str = "sandbox"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def sandbox(options: SandboxOptions, *, quota: Quota, clock: Clock) -> AsyncIterator[None]:
    """The sandbox, listening while the context lasts. Raises SettingsError for a bad world or a taken port."""
    from bulkremove.sandbox import build

    stand_in = build(options.world, clock=clock, calls=quota.calls, window=quota.window, lock=quota.lock)
    await stand_in.start(port=options.port)
    try:
        yield
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
