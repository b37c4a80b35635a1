"""The sources of nights, each with its own bearer token, how their files are read, and the folders of all nights."""

from __future__ import annotations

from collections.abc import Mapping

from bulkremove.app.context import Context
from bulkremove.config import Night, night_folders
from bulkremove.config.source_kind import LEAVERS
from bulkremove.reading.options import Hidden, ReadOptions
from bulkremove.sources import Source, source_of
from bulkremove.sources.inbox import Inbox

TOKEN = "BULKREMOVE_SOURCE_TOKEN"  # noqa: S105 - the name of a variable


def night_source(night: Night, context: Context) -> Source:
    """Where the files of a night come from, unless Zoho is asked (``LEAVERS``). Raises SourceFailed.

    The bearer token of night ``school-a`` is in BULKREMOVE_SOURCE_TOKEN_SCHOOL_A. The variable without a name is
    for an installation with one night: the token of one organisation must not be sent to the address of another.
    """
    environ: Mapping[str, str] = context.environ
    own = environ.get(f"{TOKEN}_{night.name.upper().replace('-', '_')}")
    shared = environ.get(TOKEN, "") if len(context.settings.nights) < 2 else ""
    return source_of(night.source, {**environ, TOKEN: own or shared})


def night_inbox(night: Night, context: Context) -> Inbox:
    """The folder that a night's files are taken from. Raises SourceFailed for an address of an unknown kind."""
    folder = night.export_folder(context.settings.home)
    return Inbox(folder) if night.source == LEAVERS else night_source(night, context).inbox(folder)


def read_options(night: Night) -> ReadOptions:
    """How the files of a night are read."""
    return ReadOptions(
        sheet=night.sheet or None,
        columns=dict(night.columns),
        hidden=Hidden(night.hidden),
        only=night.only,
        header_row=night.header_row,
    )


def night_inboxes(context: Context) -> list[Inbox]:
    """The inboxes of all nights, and the folders of earlier nights in the home folder. Raises SourceFailed."""
    home = context.settings.home
    inboxes = [night_inbox(night, context) for night in context.settings.nights]
    return [
        *inboxes,
        *(Inbox(folder) for folder in night_folders(home) if folder not in [inbox.path for inbox in inboxes]),
    ]
