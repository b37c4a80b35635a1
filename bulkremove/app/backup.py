"""Backups: one zip file with journal, settings and protected list; restoring one, and accepting a restored journal.

Credentials are not in it: they stay in the system's keyring or in private files, and a person logs in again.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tomllib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import Timeout

from bulkremove.app.accounts import Accounts
from bulkremove.app.context import Context
from bulkremove.config import OLD_PROTECTED_FILE, PROTECTED_FILE, protected_path
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import seconds_between
from bulkremove.domain.errors import JournalFailed
from bulkremove.engine import rate_limit
from bulkremove.platform.file_lock import file_lock
from bulkremove.platform.secure_files import make_folder, new_file, write_private
from bulkremove.reading.grid import MAX_FILE_BYTES
from bulkremove.storage.interface.records import Act
from bulkremove.storage.interface.restore import LostCalls, RestoreLosses

JOURNAL, SETTINGS, PROTECTED, CONTENTS = "journal.db", "bulkremove.toml", PROTECTED_FILE, "CONTENTS.txt"
REPLACED = "The journal was replaced by an older copy, or by another one: what was done since is not in it."
"""What whoever looks at a replaced journal must know."""
_CONTENTS = """A backup of bulkremove, made by `bulkremove backup`; `bulkremove restore-backup FILE` puts it back.

In it: {names}.
Not in it: credentials of accounts and access tokens (log in again with `bulkremove login`), the addresses of notices
(notify.txt), the mail server (mail.txt), uploads that nobody has confirmed, and reports.
Putting it back also decides who may sign in: users and tokens are those of the day it was made.
"""
RESTORED = "The journal was put back from a backup. What was decided about this job since then is not known."


@dataclass(frozen=True, slots=True)
class Backup:
    """What restoring a backup would change. ``digest``: SHA-256 (hex) of the zip; ``files``: texts to write, by path.

    ``differing``: paths of files whose content differs from the backup's and stays as it is.
    """

    digest: str
    files: Mapping[Path, str]
    differing: tuple[Path, ...]


class Backups:
    """Backups of one context's journal, settings and protected list."""

    def __init__(self, context: Context, accounts: Accounts) -> None:
        self._context, self._accounts, self._storage = context, accounts, context.storage

    async def make(self, path: Path, *, by: str) -> None:
        """Write a backup, also while jobs run. Raises JournalFailed and leaves no file, also for a damaged journal.

        So it does for a journal that was replaced and that nobody has accepted: the backup would be kept as one of what
        was done to this day.
        """
        settings = self._context.settings
        if await self.is_replaced():
            raise JournalFailed(
                "The journal was replaced by an older copy, or by another journal, so no backup was made of it.",
                hint="`bulkremove journal accept-restore` continues with it.",
            )
        target_paths = {SETTINGS: settings.file or settings.home / SETTINGS, PROTECTED: protected_path(settings)}
        with _copies_folder(settings.home) as folder:
            copy = folder / "copy.db"
            await self._storage.backup(copy)
            await asyncio.to_thread(
                _write_zip,
                path,
                {JOURNAL: copy, **{name: place for name, place in target_paths.items() if place.is_file()}},
            )
        try:
            await self._context.record(by, AuditAct.BACKED_UP, file=path.name)
        except JournalFailed:
            await asyncio.to_thread(path.unlink, missing_ok=True)
            raise

    async def inspect(self, path: Path) -> Backup:
        """What restoring the backup would change. Raises JournalFailed for a file that is not a valid backup."""
        with _copies_folder(self._context.settings.home) as folder:
            return await asyncio.to_thread(self._unpack, path, folder)

    async def restore(self, path: Path, backup: Backup, *, by: str) -> None:
        """Write protected list and settings where there are none, then replace the journal in one transaction.

        In this order, since a journal that is in place may be accepted, and its jobs run, without its protected list.
        ``backup``: the result of ``inspect`` that a person agreed to. Raises JournalFailed or LocalFileFailed, and then
        the journal has not changed; nothing has if the backup is the cause.
        """
        with _copies_folder(self._context.settings.home) as folder:
            if await asyncio.to_thread(self._unpack, path, folder) != backup:
                raise JournalFailed(f"{path} has changed meanwhile; nothing was put back.", hint="Look at it again.")
            details = {"file": path.name, "sha256": backup.digest}
            entry = Act(by, AuditAct.RESTORED, details, self._context.clock.wall())
            await self._storage.restore.put_back(folder / JOURNAL, entry, before=lambda: _write_files(backup))

    async def is_replaced(self) -> bool:
        """Whether another journal, or an older copy, is in place, and nobody has accepted that yet."""
        return self._storage.exists and await self.restored() is not None

    async def restored(self) -> RestoreLosses | None:
        """What was lost because another journal, or an older copy, is in place; None when that is not so."""
        return await self._storage.restore.check()

    async def accept(self, restored: RestoreLosses, *, by: str) -> None:
        """Continue with a restored journal: only rows that may have been sent since the backup become ``unknown``.

        The calls made since then are not known, so the account's slots are held as if all had been taken just now, and
        the cap of the day and the daily limit count as many as there may have been: all of them if it cannot be known.
        ``restored``: what a person was shown; raises JournalFailed when another journal is in place by now.
        """
        settings, clock = self._context.settings, self._context.clock
        quota = settings.quota
        now = clock.monotonic()
        held_seconds = seconds_between(now, rate_limit.released_at_without_response(quota, now))
        details = {"lost": restored.changes, "rows": sum(restored.rows.values()), "jobs": len(restored.jobs)}
        entry = Act(by, AuditAct.RESTORE_ACCEPTED, details, clock.wall())
        await self._storage.restore.accept(
            restored,
            entry,
            keys=self._accounts.ledger_keys(),
            slots=quota.calls,
            held_seconds=held_seconds,
            why=RESTORED,
            if_unknown=LostCalls(settings.max_removals, quota.daily or 0),
        )

    def _unpack(self, path: Path, folder: Path) -> Backup:
        """Unpack the journal into ``folder`` and compare the other files with those here. Raises JournalFailed."""
        digest, others = _unzip(path, folder)
        settings = self._context.settings
        places = {SETTINGS: settings.file or settings.home / SETTINGS, PROTECTED: protected_path(settings)}
        if settings.file is None and (protected := _protected_list_of(path, others.get(SETTINGS, ""))):
            places[PROTECTED] = protected
            if PROTECTED not in others:
                raise JournalFailed(f"{path} can't be used: its settings name a protected list that is not in it.")
        files, differing = {}, []
        for name, text in others.items():
            if not places[name].exists():
                files[places[name]] = text
            elif _bytes_of(places[name]) != text.encode("utf-8", "surrogateescape"):
                differing.append(places[name])
        # The protected list is written first: with settings that name a missing one, every command would fail.
        ordered = dict(sorted(files.items(), key=lambda item: item[0] == places[SETTINGS]))
        return Backup(digest, ordered, tuple(differing))


def _write_files(backup: Backup) -> None:
    for place, text in backup.files.items():
        write_private(place, text)


@contextmanager
def _copies_folder(home: Path) -> Iterator[Path]:
    """A temporary private folder in the home folder. Raises what ``without_copies`` raises."""
    with without_copies(home), ExitStack() as stack:
        try:
            folder = stack.enter_context(TemporaryDirectory(dir=home, prefix=".copy-"))
        except OSError as error:
            raise _folder_failed(home, error) from None
        yield Path(folder)


@contextmanager
def without_copies(home: Path) -> Iterator[None]:
    """Delete copies of the journal that a killed backup or restore has left, and let no other begin meanwhile.

    Raises JournalFailed, also while another backup or restore runs.
    """
    with ExitStack() as stack:
        try:
            make_folder(home)
            stack.enter_context(file_lock(home / "copies.lock", timeout=0))
            for folder in home.glob(".copy-*"):
                shutil.rmtree(folder)
        except Timeout:
            raise JournalFailed("A backup is being made or put back right now.", hint="Wait for it.") from None
        except OSError as error:
            raise _folder_failed(home, error) from None
        yield


def _folder_failed(home: Path, error: OSError) -> JournalFailed:
    return JournalFailed(
        f"The folder {home} can't be used: {error.strerror or error}.",
        hint="It must belong to you, you must be able to write to it, and its disk must have room; then try again.",
    )


def _write_zip(path: Path, files: Mapping[str, Path]) -> None:
    """Write files, by their names in the zip, to a new private zip. Raises JournalFailed, and then leaves no zip."""
    try:
        with (
            new_file(path) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as packed,
        ):
            packed.writestr(CONTENTS, _CONTENTS.format(names=", ".join(files)))
            for name, place in files.items():
                packed.write(place, name)
    except OSError as error:
        hint = "Name a new file." if isinstance(error, FileExistsError) else "Name a file on another disk or folder."
        raise JournalFailed(f"The backup {path} can't be made: {error.strerror}.", hint=hint) from None


def _unzip(path: Path, folder: Path) -> tuple[str, Mapping[str, str]]:
    """Unpack a backup's journal into ``folder``; returns the zip's SHA-256 (hex) and the other files' texts by name.

    The zip is untrusted: only expected names are read, and no more than there is room for. Raises JournalFailed.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as packed:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            entries = {name: packed.getinfo(name) for name in packed.namelist()}
            if entries[JOURNAL].file_size > shutil.disk_usage(folder).free / 3:
                raise JournalFailed(f"There is no room for the journal of {path} in {folder.parent}.")
            with packed.open(JOURNAL) as source, (folder / JOURNAL).open("wb") as target:
                shutil.copyfileobj(source, target)
            others = {}
            for name in (SETTINGS, PROTECTED, OLD_PROTECTED_FILE):
                if name in entries:
                    if entries[name].file_size > MAX_FILE_BYTES:
                        raise JournalFailed(f"{path} can't be used: its {name} is larger than any can be.")
                    others[name] = packed.read(name).decode("utf-8", "surrogateescape")
            if {PROTECTED, OLD_PROTECTED_FILE} <= set(others):
                raise JournalFailed(f"{path} can't be used: it has two protected lists.")
            if OLD_PROTECTED_FILE in others:
                others[PROTECTED] = others.pop(OLD_PROTECTED_FILE)
            return digest, others
    except OSError as error:
        raise JournalFailed(f"{path} can't be used: {error.strerror or error}.") from None
    except (KeyError, EOFError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        raise JournalFailed(
            f"{path} can't be used: it is damaged, or no backup that `bulkremove backup` made."
        ) from None


def _protected_list_of(path: Path, settings: str) -> Path | None:
    """The path of the protected list that the settings in a backup name, if any. Raises JournalFailed."""
    try:
        values = tomllib.loads(settings)
    except tomllib.TOMLDecodeError as error:
        raise JournalFailed(f"{path} can't be used: its settings can't be read: {error}.") from None
    protected = values.get("protected_list", values.get("keep_list"))
    return None if protected is None else Path(str(protected)).expanduser().absolute()


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise JournalFailed(f"The file {path} can't be read: {error.strerror}.") from None
