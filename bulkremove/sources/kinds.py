"""Making a source of the text that names it in a command line or a setting."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bulkremove.sources.command import Command
from bulkremove.sources.files import File, Folder
from bulkremove.sources.interface import Source
from bulkremove.sources.web_address import WebAddress


def source_of(text: str, environ: Mapping[str, str]) -> Source:
    """The source that ``text`` names: ``command ...``, a web address, or the path of a folder or file.

    ``environ``: environment variables; BULKREMOVE_SOURCE_TOKEN is the bearer token for a web address that needs one.
    """
    if text.startswith("command "):
        return Command(text.removeprefix("command "))
    if text.startswith(("https://", "http://")):
        return WebAddress(text, environ.get("BULKREMOVE_SOURCE_TOKEN") or None)
    path = Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100 - resolve() would follow links
    return Folder(path) if path.is_dir() else File(path)
