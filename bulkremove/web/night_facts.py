"""What the page says about a night: of its settings those that a person of its account may know, and its runs."""

from __future__ import annotations

from dataclasses import dataclass

from bulkremove.app import App
from bulkremove.app.nightly import NightlyRunEnd
from bulkremove.app.nightly.nightly_schedule import schedule
from bulkremove.config import Night
from bulkremove.config.source_kind import SourceKind, source_kind
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import SettingsError
from bulkremove.storage.interface.nightly import NightlyRunRecord

_ENDS = {
    "": ("Still runs, or was cut off", "wait", "hourglass"),
    "skipped": ("Left out", "idle", "ban"),
    NightlyRunEnd.DONE: ("Done", "good", "circle-check"),
    NightlyRunEnd.GOES_ON: ("Goes on in the next run", "busy", "hourglass"),
    NightlyRunEnd.ROWS_NEED_PERSON: ("Done with problems", "bad", "triangle-alert"),
    NightlyRunEnd.NEEDS_PERSON: ("Waits for a person", "wait", "user-check"),
    NightlyRunEnd.FAILED: ("Failed", "bad", "octagon-alert"),
}
"""Words, tone and icon of how a nightly run ended; of an end that this version does not know, its code is shown."""


@dataclass(frozen=True, slots=True)
class NightFacts:
    """A night as the page shows it."""

    night: Night
    account: str
    source: str
    """The kind of its source; the address itself is for those who see to the server."""
    max_removals: int
    next_start: Epoch | None
    """None if something else than this server starts it."""
    last: NightlyRunRecord | None
    problem: str
    """Why it can't run as it is set up; empty otherwise."""

    @property
    def last_end(self) -> tuple[str, str, str]:
        """Words, tone and icon of how its last run ended."""
        end = self.last.end if self.last else ""
        return _ENDS.get(end, (end, "idle", "info"))


async def night_facts(app: App, night: Night) -> NightFacts:
    """Look up what the page says about a night."""
    account, problem, settings = night.account or app.settings.account, "", app.settings
    try:
        settings = app.for_night(night).settings
        account = settings.account
    except SettingsError as error:
        problem = error.message
    starts = schedule(night).next_starts(app.clock.wall(), 1) if night.at else []
    last = await app.context.storage.nightly.last(night=night.name, sandbox=app.settings.sandbox_host)
    next_start = starts[0][1] if starts else None
    return NightFacts(night, account, _kind(night), settings.max_removals, next_start, last, problem)


def _kind(night: Night) -> str:
    match source_kind(night.source):
        case SourceKind.LEAVERS:
            return "Zoho's list of employees who have left"
        case SourceKind.COMMAND:
            return "a program on the server"
        case SourceKind.WEB_ADDRESS:
            return "a web address"
    return "a folder on the server"
