"""Hours in milliseconds: an event loop whose time jumps to the next timer, and a clock that reads it.

Nothing here sleeps. Time stands still while a thread works or a socket has something to read, and where nothing
at all is left to wait for the loop fails instead of hanging. For tests and benchmarks only.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar, TypeVarTuple, Unpack
from weakref import WeakSet

from bulkremove.domain.clock import Epoch, Monotonic

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

START = 1000.0
"""Where virtual time begins, in seconds; not 0, which would hide mistakes."""
HANGS_AFTER = 30.0
"""Real seconds without any event after which the loop is taken for dead."""


class _Jumping(selectors.DefaultSelector):
    """Asks the sockets without waiting, and lets the time jump where the loop would have waited."""

    def __init__(self, wire: float) -> None:
        super().__init__()
        self.wire = wire
        self.transports: Mapping[int, object] = {}
        self.now = START
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # A turn costs a microsecond: aiolimiter re-arms a timer that is due a rounding error ahead of now.
        self.now += 1e-6
        if timeout is not None and timeout <= 0:
            return super().select(0)
        if self.threads or timeout is None:
            if not (events := super().select(HANGS_AFTER)):
                raise RuntimeError("Nothing happened: the loop waits for something that never comes.")
            return events
        if not (events := super().select(self.wire if self._anyone_is_connected() else 0)):
            self.now += timeout
        return events

    def _anyone_is_connected(self) -> bool:
        """Whether something may be on its way; hours in which a server only listens cost no wait."""
        return any(key.fd in self.transports or key.events & selectors.EVENT_WRITE for key in self.get_map().values())


_loops = WeakSet[asyncio.AbstractEventLoop]()
"""The loop that was made last, for clocks that are read in a thread, where no loop runs. It keeps none alive."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """``wire``: real seconds that sockets of this process get before time jumps; 0 where there are none."""

    def __init__(self, wire: float = 0.0) -> None:
        self._jumping = _Jumping(wire)
        super().__init__(self._jumping)
        self._jumping.transports = self._transports  # type: ignore[attr-defined] # asyncio's own table of connections
        _loops.clear()
        _loops.add(self)

    def time(self) -> float:
        return self._jumping.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        def landed(_: asyncio.Future[T]) -> None:
            self._jumping.threads -= 1

        future = super().run_in_executor(executor, func, *args)
        self._jumping.threads += 1
        future.add_done_callback(landed)
        return future

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> Any:
        """As asyncio's; time stands still until the process has ended."""
        self._jumping.threads += 1
        try:
            transport, protocol = await super().subprocess_exec(*args, **kwargs)
        except BaseException:
            self._jumping.threads -= 1
            raise

        async def wait() -> None:
            try:
                await transport._wait()  # type: ignore[attr-defined] # there is no public one for a transport
            finally:
                self._jumping.threads -= 1

        self._waits = {*getattr(self, "_waits", ()), asyncio.ensure_future(wait())}
        return transport, protocol

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's own
        """Waits for threads, so time stands still; a ``timeout`` (Python 3.12 and newer) could only be real time."""
        self._jumping.threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._jumping.threads -= 1


def run(main: Callable[[], Coroutine[Any, Any, T]], *, wire: float = 0.0) -> T:
    """What ``main()`` returns, run to its end in virtual time. Sockets of this process need ``wire=0.002``."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(wire)) as runner:
        return runner.run(main())


def _now() -> float:
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:  # in a thread
        (loop,) = _loops
        return loop.time()


@dataclass
class VirtualClock:
    """``Clock`` over the running loop's time; a wall clock that can be stepped and a machine that reboots."""

    boot: str = "boot-1"
    speed: float = 1.0
    epoch: float = 1_700_000_000.0
    """The wall clock's reading at the loop's time 0."""
    booted: float = 0.0
    """The loop's time at which the machine started."""

    def monotonic(self) -> Monotonic:
        return Monotonic(_now() - self.booted)

    def wall(self) -> Epoch:
        return Epoch(self.epoch + _now())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    def step_wall(self, seconds: float) -> None:
        """Someone sets the wall clock ``seconds`` ahead, or back."""
        self.epoch += seconds

    def reboot(self) -> None:
        """The machine starts anew: another boot, whose monotonic time begins at 0."""
        self.boot += "'"
        self.booted = _now()
