"""Claims as file locks, which the operating system releases when their process dies; requests to holders as rows.

A row in a table would outlive a killed process, and a process id means nothing in another container. So the row of a
claim only tells people who holds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import platform
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from filelock import FileLock, Timeout

from bulkremove.domain.clock import Clock
from bulkremove.domain.errors import JobBusy, JournalFailed
from bulkremove.platform.file_lock import file_lock
from bulkremove.platform.secure_files import make_folder
from bulkremove.storage.interface.claims import ClaimKind, Holder, StopAction, StopRequest
from bulkremove.storage.interface.records import Record
from bulkremove.storage.sqlite.database import Database
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.records import write_records
from bulkremove.storage.sqlite.transaction import Reader, Transaction

TRIES, PAUSE_SECONDS = 10, 0.02
"""A claim that is held is tried again for 0.2 s: ``holder`` takes its lock for a moment to see whether it is free."""

_OTHER_CLAIMS: dict[str, str] = {
    ClaimKind.NIGHTLY: "The run of night {} has been going on",
    ClaimKind.SERVE: "The page has been served",
    ClaimKind.RETENTION: "Old data are being deleted",
    ClaimKind.PLAN: "A plan is being confirmed, or a learner's data are being erased,",
    ClaimKind.CANARY: "The first row of this account is being sent",
}
"""What is being done under a claim that is for no job, by the part of its name before the hyphen; {} is that after."""

_CLAIMS = Queries("claims.sql")
_THIS_PROCESS: dict[str, object] = {"host": platform.node(), "pid": os.getpid()}


class SqliteClaims:
    """``Claims`` as lock files in ``folder``, with a row for each claim that is held."""

    def __init__(self, database: Database, folder: Path, clock: Clock) -> None:
        self._database, self._folder, self._clock = database, folder, clock

    def hold(self, name: str, *, wait: float = 0.0) -> AbstractAsyncContextManager[None]:
        return _ClaimContext(self, name, wait)

    async def take(self, name: str, wait: float) -> FileLock:
        """Take the lock of a claim and write its row. Raises JobBusy when it is held for ``wait`` seconds."""

        def set_holder(transaction: Transaction) -> None:
            transaction.execute(_CLAIMS.set_claim, name=name, **_THIS_PROCESS, since=self._clock.wall())
            transaction.execute(_CLAIMS.delete_stop_request, name=name)

        lock = self._lock(name)
        for _ in range(TRIES + math.ceil(wait / PAUSE_SECONDS)):
            if self._try(lock):
                break
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            raise await self._busy(name)
        try:
            await self._database.write(set_holder)
        except BaseException:
            lock.release()
            raise
        return lock

    async def give_up(self, name: str, lock: FileLock) -> None:
        """Delete the row of a claim and release its lock."""
        try:
            with contextlib.suppress(JournalFailed):  # the row only informs people; the lock is released anyway
                await self._database.write(
                    lambda transaction: transaction.execute(_CLAIMS.delete_claim, name=name, **_THIS_PROCESS)
                )
        finally:
            lock.release()

    async def holder(self, name: str) -> Holder | None:
        def find(reader: Reader) -> Holder | None:
            row = reader.execute(_CLAIMS.get_claim, name=name).fetchone()
            return None if row is None else Holder(*row)

        holder = await self._database.read(find)
        if holder is None:
            return None  # most calls end here, without taking the lock
        lock = self._lock(name)
        if not self._try(lock):
            return holder
        lock.release()  # the holder's process died
        return None

    async def holders(self) -> dict[str, Holder]:
        names = await self._database.read(lambda reader: [name for (name,) in reader.execute(_CLAIMS.list_claims)])
        return {name: holder for name in names if (holder := await self.holder(name)) is not None}

    async def request_stop(self, name: str, request: StopRequest, *records: Record, wait: float = math.inf) -> None:
        def store(transaction: Transaction) -> None:
            transaction.execute(
                _CLAIMS.set_stop_request, name=name, action=request.action, by=request.by, at=request.at
            )
            write_records(transaction, records)

        await self._database.write(store, wait=wait)

    async def stop_request(self, name: str) -> StopRequest | None:
        def find(reader: Reader) -> StopRequest | None:
            row = reader.execute(_CLAIMS.get_stop_request, name=name).fetchone()
            return None if row is None else StopRequest(StopAction(row["action"]), row["by"], row["at"])

        return await self._database.read(find)

    def _lock(self, name: str) -> FileLock:
        try:
            make_folder(self._folder)
        except OSError as error:
            raise JournalFailed(f"The folder {self._folder} can't be used: {error.strerror}.") from None
        return file_lock(self._folder / f"{name}.lock", timeout=0)

    def _try(self, lock: FileLock) -> bool:
        try:
            lock.acquire()
        except Timeout:
            return False
        except OSError as error:
            raise JournalFailed(f"The file {lock.lock_file} can't be used: {error.strerror}.") from None
        return True

    async def _busy(self, name: str) -> JobBusy:
        holder = await self.holder(name)
        by = holder.description(self._clock.wall()) if holder else "in another process"
        kind, _, night = name.partition("-")
        if activity := _OTHER_CLAIMS.get(kind):
            return JobBusy(
                f"{activity.format(night.removesuffix('.sandbox'))} {by}.",
                hint=f"Wait for it{', or end it with `bulkremove stop`' * (kind == ClaimKind.NIGHTLY)}.",
                page_hint="Wait for it.",
            )
        return JobBusy(
            f"Job {name} has been running {by}.",
            hint=f"`bulkremove show {name}` shows how far it is; `bulkremove pause {name}` and `bulkremove cancel "
            f"{name}` reach it.",
            page_hint="",
        )


class _ClaimContext:
    """The context of a claim. No async generator: a loop that ends closes those, and with them the claim."""

    def __init__(self, claims: SqliteClaims, name: str, wait: float) -> None:
        self._claims, self._name, self._wait = claims, name, wait
        self._lock: FileLock | None = None

    async def __aenter__(self) -> None:
        self._lock = await self._claims.take(self._name, self._wait)

    async def __aexit__(self, *error: object) -> None:
        if self._lock is not None:
            await self._claims.give_up(self._name, self._lock)
