"""A process that may open no more files: its job waits, and is never told that Zoho can't be reached."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from bulkremove.domain.attempt import Permit
from bulkremove.domain.errors import NoDescriptors
from bulkremove.domain.job import EndReason, JobState
from bulkremove.domain.row import Removal, Status
from bulkremove.zoho.client import Admission, Exchange, ZohoClient
from tests.run_scenario import Stage
from tests.test_client import OK, REMOVAL, admit, http, server

resource = pytest.importorskip("resource")
R = TypeVar("R")


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Let this process open nothing more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        while True:
            try:
                taken.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_call_without_a_descriptor_is_withdrawn_and_the_next_one_goes_through() -> None:
    async with server(http("200 OK", OK)) as (base, seen):
        client = ZohoClient(base)
        try:
            with no_descriptors():
                withdrawn = await client.send_row(REMOVAL, admit)
                with pytest.raises(NoDescriptors):
                    await client.post_form(str(base), {})
            assert isinstance(withdrawn, Exchange)
            assert (True, True, None) == (withdrawn.withdrawn, withdrawn.no_descriptors, withdrawn.failure)
            assert [] == seen
            sent = await client.send_row(REMOVAL, admit)
            assert isinstance(sent, Exchange)
            assert sent.reply is not None
        finally:
            await client.close()


@pytest.mark.parametrize(("tries", "ends"), [(40, False), (1000, True)])
def test_a_job_waits_for_descriptors_and_says_so_if_there_are_none_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tries: int, ends: bool
) -> None:
    """The client is stood in for, since the sandbox runs in this process too."""
    remove, left = ZohoClient.send_row, [tries]

    async def without_descriptors(
        client: ZohoClient, removal: Removal, admit: Callable[[], Awaitable[Admission[Permit] | R]]
    ) -> Exchange[Permit] | R:
        if not left[0]:
            return await remove(client, removal, admit)
        left[0] -= 1
        admission = await admit()
        return (
            Exchange(admission, withdrawn=True, no_descriptors=True) if isinstance(admission, Admission) else admission
        )

    stage = Stage(tmp_path, rows=2, concurrency=1)
    monkeypatch.setattr(ZohoClient, "send_row", without_descriptors)
    played = stage.play()
    assert "unreachable" not in played.events
    if ends:
        assert (JobState.PAUSED, EndReason.SETTINGS) == (played.job.state, played.job.reason_code)
        assert "open no more files" in played.job.reason
        left[0] = 0
        played = stage.play()
    assert [Status.REMOVED] * 2 == played.statuses
