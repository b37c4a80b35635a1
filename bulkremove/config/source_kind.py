"""Which kind of source a text names, in a setting or a command line."""

from __future__ import annotations

import re
from enum import Enum, auto

LEAVERS = "zoho:leavers"
"""The source of a night that asks Zoho itself who has left."""
COMMAND = "command "
"""What the text of a command begins with."""


class SourceKind(Enum):
    """What is done to get the files of a source."""

    LEAVERS = auto()
    COMMAND = auto()
    WEB_ADDRESS = auto()
    PATH = auto()
    UNKNOWN = auto()


def source_kind(text: str) -> SourceKind:
    """The kind of the source that ``text`` names; ``UNKNOWN`` for an address with a scheme that is not one of these."""
    if text == LEAVERS:
        return SourceKind.LEAVERS
    if text.startswith(COMMAND):
        return SourceKind.COMMAND
    if re.match("https?://", text, re.IGNORECASE):
        return SourceKind.WEB_ADDRESS
    return SourceKind.UNKNOWN if scheme_of(text) else SourceKind.PATH


def scheme_of(text: str) -> str:
    """The scheme of an address with its colon; empty if there is none. It has two letters at least: C: is a drive."""
    found = re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", text)
    return found[0] if found else ""
