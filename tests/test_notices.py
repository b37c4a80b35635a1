"""People are told: by a real mail server on this machine, once each, later when it is not there, no secret shown."""

from __future__ import annotations

import asyncio
import email
import email.policy
import io
import platform
import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiosmtpd.controller import Controller
from openpyxl import load_workbook

from bulkremove.app.doctor import checks
from bulkremove.app.notices import Notifier
from bulkremove.cli.exit_codes import of_nightly_run
from bulkremove.domain.errors import SettingsError
from bulkremove.domain.job import JobState
from bulkremove.domain.permissions import EVERY_ACCOUNT
from bulkremove.storage.sqlite import SqliteStorage
from tests.cli_fixtures import Bulkremove, environment
from tests.nightly_fixtures import NightlySite, nightly_site
from tests.web_fixtures import CREDENTIALS, free_port, triples


class Mailbox:
    """What the mail server took."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


@pytest.fixture
def post() -> Iterator[tuple[Mailbox, str]]:
    box = Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=free_port())
    server.start()
    yield box, f"mailto://127.0.0.1:{server.port}/?from=bulkremove@example.com&to=hr@example.com&mode=insecure"
    server.stop()


def told_to(one: NightlySite, address: str) -> NightlySite:
    environ = {**one.app.context.environ, "BULKREMOVE_NOTIFY": address}
    one.app.context = replace(one.app.context, environ=environ)
    return one


async def test_a_night_is_told_by_mail_with_its_report_attached(tmp_path: Path, post: tuple[Mailbox, str]) -> None:
    box, address = post
    async with nightly_site(tmp_path) as one:
        told_to(one, address).drop("leavers.csv", triples(5))
        await one.run()
        await one.run()
        job = (await one.job()).id
        chain = {entry.hash for entry in await one.app.audit.newest(100, EVERY_ACCOUNT)}
    (mail,) = box.mails
    assert ": finished: leavers.csv: removed 5. Nothing to do" in mail["Subject"]
    body = mail.get_body(("plain", "html"))
    assert body is not None
    assert "478346" not in body.get_content()
    (hashed,) = re.findall(r"Audit log: entry [0-9]+, hash ([0-9a-f]{64})", body.get_content().replace("\n", " "))
    assert hashed in chain
    (attached,) = mail.iter_attachments()
    assert attached.get_filename() == f"{job}-report.xlsx"
    content = attached.get_payload(decode=True)
    assert isinstance(content, bytes)
    sheet = load_workbook(io.BytesIO(content)).active
    assert sheet is not None
    assert ("Removed", "478346000019558000") == (sheet["C2"].value, sheet["H2"].value)


async def test_no_cell_of_a_file_stands_in_a_notice(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("damaged.csv", "course,batch,learner\n1,2,4.78346E+17\n")
        one.drop("invalid.csv", "course,batch,learner\n1,2,Jo Leaver\n")
        found = await one.run()
        assert "C2 shows" in found.held[0]
        with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as db:
            bodies = " ".join(body for (body,) in db.execute("SELECT body FROM notice"))
        assert "bulkremove preview" in bodies
        assert "4.78346" not in bodies
        assert "Jo" not in bodies


async def test_a_notice_waits_for_the_mail_server_and_is_sent_once(tmp_path: Path, post: tuple[Mailbox, str]) -> None:
    box, address = post
    async with nightly_site(tmp_path, max_removals=1) as one:
        told_to(one, f"mailto://127.0.0.1:{free_port()}/?from=a@example.com&to=b@example.com&mode=insecure")
        one.drop("leavers.csv", triples(5))
        await one.run()
        assert [] == box.mails
        told_to(one, address)
        waiting = one.app.context.storage.nightly.waiting_notices
        await one.app.nightly_runs(one.app.supervisor()).outbox.send_due()
        assert {"nightly": 1} == await waiting(), "not before a minute has passed"
        one.clock.ahead = 120.0
        nights = one.app.nightly_runs(one.app.supervisor())
        for _ in range(2):
            await nights.outbox.send_due()
            assert {} == await waiting()
    assert ["held: leavers.csv. Approve or cancel it"] == [mail["Subject"].partition(": ")[2] for mail in box.mails]


async def test_an_address_that_is_dead_does_not_let_the_others_have_a_notice_again_and_again(
    tmp_path: Path, post: tuple[Mailbox, str]
) -> None:
    box, address = post
    dead = f"mailto://127.0.0.1:{free_port()}/?from=a@example.com&to=b@example.com&mode=insecure"
    async with nightly_site(tmp_path, max_removals=1) as one:
        told_to(one, f"{address}\n{dead}").drop("leavers.csv", triples(5))
        for hour in range(3):
            one.clock.ahead = 7200.0 * hour
            assert "could not be sent" in (await one.run()).failures[-1]
        assert {"nightly": 1} == await one.app.context.storage.nightly.waiting_notices()
        assert 1 == len(box.mails)
        one.clock.ahead += 7200.0
        told_to(one, address)
        assert [] == (await one.run()).failures
        assert {} == await one.app.context.storage.nightly.waiting_notices()
    assert 1 == len(box.mails)


async def test_commands_in_a_mail_lead_to_the_installation_that_sent_it(
    tmp_path: Path, post: tuple[Mailbox, str]
) -> None:
    box, address = post
    drop = tmp_path / "drop"
    drop.mkdir()
    settings = tmp_path / "other.toml"
    settings.write_text(f'[[nights]]\nsource = "{drop}"\n')
    program = Bulkremove(tmp_path / "my home", environment(**CREDENTIALS, BULKREMOVE_NOTIFY=address))
    program.home.mkdir(mode=0o700)
    (drop / "leavers.csv").write_text(triples(5))
    (drop / "leavers.csv.ready").touch()
    held = program("nightly", "--config", "other.toml")
    assert 4 == held.returncode, held.stderr
    (mail,) = box.mails
    words = re.search(r"`bulkremove (.* approve \S+)`", str(mail.get_content()).replace("\n", " "))
    assert words, mail.get_content()
    home, config = shlex.quote(str(program.home)), shlex.quote(str(settings))
    assert words[1].startswith(f"--home {home} --config {config} approve ")
    copied = Bulkremove(program.home, environment(**CREDENTIALS))
    assert 0 == copied(*shlex.split(words[1]), "--yes").returncode


def test_systemd_tells_of_a_failed_night_only_what_the_night_has_not_told(
    tmp_path: Path, post: tuple[Mailbox, str]
) -> None:
    box, address = post
    home, environ = tmp_path / "home", environment(**CREDENTIALS, BULKREMOVE_NOTIFY=address)
    home.mkdir(mode=0o700)
    (home / "bulkremove.toml").write_text(f'[[nights]]\nsource = "{tmp_path / "gone"}"\n')

    def told(result: str, status: str, **more: str) -> int:
        """How many mails come when systemd says that the service ended so."""
        before = len(box.mails)
        seen = {"MONITOR_UNIT": "bulkremove-nightly.service", "MONITOR_SERVICE_RESULT": result}
        done = Bulkremove(home, {**environ, **seen, "MONITOR_EXIT_STATUS": status, **more})("nightly", "--failed")
        assert done.returncode == (1 if more else 0), done.stderr
        return len(box.mails) - before

    assert 1 == told("exit-code", "8"), "it has failed before any run"
    assert 8 == Bulkremove(home, environ)("nightly").returncode
    assert 2 == len(box.mails)
    assert [0, 1, 1] == [told("exit-code", "8"), told("exit-code", "1"), told("oom-kill", "KILL")]
    with closing(sqlite3.connect(home / "journal.db")) as journal, journal:
        journal.execute("UPDATE nightly_run SET started_at = started_at - 700, ended_at = ended_at - 700")
    assert 1 == told("exit-code", "8"), "that run ended long before, so another one has failed"
    silent = SILENT.format(free_port())
    with closing(sqlite3.connect(home / "journal.db")) as journal, journal:
        journal.execute("DELETE FROM notice")
    assert 8 == Bulkremove(home, {**environ, "BULKREMOVE_NOTIFY": silent})("nightly").returncode
    assert 1 == told("exit-code", "8"), "its own notice still waits"
    (home / "journal.db").write_bytes(b"no journal" * 1000)
    assert 1 == told("exit-code", "8"), "as with a full disk, nobody but systemd can tell"


async def test_a_notice_is_written_together_with_what_it_tells(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, max_removals=1) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as db:
            assert [(f"held:{(await one.job()).id}",)] == db.execute("SELECT key FROM notice").fetchall()


def test_an_address_that_is_none_is_told_without_showing_it() -> None:
    with pytest.raises(SettingsError, match="Address 1") as told:
        Notifier(["nonsense with secret"])
    assert "secret" not in str(told.value)


async def test_an_address_that_does_not_answer_is_a_failure() -> None:
    address = f"mailto://127.0.0.1:{free_port()}/?from=a@example.com&to=b@example.com&mode=insecure"
    notices = Notifier([address])
    _, failure = await notices.send("subject", "body", None)
    assert "Connection refused" in failure


SILENT = "mailto://jo:open-sesame@127.0.0.1:{}/?from=a@example.com&to=b@example.com&mode=insecure"


async def test_a_mail_server_that_does_not_take_a_notice_is_told_with_its_reason_and_no_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with nightly_site(tmp_path) as one:
        told_to(one, SILENT.format(free_port())).drop("leavers.csv", triples(5))
        result = await one.run()
        assert JobState.FINISHED is result.ran[0].state
        assert "could not be sent" in result.failures[0]
        assert "Connection refused" in result.failures[0]
        assert 8 == of_nightly_run(result)
        assert "Connection refused" in caplog.text
        assert "open-sesame" not in caplog.text + result.failures[0]
    program = Bulkremove(tmp_path / "home", environment(**CREDENTIALS, BULKREMOVE_NOTIFY=SILENT.format(free_port())))
    (program.home / "bulkremove.toml").write_text('[[nights]]\nsource = "/srv/leavers"\n')
    done = program("nightly", "--test-notice")
    assert (1, True) == (done.returncode, "Connection refused" in done.stderr)
    assert "open-sesame" not in done.stdout + done.stderr


@pytest.mark.parametrize("content", ["nonsense with secret\n", None])
async def test_an_unusable_file_of_addresses_is_told_by_name_and_stops_no_night(
    tmp_path: Path, content: str | None
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "notify.txt").write_text(content or "mailto://a@example.com\n")
    (home / "notify.txt").chmod(0o600 if content else 0o644)
    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", triples(5))
        result = await one.run()
        assert [JobState.FINISHED] == [job.state for job in result.ran]
        assert str(home / "notify.txt") in result.failures[0]
        assert "secret" not in result.failures[0].partition("not shown")[0].replace("which holds secrets", "")
        assert 8 == of_nightly_run(result)
        assert {"nightly": 1} == await one.app.context.storage.nightly.waiting_notices()


async def test_without_addresses_no_notice_is_marked_as_sent_and_night_and_doctor_say_so(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", triples(5))
        result = await one.run()
        assert result.unsent.startswith("1 notice. Nobody is notified")
        assert 0 == of_nightly_run(result)
        assert {"nightly": 1} == await one.app.context.storage.nightly.waiting_notices()
        (check,) = (check for check in await checks(one.app.context) if check.name == "notices of nightly")
        assert (False, True) == (check.ok, "no addresses" in check.message)


async def test_a_mail_is_plain_text_and_its_subject_says_where_and_what_to_do(
    tmp_path: Path, post: tuple[Mailbox, str]
) -> None:
    box, address = post
    name = "<a href='example.com'>click\nBcc: x.csv"
    async with nightly_site(tmp_path, max_removals=4) as one:
        told_to(one, address).drop(name, triples(5))
        await one.run()
    (mail,) = box.mails
    assert "text/plain" == mail.get_content_type()
    assert f"bulkremove on {platform.node()}, account default, night nightly: held: " in mail["Subject"]
    assert mail["Subject"].endswith("Approve or cancel it")
    assert None is mail["Bcc"]


async def test_mails_are_sent_together_and_not_while_the_night_keeps_others_out(tmp_path: Path) -> None:
    most = now = 0
    night_is_over: list[bool] = []
    async with nightly_site(tmp_path, max_removals=1) as one:

        class SlowBox(Mailbox):
            async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
                nonlocal most, now
                now += 1
                most = max(most, now)
                with closing(SqliteStorage(one.app.settings.home, one.clock)) as other:
                    night_is_over.append(await other.claims.holder("nightly-nightly") is None)
                await asyncio.sleep(0.3)
                now -= 1
                return await super().handle_DATA(server, session, envelope)

        box = SlowBox()
        server = Controller(box, hostname="127.0.0.1", port=free_port())
        server.start()
        told_to(one, f"mailto://127.0.0.1:{server.port}/?from=a@example.com&to=b@example.com&mode=insecure")
        for number in range(4):
            one.drop(f"{number}.csv", triples(5, first=5 * number))
        await one.run()
        server.stop()
    assert 4 == len(box.mails)
    assert most > 1
    assert {True} == set(night_is_over)


async def test_the_dead_mans_switch_hears_of_start_and_end(tmp_path: Path) -> None:
    heard: list[str] = []

    async def hear(request: web.Request) -> web.Response:
        heard.append(request.path)
        return web.Response(text="ok")

    server = web.Application()
    server.router.add_get("/{rest:.*}", hear)
    runner, port = web.AppRunner(server), free_port()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    async with nightly_site(tmp_path, ping_url=f"http://127.0.0.1:{port}/uuid", max_removals=4) as one:
        await one.run()
        one.drop("leavers.csv", triples(5))
        await one.run()
    await runner.cleanup()
    assert ["/uuid/start", "/uuid", "/uuid/start", "/uuid/fail"] == heard
