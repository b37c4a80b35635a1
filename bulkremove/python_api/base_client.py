"""What ``Client`` and ``SyncClient`` share: how they are made, opened and closed, and how their work is begun."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from bulkremove.python_api.run import FollowedRun
from bulkremove.python_api.session import ClientOptions, Session
from bulkremove.python_api.values import Job, Progress
from bulkremove.python_api.worker import Call, Worker

T = TypeVar("T")

DEMO_SPEED = 60.0
"""How many times faster than real time the clock of a demo's sandbox runs."""


class BaseClient:
    """A client of one account in one home folder, as ``bulkremove --account NAME --home FOLDER`` is.

    ``config``: a settings file, instead of bulkremove.toml in the home folder. ``settings``: values that go before
    those of that file, by their names in it, such as ``{"max_removals": 100}``. ``environ``: the environment variables;
    those of the process, if none are given.

    Nothing is read or written before the client is opened with ``with`` or ``async with``; it can be opened once. Any
    thread and any event loop may use it. When it is closed, its runs are paused.
    """

    def __init__(
        self,
        account: str | None = None,
        *,
        home: str | os.PathLike[str] | None = None,
        config: str | os.PathLike[str] | None = None,
        settings: Mapping[str, object] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        environ = os.environ if environ is None else environ
        self._options = ClientOptions(account, path_or_none(home), path_or_none(config), dict(settings or {}), environ)
        self._worker: Worker | None = None
        self._session: Session | None = None

    @classmethod
    def demo(
        cls,
        *,
        home: str | os.PathLike[str] | None = None,
        speed: float = DEMO_SPEED,
        settings: Mapping[str, object] | None = None,
    ) -> Self:
        """A client of the bundled sandbox: no account is needed, and nobody is removed.

        ``home``: where journal and reports go; else they are deleted when the client is closed. ``speed``: how many
        times faster than real time the sandbox's clock runs.
        """
        client = cls()
        client._options = ClientOptions(None, path_or_none(home), None, dict(settings or {}), {}, speed)
        return client

    @property
    def samples(self) -> Path:
        """The folder with the sample files of a demo. Raises RuntimeError for another client."""
        if self._session is None or self._session.samples is None:
            raise RuntimeError("Only an open demo has sample files.")
        return self._session.samples

    def _open(self) -> Call[None]:
        if self._worker is not None:
            raise RuntimeError("This client was opened before. Make another one.")
        self._worker = Worker()
        return self._worker.call(self._set_session())

    async def _set_session(self) -> None:
        self._session = await Session.open(self._options)

    def _close(self) -> Call[None]:
        """Begin to pause the runs and close everything; ``_end_worker`` follows."""
        closing = self._call(lambda session: session.close())
        self._session = None
        return closing

    def _end_worker(self) -> None:
        if self._worker is not None:
            self._worker.close()

    def _follow(self, make: Callable[[Session], FollowedRun]) -> FollowedRun:
        return make(self._opened)

    def _next(self, run: FollowedRun) -> Call[Progress | None]:
        return self._call(lambda session: session.next_progress(run))

    def _stop(self, run: FollowedRun) -> Call[None]:
        """Begin to stop a run; a closed client has done it already."""
        return Call.ended(None) if self._worker is None or self._session is None else self._worker.call(run.stop())

    @property
    def _opened(self) -> Session:
        if self._session is None:
            raise RuntimeError("Open the client first, with `with` or `async with`; a closed one can't be used.")
        return self._session

    def _call(self, work: Callable[[Session], Coroutine[Any, Any, T]]) -> Call[T]:
        session = self._opened
        assert self._worker is not None  # noqa: S101 - narrows the type; it was opened
        return self._worker.call(work(session))


def job_id(job: Job | str) -> str:
    """The id of a job, which may be given by its id alone."""
    return job if isinstance(job, str) else job.id


def path_or_none(path: str | os.PathLike[str] | None) -> Path | None:
    """An absolute path; None for None."""
    return None if path is None else Path(path).expanduser().absolute()
