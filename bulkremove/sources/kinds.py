"""Making a source of the text that names it in a command line or a setting."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from bulkremove.domain.errors import SourceFailed
from bulkremove.sources.command import Command
from bulkremove.sources.files import File, Folder
from bulkremove.sources.interface import Source
from bulkremove.sources.web_address import WebAddress


def source_of(text: str, environ: Mapping[str, str]) -> Source:
    """The source that ``text`` names: ``command ...``, a web address, or the path of a folder or file.

    ``environ``: environment variables; BULKREMOVE_SOURCE_TOKEN is the bearer token for a web address that needs one.
    Raises SourceFailed for an address of another kind.
    """
    if text.startswith("command "):
        return Command(text.removeprefix("command "))
    if text.startswith(("https://", "http://")):
        return WebAddress(text, environ.get("BULKREMOVE_SOURCE_TOKEN") or None)
    if scheme := re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", text):  # of two letters at least: C: is a drive
        raise SourceFailed(
            f"A source can't begin with {scheme[0]!r}.",
            hint="Give an https address, the path of a folder or file, or 'command PROGRAM ...'.",
        )
    path = Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100 - resolve() would follow links
    return Folder(path) if path.is_dir() else File(path)
