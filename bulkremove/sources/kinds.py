"""From the words in a command line or a setting to the source that they name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bulkremove.sources.command import Command
from bulkremove.sources.files import File, Folder
from bulkremove.sources.interface import Source
from bulkremove.sources.web_address import WebAddress


def source_of(text: str, environ: Mapping[str, str]) -> Source:
    """The source ``text``: ``command ...``, an https address, or the path of a folder or file.

    ``environ``: holds the address's bearer token, if it needs one.
    """
    if text.startswith("command "):
        return Command(text.removeprefix("command "))
    if text.startswith(("https://", "http://")):
        return WebAddress(text, environ.get("BULKREMOVE_SOURCE_TOKEN") or None)
    path = Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100 - resolve() would follow links
    return Folder(path) if path.is_dir() else File(path)
