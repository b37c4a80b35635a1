"""One uploaded file, or rows to retry, from its arrival to the job that its plan becomes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import FileRefused
from bulkremove.domain.permissions import AccountSet
from bulkremove.reading.options import ReadOptions


@dataclass(slots=True)
class Upload:
    """An uploaded file, or the rows of a job that are to be retried."""

    id: str
    name: str
    account: str
    """The account that its plan is for."""
    seen: AccountSet
    """The accounts that whoever uploaded it could see then; a report among them may tell of their jobs."""
    prepared_by: list[str]
    """Who uploaded it and who chose its sheet or columns; with ``four_eyes`` none of them may confirm its plan."""
    uploaded_at: Epoch
    path: Path | None = None
    retry: tuple[str, bool] | None = None
    """The id of the job to retry, and whether its unknown rows are included; None for a file."""
    options: ReadOptions = field(default_factory=ReadOptions)
    include_open: bool = False
    """Whether rows are planned too that another job may still send."""
    refusal: FileRefused | None = None
    """Why the file could not be read with ``options``."""
    removals: int = 0
    generation: str = ""
    """The generation of the storage in which its plan was shown."""
    job: str | None = None
    """The id of the job that its plan became; None before it is confirmed. A second confirmation returns it again."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while it is read or confirmed, so that a slow earlier read never replaces the result of a later one."""
