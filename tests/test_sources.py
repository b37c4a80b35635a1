"""Each kind of source: whole files or none, and a sentence for what went wrong."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiohttp import web

from bulkremove.config.night_values import NIGHT_PARSERS
from bulkremove.domain.errors import SourceFailed
from bulkremove.sources import SourceFile, source_of
from bulkremove.sources.command import without_secrets
from bulkremove.sources.inbox import Inbox
from bulkremove.sources.web_address import WebAddress

CSV = b"Course ID,Batch ID,Learner ID\n1,2,3\n"


def fetched(text: str, folder: Path, **environ: str) -> list[SourceFile]:
    folder.mkdir(exist_ok=True)
    return asyncio.run(source_of(text, environ).fetch(folder))


def printed(code: str) -> str:
    return f'command {sys.executable} -c "{code}"'


def test_a_file_is_read_where_it_lies(tmp_path: Path) -> None:
    file = tmp_path / "leavers.csv"
    file.write_bytes(CSV)
    assert [SourceFile(file, "leavers.csv")] == fetched(str(file), tmp_path / "scratch")
    assert [] == list((tmp_path / "scratch").iterdir())


def test_a_folder_gives_the_files_that_are_whole(tmp_path: Path) -> None:
    for name in ("old.csv", "new.csv", "half.csv.part"):
        (tmp_path / name).write_bytes(CSV)
    an_hour_ago = time.time() - 3600.0
    os.utime(tmp_path / "old.csv", (an_hour_ago, an_hour_ago))
    assert ["old.csv"] == [file.name for file in fetched(str(tmp_path), tmp_path)]


def test_a_command_gives_what_it_prints(tmp_path: Path) -> None:
    [file] = fetched(printed("print(1, 2)"), tmp_path / "scratch")
    assert (b"1 2\n", 0o600) == (file.path.read_bytes(), file.path.stat().st_mode & 0o777)
    assert f"{Path(sys.executable).name}.csv" == file.name


def test_what_a_killed_download_left_is_deleted_by_the_next(tmp_path: Path) -> None:
    """And nothing else: others may be writing a file of theirs."""
    killed = subprocess.Popen(
        [sys.executable, "-c", KILLED_DOWNLOAD, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert killed.stdout is not None
    assert b"begun" in killed.stdout.readline()
    killed.kill()
    killed.communicate()
    (left,) = tmp_path.iterdir()
    assert left.name.endswith(".csv.part")
    (tmp_path / "theirs.csv.part").write_bytes(CSV)
    [file] = fetched(printed("print(1, 2)"), tmp_path)
    assert {file.path.name, f"{file.path.name}.ready", "theirs.csv.part"} == {path.name for path in tmp_path.iterdir()}


KILLED_DOWNLOAD = """
import asyncio, sys
from pathlib import Path
from bulkremove.sources.download import download

async def pieces():
    yield b"people"
    print("begun", flush=True)
    await asyncio.sleep(60)

asyncio.run(download(pieces(), Path(sys.argv[1]), "leavers.csv"))
"""


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (printed("print(1); raise SystemExit(3)"), r"ended with code 3; nothing of it was used\.$"),
        (printed("import sys; sys.exit('x' * 9999 + ' no such table: leavers')"), "code 1.* no such table: leavers$"),
        ("file:///etc/passwd", "can't begin with 'file:'"),
        ("ftp://hr.example.com/leavers.csv", "can't begin with 'ftp:'"),
        ("command no-such-program-here", "can't be started"),
        ("command 'unclosed", "a quote that is not closed"),
        ("command  ", "command is empty"),
        ("http://127.0.0.1:9/leavers.csv", "can't be read"),
        ("https://[/leavers.csv", "not valid"),
        ("https://name:secret@127.0.0.1:9/leavers.csv", "holds a name or password"),
    ],
)
def test_a_source_that_fails_leaves_nothing(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(SourceFailed, match=message) as caught:
        fetched(source, tmp_path / "scratch")
    assert "secret" not in str(caught.value)
    assert [] == list((tmp_path / "scratch").iterdir())


def test_a_command_that_says_much_is_not_held_up(tmp_path: Path) -> None:
    [file] = fetched(printed("import sys; sys.stderr.write('x' * 10_000_000); print(1)"), tmp_path / "scratch")
    assert b"1\n" == file.path.read_bytes()


@pytest.mark.parametrize(
    "said",
    [
        "login failed: password=hunter2",
        'connect failed {"password": "hunter2", "host": "db"}',
        "can't open postgresql://hr:hunter2@db/people",
        "Authorization: Bearer hunter2",
        "token hunter2 has expired",
        "DB_PASSWORD='hunter2' is wrong",
        "--api-key hunter2",
        "client_secret: hunter2",
    ],
)
def test_the_last_words_of_a_command_are_told_without_secrets(said: str) -> None:
    told = without_secrets(f"trying\n\x1b[2J{said}\n".encode())
    assert "***" in told
    assert "hunter2" not in told
    assert told.isprintable()
    assert told.startswith("trying ")


def test_a_command_does_not_know_the_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BULKREMOVE_CLIENT_SECRET", "hunter2")
    monkeypatch.setenv("HR_EXPORT_USER", "hr")
    [file] = fetched(printed("import os; print(dict(os.environ))"), tmp_path / "scratch")
    assert b"hunter2" not in file.path.read_bytes()
    assert b"HR_EXPORT_USER" in file.path.read_bytes()


@pytest.mark.parametrize("environ", [{}, {"BULKREMOVE_SOURCE_TOKEN": "t"}])
def test_nothing_is_fetched_from_elsewhere_without_encryption(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(SourceFailed, match="https"):
        fetched("http://hr.example.com/leavers.csv", tmp_path / "scratch", **environ)


@pytest.mark.parametrize(
    ("header", "body", "is_whole"),
    [
        ("Connection: close", CSV, False),
        (f"Content-Length: {len(CSV)}", CSV, True),
        (f"Content-Length: {len(CSV) + 1}", CSV, False),
        ("Transfer-Encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(CSV), CSV), True),
        ("Transfer-Encoding: chunked", b"%x\r\n%b\r\n" % (len(CSV), CSV), False),
    ],
)
def test_an_answer_counts_only_if_its_end_is_known(tmp_path: Path, header: str, body: bytes, is_whole: bool) -> None:
    """A connection that breaks looks like the end of an answer whose length nobody told."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\n{header}\r\n\r\n".encode() + body)
        writer.close()

    async def fetch() -> list[SourceFile]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/leavers.csv"
            return await source_of(url, {}).fetch(tmp_path)

    if is_whole:
        [file] = asyncio.run(fetch())
        assert CSV == file.path.read_bytes()
    else:
        with pytest.raises(SourceFailed):
            asyncio.run(fetch())
        assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(("status", "body"), [(200, CSV), (404, CSV), (302, CSV)])
def test_an_address_counts_with_status_200_alone(tmp_path: Path, status: int, body: bytes) -> None:
    seen: list[str | None] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(status=status, body=body, headers={"Location": "/elsewhere"})

    async def fetch() -> list[SourceFile]:
        server = web.ServerRunner(web.Server(answer))
        await server.setup()
        site = web.TCPSite(server, "127.0.0.1", 0)
        await site.start()
        try:
            url = f"http://127.0.0.1:{server.addresses[0][1]}/export/leavers.csv"
            return await source_of(url, {"BULKREMOVE_SOURCE_TOKEN": "t"}).fetch(tmp_path)
        finally:
            await server.cleanup()

    if status == 200:
        [file] = asyncio.run(fetch())
        assert ("leavers.csv", CSV) == (file.name, file.path.read_bytes())
    else:
        with pytest.raises(SourceFailed, match=f"answered with {status}"):
            asyncio.run(fetch())
        assert [] == list(tmp_path.iterdir())
    assert ["Bearer t"] == seen


def test_a_mark_that_can_not_be_removed_is_told_and_the_file_stays(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    inbox.prepare()
    file = tmp_path / "leavers.csv"
    file.write_text("x")
    (tmp_path / "leavers.csv.ready").mkdir()
    with pytest.raises(SourceFailed, match="can't be taken"):
        inbox.take(file)
    assert file.exists()


def test_the_scheme_of_a_web_address_counts_in_any_case() -> None:
    """A night with such a source would be accepted, and fail each night."""
    for text in ("https://hr.example.com/x.csv", "HTTPS://hr.example.com/x.csv"):
        assert isinstance(source_of(text, {}), WebAddress)
        assert text == NIGHT_PARSERS["source"](text)
    for text in ("https:x.csv", "zoho:employees"):
        with pytest.raises(SourceFailed, match="can't begin"):
            source_of(text, {})
        with pytest.raises(ValueError, match="can't begin"):
            NIGHT_PARSERS["source"](text)
