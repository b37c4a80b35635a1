"""Variables that a service manager passes as credentials: files that only this service may read (LoadCredential=)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bulkremove.domain.errors import LocalFileFailed

FOLDER = "CREDENTIALS_DIRECTORY"
"""The variable with the folder of the files; systemd sets it."""


def with_credentials(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The variables, and those of this program that are in files of their names. Raises LocalFileFailed."""
    folder = environ.get(FOLDER)
    if not folder:
        return environ
    try:
        files = [path for path in Path(folder).iterdir() if path.name.startswith("BULKREMOVE_")]
        return {**{path.name: path.read_text(encoding="utf-8").strip() for path in files}, **environ}
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise LocalFileFailed(f"The credentials of this service in {folder} can't be read: {why}.") from None
