"""Backups: one zip with the journal, the settings and the protected list; and putting one back.

Credentials are not in it: they are in the system's keyring or in private files, and a person logs in again.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bulkremove.errors import JournalFailed
from bulkremove.private_files import make_folder

JOURNAL, CONTENTS = "journal.db", "CONTENTS.txt"
_CONTENTS = """A backup of bulkremove, made by `bulkremove backup`; `bulkremove restore-backup FILE` puts it back.

In it: {names}.
Not in it: credentials of accounts and access tokens (log in again with `bulkremove login`), the addresses of notices
(notify.txt), uploads that nobody has confirmed, and reports.
"""


def write_zip(path: Path, journal: Path, others: Mapping[str, Path]) -> None:
    """Pack the copy of a journal and other files, by their name in the zip, into a new private file.

    Raises JournalFailed when the file exists or can't be written; nothing is left of it then.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        raise JournalFailed(f"The backup {path} can't be made: {error.strerror}.", hint="Name a new file.") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
                names = [JOURNAL, *others]
                packed.writestr(CONTENTS, _CONTENTS.format(names=", ".join(names)))
                for name, place in ((JOURNAL, journal), *others.items()):
                    packed.write(place, name)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise JournalFailed(f"The backup {path} can't be written: {error.strerror}.") from None


@contextmanager
def unpacked(path: Path, home: Path) -> Iterator[tuple[Path, Mapping[str, bytes]]]:
    """The journal of a backup as a private file, while the context lasts, and the other files' contents by name.

    Raises JournalFailed for what is no backup.
    """
    try:
        make_folder(home)
        with TemporaryDirectory(dir=home, prefix=".restore-") as folder, zipfile.ZipFile(path) as packed:
            names = set(packed.namelist()) - {CONTENTS}
            journal = Path(folder) / "copy.db"
            with packed.open(JOURNAL) as source, journal.open("wb") as target:
                shutil.copyfileobj(source, target)
            yield journal, {name: packed.read(name) for name in names - {JOURNAL} if name == Path(name).name}
    except (OSError, KeyError, zipfile.BadZipFile, RuntimeError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is no backup that `bulkremove backup` made"
        raise JournalFailed(f"{path} can't be used: {words}.") from None
