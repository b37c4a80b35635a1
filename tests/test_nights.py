"""Several nights in one installation: their blocks in the settings file, and what each has for itself."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import date, time
from pathlib import Path

import pytest

from bulkremove.app import App, SandboxOptions, Stop
from bulkremove.app.doctor import by_account, checks
from bulkremove.app.night_checks import night_checks
from bulkremove.app.night_sources import night_inboxes, night_source
from bulkremove.app.nightly import NightlyRunEnd, Planned, by_time
from bulkremove.app.retention import DeletionCounts
from bulkremove.app.setting_checks import setting_values
from bulkremove.config import DEFAULT_NIGHT, Night, Settings, load
from bulkremove.domain.errors import SettingsError
from bulkremove.domain.row import Status
from bulkremove.sources.web_address import WebAddress
from bulkremove.zoho.accounts import AccountStore, Credentials
from tests.application_fixtures import LateClock
from tests.cli_fixtures import crowd
from tests.nightly_fixtures import nightly_site, remember
from tests.web_fixtures import CREDENTIALS, triples

TWO = """
max_removals = 200
dc = "eu"

[[nights]]
name = "school-a"
account = "school-a"
source = "/srv/a"
at = "02:30"
notify = "notify-a.txt"
max_removals = 20

[[nights]]
name = "school-b"
account = "school-b"
source = "/srv/b"
at = "01:30"
notify = "notify-b.txt"
"""


def loaded(folder: Path, text: str, account: str | None = None, **variables: str) -> Settings:
    (folder / "bulkremove.toml").write_text(text)
    environ = {f"BULKREMOVE_{name}": value for name, value in variables.items()}
    return load({"home": str(folder), "account": account}, environ)


def stored(home: Path, *names: str) -> None:
    for name in names:
        AccountStore(home, None).add(name, Credentials("in", f"1000.{name}", "s", "r"), name)


def test_each_night_has_its_account_and_caps_and_takes_the_others_from_the_top(tmp_path: Path) -> None:
    settings = loaded(tmp_path, TWO)
    a, b = map(settings.for_night, settings.nights)
    assert [("school-a", 20), ("school-b", 200)] == [(one.account, one.max_removals) for one in (a, b)]
    assert ("default", 200) == (settings.account, settings.max_removals)
    again = a.for_night(settings.nights[1])
    assert ("school-b", 200) == (again.account, again.max_removals), "nothing of one night counts for another"


def test_an_account_of_a_block_has_its_own_data_center_and_not_that_of_the_top(tmp_path: Path) -> None:
    stored(tmp_path, "school-a", "school-b")
    with closing(App(loaded(tmp_path, TWO), environ={})) as app:
        hosts = {app.for_night(night).settings.host for night in app.settings.nights}
        assert ({"people.zoho.in"}, "people.zoho.eu") == (hosts, app.settings.host)


def test_a_flag_or_a_variable_goes_before_a_block_but_never_to_another_account(tmp_path: Path) -> None:
    settings = loaded(tmp_path, TWO, MAX_REMOVALS="3")
    assert [3, 3] == [settings.for_night(night).max_removals for night in settings.nights]
    for settings in (loaded(tmp_path, TWO, "school-b"), loaded(tmp_path, TWO, ACCOUNT="school-b")):
        with pytest.raises(SettingsError, match="night school-a is for account 'school-a'"):
            settings.for_night(settings.nights[0])
        assert "school-b" == settings.for_night(settings.nights[1]).account


def test_a_night_for_zoho_has_the_limit_of_zoho_also_when_the_top_leads_to_a_sandbox(tmp_path: Path) -> None:
    url = "http://127.0.0.1:9"
    text = (
        f'api_url = "{url}"\naccounts_url = "{url}"\nlimit = "900/1s"\n[[nights]]\nsource = "/srv/a"\n'
        'api_url = "https://people.zoho.com"\naccounts_url = "https://accounts.zoho.com"\n'
    )
    settings = loaded(tmp_path, text)
    with pytest.raises(SettingsError, match="more than Zoho's 30 calls"):
        settings.for_night(settings.nights[0])


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        (['name = "a"', 'name = "A"'], "Two nights are named 'A'"),
        (["", ""], "Two nights are named 'nightly'"),
        (['name = "a"\nsource = "/srv/one"', 'name = "b"\nsource = "/srv/../srv/one/"'], "read the same source"),
        (['name = "a"\nsource = "/srv/one"', 'name = "b"\nsource = "/srv/one/done"'], "read the same source"),
        (['name = "a"\nsource = "command x  y"', 'name = "b"\nsource = "command x \'y\'"'], "read the same source"),
        (
            ['name = "a"\nsource = "https://HR.example.com/x"', 'name = "b"\nsource = "https://hr.example.com/x"'],
            "same",
        ),
        (
            ['name = "a"\nsource = "https://hr.example.com:443/x"', 'name = "b"\nsource = "https://hr.example.com/x"'],
            "read the same source",
        ),
        (
            ['name = "a"\nsource = "https://hr.example.com"', 'name = "b"\nsource = "https://hr.example.com:/"'],
            "read the same source",
        ),
        (
            ['name = "a"\nsource = "http://127.0.0.1:80/x"', 'name = "b"\nsource = "http://127.0.0.1/x"'],
            "read the same source",
        ),
        (['source = "ftp://example.com/x"'], "can't begin with 'ftp:'"),
        (['source = "drop"'], "give the whole path of the folder 'drop'"),
        (
            ['name = "a"\nping_url = "https://p.example.com/x"', 'name = "b"\nping_url = "https://p.example.com/x/"'],
            "Nights a and b have the same ping_url",
        ),
        (
            [
                'name = "a"\nping_url = "https://p.example.com:443/x"',
                'name = "b"\nping_url = "https://P.example.com/x"',
            ],
            "Nights a and b have the same ping_url",
        ),
        (['name = "a"\naccount = "a"', 'name = "b"'], "Night b names no account"),
        (
            ['name = "a"\naccount = "a"\nnotify = "n"', 'name = "b"\naccount = "b"'],
            "Night b does not say whom to notify",
        ),
    ],
)
def test_nights_that_would_mix_files_accounts_or_notices_are_refused(
    tmp_path: Path, blocks: list[str], words: str
) -> None:
    named = [
        f'source = "/srv/{number}"\n{block}' if "source" not in block else block for number, block in enumerate(blocks)
    ]
    with pytest.raises(SettingsError, match=words):
        loaded(tmp_path, "".join(f"[[nights]]\n{block}\n" for block in named))


def test_other_addresses_of_one_host_are_other_sources(tmp_path: Path) -> None:
    for other in ("https://hr.example.com:8443/x", "https://hr.example.com/y", "https://hr.example.com/x?b"):
        blocks = "".join(
            f'[[nights]]\nname = "{name}"\nsource = "{source}"\n'
            for name, source in (("a", "https://hr.example.com/x"), ("b", other))
        )
        assert 2 == len(loaded(tmp_path, blocks).nights)


def test_the_home_folder_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="would take the files of the home folder itself"):
        loaded(tmp_path, f'[[nights]]\nsource = "{tmp_path}/."\n')


def test_a_link_to_the_folder_of_another_night_is_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "files")
    blocks = [f'[[nights]]\nname = "{name}"\nsource = "{tmp_path / name}"\n' for name in ("files", "link")]
    with pytest.raises(SettingsError, match="read the same source"):
        loaded(tmp_path, "".join(blocks))


async def test_a_night_that_names_no_account_beside_several_sends_nothing_and_says_so(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        stored(one.app.settings.home, "another")
        one.drop("leavers.csv", triples(5))
        result = await one.run()
        assert "names no account, and there are several here: another beside default" in result.failures[0]
        assert ([], {"": ["leavers.csv"]}) == (result.ran, one.where())
        assert ["the nightly run did not end well. Look at its reason"] == one.notices()
        with pytest.raises(SettingsError, match="names no account"):
            await one.app.nightly_runs(one.app.supervisor()).dry_run()
        found = {check.name: check for check in await checks(one.app.context)}
        assert not found["night nightly"].ok


async def test_a_job_whose_night_is_for_another_account_now_is_held(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, delay_days=1) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
    async with nightly_site(tmp_path) as one:
        other = one.app.context.settings.for_night(Night(str(one.folder), account="other"))
        app = App(other, environ=CREDENTIALS, clock=one.clock).for_night(Night(str(one.folder), account="other"))
        one.clock.ahead = 2 * 86_400.0
        with closing(app):
            result = await app.nightly_runs(app.supervisor()).dry_run()
        assert any("its night is for account 'other' now" in why for why in result.held)


async def test_a_job_of_a_night_that_was_taken_away_is_named_until_somebody_deals_with_it(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, name="old", delay_days=1) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        job = (await one.job()).id
    async with nightly_site(tmp_path, has_past=False) as one:
        result = await one.run()
        (waiting,) = result.waiting
        assert f"({job}): Night old, which made it, is not in the settings any more." in waiting
        found = {check.name: check for check in await checks(one.app.context)}
        assert job in found["earlier nights"].message
        await one.app.jobs.cancel(job, by="kim")
        assert [] == (await one.run()).waiting


async def test_each_night_takes_a_content_for_itself_and_has_its_own_past(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, name="a") as one:
        one.drop("leavers.csv", triples(5))
        assert 1 == len((await one.run()).ran)
    async with nightly_site(tmp_path, name="b", has_past=False) as one:
        one.drop("leavers.csv", triples(5, first=9))
        assert "No nightly run has removed anybody yet" in (await one.run()).held[0]
        one.drop("again.csv", triples(5))
        assert not any("was taken before" in why for why in (await one.run()).held)


def test_the_token_of_one_source_is_not_sent_to_the_address_of_another_night(tmp_path: Path) -> None:
    blocks = "".join(f'[[nights]]\nname = "{n}"\nsource = "https://{n}.example.com/x"\n' for n in ("a-1", "b"))
    environ = {"BULKREMOVE_SOURCE_TOKEN": "shared", "BULKREMOVE_SOURCE_TOKEN_A_1": "own"}
    with closing(App(loaded(tmp_path, blocks), environ=environ)) as app:
        sources = [night_source(night, app.context) for night in app.settings.nights]
        assert ["own", None] == [source._token for source in sources if isinstance(source, WebAddress)]
    with closing(App(loaded(tmp_path, blocks.partition('[[nights]]\nname = "b"')[0]), environ=environ)) as app:
        (source,) = [night_source(night, app.context) for night in app.settings.nights]
        assert isinstance(source, WebAddress)
        assert "own" == source._token


def test_exports_and_copies_of_each_night_have_a_folder_and_those_of_earlier_nights_are_kept_in_sight(
    tmp_path: Path,
) -> None:
    assert tmp_path / "nightly" == Night("command x").export_folder(tmp_path), "as before nights had names"
    (tmp_path / "nightly-gone").mkdir()
    block = '[[nights]]\nname = "a"\nsource = "command x"\n'
    with closing(App(loaded(tmp_path, block), environ={})) as app:
        folders = {inbox.path.name for inbox in night_inboxes(app.context)}
    assert {"nightly-a", "nightly-gone", "nightly", "sandbox"} == folders


def test_nights_run_by_their_times_in_their_zones() -> None:
    nights = [
        Night("/a", "late", at=time(2, 30), zone="America/Bogota"),
        Night("/b", "early", at=time(3, 30), zone="Asia/Tokyo"),
        Night("/c", "cron"),
    ]
    assert ["cron", "early", "late"] == [night.name for night in by_time(nights, date(2026, 11, 29))]


def test_the_settings_of_each_night_are_shown_without_secrets(tmp_path: Path) -> None:
    text = f'{TWO}ping_url = "https://ping.example.com/a-secret"\n'
    shown = {one.name: one for one in setting_values(loaded(tmp_path, text))}
    assert ("20", "bulkremove.toml") == (shown["school-a.max_removals"].value, shown["school-a.max_removals"].source)
    assert "school-b.max_removals" not in shown, "it is that of the top"
    assert "https://ping.example.com (the rest is not shown)" == shown["school-b.ping_url"].value


OLD = """
max_removals = 20
nightly_source = "/srv/leavers \\"old\\""
nightly_at = 02:30:00
nightly_zone = "Europe/Berlin"
nightly_only = ["Status=left", "Keep=n"]
nightly_header_row = 2
nightly_columns = { course = "A", batch = "Group", learner = "C" }
baseline_factor = 2.5
"""


def test_former_settings_are_refused_with_the_block_that_says_the_same(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(tmp_path, OLD, DELAY_DAYS="2")
    assert "nightly_source (bulkremove.toml line 3)" in refused.value.message
    assert "delay_days (BULKREMOVE_DELAY_DAYS)" in refused.value.message
    block = refused.value.hint.partition("\n\n")[2]
    (night,) = loaded(tmp_path, f"max_removals = 20\n{block}").nights
    assert night == Night(
        '/srv/leavers "old"', DEFAULT_NIGHT, at=time(2, 30), zone="Europe/Berlin", only=("Status=left", "Keep=n"),
        header_row=2, columns=(("course", "A"), ("batch", "Group"), ("learner", "C")), baseline_factor=2.5,
        delay_days=2,
    )  # fmt: skip


def test_the_printed_block_shows_no_secret_and_does_not_load_before_it_is_written_in(tmp_path: Path) -> None:
    old = "command export --password open-sesame"
    with pytest.raises(SettingsError) as refused:
        loaded(tmp_path, "", NIGHTLY_SOURCE=old, PING_URL="https://p.example.com/open-sesame")
    assert "open-sesame" not in str(refused.value)
    with pytest.raises(SettingsError, match="this night has no source"):
        loaded(tmp_path, refused.value.hint.partition("\n\n")[2])


async def test_doctor_looks_at_the_account_of_each_night_and_at_no_other(tmp_path: Path) -> None:
    stored(tmp_path, "school-a")
    with closing(App(loaded(tmp_path, TWO), environ={})) as app:
        found = {check.name: check for check in await night_checks(app.context)}
        assert "no account 'school-b'" in found["night school-b"].message
        assert "There is no folder /srv/a" in found["night school-a"].message
        assert ["school-a", "school-b"] == [one.settings.account for one in by_account(app.context)]


async def test_an_account_that_there_is_not_is_a_failure_before_any_file_comes(tmp_path: Path) -> None:
    with closing(App(loaded(tmp_path, TWO), environ={})) as app:
        own = app.for_night(app.settings.nights[0])
        result = await own.nightly_runs(own.supervisor()).run(stop=Stop())
        assert NightlyRunEnd.FAILED is result.end
        assert "There is no account 'school-a' on this machine" in result.failures[0]


async def test_old_data_are_deleted_by_one_night_at_a_time(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, retention_days=1) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        one.clock.ahead = 9 * 86_400.0
        async with one.app.context.storage.claims.hold("retention"):
            assert DeletionCounts(0, 0) == await one.app.retention.delete_expired()
        assert (await one.app.retention.delete_expired()).jobs


async def test_credentials_of_the_environment_do_not_stand_for_the_accounts_of_several_nights(tmp_path: Path) -> None:
    with closing(App(loaded(tmp_path, TWO), environ=CREDENTIALS)) as app:
        own = app.for_night(app.settings.nights[0])
        with pytest.raises(SettingsError, match="and for those of other nights too"):
            own.accounts.check_night()
    alone = TWO.partition('[[nights]]\nname = "school-b"')[0]
    with closing(App(loaded(tmp_path, alone), environ=CREDENTIALS)) as app:
        app.for_night(app.settings.nights[0]).accounts.check_night()


async def test_two_nights_of_one_process_run_at_once_in_one_sandbox_and_under_one_limit(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 20)
    nights = []
    for number, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "leavers.csv").write_text(triples(10, first=10 * number))
        (tmp_path / name / "leavers.csv.ready").touch()
        nights.append(Night(str(tmp_path / name), name))
    settings = Settings(tmp_path / "home", nights=tuple(nights))
    with closing(App(settings, environ={}, sandbox=SandboxOptions(world, 60.0), clock=LateClock(60.0))) as app:
        supervisor, own = app.supervisor(), [app.for_night(night) for night in app.settings.nights]
        for one in own:
            await remember(one, 10)
        async with app.connections.in_sandbox() as running:
            assert [running, running] == [await sandbox_of(one) for one in own], "there is one sandbox for all"
            results = await asyncio.gather(*(one.nightly_runs(supervisor).run(stop=Stop()) for one in own))
    assert [NightlyRunEnd.DONE, NightlyRunEnd.DONE] == [result.end for result in results]
    assert [("a", 10), ("b", 10)] == [
        (result.ran[0].night, result.ended[0].tally[Status.REMOVED]) for result in results
    ]


@pytest.mark.parametrize("limit", [{"max_removals": 15}, {"daily_limit": 15}])
async def test_dry_runs_of_nights_of_one_organisation_share_the_day_s_cap_and_allowance(
    tmp_path: Path, limit: dict[str, int]
) -> None:
    world, _ = crowd(tmp_path, 20)
    nights = []
    for number, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "leavers.csv").write_text(triples(10, first=10 * number))
        (tmp_path / name / "leavers.csv.ready").touch()
        nights.append(Night(str(tmp_path / name), name))
    settings = Settings(tmp_path / "home", nights=tuple(nights), **limit)  # type: ignore[arg-type] # both are numbers
    with closing(App(settings, environ={}, sandbox=SandboxOptions(world, 60.0), clock=LateClock(60.0))) as app:
        own, planned = [app.for_night(night) for night in app.settings.nights], Planned()
        for one in own:
            await remember(one, 10)
        alone = [await one.nightly_runs(one.supervisor()).dry_run() for one in own]
        assert [([], "")] * 2 == [(one.held, one.remaining_text) for one in alone]
        first, second = [await one.nightly_runs(one.supervisor()).dry_run(planned) for one in own]
        assert ([], "") == (first.held, first.remaining_text)
        if "max_removals" in limit:
            assert "today 10 were removed or confirmed already, and the cap is 15" in second.held[0]
        else:
            assert second.remaining_text.startswith("About 5 of 10 removals")


async def sandbox_of(app: App) -> object:
    """The sandbox that the app's runs go to."""
    async with app.connections.in_sandbox() as running:
        return running


def test_the_settings_of_the_guide_load(tmp_path: Path) -> None:
    guide = (Path(__file__).parent.parent / "docs" / "nights.md").read_text(encoding="utf-8")
    block = guide.partition("   [[nights]]\n")[2].partition("```")[0]
    (night,) = loaded(tmp_path, "[[nights]]\n" + block).nights
    assert ("/srv/leavers", 200, "Europe/Berlin") == (night.source, night.max_removals, night.zone)
