"""The home folders of this system user that send right now: two that share one limit would lock the account.

Each home folder has a ledger of its own, so a second one would not know of the first one's calls. Other system users
and other machines can't be seen from here.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import Timeout

from bulkremove.domain.errors import LocalFileFailed, OtherHomeSends
from bulkremove.platform.file_lock import file_lock
from bulkremove.platform.secure_files import make_folder, write_private

GATE_SECONDS = 10.0
"""Maximum wait for another process, which looks through the locks for a few milliseconds."""


def state_folder() -> Path:
    """The system's state folder for this user, which all home folders share."""
    from platformdirs import user_state_path

    return user_state_path("bulkremove", appauthor=False)


@contextmanager
def claim_limits(keys: Sequence[str], home: Path, *, state: Path) -> Iterator[None]:
    """Claim some limits for a home folder, whose processes share the claim, while the context lasts.

    ``keys``: of the limits; ``state``: the folder that all homes share. Raises OtherHomeSends when another home folder
    holds one of them, LocalFileFailed when ``state`` can't be used.
    """
    with ExitStack() as stack:
        try:
            for key in keys:
                stack.enter_context(_registered(state / "sending" / _short_hash(key), home.resolve()))
        except (OSError, Timeout) as error:
            reason = getattr(error, "strerror", None) or "another process has locked it for too long"
            raise LocalFileFailed(
                f"The folder {state} can't be used: {reason}. It shows whether another home folder of yours sends to "
                "the same organisation, so nothing was sent.",
                hint="Make it writable, or set XDG_STATE_HOME to a folder that all home folders share.",
            ) from None
        yield


def other_homes(keys: Sequence[str], home: Path, *, state: Path) -> list[Path]:
    """The other home folders that have ever claimed one of these limits and still hold a journal."""
    names: set[str] = set()
    for key in keys:
        for path in (state / "sending" / _short_hash(key)).glob("*.home"):
            names.add(path.read_text(encoding="utf-8", errors="replace"))
    return sorted(path for path in map(Path, names - {str(home.resolve())}) if (path / "journal.db").exists())


@contextmanager
def _registered(folder: Path, home: Path) -> Iterator[None]:
    """Hold a lock of the home's own in the folder. A lock whose process died is free, and is deleted."""
    make_folder(folder)
    own = _short_hash(str(home))
    with file_lock(folder / "gate.lock", timeout=GATE_SECONDS):
        for path in sorted(folder.glob("*-*.lock")):
            if not _delete_if_free(path) and not path.name.startswith(f"{own}-"):
                other = (folder / f"{path.name.partition('-')[0]}.home").read_text(encoding="utf-8", errors="replace")
                raise OtherHomeSends(
                    f"The home folder {other} sends to the same organisation at Zoho right now, and two home folders "
                    "would exceed its limit together. Nothing was sent.",
                    hint="Wait until that one has ended, or use it for both. If they are different organisations, log "
                    "in again and give each its name.",
                )
        write_private(folder / f"{own}.home", str(home))
        lock = file_lock(folder / f"{own}-{secrets.token_hex(8)}.lock", timeout=0)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def _delete_if_free(path: Path) -> bool:
    try:
        with file_lock(path, timeout=0):
            path.unlink(missing_ok=True)
    except Timeout:
        return False
    return True


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
