"""An event loop in a thread of its own, in which one client does its work, whoever calls it and from where.

So a client can be used from several threads and event loops, a loop that ends or stands still harms no run, and work
that is cancelled is put right before its caller goes on.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent import futures
from typing import Any, Generic, TypeVar

T = TypeVar("T")

LOOK_SECONDS = 0.5
"""Real seconds between two looks of a waiting thread: on some systems Ctrl-C ends no longer wait."""


class Call(Generic[T]):
    """One coroutine under way in a worker's loop, as a thread or another event loop waits for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> None:
        self._loop, self._work = loop, work
        self._future: futures.Future[T] = futures.Future()
        """Set when the work has ended, and not when its end is requested."""
        self._task: asyncio.Task[T] | None = None
        loop.call_soon_threadsafe(self._begin)

    @classmethod
    def ended(cls, result: T) -> Call[T]:
        """A call that has nothing to do."""
        call = cls.__new__(cls)
        call._future = futures.Future()
        call._future.set_result(result)
        return call

    def wait(self, *, cancels: bool = True) -> T:
        """Block this thread until the work has ended; its result.

        ``cancels``: an interrupt, such as Ctrl-C, cancels the work and waits for its end; else it only ends the wait.
        """
        try:
            self._wait()
        except BaseException:
            if cancels:
                self._cancel()
                self._wait()
            raise
        return self._future.result()

    async def wait_async(self, *, cancels: bool = True) -> T:
        """Wait for the work in a task of any event loop; its result.

        ``cancels``: the task's cancellation cancels the work. The task waits for its end in any case.
        """
        ended, cancellation = asyncio.wrap_future(self._future), None
        while not ended.done():
            try:
                await asyncio.wait([ended])
            except asyncio.CancelledError as error:
                cancellation = error
                if cancels:
                    self._cancel()
        if cancellation is not None:
            ended.exception()  # so that asyncio does not report that nobody looked at it
            raise cancellation
        return ended.result()

    def _wait(self) -> None:
        while not futures.wait([self._future], LOOK_SECONDS).done:
            pass

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._work)
        self._task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self._future.set_exception(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            self._future.set_exception(error)
        else:
            self._future.set_result(task.result())

    def _cancel(self) -> None:
        def cancel() -> None:
            if self._task is not None:
                self._task.cancel()

        self._loop.call_soon_threadsafe(cancel)


class Worker:
    """The thread and its event loop, from ``start`` to ``close``."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._run, name="bulkremove", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T]) -> Call[T]:
        """Begin a coroutine in the worker's loop. Raises RuntimeError in a process that was forked since."""
        if os.getpid() != self._process:
            work.close()
            raise RuntimeError("This client was opened before this process was forked. Open one in each process.")
        return Call(self._loop, work)

    def close(self) -> None:
        """End the loop and its thread; nothing may be under way."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        finally:
            self._loop.close()
