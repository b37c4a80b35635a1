"""What needs more of Zoho's answers than others is refused until ``doctor --read`` has seen it on the account."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from bulkremove.app.seen_fields import require_fields
from bulkremove.domain.errors import ReadFailed
from bulkremove.domain.operation import GET_BATCH, LIST_PROGRESS
from tests.application_fixtures import application
from tests.cli_fixtures import Bulkremove, environment, sandbox
from tests.test_reads import BATCH, COURSE, journal, opened, world

RECORD = ("erecno", "employeeErecno")


async def test_fields_are_required_of_the_account_that_was_looked_at(tmp_path: Path) -> None:
    with sandbox(world(tmp_path, reads=["ok"] * 3 + ["few"] + ["ok"] * 4), tmp_path / "log.jsonl") as variables:
        variables = {**variables, "BULKREMOVE_HOME": str(tmp_path / "home")}
        program = Bulkremove(tmp_path / "home", environment(**variables))
        with closing(application(variables)) as app:
            client = app.accounts.client(app.settings)
            with pytest.raises(ReadFailed, match=r"Enrolling needs .* None that can be used was seen yet") as refused:
                await require_fields(app.context, client, LIST_PROGRESS, RECORD, purpose="Enrolling")
            assert "bulkremove doctor --read COURSE BATCH" in refused.value.hint
            assert 0 == program("doctor", "--read", COURSE, BATCH).returncode
            with pytest.raises(ReadFailed, match="seen without 'erecno'"):
                await require_fields(app.context, client, LIST_PROGRESS, ("learnerid",), RECORD, purpose="Enrolling")
            assert 0 == program("doctor", "--read", COURSE, BATCH).returncode
            await require_fields(app.context, client, LIST_PROGRESS, ("learnerid",), RECORD, purpose="Enrolling")
            await require_fields(app.context, client, GET_BATCH, ("batch.learners_count",), purpose="It")
            for name in ("no", "erec", "learners.erecno.x"):
                with pytest.raises(ReadFailed, match=re.escape(f"without {name!r}")):
                    await require_fields(app.context, client, LIST_PROGRESS, (name,), purpose="It")
            with pytest.raises(ReadFailed, match="None that can be used was seen yet"):
                await require_fields(app.context, "another", LIST_PROGRESS, RECORD, purpose="It")
    kept = str(journal(tmp_path, "SELECT * FROM seen_field"))
    assert ("erecno" in kept, "example.com" in kept, "47834600000200" in kept) == (True, False, False)


async def test_the_bundled_sandbox_needs_nobody_who_looked(tmp_path: Path) -> None:
    async with opened(tmp_path) as lists:
        await require_fields(lists._context, "any", LIST_PROGRESS, RECORD, purpose="It")
