"""Mails to people of the page, through a real mail server on this machine: at the end of a job, and to approvers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from functools import partial
from pathlib import Path

import pytest

from bulkremove.app import SandboxOptions, Stop
from bulkremove.app.doctor import checks
from bulkremove.app.notices.people_mail import check_mail_server
from bulkremove.config import Settings
from bulkremove.domain.errors import SettingsError
from bulkremove.domain.job import EndReason
from bulkremove.domain.permissions import Access, Role
from tests.application_fixtures import LateClock
from tests.cli_fixtures import crowd
from tests.nightly_fixtures import confirm_canary, send_to
from tests.test_notices import Mailbox, post
from tests.test_scheduled_starts import HOUR, at
from tests.web_fixtures import RunningSite, Visitor, free_port, running_site, triples, until

__all__ = ["post"]  # the fixture
ANN, BO, PIA = "ann@example.com", "bo@example.com", "pia@example.com"
PEOPLE = {
    ANN: Access.everywhere(Role.ADMIN),
    BO: Access.everywhere(Role.APPROVER),
    PIA: Access.everywhere(Role.PREPARER),
    "kim": Access.everywhere(Role.APPROVER),
}


@asynccontextmanager
async def site(tmp_path: Path, server: str, **settings: object) -> AsyncIterator[RunningSite]:
    """The page of a real account, whose calls go to a sandbox, and whose mails go to ``server``."""
    world, _ = crowd(tmp_path, 20)
    real = Settings(tmp_path / "home")
    (tmp_path / "home").mkdir(mode=0o700, exist_ok=True)
    write_server(tmp_path, server)
    send = partial(send_to, options=SandboxOptions(world, 60.0))
    urls: dict[str, object] = {"api_url": real.api_url, "accounts_url": real.accounts_url}
    async with running_site(tmp_path / "home", access=PEOPLE, prepare=send, **urls, **settings) as one:  # type: ignore[arg-type] # names of settings
        await confirm_canary(one.app)
        yield one


def write_server(tmp_path: Path, server: str) -> None:
    path = tmp_path / "home" / "mail.txt"
    path.touch(0o600)
    path.write_text(f"{server}\n")


def without_receiver(address: str) -> str:
    return address.replace("&to=hr@example.com", "")


async def confirm(visitor: Visitor, rows: int, **fields: str) -> str:
    """The path of the job."""
    plan = await visitor.upload(triples(rows))
    answer = await visitor.post(f"{plan.url}/confirm", plan=plan.field("plan"), number=str(rows), **fields)
    assert 200 == answer.status
    return answer.url


async def sent(one: RunningSite, box: Mailbox, count: int) -> None:
    """Send what is due until so many mails have arrived."""

    async def arrived() -> bool:
        await one.app.people_mail.send_due()
        return len(box.mails) >= count

    await until(arrived)
    await one.app.people_mail.send_due()
    assert count == len(box.mails)


async def ended(one: RunningSite, job: str) -> None:
    async def is_over() -> bool:
        stored = await one.app.jobs.find(job.rpartition("/")[2])
        return stored.state.is_over and one.supervisor.running(stored.id) is None

    await until(is_over)


async def test_who_wants_it_is_told_once_that_a_job_has_ended(tmp_path: Path, post: tuple[Mailbox, str]) -> None:
    box, address = post
    server = site(tmp_path, without_receiver(address), allowed_hosts=("hr.example.com",))
    async with server as one, one.signed_in(ANN) as ann, one.signed_in(BO) as bo, one.signed_in("kim") as kim:
        plan = await ann.upload(triples(3))
        assert f"E-mail me when it has ended, or waits for somebody ({ANN})" in plan.text
        assert "E-mail me" not in (await kim.get(plan.url)).text
        await ann.post(f"{plan.url}/discard")
        job = await confirm(ann, 5, mail="yes")
        await bo.post(f"{job}/mail", mail="yes")
        await kim.post(f"{job}/mail", mail="yes")
        await ended(one, job)
        await sent(one, box, 2)
        assert {ANN, BO} == {mail["To"] for mail in box.mails}
        for mail in box.mails:
            assert "bulkremove: leavers.csv: finished" == mail["Subject"]
            text = text_of(mail)
            assert ("478346" in text, f"https://hr.example.com{job}" in text) == (False, True)
            assert "Removed 5, of 5 rows." in text


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain", "html"))
    assert body is not None
    return " ".join(str(body.get_content()).split())


async def test_nobody_is_told_who_does_not_want_it_or_is_gone(tmp_path: Path, post: tuple[Mailbox, str]) -> None:
    box, address = post
    async with site(tmp_path, without_receiver(address)) as one, one.signed_in(ANN) as ann, one.signed_in(BO) as bo:
        job = await confirm(ann, 9, mail="yes")
        await bo.post(f"{job}/mail", mail="yes")
        await ann.post(f"{job}/mail")
        await one.app.users.remove_user(BO, by="a test")
        await ended(one, job)
        await one.app.people_mail.send_due()
        assert ([], {}) == (box.mails, await one.app.context.storage.nightly.waiting_notices())


async def test_a_mail_waits_for_its_server_and_outlives_ours(tmp_path: Path, post: tuple[Mailbox, str]) -> None:
    box, address = post
    async with site(tmp_path, f"mailto://127.0.0.1:{free_port()}?from=a@example.com&mode=insecure") as one:
        async with one.signed_in(ANN) as ann:
            await ended(one, await confirm(ann, 2, mail="yes"))
        waiting = one.app.context.storage.nightly.waiting_notices

        async def is_stored() -> bool:
            return bool(await waiting())

        await until(is_stored)
        assert "could not be sent" in await one.app.people_mail.send_due()
        assert {f"to {ANN}": 1} == await waiting()
    clock = LateClock(60.0)
    clock.ahead = 2 * HOUR
    async with site(tmp_path, without_receiver(address), clock=clock) as one:
        stop = Stop()
        task = asyncio.create_task(one.app.people_mail.run(stop))
        await until(lambda: box.mails)
        stop.request("The server was stopped.", EndReason.SERVER_STOPPED)
        await task


async def test_whoever_scheduled_a_job_is_told_that_it_was_held(tmp_path: Path, post: tuple[Mailbox, str]) -> None:
    box, address = post
    clock = LateClock(60.0)
    async with site(tmp_path, without_receiver(address), clock=clock) as one, one.signed_in(ANN) as ann:
        await confirm(ann, 2, mail="yes", start_at=at(clock, 5))
        clock.ahead = 8 * HOUR
        await one.app.scheduled_starts(one.supervisor).start_due()
        await sent(one, box, 1)
        assert "bulkremove: leavers.csv: waiting for approval" == box.mails[0]["Subject"]


async def test_approvers_are_told_that_a_plan_waits_for_them(tmp_path: Path, post: tuple[Mailbox, str]) -> None:
    box, address = post
    async with site(tmp_path, without_receiver(address)) as one, one.signed_in(PIA) as pia:
        plan = await pia.upload(triples(2))
        await pia.post(f"{plan.url}/ask", comment="Jo has left.")
        await sent(one, box, 2)
        assert {ANN, BO} == {mail["To"] for mail in box.mails}
        assert f"bulkremove: {PIA} asks you to approve leavers.csv" == box.mails[0]["Subject"]
        assert not any("Jo" in mail.as_string() for mail in box.mails)


@pytest.mark.parametrize(
    "line",
    ["mailto://127.0.0.1?to=x@example.com", "slack://a/b/c", "mailto://a\nmailto://b", "no address", "mailto://"],
)
async def test_a_server_that_is_not_understood_offers_no_mail_and_shows_no_secret(tmp_path: Path, line: str) -> None:
    async with site(tmp_path, line) as one, one.signed_in(ANN) as ann:
        plan = await ann.upload(triples(2))
        if line != "mailto://":  # whether the rest is right is known to what sends it
            assert "E-mail me" not in plan.text
        with pytest.raises(SettingsError, match="not understood") as refused:
            check_mail_server(one.app.settings)
        assert "127.0.0.1" not in f"{refused.value}"
        (check,) = [check for check in await checks(one.app.context) if check.name == "mails"]
        assert not check.ok
    (tmp_path / "home" / "mail.txt").chmod(0o644)
    async with site(tmp_path, line) as one, one.signed_in(ANN) as ann:
        assert "E-mail me" not in (await ann.upload(triples(2))).text
