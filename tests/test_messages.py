"""What the program says when the machine around it is at fault: the cause, and what to do next."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.cli_fixtures import Bulkremove, crowd, environment
from tests.nightly_fixtures import OLD
from tests.proofs.full_disk import small_disk

NOBODY = 65534


@pytest.fixture
def alone(tmp_path: Path) -> Bulkremove:
    """The program without any account."""
    return Bulkremove(tmp_path / "home", environment())


@pytest.mark.parametrize("pages", [0, 6, 12, 18, 24, 30])
def test_a_full_disk_is_called_a_full_disk_wherever_it_is_noticed(tmp_path: Path, pages: int) -> None:
    with small_disk(tmp_path / "disk") as disk:
        if disk.why_not:
            pytest.skip(disk.why_not)
        disk.fill(left=pages)
        done = Bulkremove(tmp_path / "disk" / "home", environment())("jobs")
    assert 1 == done.returncode
    assert f"The disk of {tmp_path / 'disk' / 'home'} is full" in done.stderr
    assert "Free some disk space" in done.stderr


@pytest.mark.parametrize("code", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
def test_a_drive_without_locks_is_refused_with_what_to_do(tmp_path: Path, code: str) -> None:
    """Such drives are rare here, so the system call answers as theirs does."""
    program = (
        "import errno, fcntl, os, sys\n"
        f"def flock(*_): raise OSError(errno.{code}, os.strerror(errno.{code}))\n"
        "fcntl.flock = flock\n"
        f"sys.argv = ['bulkremove', '--home', {str(tmp_path / 'home')!r}, 'jobs']\n"
        "from bulkremove.cli import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=False
    )
    assert 1 == done.returncode
    assert "knows no file locks" in done.stderr
    assert "local disk" in done.stderr


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can use another user's folder")
def test_root_does_not_use_the_home_folder_of_another_user(alone: Bulkremove) -> None:
    alone.home.mkdir(mode=0o700)
    os.chown(alone.home, NOBODY, NOBODY)
    done = alone("jobs")
    assert (1, "belongs to nobody, and this is root" in done.stderr) == (done.returncode, True)
    assert "sudo -u nobody" in done.stderr
    assert [] == [*alone.home.iterdir()]


def _without_days(command: tuple[str, ...]) -> list[str]:
    place = command.index("-days")
    return [*command[:place], *command[place + 2 :]]


def _certificate(folder: Path, name: str, *, days: int = 2) -> tuple[Path, Path]:
    key, request, certificate, extensions = (folder / f"tls.{ending}" for ending in ("key", "csr", "pem", "txt"))
    extensions.write_text(f"subjectAltName={name}\n")
    made = ("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(request), "-subj", "/CN=t")
    signed = ("x509", "-req", "-in", str(request), "-signkey", str(key), "-days", str(days), "-out", str(certificate))
    for command in (made, (*signed, "-extfile", str(extensions))):
        done = subprocess.run(["openssl", *command], capture_output=True, check=False)
        if done.returncode:  # a newer openssl takes no negative days, and an older one no dates
            dates = ["-not_before", "20200101000000Z", "-not_after", "20200102000000Z"]
            subprocess.run(["openssl", *_without_days(command), *dates], capture_output=True, check=True)
    return certificate, key


class _Server(HTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: the client hangs up."""


@contextmanager
def _server(certificate: Path, key: Path) -> Iterator[str]:
    """A TLS server on this machine that answers nothing useful; its address."""
    server = _Server(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("name", "days", "trusted", "words"),
    [
        ("IP:127.0.0.1", 2, False, ("issuer is not trusted", "SSL_CERT_FILE")),
        ("DNS:elsewhere", 2, True, ("another name than Zoho's",)),
        ("IP:127.0.0.1", -1, True, ("not valid at this date", "clock")),
    ],
    ids=["issuer", "name", "date"],
)
def test_a_certificate_is_told_by_what_is_wrong_with_it(
    alone: Bulkremove, tmp_path: Path, name: str, days: int, trusted: bool, words: tuple[str, ...]
) -> None:
    certificate, key = _certificate(tmp_path, name, days=days)
    alone.env |= {"SSL_CERT_FILE": str(certificate)} if trusted else {}
    credentials = {"CLIENT_ID": "sandbox", "CLIENT_SECRET": "s", "REFRESH_TOKEN": "r"}
    alone.env |= {f"BULKREMOVE_{variable}": value for variable, value in credentials.items()}
    with _server(certificate, key) as address:
        alone.env |= {"BULKREMOVE_API_URL": address, "BULKREMOVE_ACCOUNTS_URL": address}
        done = alone("doctor")
    assert all(word in done.stdout for word in words), done.stdout


@pytest.mark.parametrize(
    ("folder", "words"), [("missing", "there is no folder"), ("world.json", "is not a folder")], ids=["missing", "file"]
)
def test_a_report_that_has_no_place_is_refused_with_the_cause(
    alone: Bulkremove, tmp_path: Path, folder: str, words: str
) -> None:
    world, file = crowd(tmp_path, 3)
    report = tmp_path / folder / "report.csv"
    done = alone("run", str(file), "--yes", "--sandbox", str(world), "--report", str(report))
    assert 2 == done.returncode
    assert f"The report {report} can't be written: " in done.stderr
    assert words in done.stderr
    assert "No such file" not in done.stderr


def _held(alone: Bulkremove, tmp_path: Path) -> str:
    """The id of a job of three removals that a nightly run has held."""
    world, file = crowd(tmp_path, 3)
    (tmp_path / "source").mkdir()
    at = file.stat().st_mtime - OLD
    os.utime(file.replace(tmp_path / "source" / "leavers.csv"), (at, at))
    alone.home.mkdir(mode=0o700)
    (alone.home / "bulkremove.toml").write_text(f'[[nights]]\nsource = "{tmp_path / "source"}"\n')
    assert 4 == alone("nightly", "--sandbox", str(world)).returncode
    return alone("jobs").stdout.split()[0]


def test_a_held_job_is_not_resumed_or_retried_but_approve_is_named(alone: Bulkremove, tmp_path: Path) -> None:
    job = _held(alone, tmp_path)
    for command in ("resume", "retry"):
        done = alone(command, job, "--sandbox", str(tmp_path / "world.json"))
        assert 4 == done.returncode
        assert f"`bulkremove --home {alone.home} approve {job}`" in done.stderr


@pytest.mark.slow
def test_nobody_approves_an_announced_plan_without_looking(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 5)
    (tmp_path / "in").mkdir()
    file.replace(tmp_path / "in" / "leavers.csv")
    os.utime(tmp_path / "in" / "leavers.csv", (OLD, OLD))
    (tmp_path / "home").mkdir(mode=0o700)
    program = Bulkremove(tmp_path / "home", environment())
    (tmp_path / "home" / "bulkremove.toml").write_text(f'[[nights]]\nsource = "{tmp_path / "in"}"\n')
    assert 4 == program("nightly", "--sandbox", str(world), "--speed", "60").returncode
    (job,) = json.loads(program("jobs", "--json").stdout)
    with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as db, db:  # no process has it open
        db.execute("UPDATE job SET due_at = ?", (time.time() + 86_400.0,))
    (job,) = json.loads(program("jobs", "--json").stdout)
    assert "scheduled" == job["state"]
    refused = program("approve", job["job"])
    assert (4, True) == (refused.returncode, "Nothing was approved" in refused.stderr)
    assert "Announced for" in refused.stderr
    assert 0 == program("approve", job["job"], "--yes").returncode


@pytest.mark.slow
@pytest.mark.parametrize("by_environment", [True, False])
def test_a_message_names_commands_that_work_in_another_terminal(tmp_path: Path, *, by_environment: bool) -> None:
    home = tmp_path / "its home"
    told = environment(**({"BULKREMOVE_HOME": str(home)} if by_environment else {}))
    option = () if by_environment else ("--home", str(home))
    program = [sys.executable, "-m", "bulkremove"]
    failed = subprocess.run(
        [*program, *option, "users", "password", "nobody"],
        env=told,
        input="correct horse battery staple\n",
        capture_output=True,
        text=True,
        check=False,
    )
    (named,) = re.findall("`(bulkremove [^`]*)`", failed.stderr)
    assert f"bulkremove --home '{home}' users" == named
    words = [*program, *shlex.split(named)[1:]]
    assert 0 == subprocess.run(words, env=environment(), capture_output=True, text=True, check=False).returncode


def test_approve_shows_the_plan_and_asks_as_run_does(alone: Bulkremove, tmp_path: Path) -> None:
    job = _held(alone, tmp_path)
    asked = alone("approve", job)
    assert 4 == asked.returncode
    assert "3 learners from 1 batch" in asked.stderr
    assert "478346000019502001" in asked.stderr, "the batch is named"
    plan = asked.stderr.rpartition("--plan ")[2].split(",")[0]
    assert 4 == alone("approve", job, "--plan", "0" * 64).returncode
    assert "Waiting for approval" in alone("jobs").stdout
    assert 0 == alone("approve", job, "--plan", plan).returncode
    assert "Not started" in alone("jobs").stdout
