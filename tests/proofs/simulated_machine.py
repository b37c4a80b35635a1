"""A machine in memory: an event loop in virtual time, processes that can be killed at any await, locks and a disk.

A killed process is never resumed: its coroutines stay where they are, its database connections and file locks are
taken away as the kernel would, and what it had sent is on its way all the same. Only the standard library is replaced
(``sqlite3.connect``, ``fcntl.flock``), never a part of the product.
"""

from __future__ import annotations

import asyncio
import contextvars
import fcntl
import gc
import sqlite3
import sys
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar, TypeVarTuple, Unpack

from tests.virtual_time import VirtualLoop

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

current: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)
"""The simulated process whose code is running."""


class Killed(BaseException):
    """Unwinds a process that dies in the middle of a step."""


@dataclass(eq=False)
class Process:
    """One process. ``dies_at_step``: the await at which it is killed, from 1; the others count its commits."""

    name: str
    dies_at_step: int | None = None
    dies_before_commit: int | None = None
    dies_after_commit: int | None = None
    disk_full_at_commit: int | None = None
    lies_at_commit: int | None = None
    """The commit that the disk keeps although it tells of an error."""
    dead: bool = False
    disk_failed: bool = False
    steps: int = 0
    commits: int = 0
    connections: list[Connection] = field(default_factory=list)
    locks: set[int] = field(default_factory=set)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it has ended, of itself or not."""

    def kill(self) -> None:
        """End it as SIGKILL does."""
        if self.over.is_set():
            return
        self.dead = True
        for connection in self.connections:
            connection.take_away()
        for lock in self.locks:
            _flock(lock, fcntl.LOCK_UN)
        self.over.set()

    def start(self, main: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Run ``main()`` as this process; ``over`` is set at its end."""

        async def run() -> None:
            try:
                await main()
            finally:
                if not self.dead:
                    self.over.set()

        context = contextvars.copy_context()
        context.run(current.set, self)
        return asyncio.get_running_loop().create_task(run(), context=context)


class Machine(VirtualLoop):
    """The loop that all processes share; what they do is in their own order only, and the same for the same seed.

    ``connect`` and ``wire`` are the network: whether a connection is made, and the transport of one that is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.connect: Callable[[], Awaitable[None]] = _no_network
        self.wire: Callable[[asyncio.Protocol], asyncio.Transport] | None = None
        self.disk = Disk()
        self.mistakes: list[BaseException] = []
        """What callbacks of the living, and of the harness itself, raised."""
        self._coroutines: list[Coroutine[Any, Any, Any]] = []
        """Kept, so that a dead one is not closed before the history is over: that would run what the dead don't run."""
        self._numbers = count(1)
        self.set_task_factory(self._task)
        self.set_exception_handler(self._heard)

    def _task(self, loop: asyncio.AbstractEventLoop, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        process = kwargs["context"].get(current) if kwargs.get("context") is not None else current.get()
        self._coroutines.append(coro)
        task = _Task(_Stepped(coro, process, self.disk) if process else coro, loop=loop, **kwargs)
        task.number = next(self._numbers)
        return task

    async def sock_connect(self, sock: Any, address: Any) -> None:
        await self.connect()

    async def create_connection(self, protocol_factory: Any, *args: Any, sock: Any = None, **kwargs: Any) -> Any:
        assert self.wire is not None
        sock.close()
        protocol = protocol_factory()
        transport = self.wire(protocol)
        protocol.connection_made(transport)
        return transport, protocol

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Threads work in one piece, at a moment when nobody's transaction is open."""
        future: asyncio.Future[T] = self.create_future()

        def work() -> None:
            process = current.get()
            if future.cancelled() or (process and process.dead):
                return
            if self.disk.busy():
                self.call_soon(work)
                return
            try:
                future.set_result(func(*args))
            except Exception as error:
                future.set_exception(error)

        self.call_soon(work)
        return future

    def _heard(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error, process = context.get("exception"), current.get()
        if error is None or isinstance(error, Killed) or "never retrieved" in context["message"]:
            return  # what the dead leave behind
        if process is None or not process.dead:
            self.mistakes.append(error)


class _Task(asyncio.Task[Any]):
    """Hashed by its number: a set of tasks has the same order in every run."""

    number = 0

    def __hash__(self) -> int:
        return self.number


class _Stepped(Coroutine[Any, Any, Any]):
    """A coroutine of a process: counts its steps, waits while another one holds the disk, and stops at its death."""

    def __init__(self, inner: Coroutine[Any, Any, Any], process: Process, disk: Disk) -> None:
        self._inner, self._process, self._disk = inner, process, disk
        self._thrown: BaseException | None = None

    def send(self, value: Any) -> Any:
        return self._step(lambda: self._inner.send(value))

    def throw(self, error: Any, *rest: Any) -> Any:
        self._thrown = error if isinstance(error, BaseException) else error()
        return self._step(lambda: None)

    def close(self) -> None:
        """Nothing: a dead coroutine stays where it is, and a live one is never closed from outside."""

    def __await__(self) -> Generator[Any, Any, Any]:
        raise NotImplementedError("only tasks run it")

    def _step(self, step: Callable[[], Any]) -> Any:
        process = self._process
        if not process.dead and self._disk.busy(but=process):
            return None  # another turn of the loop
        process.steps += 1
        if process.steps == process.dies_at_step:
            process.kill()
        if process.dead:
            return _never()
        try:
            if self._thrown is not None:
                thrown, self._thrown = self._thrown, None
                return self._inner.throw(thrown)
            return step()
        except BaseException:
            if process.dead:
                return _never()
            raise


def _never() -> Any:
    future = asyncio.get_running_loop().create_future()
    future._asyncio_future_blocking = True  # what a task looks for in what a coroutine yields
    return future


async def _no_network() -> None:
    raise ConnectionRefusedError


class Disk:
    """All connections to databases, and what befalls their commits. ``on_commit`` hears of each that is durable."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.on_commit: Callable[[], None] = lambda: None

    def busy(self, but: Process | None = None) -> bool:
        """Whether a transaction is open at this moment, between two steps; ``but`` that process's own."""
        return any(one.process is not but and one.in_transaction for one in self.connections)

    def connect(self, *args: Any, **kwargs: Any) -> Connection:
        connection: Connection = _connect(*args, **kwargs, factory=Connection)
        connection.disk, connection.process = self, current.get()
        self.connections.append(connection)
        if connection.process:
            connection.process.connections.append(connection)
        return connection


class Connection(sqlite3.Connection):
    """A connection whose commits can fail, lie, or be the last thing that its process does."""

    disk: Disk
    process: Process | None = None

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if sql != "COMMIT":
            return super().execute(sql, parameters)
        process = self.process or Process("nobody")
        if process.dead:
            raise Killed
        process.commits += 1
        if process.commits == process.dies_before_commit:
            process.kill()
            raise Killed
        if process.commits == process.disk_full_at_commit:
            process.disk_failed = True
            super().execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")
        done = super().execute(sql)
        if process.commits == process.dies_after_commit:
            process.kill()
        if process.commits == process.lies_at_commit:
            process.disk_failed = True
        self.disk.on_commit()
        if process.dead:
            raise Killed
        if process.commits == process.lies_at_commit:
            raise sqlite3.OperationalError("disk I/O error")
        return done

    def close(self) -> None:
        if self in self.disk.connections:
            self.disk.connections.remove(self)
        super().close()

    def take_away(self) -> None:
        """Its process is dead: what was not committed is gone."""
        self.close()


_connect, _flock = sqlite3.connect, fcntl.flock


def _flock_of_the_process(descriptor: Any, operation: int) -> None:
    process = current.get()
    _flock(descriptor, operation)
    if process and isinstance(descriptor, int):
        (process.locks.discard if operation & fcntl.LOCK_UN else process.locks.add)(descriptor)


@contextmanager
def replaced(machine: Machine) -> Iterator[None]:
    """The standard library's doors to the disk lead to ``machine`` meanwhile."""
    sqlite3.connect, fcntl.flock = machine.disk.connect, _flock_of_the_process  # type: ignore[assignment] # on purpose
    try:
        yield
    finally:
        sqlite3.connect, fcntl.flock = _connect, _flock


def run(main: Callable[[Machine], Coroutine[Any, Any, T]]) -> T:
    """What ``main(machine)`` returns, run to its end in virtual time."""
    gc.freeze()  # the collection at the end need not look through all that was there before
    machine = Machine()
    heard = sys.unraisablehook
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the dead close nothing and await nothing
        try:
            with replaced(machine):
                return machine.run_until_complete(main(machine))
        finally:
            machine.close()
            sys.unraisablehook = lambda _: None
            del machine  # the last to hold the dead: what they do at their collection is of no account
            gc.collect()
            gc.unfreeze()
            sys.unraisablehook = heard
