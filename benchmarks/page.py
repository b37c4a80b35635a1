"""The page: a large upload, its weight, fifty who watch, and the memory of a long day. On loopback, in real time."""

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
"""The code that the figures speak of."""

STREAMS = 50
SECONDS = 20.0
"""How long the streams are watched."""


def measure() -> list[dict[str, object]]:
    """One row a measure: what was wanted, and what was found."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            uploaded = _upload(Path(folder) / "upload")
        except NoBrowser as why:
            uploaded = [_row("page in a browser", "-", str(why))]
        return [
            *uploaded,
            *_streams(Path(folder) / "streams"),
            *_memory(Path(folder) / "memory"),
        ]


def _row(what: str, wanted: str, found: str) -> dict[str, object]:
    return {"measure": what, "wanted": wanted, "found": found}


def _upload(folder: Path) -> list[dict[str, object]]:
    """From the button to the preview shown, in Chromium; and what the first page weighs and takes to paint."""
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
        weights: list[int] = []
        page.on("response", lambda got: weights.append(len(got.body())) if got.status == 200 else None)
        page.goto(link)
        page.wait_for_load_state("networkidle")
        weight = sum(weights)
        painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        page.get_by_label("File").set_input_files(file)
        start = time.perf_counter()
        page.get_by_role("button", name="Show whom it would remove").click()
        page.get_by_text("50,000").first.wait_for()
        shown = time.perf_counter() - start
        start = time.perf_counter()
        page.goto(f"{page.url}?q=478346000019607999")
        page.get_by_role("cell", name="478346000019607999").wait_for()
        searched = time.perf_counter() - start
    return [
        _row("upload of 50,000 rows to preview shown", "-", f"{shown:.2f} s"),
        _row("search in 50,000 rows", "-", f"{searched:.2f} s"),
        _row("first page, uncompressed", "< 150 kB", f"{weight / 1000:.0f} kB"),
        _row("first paint", "-", f"{painted:.0f} ms"),
    ]


def _streams(folder: Path) -> list[dict[str, object]]:
    """Processor time of the server with a job under way: nobody watching, then fifty."""
    folder.mkdir()
    world, _ = crowd(folder, 300)
    with sandbox(world, folder / "log") as variables, served(folder / "home", variables) as (server, link):
        assert server.process is not None
        alone, watched = asyncio.run(_watch(server.url, link, server.process.pid))
    cost = (watched - alone) / SECONDS
    return [_row(f"{STREAMS} open progress streams", "< 5 % of a core", f"{100 * cost:.1f} %")]


async def _watch(url: str, link: str, pid: int) -> tuple[float, float]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(
        cookie_jar=jar, headers={"Origin": url}, connector=aiohttp.TCPConnector(limit=0)
    ) as asks:
        await (await asks.get(link)).read()
        job = await _confirmed(asks, url)
        await asyncio.sleep(5.0)
        before = _cpu(pid)
        await asyncio.sleep(SECONDS)
        alone = _cpu(pid) - before
        streams = [asyncio.create_task(_read(asks, f"{url}/jobs/{job}/events")) for _ in range(STREAMS)]
        await asyncio.sleep(2.0)
        before = _cpu(pid)
        await asyncio.sleep(SECONDS)
        watched = _cpu(pid) - before
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
    return alone, watched


async def _read(asks: aiohttp.ClientSession, url: str) -> None:
    async with asks.get(url, timeout=aiohttp.ClientTimeout(total=None)) as got:
        async for _ in got.content.iter_any():
            pass


async def _confirmed(asks: aiohttp.ClientSession, url: str) -> str:
    form = aiohttp.FormData()
    form.add_field("file", triples(300).encode(), filename="f.csv")
    plan = await asks.post(f"{url}/uploads", data=form)
    text = await plan.text()
    found = text.partition('name="plan" value="')[2].partition('"')[0]
    job = await asks.post(f"{plan.url}/confirm", data={"plan": found, "number": "300"})
    return job.url.name


def _memory(folder: Path) -> list[dict[str, object]]:
    """Resident memory of the server after one upload of 10 MB, and after twenty more."""
    folder.mkdir()
    world, _ = crowd(folder, 1)
    large = triples(200_000)[: 10 * 1024 * 1024 - 1000].rpartition("\n")[0] + "\n"
    with sandbox(world, folder / "log") as variables, served(folder / "home", variables) as (server, link):
        assert server.process is not None
        fresh, one, twenty = asyncio.run(_upload_often(server.url, link, server.process.pid, large.encode()))
    return [
        _row("memory before any upload", "-", f"{fresh:.0f} MB"),
        _row("memory after the first upload of 10 MB", "-", f"{one:.0f} MB"),
        _row("growth by twenty uploads of 10 MB", "< 50 MB", f"{twenty - fresh:.0f} MB"),
    ]


async def _upload_often(url: str, link: str, pid: int, content: bytes) -> tuple[float, float, float]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"Origin": url}) as asks:
        await (await asks.get(link)).read()
        found = [_resident(pid)]
        for _ in range(20):
            form = aiohttp.FormData()
            form.add_field("file", content.decode(), filename="f.csv")
            reply = await asks.post(f"{url}/uploads", data=form)
            assert reply.status == 200, reply.status
            await reply.read()
            found.append(_resident(pid))
    return found[0], found[1], found[-1]


def _cpu(pid: int) -> float:
    """Seconds of processor time that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100.0


def _resident(pid: int) -> float:
    """Megabytes."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1000.0
