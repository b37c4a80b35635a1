"""One person can't keep the others from working: their uploads, reads, requests and open pages are counted for them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bulkremove.app import App
from bulkremove.config import Settings
from bulkremove.domain.errors import FileRefused
from bulkremove.domain.permissions import EVERY_ACCOUNT, Role
from bulkremove.web.fair_share import FairShare
from bulkremove.web.uploads import Uploads
from tests.web_fixtures import CREDENTIALS, running_site, until


@pytest.fixture
def app(tmp_path: Path) -> Any:
    made = App(Settings(tmp_path / "home"), environ=CREDENTIALS)
    yield made
    made.close()


def test_the_waiting_plans_of_others_are_never_pushed_out(app: App) -> None:
    uploads = Uploads(app)
    mine = uploads.add_retry("20261123-abcd", account="default", unknown_checked=False, source="leavers.csv", by="jo")
    theirs = [
        uploads.add_retry("20261123-abcd", account="default", unknown_checked=False, source="flood.csv", by="mallory")
        for _ in range(120)
    ]
    assert uploads.get(mine.id, EVERY_ACCOUNT) is mine
    assert uploads.get(theirs[-1].id, EVERY_ACCOUNT) is theirs[-1]
    with pytest.raises(web.HTTPNotFound):
        uploads.get(theirs[0].id, EVERY_ACCOUNT)


async def test_slow_files_of_one_person_do_not_hold_up_the_read_of_another(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads, gate = Uploads(app), asyncio.Event()

    async def slow_for_mallory(job_id: str, **_: object) -> None:
        if job_id == "slow":
            await gate.wait()
        raise FileRefused("read")

    monkeypatch.setattr(app.plans, "retry", slow_for_mallory)
    flood = [
        uploads.add_retry("slow", account="default", unknown_checked=False, source="flood", by="mallory")
        for _ in range(6)
    ]
    tasks = [asyncio.create_task(uploads.preview(one, by="mallory")) for one in flood]
    await asyncio.sleep(0)
    mine = uploads.add_retry("quick", account="default", unknown_checked=False, source="mine", by="jo")
    with pytest.raises(FileRefused, match="read"):
        await asyncio.wait_for(uploads.preview(mine, by="jo"), 10)
    gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_person_has_so_many_turns_and_no_more_wait() -> None:
    share, gate, done = FairShare(2, waiting=1), asyncio.Event(), list[str]()

    async def ask(name: str) -> None:
        async with share.turn(name):
            await gate.wait()
            done.append(name)

    tasks = [asyncio.create_task(ask("mallory")) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(web.HTTPTooManyRequests):
        await ask("mallory")
    other = asyncio.create_task(ask("jo"))
    gate.set()
    await asyncio.gather(*tasks, other)
    assert ["jo", "mallory", "mallory", "mallory"] == sorted(done)
    async with share.turn("mallory"):
        pass


async def test_requests_of_one_person_that_hang_do_not_hold_up_another(tmp_path: Path) -> None:
    """Uploads that never end: four are read, the next wait, and then they are refused."""
    async with running_site(tmp_path, roles=(Role.PREPARER, Role.ADMIN)) as site:
        token = (await site.program(Role.PREPARER))["Authorization"]
        host, port = site.url.removeprefix("http://").split(":")
        head = (
            f"POST /api/v1/plans?name=x HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: {token}\r\n"
            "Content-Length: 1000\r\n\r\nCourse"
        )
        opened = [await asyncio.open_connection(host, int(port)) for _ in range(30)]
        for _, writer in opened:
            writer.write(head.encode())
        answers = [asyncio.create_task(reader.readline()) for reader, _ in opened]
        await until(lambda: sum(answer.done() for answer in answers) == 6)
        assert {b"HTTP/1.1 429 Too Many Requests\r\n"} == {answer.result() for answer in answers if answer.done()}
        async with site.visitor(known=False) as admin:
            await admin.sign_in("admin")
            assert 200 == (await admin.get("/")).status
            uploaded = await admin.upload("Course ID,Batch ID,Learner ID\n1,2,3\n")
            assert 200 == uploaded.status
        for answer in answers:
            answer.cancel()
        for _, writer in opened:
            writer.close()
