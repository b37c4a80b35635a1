"""The context that every use case is built with: settings, environment, clock, random numbers and storage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from bulkremove.config import Night, Settings
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import Clock, Epoch
from bulkremove.domain.errors import SettingsError
from bulkremove.reading.subprocess_reader import ReadUntrusted, read_in_subprocess
from bulkremove.storage import Storage
from bulkremove.storage.interface.records import Act
from bulkremove.zoho.accounts import with_data_center

NO_NIGHTS = "Write a block [[nights]] with a source into bulkremove.toml: a folder, an address or a command."


@dataclass(frozen=True, slots=True)
class Context:
    """Values that all use cases share. ``environ``: environment variables; ``random``: for job ids and back-offs.

    ``read_untrusted``: reads a file that a stranger may have made.
    """

    settings: Settings
    environ: Mapping[str, str]
    clock: Clock
    random: Random
    storage: Storage
    counted_from: Epoch = Epoch(0.0)
    """Removals before this time are not counted against the cap of a day: a bundled sandbox begins anew each time."""
    read_untrusted: ReadUntrusted = read_in_subprocess

    @property
    def night(self) -> Night:
        """The night that the use cases are for. Raises SettingsError when they are for none."""
        if self.settings.night is None:
            raise SettingsError("There are no nights.", hint=NO_NIGHTS)
        return self.settings.night

    def for_night(self, night: Night) -> Context:
        """The context of one night. Raises SettingsError when flags or variables name another account."""
        return replace(self, settings=with_data_center(self.settings.for_night(night), self.environ))

    async def record(self, by: str, act: AuditAct, **details: object) -> None:
        """Append an act to the audit log. ``details``: names, numbers and hashes; never a cell of a file."""
        await self.storage.audit.append(Act(by, act, details, self.clock.wall()))
