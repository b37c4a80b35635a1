"""Attacks by somebody who may put things into the folder of nightly runs: links, FIFOs and folders of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bulkremove.domain.errors import LocalFileFailed, ReportFailed, SourceFailed
from bulkremove.sources import source_of
from bulkremove.sources.inbox import Inbox
from tests.nightly_fixtures import NightlySite, nightly_site
from tests.web_fixtures import triples

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links need POSIX")


def planted(target: Path) -> list[str]:
    return sorted(path.name for path in target.iterdir())


@pytest.mark.parametrize("name", ["working", "done", "held"])
async def test_a_subfolder_that_is_a_link_is_not_followed(tmp_path: Path, name: str) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    async with nightly_site(tmp_path, count=3) as site:
        site.drop("protected.csv", triples(3))
        (site.folder / name).symlink_to(target)
        result = await site.run()
        assert [] == planted(target)
        assert [] == await site.jobs()
        assert any(f"{site.folder / name} is not used: it is a link" in failure for failure in result.failures)
        assert ["the source of the nightly run could not be read. Find out why"] == site.notices()


async def test_a_subfolder_that_becomes_a_link_during_the_run_gets_neither_file_nor_report(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    async with nightly_site(tmp_path, count=3) as site:
        site.drop("leavers.csv", triples(3))
        swap_when_stored(site, target)
        result = await site.run()
        assert [] == planted(target)
        assert any("it is a link" in failure for failure in result.failures)


def swap_when_stored(site: NightlySite, target: Path) -> None:
    """Replace ``done`` by a link as soon as the plan is stored as a job."""
    storage = site.app.context.storage.jobs
    create = storage.create

    async def create_and_swap(*arguments: object, **named: object) -> None:
        await create(*arguments, **named)  # type: ignore[arg-type]
        (site.folder / "done").rename(site.folder / "mine")
        (site.folder / "done").symlink_to(target)

    storage.create = create_and_swap  # type: ignore[method-assign]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", ["working", "done", "held"])
async def test_a_subfolder_of_somebody_else_is_not_used(tmp_path: Path, name: str) -> None:
    async with nightly_site(tmp_path, count=3) as site:
        site.drop("leavers.csv", triples(3))
        (site.folder / name).mkdir()
        os.chown(site.folder / name, 65534, 65534)
        result = await site.run()
        assert [] == planted(site.folder / name)
        assert [] == await site.jobs()
        assert any("belongs to another user" in failure for failure in result.failures)


def test_a_subfolder_that_others_may_write_to_is_taken_from_them(tmp_path: Path) -> None:
    (tmp_path / "done").mkdir()
    (tmp_path / "done").chmod(0o777)
    Inbox(tmp_path).prepare()
    assert 0o755 == (tmp_path / "done").stat().st_mode & 0o777


async def test_a_dropped_link_is_named_and_its_target_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text(triples(3))
    os.utime(secret, (1, 1))
    async with nightly_site(tmp_path, count=3) as site:
        (site.folder / "leavers.csv").symlink_to(secret)
        result = await site.run()
        assert ["leavers.csv: It is a link, and links are not followed."] == result.obstacles
        assert [] == await site.jobs()
    with pytest.raises(SourceFailed, match="can't be read"):
        Inbox(site.folder).digest(site.folder / "leavers.csv")


async def test_a_link_in_place_of_a_taken_file_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text(triples(3))
    async with nightly_site(tmp_path, count=3) as site:
        Inbox(site.folder).prepare()
        (site.folder / "working" / "12345678~leavers.csv").symlink_to(secret)
        result = await site.run()
        assert [] == await site.jobs()
        assert ["working/12345678~leavers.csv: It is a link, and links are not followed."] == result.obstacles


async def test_a_fifo_holds_nobody_up(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, count=3) as site:
        os.mkfifo(site.folder / "leavers.csv")
        result = await site.run()
        assert ["leavers.csv: It is not a file that can be read."] == result.obstacles
    inbox = Inbox(site.folder)
    os.mkfifo(inbox.working_folder / "12345678~leavers.csv")
    with pytest.raises(SourceFailed, match="it is not a regular file"):
        inbox.digest(inbox.working_folder / "12345678~leavers.csv")


@pytest.mark.parametrize("name", ["done", "held"])
async def test_retention_deletes_nothing_where_a_link_leads(tmp_path: Path, name: str) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    (target / "precious").write_text("x")
    async with nightly_site(tmp_path, count=3) as site:
        Inbox(site.folder).prepare()
        (site.folder / name).rmdir()
        (site.folder / name).symlink_to(target)
        site.clock.ahead = 400 * 86_400.0
        with pytest.raises(LocalFileFailed, match="it is a link"):
            await site.app.retention.delete_expired()
    assert ["precious"] == planted(target)


def test_a_source_that_is_itself_a_link_is_the_admins_choice(tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "inbox").symlink_to(tmp_path / "share")
    source_of(str(tmp_path / "inbox"), {}).inbox(tmp_path).prepare()
    assert ["done", "held", "working"] == planted(tmp_path / "share")


async def test_a_report_is_not_written_where_a_link_leads(tmp_path: Path) -> None:
    """The link is put there after the file was moved, while the rows are sent."""
    target = tmp_path / "elsewhere"
    target.mkdir()
    async with nightly_site(tmp_path, count=3) as site:
        site.drop("leavers.csv", triples(3))
        await site.run()
        job = await site.job()
        (site.folder / "done").rename(site.folder / "mine")
        (site.folder / "done").symlink_to(target)
        with pytest.raises(ReportFailed, match=r"can't be written\. .* it is a link"):
            await site.app.reports.write(job.id, None, by="jo")
    assert [] == planted(target)
