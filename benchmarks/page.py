"""The page: time of a large upload, size and first paint, cost of fifty progress streams, memory of many uploads.

On loopback, in real time.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import aiohttp

from tests.browser_fixtures import NoBrowser, browser, served
from tests.cli_fixtures import crowd, sandbox
from tests.web_fixtures import triples

SUBJECT = ("bulkremove/web", "bulkremove/app/plans.py")
"""The code that is measured."""

STREAMS = 50
SECONDS = 20.0
"""How long the processor time is measured, without the streams and with them."""


def measure() -> list[dict[str, object]]:
    """Return one row for each measurement: its limit (``wanted``, "-" for none) and its result (``found``)."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            rows = _upload(Path(folder) / "upload")
        except NoBrowser as error:
            rows = [_row("page in a browser", "-", str(error))]
        return [*rows, *_streams(Path(folder) / "streams"), *_memory(Path(folder) / "memory")]


def _row(measure: str, limit: str, result: str) -> dict[str, object]:
    return {"measure": measure, "wanted": limit, "found": result}


def _upload(folder: Path) -> list[dict[str, object]]:
    """Measure, in Chromium, an upload from the click to the preview, a search, and the first page's size and paint."""
    folder.mkdir()
    world, _ = crowd(folder, 1)
    file = folder / "large.csv"
    file.write_text(triples(50_000))
    with (
        sandbox(world, folder / "log") as variables,
        served(folder / "home", variables) as (_, link),
        browser() as chrome,
    ):
        page = chrome.new_context().new_page()
        sizes: list[int] = []
        page.on("response", lambda response: sizes.append(len(response.body())) if response.status == 200 else None)
        page.goto(link)
        page.wait_for_load_state("networkidle")
        size = sum(sizes)
        first_paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        page.get_by_label("File").set_input_files(file)
        start = time.perf_counter()
        page.get_by_role("button", name="Preview").click()
        page.get_by_text("50,000").first.wait_for()
        preview_seconds = time.perf_counter() - start
        start = time.perf_counter()
        page.goto(f"{page.url}?q=478346000019607999")
        page.get_by_role("cell", name="478346000019607999").wait_for()
        search_seconds = time.perf_counter() - start
    return [
        _row("upload of 50,000 rows to preview shown", "-", f"{preview_seconds:.2f} s"),
        _row("search in 50,000 rows", "-", f"{search_seconds:.2f} s"),
        _row("first page, uncompressed", "< 150 kB", f"{size / 1000:.0f} kB"),
        _row("first paint", "-", f"{first_paint:.0f} ms"),
    ]


def _streams(folder: Path) -> list[dict[str, object]]:
    """Measure what fifty progress streams add to the server's processor time while a job runs."""
    folder.mkdir()
    world, _ = crowd(folder, 300)
    with sandbox(world, folder / "log") as variables, served(folder / "home", variables) as (server, link):
        assert server.process is not None
        without, with_streams = asyncio.run(_cpu_seconds(server.url, link, server.process.pid))
    cost = (with_streams - without) / SECONDS
    return [_row(f"{STREAMS} open progress streams", "< 5 % of a core", f"{100 * cost:.1f} %")]


async def _cpu_seconds(url: str, link: str, pid: int) -> tuple[float, float]:
    """Start a job; return the server's processor seconds in ``SECONDS``, without the streams and with them."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(
        cookie_jar=jar, headers={"Origin": url}, connector=aiohttp.TCPConnector(limit=0)
    ) as session:
        await (await session.get(link)).read()
        job = await _start_job(session, url)
        await asyncio.sleep(5.0)
        before = _cpu(pid)
        await asyncio.sleep(SECONDS)
        without = _cpu(pid) - before
        streams = [asyncio.create_task(_read(session, f"{url}/jobs/{job}/events")) for _ in range(STREAMS)]
        await asyncio.sleep(2.0)
        before = _cpu(pid)
        await asyncio.sleep(SECONDS)
        with_streams = _cpu(pid) - before
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
    return without, with_streams


async def _read(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(url, timeout=aiohttp.ClientTimeout(total=None)) as response:
        async for _ in response.content.iter_any():
            pass


async def _start_job(session: aiohttp.ClientSession, url: str) -> str:
    """Upload 300 rows and confirm their plan; return the job's id."""
    form = aiohttp.FormData()
    form.add_field("file", triples(300).encode(), filename="f.csv")
    preview = await session.post(f"{url}/uploads", data=form)
    text = await preview.text()
    plan_hash = text.partition('name="plan" value="')[2].partition('"')[0]
    job = await session.post(f"{preview.url}/confirm", data={"plan": plan_hash, "number": "300"})
    return job.url.name


def _memory(folder: Path) -> list[dict[str, object]]:
    """Measure the server's resident memory before any upload, after one of 10 MB, and after twenty."""
    folder.mkdir()
    world, _ = crowd(folder, 1)
    large = triples(200_000)[: 10 * 1024 * 1024 - 1000].rpartition("\n")[0] + "\n"
    with sandbox(world, folder / "log") as variables, served(folder / "home", variables) as (server, link):
        assert server.process is not None
        before, first, last = asyncio.run(_upload_often(server.url, link, server.process.pid, large.encode()))
    return [
        _row("memory before any upload", "-", f"{before:.0f} MB"),
        _row("memory after the first upload of 10 MB", "-", f"{first:.0f} MB"),
        _row("growth by twenty uploads of 10 MB", "< 50 MB", f"{last - before:.0f} MB"),
    ]


async def _upload_often(url: str, link: str, pid: int, content: bytes) -> tuple[float, float, float]:
    """Upload a file twenty times; return the server's memory (MB) before, after the first and after the last."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"Origin": url}) as session:
        await (await session.get(link)).read()
        megabytes = [_resident(pid)]
        for _ in range(20):
            form = aiohttp.FormData()
            form.add_field("file", content.decode(), filename="f.csv")
            reply = await session.post(f"{url}/uploads", data=form)
            assert reply.status == 200, reply.status
            await reply.read()
            megabytes.append(_resident(pid))
    return megabytes[0], megabytes[1], megabytes[-1]


def _cpu(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100.0


def _resident(pid: int) -> float:
    """Resident memory of a process in megabytes."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1000.0
