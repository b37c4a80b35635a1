"""The files that this program writes: whole or not there, private, and never where a planted link leads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bulkremove.domain.errors import LocalFileFailed, ReportFailed
from bulkremove.platform.secure_files import read_private, replace_content
from bulkremove.reading.options import ReadOptions
from bulkremove.report import write_plan
from tests.application_fixtures import application
from tests.nightly_fixtures import nightly_site
from tests.web_fixtures import triples

pytestmark = pytest.mark.skipif(os.name != "posix", reason="rights and links need POSIX")


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a_home_folder_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(mode)
    with pytest.raises(LocalFileFailed, match="others may write to it"):
        application({"BULKREMOVE_HOME": str(home)})
    assert [] == list(home.iterdir())


async def test_the_metrics_replace_a_planted_link_and_can_be_read_by_the_collector(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    metrics = tmp_path / "collector" / "bulkremove.prom"
    metrics.parent.mkdir()
    metrics.symlink_to(victim)
    async with nightly_site(tmp_path, count=2, metrics_file=str(metrics)) as site:
        await site.run()
    assert "mine" == victim.read_text()
    assert (False, 0o644) == (metrics.is_symlink(), metrics.stat().st_mode & 0o777)
    assert [metrics] == list(metrics.parent.iterdir())


async def test_a_plan_file_is_private_whole_and_never_over_another_one(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, count=2) as site:
        file = site.drop("leavers.csv", triples(2))
        preview = await site.app.plans.preview(file, name=file.name, options=ReadOptions())
    path = tmp_path / "plan.csv"
    write_plan(path, preview.plan)
    assert 0o600 == path.stat().st_mode & 0o777
    (tmp_path / "link.csv").symlink_to(tmp_path / "nowhere")
    for name in ("plan.csv", "link.csv"):
        with pytest.raises(ReportFailed, match="not overwritten"):
            write_plan(tmp_path / name, preview.plan)
    assert not (tmp_path / "nowhere").exists()
    assert [] == hidden_files(tmp_path)


def hidden_files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_a_long_name_is_written_too(tmp_path: Path) -> None:
    replace_content(tmp_path / ("é" * 127), b"x")
    assert ["é" * 127] == [path.name for path in tmp_path.iterdir()]


def test_a_pipe_in_place_of_a_private_file_is_refused_and_nobody_waits_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "notify.txt", 0o600)
    for path in (tmp_path / "notify.txt", tmp_path):
        with pytest.raises(LocalFileFailed, match="It is a folder, pipe or device, and no file"):
            read_private(path)
