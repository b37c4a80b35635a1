"""Making a source of the text that names it in a command line or a setting."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bulkremove.config.source_kind import COMMAND, SourceKind, scheme_of, source_kind
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
    match source_kind(text):
        case SourceKind.COMMAND:
            return Command(text.removeprefix(COMMAND))
        case SourceKind.WEB_ADDRESS:
            return WebAddress(text, environ.get("BULKREMOVE_SOURCE_TOKEN") or None)
        case SourceKind.LEAVERS | SourceKind.UNKNOWN:
            raise SourceFailed(
                f"A source can't begin with {scheme_of(text)!r}.",
                hint="Give an https address, the path of a folder or file, or 'command PROGRAM ...'.",
            )
    path = Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100 - resolve() would follow links
    return Folder(path) if path.is_dir() else File(path)
