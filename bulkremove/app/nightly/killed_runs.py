"""Runs of a night that were killed: the next run says so, and goes on with the same night."""

from __future__ import annotations

from dataclasses import dataclass

from bulkremove.app.context import Context
from bulkremove.domain.clock import Epoch, later

SAME_NIGHT_SECONDS = 43_200.0
"""Seconds between the start of a killed run and one that still belongs to the same night: half a day."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a run of a night begins. ``at``: when its night began, which is earlier if a run of it was killed.

    ``removals``: those of the files that the killed runs took; ``killed_at``: when the last run began, if it did
    not end.
    """

    at: Epoch
    removals: int = 0
    killed_at: Epoch | None = None


async def beginning(context: Context) -> Beginning:
    """The beginning of a run that starts now."""
    now, nightly, night = context.clock.wall(), context.storage.nightly, context.night.name
    if not context.storage.exists:
        return Beginning(now)
    killed = await nightly.killed(night=night, sandbox=context.settings.sandbox_host)
    same_night = [at for at in killed if later(now, -SAME_NIGHT_SECONDS) <= at <= now]
    if not same_night:
        return Beginning(now, killed_at=killed[-1] if killed else None)
    removals = await nightly.planned(context.settings.host, night=night, since=same_night[0])
    return Beginning(same_night[0], removals, killed[-1])
