"""Saving what a command or a web address yields to a file that is either complete or absent."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from bulkremove.domain.errors import SourceFailed
from bulkremove.sources.inbox import READY_SUFFIX
from bulkremove.sources.interface import SourceFile

TIMEOUT_SECONDS = 600.0
"""Seconds that a command or a web address may take."""
MAX_BYTES = 100 * 1024 * 1024
_MAX_NAME_CHARACTERS = 80
"""Characters of the source's name for a file."""
_PARTIAL = "[0-9]" * 8 + "-" + "[0-9]" * 6 + "-????-*.part"
"""Pattern of the names of files that are being downloaded."""


async def download(pieces: AsyncGenerator[bytes], folder: Path, name: str) -> SourceFile:
    """Write ``pieces`` to a new file in ``folder``, marked as complete. Raises SourceFailed, and then leaves none.

    ``name``: what the source calls it; the file's own name begins with the time, since exports come again and again.
    Only one download at a time uses a folder; what a killed one has left is deleted.
    """
    target = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}-{name[-_MAX_NAME_CHARACTERS:]}"
    partial = folder / f"{target.name}.part"
    try:
        _delete_partial(folder)
        with os.fdopen(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            async with asyncio.timeout(TIMEOUT_SECONDS), aclosing(pieces):
                size = 0
                async for piece in pieces:
                    size += len(piece)
                    if size > MAX_BYTES:
                        raise SourceFailed("The source gives more than 100 MB; nothing of it was used.")
                    file.write(piece)
        partial.rename(target)
        target.with_name(f"{target.name}{READY_SUFFIX}").touch()
    except TimeoutError:
        raise SourceFailed(f"The source did not end within {TIMEOUT_SECONDS / 60:.0f} minutes.") from None
    except OSError as error:
        target.unlink(missing_ok=True)
        raise SourceFailed(f"The source's output can't be saved: {error.strerror}.") from None
    finally:
        partial.unlink(missing_ok=True)
    return SourceFile(target, name)


def is_download(file: str, name: str) -> bool:
    """Whether a file's own name is one that ``download`` gave to what the source calls ``name``."""
    return bool(re.fullmatch(rf"\d{{8}}-\d{{6}}-[0-9a-f]{{4}}-{re.escape(name)}", file))


def _delete_partial(folder: Path) -> None:
    for path in folder.glob(_PARTIAL):
        path.unlink(missing_ok=True)
