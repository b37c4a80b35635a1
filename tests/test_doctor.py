"""What `bulkremove doctor` looks at, shows and keeps to itself."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from bulkremove.app.setting_checks import HIDDEN, setting_values
from bulkremove.config import Settings, load
from bulkremove.sandbox import read_log
from tests.application_fixtures import application
from tests.cli_fixtures import Bulkremove, crowd, environment, sandbox

SECRET = "hunter2"


def _document(bulkremove: Bulkremove, *words: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(bulkremove("doctor", "--json", *words).stdout)
    return document


def _words(document: dict[str, Any], name: str) -> tuple[bool, str]:
    (check,) = [check for check in document["checks"] if check["name"] == name]
    return check["ok"], f"{check['message']} {check['hint']}"


def test_every_setting_is_shown_with_its_value_and_source(tmp_path: Path) -> None:
    (tmp_path / "bulkremove.toml").write_text("\nretention_days = 30\n")
    shown = {one.name: one for one in setting_values(load({"home": str(tmp_path)}, {"BULKREMOVE_LIMIT": "20/60s"}))}
    assert {field.name for field in fields(Settings)} - HIDDEN == set(shown)
    assert ("30", "bulkremove.toml line 2") == (shown["retention_days"].value, shown["retention_days"].source)
    assert ("20/60s", "BULKREMOVE_LIMIT") == (shown["limit"].value, shown["limit"].source)
    assert ("--home", "default") == (shown["home"].source, shown["lock"].source)


def test_no_secret_of_a_setting_is_shown(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    block = f'[[nights]]\nping_url = "https://ping.example.com/{SECRET}"\nsource = '
    settings = tmp_path / "home" / "bulkremove.toml"
    settings.write_text(f'{block}"command /usr/bin/export --password {SECRET}"\n')
    secrets = {
        "BULKREMOVE_NOTIFY": f"nosuchthing://user:{SECRET}@example.com",
        "BULKREMOVE_CLIENT_SECRET": SECRET,
    }
    bulkremove = Bulkremove(tmp_path / "home", environment(**secrets))
    for words in ((), ("--json",)):
        done = bulkremove("doctor", *words)
        assert SECRET not in done.stdout + done.stderr
        assert "ping.example.com" in done.stdout
        assert "/usr/bin/export" in done.stdout
    settings.write_text(f'{block}"https://user:{SECRET}@example.com/export?key={SECRET}"\n')
    assert SECRET not in bulkremove("doctor").stdout


@pytest.mark.slow
def test_a_token_is_spent_only_when_that_is_asked_for(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 1)
    log = tmp_path / "log.jsonl"
    with sandbox(world, log) as variables:
        bulkremove = Bulkremove(tmp_path / "home", environment(**variables))
        assert 0 == bulkremove("doctor").returncode
        assert ["HEAD"] == [entry.method for entry in read_log(log)]
        document = _document(bulkremove, "--fresh")
        assert (0, 1) == (document["exit_code"], sum(entry.method == "POST" for entry in read_log(log)))
        assert (True, "Zoho gave an access token. ") == _words(document, "token")
        assert "differ by" in _words(document, "clock")[1]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("daily_limit = 400", "below max_removals"),
        ('metrics_file = "/nowhere/at/all.prom"', "metrics_file can't be written"),
    ],
)
def test_settings_that_do_not_fit_together_are_named(tmp_path: Path, lines: str, words: str) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "bulkremove.toml").write_text(lines)
    is_good, text = _words(_document(Bulkremove(home, environment())), "settings")
    assert (False, True) == (is_good, words in text), text


def test_nights_notices_and_the_exit_code_are_told(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "bulkremove.toml").write_text(f'[[nights]]\nsource = "{tmp_path / "missing"}"\n')
    document = _document(Bulkremove(home, environment()))
    assert (False, True) == (_words(document, "night nightly")[0], "no folder" in _words(document, "night nightly")[1])
    assert "notify.txt" in _words(document, "notices of nightly")[1]
    assert _words(document, "space")[0]
    assert 7 == document["exit_code"], "there are no credentials"


def test_another_home_folder_that_sent_for_the_account_is_named(tmp_path: Path) -> None:
    credentials = {"CLIENT_ID": "1000.A", "CLIENT_SECRET": "s", "REFRESH_TOKEN": "r", "ORGANIZATION": "Acme"}
    environ = {f"BULKREMOVE_{name}": value for name, value in credentials.items()}
    with closing(application({**environ, "BULKREMOVE_HOME": str(tmp_path / "home")})) as app:
        other = tmp_path / "other"
        with closing(application({**environ, "BULKREMOVE_HOME": str(other)})) as second:
            with second.accounts.sole_home(second.settings, second.accounts.credentials(second.settings)):
                pass
            assert [] == app.accounts.other_homes(app.settings), "it holds no journal"
            (other / "journal.db").parent.mkdir(exist_ok=True)
            (other / "journal.db").touch()
            assert [other] == app.accounts.other_homes(app.settings)
            assert [] == second.accounts.other_homes(second.settings)
