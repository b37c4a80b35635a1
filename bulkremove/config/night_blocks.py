"""The blocks ``[[nights]]`` of a settings file: their places, their values, and what they may not share."""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bulkremove.config.night_values import NIGHT_PARSERS
from bulkremove.config.nights import Night
from bulkremove.config.settings import Settings
from bulkremove.config.source_kind import LEAVERS, SourceKind, source_kind
from bulkremove.domain.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Block:
    """One block as written in the file: its unparsed values, and the place of the block and of each value."""

    values: dict[str, object]
    location: str
    locations: dict[str, str] = field(default_factory=dict)


Blocks = Sequence[Block]


def blocks_in(text: str, value: object, file: str) -> Blocks:
    """The blocks of a settings file. ``value``: its value of ``nights``. Raises SettingsError."""
    if not isinstance(value, list) or not all(isinstance(block, dict) for block in value):
        raise SettingsError(f"{file}{line_of(text, 'nights')}: nights must be blocks, each below a line [[nights]].")
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if re.match(r"\s*\[\[\s*[\"']?nights[\"']?\s*\]\]", line)]
    if len(starts) != len(value):  # an array in one line
        return [Block(values, f"{file}, night {number}") for number, values in enumerate(value, start=1)]
    blocks = []
    for values, (start, end) in zip(value, pairwise([*starts, len(lines)]), strict=True):
        own = "\n".join(lines[start:end])
        places = {name: f"{file}{line_of(own, name, first=start + 1)}" for name in values}
        blocks.append(Block(values, f"{file} line {start + 1}", places))
    return blocks


def line_of(text: str, name: str, *, first: int = 1) -> str:
    """`` line N``, where a key is in the text, whose first line has the number ``first``; empty if unknown."""
    for number, line in enumerate(text.splitlines(), start=first):
        if re.match(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=", line):
            return f" line {number}"
    return ""


def load_nights(blocks: Blocks) -> tuple[Night, ...]:
    """The nights of a file's blocks. Raises SettingsError, which names the place of the value."""
    return tuple(map(_night, blocks))


def _night(block: Block) -> Night:
    values: dict[str, Any] = {}
    for name, value in block.values.items():
        place = block.locations.get(name, block.location)
        if name not in NIGHT_PARSERS:
            near = difflib.get_close_matches(name, NIGHT_PARSERS, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"A night can have: {', '.join(NIGHT_PARSERS)}."
            raise SettingsError(f"{place}: a night has no {name!r}.", hint=hint)
        try:
            values[name] = NIGHT_PARSERS[name](value)
        except ValueError as error:
            raise SettingsError(f"{place}: {error}") from None
    if "source" not in values:
        hint = "Write source = ... into it: a folder, an https address, 'command PROGRAM ...' or zoho:leavers."
        raise SettingsError(f"{block.location}: this night has no source.", hint=hint)
    night = Night(**values)
    if night.at is not None and night.window is not None:
        begin, end = night.window
        if not (begin <= night.at < end if begin < end else night.at >= begin or night.at < end):
            raise SettingsError(
                f"{block.locations.get('at', block.location)}: at = {night.at:%H:%M} lies outside window = "
                f"{begin:%H:%M}-{end:%H:%M}, so this night could never send a row.",
                hint="Start it within the window.",
            )
    return night


def check_nights(settings: Settings) -> None:
    """Check what nights may not share: names, sources, dead man's switches; that none takes files of the home folder.

    And where several accounts are, what each must say itself.

    Raises SettingsError.
    """
    nights = settings.nights
    for night in nights:
        if _folder(night, settings.home) == Path(os.path.realpath(settings.home)):
            raise SettingsError(
                f"Night {night.name} would take the files of the home folder itself: journal, settings and all.",
                hint="Give it a folder of its own, which holds nothing but files of removals.",
            )
    for first, other in combinations(nights, 2):
        if first.ping_url and _address(first.ping_url.rstrip("/")) == _address(other.ping_url.rstrip("/")):
            raise SettingsError(
                f"Nights {first.name} and {other.name} have the same ping_url, so the one that runs would hide that "
                "the other one does not.",
                hint="Give each a dead man's switch of its own.",
            )
        if first.name.casefold() == other.name.casefold():
            raise SettingsError(
                f"Two nights are named {other.name!r}.", hint="Give each [[nights]] block a name of its own."
            )
        if _share_files(first, other, settings.home):
            raise SettingsError(
                f"Nights {first.name} and {other.name} read the same source, or one from within the other's folder: "
                "each file would be taken by whichever runs first, for its account.",
                hint="Give each a source of its own.",
            )
    accounts = {night.account or settings.account for night in nights}
    if len(accounts) < 2:
        return
    if unnamed := [night.name for night in nights if not night.account]:
        raise SettingsError(
            f"Night {unnamed[0]} names no account, and other nights are for other ones.",
            hint='Write account = "NAME" into each [[nights]] block.',
        )
    for night in nights:
        if not night.notify:
            raise SettingsError(
                f"Night {night.name} does not say whom to notify. Notices carry reports, and nights are for different "
                "accounts here.",
                hint='Write notify = "FILE" into each [[nights]] block: a file of addresses in the home folder.',
            )


def _share_files(one: Night, other: Night, home: Path) -> bool:
    folders = [_folder(night, home) for night in (one, other)]
    with suppress(OSError):  # one of them is not there now
        if os.path.samefile(*folders):  # noqa: PTH121 - of two paths
            return True
    if any(first.is_relative_to(second) for first, second in (folders, folders[::-1])):
        return True
    if one.source == other.source == LEAVERS and one.account != other.account:
        return False  # each asks for its own organisation
    return _is_export(one.source) and _source_identity(one.source) == _source_identity(other.source)


def _folder(night: Night, home: Path) -> Path:
    folder = night.export_folder(home) if _is_export(night.source) else Path(night.source).expanduser()
    return Path(os.path.realpath(folder))


def _is_export(source: str) -> bool:
    return source_kind(source) in (SourceKind.LEAVERS, SourceKind.COMMAND, SourceKind.WEB_ADDRESS)


def _source_identity(source: str) -> Sequence[str]:
    """What makes two sources equal: a command's words, or what makes two addresses equal."""
    if source_kind(source) is not SourceKind.COMMAND:
        return _address(source)
    try:
        return shlex.split(source)
    except ValueError:
        return source.split()


def _address(url: str) -> Sequence[str]:
    """What makes two addresses equal: the host without its case, the port, also that of the scheme, and the rest."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return (url,)
    return parts.scheme, parts.hostname or "", str(port), parts.path or "/", parts.query
