"""Credentials of the environment beside stored accounts, and a login while a run begins."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from bulkremove.app import App, SandboxOptions
from bulkremove.app.accounts import Accounts
from bulkremove.app.connections import Connections
from bulkremove.app.runs import Runs
from bulkremove.app.sandbox_run import SharedByRuns
from bulkremove.config import Settings, load
from bulkremove.domain.errors import SettingsError
from bulkremove.domain.job import Job
from bulkremove.domain.row import Status
from bulkremove.reading.options import ReadOptions
from bulkremove.zoho.accounts import AccountStore, Credentials, client_hash
from tests.application_fixtures import run, stored
from tests.cli_fixtures import crowd
from tests.nightly_fixtures import confirm_canary
from tests.web_fixtures import CREDENTIALS

OTHER = {**CREDENTIALS, "BULKREMOVE_CLIENT_ID": "1000.OTHER"}


def application(home: Path, environ: dict[str, str], *, dc: str = "us") -> App:
    """An application beside the stored account hr of the client 1000.HR."""
    for name in ("hr", "default"):
        AccountStore(home, None).add(name, Credentials(dc, "1000.HR", "s", "r"), "HR")
    return App(load({"home": str(home)}, environ), environ=environ)


@pytest.mark.parametrize(("environ", "file"), [({"BULKREMOVE_ACCOUNT": "hr"}, ""), ({}, 'account = "hr"\n')])
def test_an_account_that_is_named_beside_credentials_of_another_client_is_refused(
    tmp_path: Path, environ: dict[str, str], file: str
) -> None:
    (tmp_path / "bulkremove.toml").write_text(file)
    with closing(application(tmp_path, {**OTHER, **environ})) as app, pytest.raises(SettingsError, match="'hr'"):
        app.accounts.client(app.settings)
    same = {**OTHER, **environ, "BULKREMOVE_CLIENT_ID": "1000.HR"}
    with closing(application(tmp_path, same)) as app:
        assert client_hash("1000.HR") == app.accounts.client(app.settings)


@pytest.mark.parametrize(("client", "host"), [("1000.OTHER", "people.zoho.com"), ("1000.HR", "people.zoho.eu")])
def test_a_stored_account_of_another_client_gives_no_data_center(tmp_path: Path, client: str, host: str) -> None:
    with closing(application(tmp_path, {**OTHER, "BULKREMOVE_CLIENT_ID": client}, dc="eu")) as app:
        assert host == app.settings.host


class LoginMeanwhile(Accounts):
    """Accounts whose name is given to another client once a run has read its credentials."""

    def job_credentials(self, job: Job, settings: Settings) -> Credentials:
        credentials = super().job_credentials(job, settings)
        self._store().add(settings.account, Credentials("us", "sandbox-other", "s", "r"), "Crowd")
        return credentials


async def test_a_login_while_a_run_begins_changes_no_credentials_of_it(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 5)
    AccountStore(tmp_path / "home", None).add("default", Credentials("us", "sandbox", "s", "r"), "Crowd")
    with closing(App(Settings(tmp_path / "home", organization="Crowd"), environ={})) as app:
        await confirm_canary(app)
        job = await stored(app, await app.plans.preview(file, name="f.csv", options=ReadOptions()), tmp_path)
        options = SandboxOptions(world, 200.0)
        accounts = LoginMeanwhile(app.context)
        app.connections = Connections(app.context, accounts, options, SharedByRuns())
        app.runs = Runs(app.context, accounts, app.jobs, app.reports, app.canaries, app.stopping, app.connections)
        async with app.connections.in_sandbox():
            assert 5 == (await run(app, job)).tally[Status.REMOVED]
