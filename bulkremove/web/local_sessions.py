"""What of the local user's sessions outlives the server: digests of their keys, and the link that opens a new one.

Both are private files of the home folder, whose owner the local user is. A digest opens no session.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import LocalFileFailed
from bulkremove.platform.secure_files import read_private, write_private

LINK_FILE = "page-link.txt"
"""The file in the home folder with the link that opens the page; it is there while that link is good."""
_SESSIONS_FILE = "page-sessions.json"


class LocalSessions:
    """The files of one home folder. A file that can't be read, or is damaged, counts as empty: the link signs in."""

    def __init__(self, home: Path) -> None:
        self._sessions, self._link = home / _SESSIONS_FILE, home / LINK_FILE

    def load(self) -> dict[str, Epoch]:
        """When each session was opened, by the digest of its key."""
        try:
            stored = json.loads(read_private(self._sessions) or "{}")
            return {str(digest): Epoch(float(at)) for digest, at in stored.items()}
        except (LocalFileFailed, OSError, ValueError, TypeError, AttributeError):
            return {}

    def save(self, opened: Mapping[str, Epoch]) -> None:
        """Replace what is stored; where that can't be written, the sessions end with the server."""
        with suppress(LocalFileFailed):
            write_private(self._sessions, json.dumps(dict(opened)))

    def write_link(self, link: str) -> None:
        """Store the link; an empty one takes the file away."""
        with suppress(LocalFileFailed, OSError):
            if link:
                write_private(self._link, f"{link}\n")
            else:
                self._link.unlink()
