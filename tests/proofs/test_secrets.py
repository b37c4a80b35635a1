"""Canary secrets, and a search for them in everything that the program leaves behind while much goes wrong."""

from __future__ import annotations

import base64
import json
import logging
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from bulkremove.domain.permissions import Role
from tests.cli_fixtures import PROGRAM, Bulkremove, crowd, environment, sandbox
from tests.conftest import Proving
from tests.proofs import canaries
from tests.proofs.injected import run_with
from tests.proofs.reconciled import Ends
from tests.proofs.system_calls import Call, arguments, read_trace, traced
from tests.proofs.test_hostile_answers import Server, success
from tests.proofs.test_wire_cells import PROMPT
from tests.web_fixtures import PASSWORD, running_site, triples

SECRETS = {"client secret": "canary/one+§&<1>", "refresh token": "1000.canary-two.2", "wrong secret": "canary-three"}
ROWS = 12
NOT_IN = ("tokens", "credentials", "world.json", "notify.txt")
"""Where a secret is at home: token and credential files, the sandbox's world, the addresses of notices."""
PROMISE = "No secret is found in a log, report, page, address, argument, journal or any other file"


def _quoting(server: Server) -> None:
    """Every sixth call succeeds; the others fail, and what says so quotes the whole request with its header."""

    def script(number: int, learner: str, connection: socket.socket) -> bool:
        request = server.requests[number].decode("latin-1")
        request = f"{_header(request)}\n{request}"
        as_json = json.dumps({"code": "400", "message": f"not understood: {request}"}).encode()
        page = f"<html><pre>{request}</pre></html>".encode()
        errors = {"response": {"status": 1, "errors": [{"code": 7012, "message": request}]}}
        answers = [
            ("400 Bad Request", as_json, ""),
            ("500 Internal Server Error", request.encode(), ""),
            ("302 Found", page, f"Location: https://elsewhere.example/?{quote(request)}\r\n"),
            ("200 OK", page, ""),
            ("200 OK", json.dumps(errors).encode(), ""),
        ]
        if number % 6 == 5:
            connection.sendall(success(learner))
        else:
            status, body, more = answers[number % 6]
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}Date: {_header(request)}\r\n\r\n"
            connection.sendall(head.encode() + body)
        return True

    server.script = script


def _header(request: str) -> str:
    found = re.search(r"Authorization: ([^\r\n]+)", request)
    assert found
    return found[1]


def _honestly(number: int, learner: str, connection: socket.socket) -> bool:
    connection.sendall(success(learner))
    return True


class Bench:
    """A home, a world whose credentials are canaries, a server that quotes requests, and all that was said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        world, self.file = crowd(folder, ROWS)
        tree = json.loads(world.read_text())
        client = {"client_id": "sandbox", "client_secret": SECRETS["client secret"]}
        world.write_text(json.dumps({**tree, "client": {**client, "refresh_token": SECRETS["refresh token"]}}))
        self.world = world
        self.said: list[tuple[str, bytes]] = []
        self.server = Server(lambda *_: False)
        _quoting(self.server)

    @contextmanager
    def open(self) -> Iterator[dict[str, str]]:
        with sandbox(self.world, self.folder / "log.jsonl") as variables, self.server.listening() as port:
            secrets = {
                "BULKREMOVE_CLIENT_ID": "sandbox",  # the printed lines have quotes for a shell
                "BULKREMOVE_CLIENT_SECRET": SECRETS["client secret"],
                "BULKREMOVE_REFRESH_TOKEN": SECRETS["refresh token"],
            }
            there = {"BULKREMOVE_API_URL": f"http://127.0.0.1:{port}", "BULKREMOVE_LIMIT": "100000/60s"}
            yield {**variables, **secrets, **PROMPT, **there}

    def say(self, where: str, *texts: str) -> None:
        self.said += [(where, text.encode()) for text in texts]

    def search(self) -> list[str]:
        """Where canaries, and the access tokens that were handed out, stand and should not."""
        tokens = {_header(one.decode("latin-1")).partition(" ")[2] for one in self.server.requests}
        secrets = {**SECRETS, **{f"access token {n}": token for n, token in enumerate(sorted(tokens))}}
        lines = [("a request's first line", one.partition(b"\r\n")[0]) for one in self.server.requests]
        left = [
            (where, data)
            for where, data in canaries.files(self.folder)
            if not any(name in Path(where).parts for name in NOT_IN) and not where.endswith(".trace")
        ]
        return canaries.found(secrets, [*self.said, *lines, *left])


COMMANDS = (
    *(("preview", "crowd.csv"), ("jobs",), ("show",), ("doctor",), ("accounts",), ("audit",), ("audit", "verify")),
    *(("report", "--report", "again.xlsx"), ("report", "--rows", "retry", "--report", "retry.csv")),
    ("backup", "copy.db"),
)


def test_no_secret_stays_behind_a_run_in_which_every_answer_quotes_the_request(
    tmp_path: Path, proving: Proving
) -> None:
    bench = Bench(tmp_path)
    with bench.open() as variables:
        env = environment(**variables)
        bulkremove = Bulkremove(tmp_path / "home", env)
        loud = ("--debug", "--verbose", "--events", "json")
        process = _under_umask_000(bulkremove, tmp_path / "run.trace", *loud, "run", str(bench.file), "--yes")
        out, err = process.communicate(timeout=120)
        assert process.returncode in (3, 5), err
        bench.say("the run's words", out, err)
        for _ in range(6):  # some of the answers end it
            done = bulkremove(*loud, "run", str(bench.file), "--yes", "--include-open")
            bench.say("the words of another run", done.stdout, done.stderr)
        for words in COMMANDS:
            done = bulkremove(*loud, *words)
            bench.say(" ".join(words), done.stdout, done.stderr)
        refused = Bulkremove(tmp_path / "other", {**env, "BULKREMOVE_CLIENT_SECRET": SECRETS["wrong secret"]})
        done = refused(*loud, "run", str(bench.file), "--yes")
        assert done.returncode in (5, 7), done.stderr
        bench.say("the words of a run with wrong credentials", done.stdout, done.stderr)
    bench.say("argv", *arguments(tmp_path / "run.trace"))
    assert len(bench.server.requests) > ROWS / 2
    assert any(b"Zoho-oauthtoken (withheld)" in data for _, data in canaries.files(tmp_path / "home"))
    assert not bench.search()
    proving.figure(PROMISE, f"a run of {len(bench.server.requests)} calls whose answers quote them, and 10 commands")


def test_the_search_finds_a_secret_in_whatever_it_is_packed(tmp_path: Path) -> None:
    secret = SECRETS["client secret"]
    for shape in ("{}", "x{}", "xx{}"):
        text = shape.format(secret) + " and more"
        for packed in (
            *(text.encode(), quote(text).encode(), text.encode("utf-16-le"), text.encode().hex().encode()),
            *(base64.b64encode(text.encode()), base64.urlsafe_b64encode(text.encode()), json.dumps(text).encode()),
        ):
            assert ["it in a file"] == canaries.found({"it": secret}, [("a file", b"before" + packed)])
    assert not canaries.found({"it": secret}, [("a file", b"nothing of the kind")])


def test_the_search_finds_a_planted_leak(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    planted = (
        "import bulkremove.zoho.client as c; c.redact = lambda reply, _: reply; import bulkremove.cli as d; d.main()"
    )
    with bench.open() as variables:
        leaking = Bulkremove(tmp_path / "home", environment(**variables), program=(sys.executable, "-c", planted))
        leaking("run", str(bench.file), "--yes")
    leaks = bench.search()
    assert any("journal.db" in leak for leak in leaks)
    assert any("report" in leak for leak in leaks)


def _under_umask_000(bulkremove: Bulkremove, trace: Path, *words: str) -> subprocess.Popen[str]:
    command = ["sh", "-c", 'umask 000; exec "$@"', "sh", *PROGRAM, "--home", str(bulkremove.home), *words]
    return traced(command, trace=trace, env=bulkremove.env, cwd=bulkremove.home.parent)


def test_every_file_of_the_home_folder_is_private_from_its_first_moment(tmp_path: Path, proving: Proving) -> None:
    bench = Bench(tmp_path)
    with bench.open() as variables:
        bulkremove = Bulkremove(tmp_path / "home", environment(**variables))
        process = _under_umask_000(bulkremove, tmp_path / "run.trace", "run", str(bench.file), "--yes")
        _, err = process.communicate(timeout=120)
    assert process.returncode in (3, 5), err
    made = list(_made(read_trace(tmp_path / "run.trace", under=bulkremove.home)))
    assert {path.name for path, _ in made} >= {"home", "journal.db", "tokens"}
    assert not [(path, oct(mode)) for path, mode in made if mode & 0o077]
    loose = [path for path in bulkremove.home.rglob("*") if path.stat().st_mode & 0o077]
    assert not loose
    proving.figure(
        "Every file of the home folder is its owner's alone from its first moment", f"{len(made)} made under umask 000"
    )


def _made(calls: list[Call]) -> Iterator[tuple[Path, int]]:
    """Each file or folder that came to be, with its rights."""
    there: set[Path] = set()
    for call in calls:
        if call.name in ("unlink", "unlinkat"):
            there.discard(call.path())
        elif call.name.startswith(("rename", "link")):
            there.add(call.path(-1))
        elif (call.creates or call.name in ("mkdir", "mkdirat")) and call.path() not in there:
            there.add(call.path())
            yield call.path(), call.mode


async def test_no_secret_stands_on_a_page_or_in_a_log_of_the_page(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, proving: Proving
) -> None:
    caplog.set_level(logging.DEBUG)
    world, _ = crowd(tmp_path, 6)
    wrong = "a canary of a password"
    said: list[tuple[str, bytes]] = []
    async with running_site(tmp_path / "home", world=world, roles=tuple(Role)) as here:
        program = await here.program(Role.ADMIN)
        bearer = program["Authorization"].partition(" ")[2]
        async with here.visitor(known=False) as visitor:

            async def see(method: str, path: str, **fields: str) -> None:
                reply = await (visitor.post(path, **fields) if method == "POST" else visitor.get(path, **program))
                said.append((path, reply.body))
                said.append((f"the address or a header of {path}", f"{reply.url} {reply.headers}".encode()))

            await see("POST", "/sign-in", name="admin", password=wrong)
            await see("POST", "/sign-in", name="admin", password=PASSWORD)
            plan = await visitor.upload(triples(6))
            confirmed = await visitor.confirm(plan)
            job = confirmed.url.rpartition("/")[2]
            for path in (
                *("/", "/audit", "/metrics", plan.url, f"/jobs/{job}", f"/jobs/{job}/report.csv"),
                *(f"/jobs/{job}/report.xlsx", "/api/v1/jobs", f"/api/v1/jobs/{job}", "/api/v1/openapi.json", "/no"),
                "/jobs/none",
            ):
                await see("GET", path)
            said += [("a page", plan.body), ("a page", confirmed.body)]
    secrets = {"password": PASSWORD, "wrong password": wrong, "token of a program": bearer}
    said += [("the log", caplog.text.encode()), *canaries.files(tmp_path / "home")]
    assert not canaries.found(secrets, said)
    proving.figure(PROMISE, f"{len(said)} pages, headers, logs and files of `serve` with people and a program")


class _Refusing(BaseHTTPRequestHandler):
    """Takes no notice and no ping, and tells everything about whoever asks."""

    asked: list[str]

    def _answer(self) -> None:
        self.asked.append(f"{self.path}\n{self.headers}")
        self.send_response(500)
        self.end_headers()
        self.wfile.write(self.asked[-1].encode())

    do_GET = do_POST = _answer  # noqa: N815 - the library's names

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def _refusing() -> Iterator[tuple[int, list[str]]]:
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Refusing", (_Refusing,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1], asked
    server.shutdown()
    server.server_close()


def test_no_secret_stays_behind_a_night_whose_source_and_notices_fail(tmp_path: Path, proving: Proving) -> None:
    notice, ping, source = "canary-of-a-notice", "canary-of-a-switch", "canary-of-a-source"
    home = tmp_path / "home"
    home.mkdir()
    world, _ = crowd(tmp_path, 3)
    with _refusing() as (port, asked):
        (home / "bulkremove.toml").write_text(
            f'[[nights]]\nsource = "http://127.0.0.1:{port}/list.csv"\nping_url = "http://127.0.0.1:{port}/{ping}"\n'
        )
        env = environment(
            BULKREMOVE_NOTIFY=f"json://someone:{notice}@127.0.0.1:{port}/{notice}?+X-Key={notice}",
            BULKREMOVE_SOURCE_TOKEN=source,
        )
        bulkremove = Bulkremove(home, env)
        said = []
        for words in (
            *(("nightly",), ("nightly", "--sandbox", str(world)), ("nightly", "--test-notice"), ("schedule", "show")),
            *(("audit",), ("schedule", "cron"), ("schedule", "systemd"), ("doctor",), ("jobs",)),
        ):
            done = bulkremove("--debug", "--verbose", "--events", "json", *words)
            said += [(f"{' '.join(words)}", (done.stdout + done.stderr).encode())]
    for secret in (notice, ping, source):
        assert any(secret in one for one in asked) or any(
            base64.b64encode(f"someone:{secret}".encode()).decode() in one for one in asked
        ), secret
    (home / "bulkremove.toml").unlink()  # where the switch's address is at home
    secrets = {"a notice's": notice, "the switch's": ping, "the source's": source}
    assert not canaries.found(secrets, [*said, *canaries.files(home)])
    proving.figure(PROMISE, f"a nightly run whose source, notices and switch fail, and {len(said) - 1} commands")


def _token_calls(folder: Path) -> int:
    return sum(entry.path == "/oauth/v2/token" for entry in Ends(folder, ROWS).requests)


def test_three_processes_ask_for_one_token(tmp_path: Path, proving: Proving) -> None:
    bench = Bench(tmp_path)
    with bench.open() as variables:
        bulkremove = Bulkremove(tmp_path / "home", environment(**variables))
        lists = []
        for number in range(3):
            lists.append(tmp_path / f"{number}.csv")
            lists[-1].write_text(triples(2, first=2 * number))
        started = [bulkremove.start("run", str(one), "--yes") for one in lists]
        for process in started:
            _, err = process.communicate(timeout=60)
            assert process.returncode in (0, 3, 5), err
    assert _token_calls(tmp_path) == 1
    proving.figure("Whoever waits for a token, one is asked for", "3 processes: 1 token")


def test_a_program_killed_between_a_token_and_its_saving_starts_anew(tmp_path: Path, proving: Proving) -> None:
    bench = Bench(tmp_path)
    bench.server.script = _honestly
    with bench.open() as variables:
        bulkremove = Bulkremove(tmp_path / "home", environment(**variables))
        for number in range(1, 9):
            words = ("run", str(bench.file), "--yes", "--include-open")
            killed = run_with("signal=SIGKILL", "renameat", str(number), bulkremove, *words)
            assert killed.killed
            if _token_calls(tmp_path):
                break
        last = (tmp_path / f"renameat-{number}.trace").read_text().rpartition("renameat(")[2]
        assert re.search(r'"[0-9a-f]+\.json"(\) = \?| <unfinished)', last), "it died at the name of its token's file"
        done = bulkremove("resume")
        assert done.returncode == 0, done.stderr
    assert _token_calls(tmp_path) == 2
    assert not bench.search()
    proving.figure("A program killed before it saved a token starts anew", "1 token more is asked for")


def test_a_search_for_known_weaknesses_finds_none(proving: Proving) -> None:
    root = Path(__file__).parent.parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "bandit", "-q", "-r", "bulkremove", "-ll"], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    proving.figure("bandit finds nothing of medium or higher severity", "nothing")
