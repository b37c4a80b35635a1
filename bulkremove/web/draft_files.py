"""Drafts on disk: what is known of an upload beside its file, so that it outlives the server.

People who were chosen from Zoho's lists are not stored: the lists are read anew when they are chosen again. What Zoho
said about the learners of a draft is not stored either; it is asked again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import LocalFileFailed
from bulkremove.domain.operation import ENROLL_LEARNER, OPERATIONS, REMOVE_LEARNER
from bulkremove.domain.permissions import AccountSet
from bulkremove.platform.secure_files import private_folder, read_private, replace_content
from bulkremove.reading.options import ReadOptions
from bulkremove.web.upload import Upload

FOLDER = "uploads"
"""The private folder of the home folder in which uploads and drafts are."""
MAX_AGE_SECONDS = 24 * 3600.0
"""Seconds after which an upload is deleted, at the next use of any upload."""
_SUFFIX = ".json"


class _Draft(msgspec.Struct, forbid_unknown_fields=True):
    """The file of a draft. ``target``: to where its plan is sent; ``file``: the name of the upload's file.

    ``size``: that file's in bytes; a power cut may have cut it off, and its last id is that of somebody else then.
    ``operation``: the name of what its ``removals`` are; ``was_checked``: whether an enrolment check was made of it.
    """

    target: str
    name: str
    account: str
    seen: AccountSet
    prepared_by: list[str]
    uploaded_at: float
    file: str | None
    size: int
    retry: tuple[str, bool] | None
    put_back: tuple[str, frozenset[int] | None] | None
    options: ReadOptions
    include_open: bool
    removals: int
    operation: str
    was_checked: bool
    generation: str
    idempotency_key: str = ""
    fingerprint: str = ""
    asked: tuple[str, str] | None = None
    returned: tuple[str, str] | None = None


class DraftFiles:
    """The folder of the uploads of one server, and of the drafts of those before it.

    ``target``: where plans are sent to, a host or the sandbox; drafts for another one are deleted at the start.
    """

    def __init__(self, home: Path, target: str) -> None:
        self.folder, self._target = private_folder(home / FOLDER), target

    def load(self) -> list[Upload]:
        """Return the drafts of earlier servers, and delete whatever else is in the folder."""
        drafts = [draft for path in self.folder.glob(f"*{_SUFFIX}") if (draft := self._read(path)) is not None]
        kept = {self._path(draft.id) for draft in drafts} | {draft.path for draft in drafts}
        for path in self.folder.iterdir():
            if path not in kept:
                path.unlink(missing_ok=True)
        return drafts

    def save(self, upload: Upload) -> None:
        """Write what is known of an upload. Where that can't be written, the draft ends with the server."""
        if upload.is_chosen or upload.job is not None:
            return
        draft = _Draft(
            self._target,
            upload.name,
            upload.account,
            upload.seen,
            upload.prepared_by,
            upload.uploaded_at,
            upload.path.name if upload.path else None,
            _size(upload.path),
            upload.retry,
            upload.put_back,
            upload.options,
            upload.include_open,
            upload.removals,
            (ENROLL_LEARNER if upload.words == ENROLL_LEARNER.words else REMOVE_LEARNER).name,
            upload.check is not None or upload.was_checked,
            upload.generation,
            upload.idempotency_key,
            upload.fingerprint,
            upload.asked,
            upload.returned,
        )
        with suppress(LocalFileFailed):
            replace_content(self._path(upload.id), msgspec.json.encode(draft))

    def delete(self, upload: Upload) -> None:
        """Delete what is stored of an upload, and its file."""
        for path in self._of(upload):
            path.unlink(missing_ok=True)

    def _of(self, upload: Upload) -> Iterator[Path]:
        yield self._path(upload.id)
        if upload.path is not None:
            yield upload.path

    def _read(self, path: Path) -> Upload | None:
        try:
            draft = msgspec.json.decode(read_private(path) or "", type=_Draft)
        except (LocalFileFailed, OSError, ValueError):  # msgspec's errors are such
            return None
        file = self.folder / Path(draft.file).name if draft.file else None
        age = time.time() - draft.uploaded_at
        if draft.target != self._target or not 0.0 <= age < MAX_AGE_SECONDS or _size(file) != draft.size:
            return None
        return Upload(
            path.stem,
            draft.name,
            draft.account,
            draft.seen,
            draft.prepared_by,
            Epoch(draft.uploaded_at),
            path=file,
            retry=draft.retry,
            put_back=draft.put_back,
            options=draft.options,
            include_open=draft.include_open,
            removals=draft.removals,
            words=OPERATIONS.get(draft.operation, REMOVE_LEARNER).words,
            generation=draft.generation,
            idempotency_key=draft.idempotency_key,
            fingerprint=draft.fingerprint,
            asked=draft.asked,
            returned=draft.returned,
            is_restored=True,
            was_checked=draft.was_checked,
        )

    def _path(self, upload_id: str) -> Path:
        return self.folder / f"{upload_id}{_SUFFIX}"


def _size(path: Path | None) -> int:
    """The size of a file in bytes, 0 without one; -1 if it can't be read."""
    try:
        return path.stat().st_size if path else 0
    except OSError:
        return -1
