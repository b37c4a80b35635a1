"""The stream of a job's events in the HTTP API, over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from bulkremove.domain.permissions import Role
from bulkremove.web.openapi import PREFIX
from tests.cli_fixtures import crowd
from tests.test_web_api import Program
from tests.web_fixtures import RunningSite, running_site, triples

Event = tuple[str, str, dict[str, Any]]
"""Kind, id (empty for none) and data."""


async def stream(one: RunningSite, job: str, headers: dict[str, str], query: str = "") -> AsyncIterator[Event]:
    """The events of a job as they come, until the server ends the stream."""
    url, fields = f"{one.url}{PREFIX}/jobs/{job}/events/stream{query}", dict[str, str]()
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as reply:
        assert (200, "text/event-stream") == (reply.status, reply.content_type)
        async for line in reply.content:
            name, _, value = line.decode().rstrip("\r\n").partition(": ")
            if name:
                fields[name] = value
            elif "data" in fields:
                yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
                fields = {}


async def started(one: RunningSite, headers: dict[str, str], count: int) -> str:
    """The id of a job that was confirmed just now."""
    async with one.visitor(known=False) as visitor:
        program = Program(visitor, headers)
        plan = (await program.post("/plans", triples(count))).data
        reply = await program.post(f"/plans/{plan['id']}/confirm", {"plan_hash": plan["plan_hash"]})
        assert 201 == reply.status, reply.text
        return str(reply.data["job"])


async def test_a_program_follows_a_job_to_its_end_and_begins_again_where_it_was(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 5)
    async with running_site(tmp_path / "home", world=world) as one:
        headers = await one.program(Role.APPROVER)
        job = await started(one, headers, 5)
        found = [event async for event in stream(one, job, headers)]
        events = [(number, data) for kind, number, data in found if kind == "event"]
        assert [number for number, _ in events] == [str(data["id"]) for _, data in events]
        assert [data["id"] for _, data in events] == sorted({data["id"] for _, data in events})
        assert "started" == events[0][1]["name"]
        assert "finished" in [data["name"] for _, data in events]
        kind, number, last = found[-1]
        assert ("end", "", "finished", 5) == (kind, number, last["state"], last["counts"]["removed"])
        for query, more in ((f"?after={events[0][0]}", {}), ("?after=0", {"Last-Event-ID": events[0][0]})):
            again = [event async for event in stream(one, job, {**headers, **more}, query)]
            assert events[1:] == [(number, data) for kind, number, data in again if kind == "event"]
            assert "end" == again[-1][0]


async def test_the_stream_shows_how_the_rows_of_a_running_job_are_settled(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 40)
    async with running_site(tmp_path / "home", world=world, speed=20.0) as one:
        headers = await one.program(Role.APPROVER)
        job = await started(one, headers, 40)
        counts = [data["counts"]["removed"] async for kind, _, data in stream(one, job, headers) if kind != "event"]
        assert 40 == counts[-1]
        assert len({*counts}) > 2
        assert counts == sorted(counts)


async def test_a_stream_ends_when_its_token_is_revoked(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 200)
    async with running_site(tmp_path / "home", world=world, speed=1.0) as one:
        headers = await one.program(Role.APPROVER)
        job = await started(one, headers, 200)
        kinds = list[str]()
        async with asyncio.timeout(60):
            async for kind, _, _ in stream(one, job, headers):
                if not kinds:
                    await one.app.tokens.revoke((await one.app.tokens.all())[0].id, by="a test")
                kinds.append(kind)
        assert kinds
        assert "end" not in kinds
        assert (await one.app.jobs.find(job)).state == "running"


async def test_a_last_event_that_is_no_number_is_refused(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        headers = await one.program(Role.APPROVER)
        job = await started(one, headers, 1)
        path = f"{PREFIX}/jobs/{job}/events/stream"
        reply = await visitor.ask("GET", path, headers={**headers, "Last-Event-ID": "x"})
        assert (400, "bad_request") == (reply.status, reply.data["code"])
