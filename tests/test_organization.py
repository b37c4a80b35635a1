"""The limit belongs to the organisation: one ledger for its clients, one home folder at a time, no made-up account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bulkremove.app import App
from bulkremove.app.caps import removals_today
from bulkremove.config import Settings, load
from bulkremove.domain.errors import LocalFileFailed, OtherHomeSends, SettingsError
from bulkremove.domain.job import FrontEnd
from bulkremove.domain.plan import OtherJob
from bulkremove.platform.sending_homes import claim_limits
from bulkremove.reading.options import ReadOptions
from bulkremove.zoho.accounts import VARIABLES, AccountStore, Credentials
from tests.application_fixtures import run, stored
from tests.cli_fixtures import Bulkremove, crowd, environment, sandbox
from tests.web_fixtures import triples

HOLD = """
import sys
from pathlib import Path
from bulkremove.platform.sending_homes import claim_limits
with claim_limits(sys.argv[3:], Path(sys.argv[1]), state=Path(sys.argv[2])):
    print("holds", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def holding(home: Path, state: Path, *keys: str) -> Iterator[subprocess.Popen[str]]:
    """A process of another home folder that holds these limits until it is asked to end."""
    home.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home), str(state), *keys],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert "holds\n" == process.stdout.readline()
        yield process
    finally:
        process.communicate("\n", timeout=20)


def log_in(home: Path, name: str, client_id: str, organization: str = "", dc: str = "us") -> None:
    AccountStore(home, None).add(name, Credentials(dc, client_id, "secret", "refresh"), organization)


def key(home: Path, account: str = "default", **settings: object) -> str:
    flags = {"home": str(home), "account": account, **settings}
    with closing(App(load(flags, {}), environ={})) as app:
        return app.accounts.ledger_key(app.settings)


# One ledger for each organisation


def test_clients_of_one_organisation_share_a_ledger(tmp_path: Path) -> None:
    for name, client, organization in (("a", "1000.A", "Acme"), ("b", "1000.B", " ACME "), ("c", "1000.C", "Other")):
        log_in(tmp_path, name, client, organization)
    assert key(tmp_path, "a") == key(tmp_path, "b")
    assert key(tmp_path, "a") != key(tmp_path, "c")


def test_an_organisation_in_another_data_center_is_another_one(tmp_path: Path) -> None:
    log_in(tmp_path, "a", "1000.A", "Acme")
    log_in(tmp_path, "b", "1000.B", "Acme", "eu")
    assert key(tmp_path, "a") != key(tmp_path, "b")


def test_one_unnamed_organisation_is_the_only_one(tmp_path: Path) -> None:
    log_in(tmp_path, "default", "1000.A")
    log_in(tmp_path, "again", "1000.A")
    log_in(tmp_path, "elsewhere", "1000.B", dc="eu")
    assert key(tmp_path) == key(tmp_path, "again")
    log_in(tmp_path, "other", "1000.C")
    for name in ("default", "other"):
        with pytest.raises(SettingsError, match="More than one client of the data centre us"):
            key(tmp_path, name)


def test_credentials_of_the_environment_have_an_organisation_too(tmp_path: Path) -> None:
    log_in(tmp_path, "default", "1000.A", "Acme")
    environ = dict(zip(VARIABLES.values(), ("1000.B", "s", "r"), strict=True))

    def found(**more: str) -> str:
        variables = {**environ, "BULKREMOVE_HOME": str(tmp_path), **more}
        with closing(App(load({}, variables), environ=variables)) as app:
            return app.accounts.organization(app.settings)

    with pytest.raises(SettingsError, match="set `organization`"):
        found()
    assert "Other" == found(BULKREMOVE_ORGANIZATION="Other")
    assert "Acme" == found(BULKREMOVE_CLIENT_ID="1000.A")
    with pytest.raises(SettingsError, match=r"belong to the organisation 'Acme'.*BULKREMOVE_ORGANIZATION"):
        found(BULKREMOVE_CLIENT_ID="1000.A", BULKREMOVE_ORGANIZATION="Other")


@pytest.mark.slow
def test_login_asks_whose_limit_the_account_uses(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 1)
    tree = json.loads(world.read_text())
    tree["client"]["grant_codes"] = ["g", "h", "i"]
    world.write_text(json.dumps(tree))
    with sandbox(world, tmp_path / "log.jsonl") as variables:
        addresses = {name: value for name, value in variables.items() if name.endswith("_URL")}
        program = Bulkremove(tmp_path / "home", environment(**addresses))
        assert 0 == program("login", stdin="us\n\nsandbox\ns\ng\n").returncode, "the first has a default"
        unnamed = program("login", "second", stdin="us\n\nsandbox\ns\nh\n")
        assert 0 != unnamed.returncode
        assert "Known here: default. If this account belongs to one of these" in unnamed.stderr
        assert 0 == program("login", "second", stdin="us\nAcme\nsandbox\ns\nh\n").returncode
        assert 0 == program("login", "second", stdin="us\n\nsandbox\ns\ni\n").returncode, "it has a name by now"
        other = program("login", "second", stdin="us\n\nanother\ns\ni\n")
        assert (True, True) == (other.returncode != 0, "with another client id already" in other.stderr)
        assert "accounts remove second" in " ".join(other.stderr.split())
    listed = json.loads(program("accounts", "--json").stdout)
    assert {"default": "default", "second": "Acme"} == {one["name"]: one["organization"] for one in listed}


# One home folder at a time


def test_two_home_folders_do_not_hold_one_limit(tmp_path: Path) -> None:
    state, own = tmp_path / "state", tmp_path / "own"
    with holding(tmp_path / "other", state, "a", "b"):
        with claim_limits(["c"], own, state=state):
            pass
        with pytest.raises(OtherHomeSends, match=str(tmp_path / "other")), claim_limits(["c", "b"], own, state=state):
            pass
    with claim_limits(["a", "b"], own, state=state):
        pass


def test_processes_and_runs_of_one_home_folder_share_its_limits(tmp_path: Path) -> None:
    state, home, link = tmp_path / "state", tmp_path / "home", tmp_path / "link"
    link.symlink_to(home)
    with holding(home, state, "a"), claim_limits(["a"], link, state=state), claim_limits(["a"], home, state=state):
        assert 3 == len(list(state.glob("sending/*/*-*.lock")))
    assert [] == list(state.glob("sending/*/*-*.lock"))


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with holding(tmp_path / "other", state, "a") as process:
        process.kill()
        process.wait(20)
        with claim_limits(["a"], tmp_path / "own", state=state):
            assert 1 == len(list(state.glob("sending/*/*-*.lock")))


def test_a_state_folder_that_can_not_be_used_sends_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with (
        pytest.raises(LocalFileFailed, match="XDG_STATE_HOME"),
        claim_limits(["a"], tmp_path, state=tmp_path / "state"),
    ):
        pass


@pytest.mark.parametrize("holds", ["client", "organisation"])
async def test_a_run_is_refused_while_another_home_folder_sends(tmp_path: Path, holds: str) -> None:
    home, state = tmp_path / "home", Path(os.environ["XDG_STATE_HOME"]) / "bulkremove"
    log_in(home, "default", f"1000.{holds}", f"Acme {holds}")
    (tmp_path / "f.csv").write_text(triples(3))
    with closing(App(Settings(home), environ={})) as app:
        preview = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        job = await stored(app, preview, tmp_path)
        limits = [f"client {job.client}"] if holds == "client" else [f"organisation {job.host}|acme organisation"]
        with holding(tmp_path / "other", state, *limits), pytest.raises(OtherHomeSends):
            await run(app, job)
        assert 3 == (await app.jobs.tally(job)).open
        assert FrontEnd.COMMAND is job.origin


# Jobs of one organisation's clients


def app_of(home: Path, account: str) -> App:
    return App(load({"home": str(home), "account": account}, {}), environ={})


async def test_rows_that_a_client_of_the_same_organisation_may_send_are_left_out(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "f.csv"
    file.write_text(triples(3))
    for name, client, organization in (("a", "1000.A", "Acme"), ("b", "1000.B", " ACME "), ("c", "1000.C", "Other")):
        log_in(home, name, client, organization)
    with closing(app_of(home, "a")) as app:
        first = await stored(app, await app.plans.preview(file, name="f.csv", options=ReadOptions()), tmp_path)
    with closing(app_of(home, "b")) as app:
        preview = await app.plans.preview(file, name="f.csv", options=ReadOptions())
        assert (0, [OtherJob(first.id, "a")]) == (preview.plan.removals, [*preview.plan.open_in])
    with closing(app_of(home, "c")) as app:
        stranger = await stored(app, await app.plans.preview(file, name="f.csv", options=ReadOptions()), tmp_path)
        assert 3 == (await app.jobs.tally(stranger)).open


async def test_the_cap_of_a_day_is_the_organisations(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name, client, organization in (("a", "1000.A", "Acme"), ("b", "1000.B", "Acme"), ("c", "1000.C", "Other")):
        log_in(home, name, client, organization)
    made = {}
    for index, name in enumerate("abc"):
        (tmp_path / f"{name}.csv").write_text(triples(3, first=3 * index))
        with closing(app_of(home, name)) as app:
            preview = await app.plans.preview(tmp_path / f"{name}.csv", name="f.csv", options=ReadOptions())
            made[name] = await stored(app, preview, tmp_path)
    with closing(app_of(home, "a")) as app:
        counted = {name: await removals_today(app.context, job.client, job.host) for name, job in made.items()}
    assert {"a": 6, "b": 6, "c": 3} == counted


# A sandbox on this machine


@pytest.mark.slow
def test_real_credentials_are_sent_to_nothing_on_this_machine(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 2)
    log = tmp_path / "log.jsonl"
    with sandbox(world, log) as variables:
        addresses = {name: value for name, value in variables.items() if name.endswith("_URL")}
        real = dict(zip(VARIABLES.values(), ("1000.REAL", "real secret", "real token"), strict=True))
        program = Bulkremove(tmp_path / "home", environment(**addresses, **real))
        for command in (("run", str(file), "--yes"), ("doctor",)):
            refused = program(*command)
            assert "The credentials are real ones" in refused.stderr + refused.stdout, command
        log_in(tmp_path / "home", "default", "1000.REAL", "Acme")
        program = Bulkremove(tmp_path / "home", environment(**addresses))
        assert "The credentials are real ones" in program("run", str(file), "--yes").stderr
        assert "The credentials are real ones" in program("login", stdin="us\n\n1000.REAL\nsecret\ncode\n").stderr
        removed = program("accounts", "remove", "default")
        assert "could not be revoked (The credentials are real ones" in removed.stdout
    assert "" == log.read_text()
