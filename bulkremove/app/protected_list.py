"""The list of protected learners, as it is on disk now."""

from __future__ import annotations

import os
from pathlib import Path

from bulkremove.config import OLD_PROTECTED_FILE, PROTECTED_FILE, Settings, protected_path
from bulkremove.domain.errors import FileRefused, SettingsError
from bulkremove.domain.job import Job
from bulkremove.domain.plan import ProtectedLearners
from bulkremove.domain.row import Removal
from bulkremove.reading.reader import read_protected_learners


def protected_learners(settings: Settings) -> ProtectedLearners:
    """The learners who are never removed. Raises FileRefused for an unreadable list, SettingsError for two lists."""
    path = protected_path(settings)
    if not settings.protected_list and not os.path.lexists(path):  # a link to what is not mounted is a list
        return ProtectedLearners()
    return read_protected_learners(path)


def shrunk_list_text(job: Job, settings: Settings) -> str:
    """The sentence that the list has fewer entries than the job has known it with; empty if it has not.

    A list that can't be read has no number of entries, and nothing is sent without it either.
    """
    before = int(job.options.get("protected", 0))
    try:
        entries = len(protected_learners(settings))
    except (FileRefused, SettingsError):
        return ""
    if entries >= before:
        return ""
    return f"The list of protected learners has {entries:,} entries; it had {before:,} before."


class ProtectedList:
    """The list during a run: looked at before each call, since a run may take half a day; read when it has changed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        places = (settings.home / PROTECTED_FILE, settings.home / OLD_PROTECTED_FILE)
        self._paths = (Path(settings.protected_list),) if settings.protected_list else places
        self._file_states: list[tuple[int, ...] | None] | None = None
        self._learners = ProtectedLearners()

    def is_protected(self, removal: Removal) -> bool:
        """Whether the learner is protected now. Raises FileRefused or SettingsError for a list that can't be used."""
        present = [_state(path) for path in self._paths]
        if present != self._file_states:
            if self._file_states is not None and any(self._file_states) and not any(present):
                raise FileRefused(
                    "The list of protected learners is gone since this run began.",
                    hint="Put it back, or resume without it if nobody is to be protected any more.",
                )
            self._learners = protected_learners(self._settings)
            self._file_states = present
        return removal in self._learners


def _state(path: Path) -> tuple[int, ...] | None:
    """What changes with a file's content, also when its time is set back; None where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - three times as fast, before each call
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
