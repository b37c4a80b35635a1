"""The list of protected learners is obeyed at each call, not only when a run begins."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bulkremove.app import RunResult
from bulkremove.app.protected_list import ProtectedList, protected_learners
from bulkremove.config import Settings
from bulkremove.domain.errors import FileRefused, SettingsError
from bulkremove.domain.job import EndReason, JobState
from bulkremove.domain.row import Removal, Status
from bulkremove.engine.progress import Progress
from bulkremove.reading.options import ReadOptions
from bulkremove.sandbox import read_log
from tests.application_fixtures import ROWS, account, application, run, stored
from tests.cli_fixtures import Bulkremove, crowd, environment
from tests.web_fixtures import triples

LAST = str(478346000019558000 + ROWS - 1)


def write(path: Path, content: str) -> None:
    path.write_text(content)


async def run_with(tmp_path: Path, change: Callable[[Path], None]) -> tuple[RunResult, list[str]]:
    """Run a job whose list is changed once five rows are settled; the result, and the learners that calls were for."""
    with account(tmp_path) as environ, closing(application({**environ, "BULKREMOVE_CONCURRENCY": "1"})) as app:
        file = tmp_path / "f.csv"
        file.write_text(triples(ROWS))
        preview = await app.plans.preview(file, name="f.csv", options=ReadOptions())
        job = await stored(app, preview, tmp_path)

        def follow(progress: Progress) -> None:
            if progress.settled is not None and progress.tally[Status.REMOVED] == 5:
                change(app.settings.home / "protected.csv")

        result = await run(app, job, on_progress=follow)
    calls = [entry.removal.learner for entry in read_log(tmp_path / "log.jsonl") if entry.removal]
    return result, calls


async def test_who_is_put_on_the_list_during_a_run_is_not_removed(tmp_path: Path) -> None:
    result, calls = await run_with(tmp_path, lambda path: write(path, f"Learner ID\n{LAST}\n"))
    assert (ROWS - 1, 1) == (result.tally[Status.REMOVED], result.tally[Status.NOT_SENT])
    assert LAST not in calls
    assert JobState.FINISHED == result.job.state


@pytest.mark.parametrize("content", ["Learner ID\n", "nothing of the kind\n"])
async def test_a_list_that_can_not_be_used_any_more_ends_the_run(tmp_path: Path, content: str) -> None:
    result, calls = await run_with(tmp_path, lambda path: write(path, content))
    assert (JobState.PAUSED, EndReason.SETTINGS) == (result.job.state, result.job.reason_code)
    assert "protected.csv" in result.job.reason
    assert 5 == len(calls)


async def test_a_list_that_disappears_during_a_run_pauses_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    write(home / "protected.csv", "Learner ID\n1\n")
    result, calls = await run_with(tmp_path, lambda path: path.unlink())
    assert (JobState.PAUSED, EndReason.SETTINGS) == (result.job.state, result.job.reason_code)
    assert 5 == len(calls)


def test_a_link_to_a_list_that_is_not_there_is_no_empty_list(tmp_path: Path) -> None:
    (tmp_path / "protected.csv").symlink_to(tmp_path / "not mounted.csv")
    with pytest.raises(FileRefused):
        protected_learners(Settings(tmp_path))


def test_a_link_of_the_former_name_is_no_empty_list_either(tmp_path: Path) -> None:
    (tmp_path / "keep.csv").symlink_to(tmp_path / "not mounted.csv")
    with pytest.raises(FileRefused, match=r"keep\.csv"):
        protected_learners(Settings(tmp_path))


def test_a_link_to_a_list_that_is_not_there_is_one_of_two_lists(tmp_path: Path) -> None:
    (tmp_path / "protected.csv").symlink_to(tmp_path / "not mounted.csv")
    write(tmp_path / "keep.csv", "Learner ID\n1\n")
    with pytest.raises(SettingsError, match="two lists"):
        protected_learners(Settings(tmp_path))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    _, file = crowd(tmp_path, 3)
    (tmp_path / "home").mkdir()
    os.mkfifo(tmp_path / "home" / "protected.csv")
    program = Bulkremove(tmp_path / "home", environment()).start("preview", str(file))
    try:
        _, told = program.communicate(timeout=30)
    finally:
        program.kill()
        program.communicate()
    assert (2, True) == (program.returncode, "protected.csv is not a file" in told)


def test_a_list_whose_time_is_set_back_is_read_again(tmp_path: Path) -> None:
    write(tmp_path / "protected.csv", "Learner ID\n1\n")
    before = (tmp_path / "protected.csv").stat()
    protected = ProtectedList(Settings(tmp_path))
    assert not protected.is_protected(Removal("5", "6", "2"))
    write(tmp_path / "protected.csv", "Learner ID\n2\n")
    os.utime(tmp_path / "protected.csv", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert protected.is_protected(Removal("5", "6", "2"))
