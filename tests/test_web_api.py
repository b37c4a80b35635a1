"""The HTTP API as another program uses it, and its document: what it promises is what a real server does."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from bulkremove.domain import errors
from bulkremove.domain.errors import ActionRefused
from bulkremove.domain.job import JobState
from bulkremove.domain.permissions import Role
from bulkremove.domain.version import __version__
from bulkremove.web.openapi import PREFIX, document
from bulkremove.web.openapi_jobs import EVENT_STREAM
from bulkremove.web.problems import MEANINGS, ProblemCode, problem
from bulkremove.web.routes import JSON
from tests.cli_fixtures import crowd
from tests.web_fixtures import Reply, Visitor, running_site, triples

DOCUMENTED: list[dict[str, Any]] = [
    operation
    for methods in document()["paths"].values()  # type: ignore[attr-defined] # a dictionary
    for operation in methods.values()
]


class Program:
    """A program with a token."""

    def __init__(self, visitor: Visitor, headers: dict[str, str]) -> None:
        self._visitor, self.headers = visitor, headers

    async def get(self, path: str) -> Reply:
        return await self._visitor.ask("GET", PREFIX + path, headers=self.headers)

    async def post(self, path: str, body: object = None, **headers: str) -> Reply:
        headers = {**self.headers, **headers}
        if isinstance(body, dict):
            headers |= {"Content-Type": "application/json"}
            return await self._visitor.ask("POST", PREFIX + path, headers=headers, data=json.dumps(body))
        return await self._visitor.ask("POST", PREFIX + path, headers=headers, data=body)

    async def delete(self, path: str) -> Reply:
        return await self._visitor.ask("DELETE", PREFIX + path, headers=self.headers)


async def ended(program: Program, job: str) -> dict[str, Any]:
    for _ in range(400):
        told: dict[str, Any] = (await program.get(f"/jobs/{job}")).data
        if not told["running"]:
            return told
        await asyncio.sleep(0.05)
    raise AssertionError("it does not end")


async def test_a_program_posts_a_file_confirms_its_hash_and_takes_the_report(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 5, missing=1)
    async with running_site(tmp_path / "home", world=world) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.APPROVER))
        made = await program.post("/plans?name=leavers.csv", triples(5))
        assert 201 == made.status, made.text
        plan = made.json
        assert f"{PREFIX}/plans/{plan['id']}" == made.headers["Location"]
        assert (5, 5, "leavers.csv", True) == (plan["rows"], plan["removals"], plan["source"], plan["dry_run"])
        assert [] == await one.app.jobs.all()
        agreed = await program.post(f"/plans/{plan['id']}/confirm", {"plan_hash": plan["plan_hash"], "removals": 5})
        assert 201 == agreed.status, agreed.text
        again = await program.post(f"/plans/{plan['id']}/confirm", {"plan_hash": plan["plan_hash"]})
        assert (200, agreed.json["job"]) == (again.status, again.json["job"])
        job = str(agreed.json["job"])
        assert (f"{PREFIX}/jobs/{job}", None) == (agreed.headers["Location"], again.headers.get("Location"))
        told = await ended(program, job)
        assert JobState.FINISHED == told["state"]
        counts = told["counts"]
        assert (4, 1) == (counts["removed"], counts["not_found"])
        events = (await program.get(f"/jobs/{job}/events")).json["events"]
        assert isinstance(events, list)
        assert "finished" in [event["name"] for event in events]
        for ending in ("csv", "xlsx", "jsonl"):
            assert 200 == (await program.get(f"/jobs/{job}/report.{ending}")).status
        assert 409 == (await program.get(f"/plans/{plan['id']}")).status
        assert [job] == [one["job"] for one in (await program.get("/jobs")).json["jobs"]]  # type: ignore[attr-defined] # a list


async def test_the_hash_of_a_plan_is_consent_once_also_for_a_new_upload_of_the_same_file(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 3)
    async with running_site(tmp_path / "home", world=world) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.APPROVER))
        plan = (await program.post("/plans?name=leavers.csv", triples(3))).json
        first = await program.post(f"/plans/{plan['id']}/confirm", {"plan_hash": plan["plan_hash"]})
        assert 201 == first.status, first.text
        await ended(program, str(first.json["job"]))
        new = (await program.post("/plans?name=leavers.csv", triples(3))).json
        assert plan["plan_hash"] == new["plan_hash"]
        refused = await program.post(f"/plans/{new['id']}/confirm", {"plan_hash": plan["plan_hash"]})
        assert 409 == refused.status, refused.text
        assert f"confirmed before, as job {first.json['job']}" in refused.text
        assert "removals = 3" in refused.text
        assert "--plan" not in refused.text
        meant = await program.post(f"/plans/{new['id']}/confirm", {"plan_hash": plan["plan_hash"], "removals": 3})
        assert 201 == meant.status, meant.text


async def test_a_job_is_paused_resumed_and_cancelled_by_a_program(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 200)
    async with running_site(tmp_path / "home", world=world, speed=20.0) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.APPROVER))
        plan = (await program.post("/plans", triples(200))).json
        job = (await program.post(f"/plans/{plan['id']}/confirm", {"plan_hash": plan["plan_hash"]})).json["job"]
        assert "paused" == (await program.post(f"/jobs/{job}/pause")).json["state"]
        assert 200 == (await program.post(f"/jobs/{job}/resume")).status
        assert "cancelled" == (await program.post(f"/jobs/{job}/cancel")).json["state"]
        assert 409 == (await program.post(f"/jobs/{job}/resume")).status


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "words"),
    [
        ("/plans", "a,b,c\n1,2,3\n", 422, "file_refused", "no column for the course id"),
        ("/plans", "", 422, "file_refused", "is empty"),
        ("/plans?hidden=maybe", triples(1), 400, "bad_request", "hidden must be one of"),
        ("/plans?hiden=refuse", triples(1), 400, "bad_request", "Unknown query parameter 'hiden'"),
        ("/plans?columns=odd", triples(1), 422, "file_refused", "are not understood"),
        ("/plans?sheet=One", triples(1), 422, "file_refused", "not a workbook"),
        ("/plans/none/confirm", {"plan_hash": "x"}, 404, "plan_not_found", "not kept any more"),
        ("/plans/none/confirm", {"plan_hash": "x", "removal": 3}, 400, "bad_request", "unknown field `removal`"),
        ("/jobs/none/pause", "", 404, "job_not_found", "knows no job"),
        ("/nowhere", "", 404, "not_found", "Not Found"),
        ("/jobs", "", 405, "method_not_allowed", "Method Not Allowed"),
    ],
)
async def test_what_is_wrong_is_a_problem_with_a_code(
    tmp_path: Path, path: str, body: object, status: int, code: str, words: str
) -> None:
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        reply = await Program(visitor, await one.program(Role.APPROVER)).post(path, body)
        assert (status, "application/problem+json") == (reply.status, reply.headers["Content-Type"].partition(";")[0])
        problem = reply.json
        phrase = HTTPStatus(status).phrase
        assert ("about:blank", phrase, status) == (problem["type"], problem["title"], problem["status"])
        assert code == problem["code"]
        assert words in str(problem["detail"])


async def test_each_refusal_of_a_plan_has_a_code_of_its_own(tmp_path: Path) -> None:
    async with running_site(tmp_path, max_removals=2) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.APPROVER))
        small = (await program.post("/plans", triples(2))).json
        confirm = f"/plans/{small['id']}/confirm"
        assert "plan_outdated" == (await program.post(confirm, {"plan_hash": "x"})).json["code"]
        wrong = {"plan_hash": small["plan_hash"], "removals": 3}
        assert "consent_missing" == (await program.post(confirm, wrong)).json["code"]
        plan = (await program.post("/plans", triples(3))).json
        confirm = f"/plans/{plan['id']}/confirm"
        assert "cap_exceeded" == (await program.post(confirm, {"plan_hash": plan["plan_hash"]})).json["code"]
        assert (
            "not_permitted"
            == (
                await Program(visitor, await one.program(Role.PREPARER)).post(confirm, {"plan_hash": plan["plan_hash"]})
            ).json["code"]
        )
        unknown = await visitor.ask("GET", f"{PREFIX}/jobs", headers={"Authorization": "Bearer guessed"})
        assert (401, "not_authenticated") == (unknown.status, unknown.json["code"])


def test_every_error_and_every_status_has_a_code_and_every_code_a_meaning() -> None:
    assert {*ProblemCode} == {*MEANINGS}
    named = {value for value in vars(errors).values() if isinstance(value, type)}
    for kind in (one for one in named if issubclass(one, ActionRefused) and one is not ActionRefused):
        code = problem(kind("x"), 409, "x")["code"]
        assert code is not ProblemCode.REFUSED, kind
        assert (code is ProblemCode.ACTION_REFUSED) is (kind is errors.LearnerNotFound)  # the API erases nobody
    statuses = {int(status) for operation in DOCUMENTED for status in operation["responses"] if int(status) >= 400}
    by_http = {status for status in statuses if problem(Exception(), status, "x")["code"] is not ProblemCode.REFUSED}
    assert {409, 422} == statuses - by_http  # these two are those of an error of this program alone


def test_every_operation_has_an_id_a_tag_and_named_schemas() -> None:
    ids = [operation["operationId"] for operation in DOCUMENTED]
    assert len({*ids}) == len(ids)
    assert {"plans", "jobs", "document"} == {tag for operation in DOCUMENTED for tag in operation["tags"]}
    for operation in DOCUMENTED:
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for body in bodies:
            for kind, media in body.get("content", {}).items():
                if kind == EVENT_STREAM:  # of which no schema can speak
                    continue
                is_object = kind.endswith("json") and (operation["operationId"], kind) != ("getDocument", JSON)
                assert ("$ref" in media["schema"]) is is_object, (operation["operationId"], kind)


async def test_the_document_is_for_everybody_and_names_no_version_of_the_program(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        reply = await visitor.ask("GET", f"{PREFIX}/openapi.json")
        assert (200, document()) == (reply.status, reply.json)
        assert __version__ not in reply.text


async def test_a_report_is_its_own_kind_of_file_or_plain_bytes(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.APPROVER))
        plan = (await program.post("/plans", triples(1))).json
        job = (await program.post(f"/plans/{plan['id']}/confirm", {"plan_hash": plan["plan_hash"]})).json["job"]
        path = f"{PREFIX}/jobs/{job}/report.csv"
        own = await visitor.ask("GET", path, headers=program.headers)
        plain = await visitor.ask("GET", path, headers={**program.headers, "Accept": "application/octet-stream"})
        assert ("text/csv; charset=utf-8", "application/octet-stream") == (
            own.headers["Content-Type"],
            plain.headers["Content-Type"],
        )
        assert own.body == plain.body


@pytest.mark.parametrize(
    ("body", "choices"),
    [
        ("a,b,c\n1,2,3\n", {"header": ["a", "b", "c"]}),
        ("Leavers of May\n" + triples(1), {"header_row": 2}),
        ("1234567,2345678,3456789\n", {"header_row": 0, "header": ["1234567", "2345678", "3456789"]}),
        (
            "course,batch,learner,Action\n1,2,3,add\n1,2,4,del\n",
            {"only": [{"column": "Action", "values": [{"value": "add", "rows": 1}, {"value": "del", "rows": 1}]}]},
        ),
    ],
)
async def test_a_program_is_told_what_it_can_decide_without_an_option_of_the_command_line(
    tmp_path: Path, body: str, choices: dict[str, object]
) -> None:
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        reply = await Program(visitor, await one.program(Role.APPROVER)).post("/plans", body)
        assert 422 == reply.status
        assert "--" not in str(reply.json["detail"])
        none: dict[str, object] = {"sheet": [], "header": [], "header_row": None, "only": [], "hidden": False}
        assert none | choices == reply.json["choices"]


@pytest.mark.parametrize("body", [{}, {"plan_hash": 1}, {"plan_hash": "x", "removals": "3"}, {"plan_hash": "x" * 64}])
async def test_a_confirmation_needs_the_very_hash(tmp_path: Path, body: dict[str, object]) -> None:
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.APPROVER))
        plan = (await program.post("/plans", triples(3))).json
        assert (await program.post(f"/plans/{plan['id']}/confirm", body)).status in (400, 409)
        wrong = {"plan_hash": plan["plan_hash"], "removals": 4}
        assert 409 == (await program.post(f"/plans/{plan['id']}/confirm", wrong)).status
        assert [] == await one.app.jobs.all()


@pytest.mark.parametrize(
    ("settings", "rows", "words"),
    [
        (
            {"max_removals": 2},
            triples(3),
            "Shorten the list, or let an admin confirm this plan",
        ),
        (
            {},
            triples(1) + "x,1,2,odd\n",
            "Correct the file, or let an admin confirm this plan",
        ),
    ],
)
async def test_a_plan_over_a_cap_says_what_to_do_there_without_an_option_of_the_command_line(
    tmp_path: Path, settings: dict[str, object], rows: str, words: str
) -> None:
    async with running_site(tmp_path, **settings) as one, one.visitor(known=False) as visitor:  # type: ignore[arg-type] # by name
        program = Program(visitor, await one.program(Role.APPROVER))
        plan = (await program.post("/plans", rows)).json
        refused = await program.post(f"/plans/{plan['id']}/confirm", {"plan_hash": plan["plan_hash"]})
        assert 409 == refused.status
        async with one.visitor() as person:
            page = await person.upload(rows)
        for text in (str(plan["refusal"]), str(refused.json["detail"])):
            assert (True, False) == (words in text, "--max" in text)
        assert (True, False) == ("You may confirm it below, with a reason." in page.text, "--max" in page.text)


async def test_rows_of_a_plan_are_paged_and_filtered(tmp_path: Path) -> None:
    async with running_site(tmp_path, max_removals=1000, max_invalid=100.0) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.PREPARER))
        plan = (await program.post("/plans", triples(60) + "x,1,2,odd\n")).json
        path, numbers, cursor = f"/plans/{plan['id']}/rows?limit=50", list[int](), ""
        while cursor is not None:
            page = (await program.get(f"{path}&cursor={cursor}" if cursor else path)).json
            numbers += [row["row"] for row in page["rows"]]  # type: ignore[attr-defined] # a list
            cursor = page["next"]  # type: ignore[assignment] # a text, or None at the end
        assert [*range(2, 63)] == numbers
        invalid = (await program.get(f"/plans/{plan['id']}/rows?status=invalid&q=ODD")).json["rows"]
        assert isinstance(invalid, list)
        assert ["invalid"] == [row["planned"] for row in invalid]


async def test_a_revoked_token_and_a_cookie_open_no_door(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        assert 401 == (await visitor.get(f"{PREFIX}/jobs")).status  # signed in on the page
        headers = await one.program(Role.ADMIN)
        assert 200 == (await Program(visitor, headers).get("/jobs")).status
        await one.app.tokens.revoke((await one.app.tokens.all())[0].id, by="a test")
        assert 401 == (await Program(visitor, headers).get("/jobs")).status


async def test_the_document_names_every_address_of_the_api(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one:
        routes = {
            (route.resource.canonical, route.method.lower())
            for route in one.site.router.routes()
            if route.resource and route.resource.canonical.startswith(PREFIX)
        }
    paths = document()["paths"]
    assert isinstance(paths, dict)
    assert routes == {(path, method) for path, methods in paths.items() for method in methods}


@contextmanager
def served(home: Path) -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    """A server in a thread of its own, since schemathesis asks from this one. No Zoho is there to send to."""
    ready, done = threading.Event(), threading.Event()
    found: list[tuple[str, dict[str, str], dict[str, str]]] = []

    async def serve() -> None:
        async with running_site(home) as one, one.visitor(known=False) as visitor:
            headers = await one.program(Role.ADMIN)
            program = Program(visitor, headers)
            plans = [(await program.post("/plans", triples(2 + i))).json for i in range(2)]
            job = await program.post(f"/plans/{plans[0]['id']}/confirm", {"plan_hash": plans[0]["plan_hash"]})
            found.append((one.url, headers, {"plan": str(plans[1]["id"]), "job": str(job.json["job"])}))
            ready.set()
            await asyncio.to_thread(done.wait, 300)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(120)
    try:
        yield found[0]
    finally:
        done.set()
        thread.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    """A served API with a plan and a job in it: its address, the headers of a program, and the two ids."""
    with served(tmp_path_factory.mktemp("api")) as found:
        yield found


OPERATIONS: list[Any] = [found.ok() for found in schemathesis.openapi.from_dict(document()).get_all_operations()]  # type: ignore[union-attr] # a bad document fails here


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.label)
def test_whatever_is_asked_gets_an_answer_that_the_document_names(
    server: tuple[str, dict[str, str], dict[str, str]],
    operation: Any,
    mode: GenerationMode,
) -> None:
    url, headers, ids = server
    known = {one.name: ids[one.name] for one in operation.path_parameters if one.name in ids}
    # No document can say which bytes are a list of people.
    excluded: list[Any] = [positive_data_acceptance] if operation.label == f"POST {PREFIX}/plans" else []
    tried = 0

    @settings(max_examples=12, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(
        case=operation.as_strategy(mode)
        if not known
        else operation.as_strategy(mode) | operation.as_strategy(mode, path_parameters={"ending": "csv", **known})
    )
    def check(case: schemathesis.Case[Any]) -> None:
        nonlocal tried
        assume(not any(value in ([], {}) for value in (case.query or {}).values()))  # no address can say it
        tried += 1
        case.call_and_validate(base_url=url, headers=headers, excluded_checks=excluded)

    try:
        check()
    except Unsatisfiable:
        pytest.skip("nothing about this operation can be asked in a wrong way")
    assert tried > 0
