"""Changing the list of protected learners from the page: lines are added and taken out, the others stay as they are.

The changed list is read by the same reader that every plan and run uses before it takes the place of the old one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from bulkremove.app.context import Context
from bulkremove.config import Settings, protected_path
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.errors import FileRefused, UserError
from bulkremove.domain.ids import is_id
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.domain.plan import ProtectedLearners
from bulkremove.platform.secure_files import private_folder, replace_content
from bulkremove.reading.columns import by_name
from bulkremove.reading.reader import protected_learners_in

Entry = tuple[str, str, str]
"""Course, batch and learner; course and batch are empty for a learner who is protected in all batches."""

_NEW_LIST = "Learner ID,Note\r\n"
_SEPARATORS = ",;\t|"


def entries(learners: ProtectedLearners) -> list[Entry]:
    """The entries of the list, by learner."""
    named = [(one.course, one.batch, one.learner) for one in learners.removals]
    return sorted([*(("", "", one) for one in learners.learners), *named], key=lambda entry: entry[::-1])


def beside(settings: Settings) -> Mapping[Entry, str]:
    """What stands beside the ids of each entry, such as a name or a note; none in a workbook. Raises FileRefused."""
    text = _content(protected_path(settings)).decode("utf-8", "replace")
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or "\0" in text or "\ufffd" in text:
        return {}
    separator = max(_SEPARATORS, key=lines[0].count)
    places = [next(iter(by_name(_cells(lines[0], separator), role)), None) for role in REMOVE_LEARNER.roles]
    others = {}
    for line in lines[1:]:
        cells = [cell.strip() for place, cell in enumerate(_cells(line, separator)) if place not in places]
        others[_entry(line, separator, places)] = ", ".join(filter(None, cells))
    return others


class ProtectedChanges:
    """The list of one context's settings, as people change it."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def change(
        self, *, add: Collection[str] = (), note: str = "", remove: Collection[Entry] = (), by: str
    ) -> ProtectedLearners:
        """Add learners, who are protected in all batches from now on, and take entries out; returns the list.

        ``note``: stands beside those who are added, if the list has a column for it. Raises UserError, FileRefused,
        SettingsError or LocalFileFailed; nothing is changed then.
        """
        if unusable := [text for text in add if not is_id(text)]:
            raise UserError(f"{unusable[0]!r} is not a learner id of Zoho's: digits only. Nothing was changed.")
        settings = self._context.settings
        path = protected_path(settings)
        raw = _content(path)
        before = protected_learners_in(raw, path) if raw else ProtectedLearners()
        new = [learner for learner in dict.fromkeys(add) if learner not in before.learners]
        gone = frozenset(remove) & frozenset(entries(before))
        if not new and not gone:
            raise UserError("The list is already so. Nothing was changed.")
        if not new and len(gone) == len(before):
            raise UserError(
                "The last entry stays: an empty list would look like one that was lost, and nothing would be sent. "
                "Whoever looks after this server can take the file away. Nothing was changed."
            )
        changed = _changed(raw, path, new, note, gone)
        after = protected_learners_in(changed, path)
        if {*entries(after)} != ({*entries(before)} - gone) | {("", "", learner) for learner in new}:
            raise FileRefused(
                f"{path.name} has a form that can't be changed here without changing more than that.",
                hint="Change it in the file. Nothing was changed.",
            )
        if not settings.protected_list:
            private_folder(path.parent)
        replace_content(path, changed, mode=path.stat().st_mode & 0o777 if raw else 0o600)
        await self._context.record(
            by, AuditAct.PROTECTED_CHANGED, added=len(new), removed=len(gone), entries=len(after)
        )
        return after


def _content(path: Path) -> bytes:
    """The file's content; empty where there is none. Raises FileRefused for what only a person should change."""
    if not path.is_symlink() and not path.exists():
        return b""
    if path.is_symlink() or not path.is_file():
        raise FileRefused(f"{path.name} is a link or no file.", hint="Change it where it is. Nothing was changed.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileRefused(f"{path.name} can't be read: {error.strerror}.") from None


def _changed(raw: bytes, path: Path, new: Sequence[str], note: str, gone: Collection[Entry]) -> bytes:
    """The content with some lines added and some taken out. Raises FileRefused for what is no list of lines."""
    try:
        text = raw.decode("utf-8") if raw else _NEW_LIST
    except UnicodeDecodeError:
        text = ""
    lines = text.splitlines(keepends=True)
    if not lines or any(line.count('"') % 2 for line in lines):
        raise FileRefused(
            f"{path.name} is a workbook, or a text in another form than lines of UTF-8.",
            hint="Change it in that file. Nothing was changed.",
        )
    heading = lines[0].removeprefix("\ufeff")
    separator = max(_SEPARATORS, key=heading.count)
    end = "\r\n" if heading.endswith("\r\n") else "\n"
    header = _cells(heading, separator)
    places = [next(iter(by_name(header, role)), None) for role in REMOVE_LEARNER.roles]
    kept = [line for number, line in enumerate(lines) if not number or _entry(line, separator, places) not in gone]
    if not kept[-1].endswith(("\n", "\r")):
        kept[-1] += end
    learner = places[-1]
    notes = [place for place, name in enumerate(header) if name.strip().casefold() in ("note", "reason", "comment")]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator=end)
    for one in new:
        row = [""] * len(header)
        if learner is not None:
            row[learner] = one
        if notes:
            row[notes[0]] = note
        writer.writerow(row)
    return ("".join(kept) + out.getvalue()).encode()


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


def _entry(line: str, separator: str, places: Sequence[int | None]) -> Entry:
    cells = _cells(line, separator)
    course, batch, learner = (cells[at].strip() if at is not None and at < len(cells) else "" for at in places)
    return course, batch, learner


def list_name(settings: Settings) -> str:
    """The name of the file with the list. Raises SettingsError where there are two."""
    return protected_path(settings).name
