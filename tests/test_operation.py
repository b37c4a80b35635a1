"""Operations: the shape of a call, the plan that names it, and a job whose call nobody knows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkremove.app import App, SandboxOptions
from bulkremove.config import Settings
from bulkremove.domain.errors import JournalFailed
from bulkremove.domain.operation import OPERATIONS, REMOVE_LEARNER
from bulkremove.domain.planner import plan
from bulkremove.domain.row import Status
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.reader import read
from tests.application_fixtures import run, stored
from tests.cli_fixtures import crowd

DIGITS = st.text("0123456789", min_size=1, max_size=19)


@given(ids=st.tuples(DIGITS, DIGITS, DIGITS))
def test_the_ids_of_a_call_are_those_that_it_was_made_of(ids: tuple[str, str, str]) -> None:
    assert ids == REMOVE_LEARNER.ids_of("DELETE", REMOVE_LEARNER.path_of(ids))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/courses/1/batches/2/learners/3"),
        ("DELETE", "/api/v1/courses/1/batches/2"),
        ("DELETE", "/api/v1/courses/1/batches/2/learners/.."),
        ("DELETE", "/api/v1/courses/1/batches/2/learners/3/"),
        ("DELETE", "/api/v1/courses/1/batches/2/learners/3?x=1"),
        ("DELETE", "/api/v1/courses/1/batches/2/learners/\u0663"),
        ("DELETE", "/api/v1/courses/1/learners/3"),
        ("DELETE", f"/api/v1/courses/1/batches/2/learners/{'1' * 20}"),
    ],
)
def test_no_other_call_has_its_shape(method: str, path: str) -> None:
    assert REMOVE_LEARNER.ids_of(method, path) is None


def test_another_operation_makes_another_plan(tmp_path: Path) -> None:
    _, file = crowd(tmp_path, 2)
    table = read(file, name=file.name)
    others = [replace(REMOVE_LEARNER, name="another"), replace(REMOVE_LEARNER, path=f"{REMOVE_LEARNER.path}/x")]
    plans = {plan(table, account="a", host="h", operation=one).hash for one in (REMOVE_LEARNER, *others)}
    assert 3 == len(plans)


def test_the_names_of_operations_never_change() -> None:
    """They stand in journals."""
    assert ["remove learner from batch", "enrol learner in batch"] == list(OPERATIONS)


async def test_a_job_whose_operation_is_unknown_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 2)
    app = App(Settings(tmp_path / "home"), environ={}, sandbox=SandboxOptions(world, 60.0))
    with closing(app):
        preview = await app.plans.preview(file, name=file.name, options=ReadOptions())
        job = await stored(app, preview, tmp_path)
        assert "remove learner from batch" == job.operation
        with closing(sqlite3.connect(tmp_path / "home" / "journal.db", isolation_level=None)) as journal:
            journal.execute("UPDATE job SET operation = 'remove learner from course'")
        with pytest.raises(JournalFailed, match="does not know"):
            await run(app, job)
        tally = await app.jobs.tally(await app.jobs.find(job.id))
        assert (2, 0) == (tally.open, tally[Status.REMOVED])
