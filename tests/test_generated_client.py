"""A client made from the API's document by openapi-python-client, which knows nothing but that document."""

from __future__ import annotations

import asyncio
import importlib
import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from bulkremove.domain.permissions import Role
from tests.cli_fixtures import crowd
from tests.web_fixtures import running_site, triples

PACKAGE = "client_made_from_the_document"


def make_client(folder: Path, url: str) -> None:
    """Make a client from the document of a server, which needs no token for it. Nothing may be left out."""
    (folder / "config.json").write_text(json.dumps({"post_hooks": []}))  # it would format the code
    words = ["generate", "--url", f"{url}/api/v1/openapi.json", "--output-path", str(folder / PACKAGE)]
    words += ["--meta", "none", "--config", str(folder / "config.json"), "--fail-on-warning"]
    command = [sys.executable, "-c", "from openapi_python_client.cli import app; app()", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr


class Client:
    """The generated client: its operations by the name of their module, and its classes."""

    def __init__(self, url: str, token: str) -> None:
        self.connection = importlib.import_module(PACKAGE).AuthenticatedClient(
            url, token, raise_on_unexpected_status=True
        )
        self.models, self.types = (importlib.import_module(f"{PACKAGE}.{name}") for name in ("models", "types"))

    def call(self, operation: str, /, *path: str, **values: Any) -> Any:
        """The answer to an operation, such as ``plans.get_plan``, with its status and headers."""
        module = importlib.import_module(f"{PACKAGE}.api.{operation}")
        return module.sync_detailed(*path, client=self.connection, **values)

    def made(self, operation: str, /, *path: str, **values: Any) -> Any:
        """The object with which an operation answers."""
        reply = self.call(operation, *path, **values)
        assert reply.status_code in (200, 201, 204), reply.content
        return reply.parsed


def drive(url: str, token: str) -> None:
    """Take a job from the file to the report, and close the connection."""
    client = Client(url, token)
    with client.connection:
        take_to_the_report(client)


def take_to_the_report(client: Client) -> None:
    models = client.models

    def file(text: str) -> Any:
        return client.types.File(payload=BytesIO(text.encode()))

    made = client.call("plans.make_plan", body=file(triples(6)), name="leavers.csv", idempotency_key="sync-1")
    plan = made.parsed
    assert (201, 6, "leavers.csv", True) == (made.status_code, plan.removals, plan.source, plan.dry_run)
    assert f"/api/v1/plans/{plan.id}" == made.headers["Location"]
    again = client.made("plans.make_plan", body=file(triples(6)), name="leavers.csv", idempotency_key="sync-1")
    assert plan.id == again.id

    review, cursor = list[int](), client.types.UNSET
    while cursor is not None:
        page = client.made("plans.list_plan_rows", plan.id, limit=4, cursor=cursor)
        review, cursor = review + [row.row for row in page.rows if row.planned == "remove"], page.next_
    assert [2, 3, 4, 5, 6, 7] == review

    wrong = client.call("plans.confirm_plan", plan.id, body=models.Confirmation(plan_hash=plan.plan_hash, removals=7))
    assert (409, models.ProblemCode.CONSENT_MISSING) == (wrong.status_code, wrong.parsed.code)
    consent = models.Confirmation(plan_hash=plan.plan_hash, removals=len(review))
    job = client.made("plans.confirm_plan", plan.id, body=consent, idempotency_key="sync-1")

    stream = client.call("jobs.stream_job_events", job.job)
    assert stream.content.rstrip().rpartition(b"event: ")[2].startswith(b"end")
    job = client.made("jobs.get_job", job.job)
    assert (models.JobState.FINISHED, False, None) == (job.state, job.running, job.end_reason)
    assert job.created_at < job.finished_at
    assert {"removed": 5, "not_found": 1} == {name: n for name, n in job.counts.additional_properties.items() if n}
    names = [event.name for event in client.made("jobs.list_job_events", job.job).events]
    assert names.index("started") < names.index("finished")

    rows = client.made("jobs.list_job_rows", job.job, state=models.ListJobRowsState.REMOVED).rows
    assert (5, {200}) == (len(rows), {row.http_status for row in rows})
    assert [job.job] == [one.job for one in client.made("jobs.list_jobs", since=job.created_at, q="leavers").jobs]
    csv, xlsx = (
        client.made("jobs.download_report", job.job, models.DownloadReportEnding(ending)).payload.read()
        for ending in ("csv", "xlsx")
    )
    assert (7, b"PK") == (csv.count(b"\n"), xlsx[:2])
    refused = client.call("plans.make_plan", body=file("a,b,c\n1,2,3\n"))
    assert (models.ProblemCode.FILE_REFUSED, ["a", "b", "c"]) == (refused.parsed.code, refused.parsed.choices.header)
    (draft,) = client.made("plans.list_plans").plans
    assert models.DraftState.NEEDS_CHOICE is draft.state
    assert 204 == client.call("plans.discard_plan", draft.id).status_code


async def test_a_generated_client_takes_a_job_from_the_file_to_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    world, _ = crowd(tmp_path, 6, missing=1)
    async with running_site(tmp_path / "home", world=world) as one:
        await asyncio.to_thread(make_client, tmp_path, one.url)
        token = (await one.program(Role.APPROVER))["Authorization"].removeprefix("Bearer ")
        await asyncio.to_thread(drive, one.url, token)
