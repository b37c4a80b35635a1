"""The virtual loop and its clock: if these lie, so does every test that uses them."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest
from aiolimiter import AsyncLimiter
from hypothesis import given
from hypothesis import strategies as st

from bulkremove.domain.clock import Clock
from tests.virtual_time import START, VirtualClock, run


def test_ten_hours_pass_without_waiting() -> None:
    """A sleep of ten hours moves the clock ten hours ahead, and both halves of it agree."""

    async def main() -> tuple[float, float]:
        clock: Clock = VirtualClock()
        mono, wall = clock.monotonic(), clock.wall()
        await clock.sleep(36_000)
        return clock.monotonic() - mono, clock.wall() - wall

    assert pytest.approx((36_000, 36_000), abs=0.001) == run(main)


@given(st.lists(st.floats(0.001, 5_000), min_size=1, max_size=20))
def test_sleepers_wake_at_their_time_and_in_order(naps: list[float]) -> None:
    """Whoever sleeps longer wakes later, and nobody wakes early or more than a moment late."""

    async def main() -> list[tuple[float, float]]:
        woken: list[tuple[float, float]] = []

        async def sleeper(nap: float) -> None:
            await asyncio.sleep(nap)
            woken.append((nap, asyncio.get_running_loop().time() - START))

        await asyncio.gather(*map(sleeper, naps))
        return woken

    woken = run(main)
    order = [nap for nap, _ in woken]
    assert sorted(naps) == sorted(order)
    assert all(nap <= after + 1e-9 for nap, after in pairwise(order))  # what lies closer is one moment to a float
    assert all(-1e-6 <= at - nap <= 0.001 for nap, at in woken)


@pytest.mark.parametrize("period", [2.0, 2.1, 2.2, 2.4, 2.5])
def test_aiolimiter_keeps_its_rate_and_never_hangs(period: float) -> None:
    """3,000 acquisitions of AsyncLimiter(1, period) take 2,999 periods, where other virtual loops never end."""

    async def main() -> float:
        limiter = AsyncLimiter(1, period)
        for _ in range(3_000):
            await limiter.acquire()
        return asyncio.get_running_loop().time() - START

    assert pytest.approx(2_999 * period, rel=1e-4) == run(main)


def test_time_stands_still_while_a_thread_works() -> None:
    """A timer of an hour does not fire before a thread that was started first has come back."""

    async def main() -> list[str]:
        events: list[str] = []

        async def timer() -> None:
            await asyncio.sleep(3_600)
            events.append("timer")

        async def thread() -> None:
            await asyncio.to_thread(time.sleep, 0.02)
            events.append("thread")

        await asyncio.gather(timer(), thread())
        return events

    assert ["thread", "timer"] == run(main)


def test_the_end_waits_for_a_thread_however_far_time_could_jump() -> None:
    """A thread that nobody waits for has come back when the loop is closed, without a warning."""
    done: list[str] = []

    def work() -> None:
        time.sleep(0.02)
        done.append("thread")

    async def main() -> None:
        asyncio.get_running_loop().run_in_executor(None, work)

    run(main)
    assert ["thread"] == done


def test_sockets_of_this_process_are_served_before_time_jumps() -> None:
    """An echo over loopback arrives within a deadline of one virtual second, a thousand times."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    async def main() -> int:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for _ in range(1_000):
            writer.write(b"hello\n")
            async with asyncio.timeout(1):
                assert await reader.readline() == b"hello\n"
        writer.close()
        await writer.wait_closed()
        server.close()
        return 1_000

    assert run(main, wire=0.002) == 1_000


def test_the_wall_clock_can_be_stepped_and_the_machine_rebooted() -> None:
    """A stepped wall clock leaves the monotonic one alone; a reboot begins it anew under another name."""

    async def main() -> tuple[float, float, bool, float]:
        clock = VirtualClock()
        wall, mono, boot = clock.wall(), clock.monotonic(), clock.boot
        clock.step_wall(-7_200)
        stepped, still = clock.wall() - wall, clock.monotonic() - mono
        clock.reboot()
        return stepped, still, boot == clock.boot, clock.monotonic()

    assert (-7_200, 0, False, 0) == run(main)
