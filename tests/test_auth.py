"""AccessTokens: one refresh for all, at most three in ten minutes, and no secret anywhere."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from bulkremove.config import load
from bulkremove.domain.attempt import Reply
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import LocalFileFailed, NotAuthorized, SettingsError, TokenDelayed, Unanswered
from bulkremove.domain.hosts import is_loopback
from bulkremove.platform.secure_files import write_private
from bulkremove.zoho.accounts import AccountStore, Credentials, from_environment
from bulkremove.zoho.oauth import AccessTokens, exchange, revoke
from tests.virtual_time import VirtualClock, run

WHO = Credentials("us", "client", "the-secret", "the-refresh")
THROTTLED = {"error": "Access Denied", "error_description": "You have made too many requests continuously."}


class Zoho:
    """The token endpoint: the answers in their order, the last for ever."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def post(self, url: str, form: Mapping[str, str]) -> Reply:
        self.asked += 1
        assert "secret" not in url
        assert "the-secret" == form["client_secret"]
        await asyncio.sleep(0.3)
        answer = self.answers[min(self.asked, len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            answer = {"access_token": f"token-{self.asked}", "expires_in": 3600}
        return answer if isinstance(answer, Reply) else Reply(200, json.dumps(answer).encode())


def tokens(zoho: Zoho, home: Path, clock: VirtualClock) -> AccessTokens:
    return AccessTokens(WHO, accounts_url="https://accounts.zoho.com", home=home, clock=clock, post=zoho.post)


def test_a_hundred_waiting_calls_and_a_second_process_make_one_refresh(tmp_path: Path) -> None:
    async def main() -> None:
        zoho, clock = Zoho(None), VirtualClock()
        one, two = tokens(zoho, tmp_path, clock), tokens(zoho, tmp_path, clock)
        assert {"token-1"} == set(await asyncio.gather(*(t.token() for t in [one, two] * 50)))
        assert {"token-2"} == set(await asyncio.gather(*(t.renew("token-1") for t in [one, two] * 50)))
        assert 2 == zoho.asked

    run(main)


class FastClock(VirtualClock):
    """A sandbox's clock: its seconds pass ``speed`` times faster than those of the wall."""

    def wall(self) -> Epoch:
        return Epoch(self.epoch + self.monotonic() / self.speed)


@pytest.mark.parametrize("speed", [1.0, 60.0])
def test_a_delay_is_told_in_seconds_of_the_run_s_clock_and_is_over_then(tmp_path: Path, speed: float) -> None:
    async def main() -> None:
        zoho, clock = Zoho(THROTTLED, None), FastClock(speed=speed)
        one = tokens(zoho, tmp_path, clock)
        for _ in range(2):  # the second one is told without asking
            with pytest.raises(TokenDelayed) as delayed:
                await one.token()
        assert 1 == zoho.asked
        wait = delayed.value.retry_in
        assert wait is not None
        assert 590 < wait <= 600
        await clock.sleep(wait + 1)
        assert "token-2" == await one.token()

    run(main)


@pytest.mark.parametrize("life", [5, 60, 180, 200])
def test_a_token_of_a_short_life_is_used_for_most_of_it(tmp_path: Path, life: int) -> None:
    async def main() -> None:
        zoho, clock = Zoho({"access_token": "short", "expires_in": life}), VirtualClock()
        one = tokens(zoho, tmp_path, clock)
        assert "short" == await one.token()
        await clock.sleep(0.7 * life)
        assert "short" == await one.token()
        assert 1 == zoho.asked
        await clock.sleep(0.2 * life)
        await one.token()
        assert 2 == zoho.asked

    run(main)


def test_a_token_that_expires_during_the_wait_for_a_slot_is_asked_for_once_at_the_send(tmp_path: Path) -> None:
    async def main() -> None:
        zoho, clock = Zoho({"access_token": "brief", "expires_in": 1}), VirtualClock()
        one = tokens(zoho, tmp_path, clock)
        await one.ensure()
        for asked in (2, 3):
            await one.ensure()
            await clock.sleep(2.1)
            assert "brief" == await one.token()
            assert asked == zoho.asked

    run(main)


def test_a_run_of_twenty_hours_renews_before_each_expiry(tmp_path: Path) -> None:
    async def main() -> None:
        zoho, clock = Zoho(None), VirtualClock()
        mine = tokens(zoho, tmp_path, clock)
        for _ in range(20 * 30):
            await mine.token()
            await clock.sleep(120.0)
        assert 20 <= zoho.asked <= 23

    run(main)


def test_a_fourth_refresh_within_ten_minutes_waits(tmp_path: Path) -> None:
    async def main() -> None:
        zoho, clock = Zoho(None), VirtualClock()
        mine = tokens(zoho, tmp_path, clock)
        token = await mine.token()
        for _ in range(2):
            token = await mine.renew(token)
        with pytest.raises(TokenDelayed) as caught:
            await tokens(zoho, tmp_path, clock).renew(token)
        assert caught.value.retry_in is not None
        await clock.sleep(caught.value.retry_in + 1)
        assert "token-4" == await mine.renew(token)

    run(main)


def test_the_token_lock_is_kept_on_disk_and_the_third_pauses(tmp_path: Path) -> None:
    async def main() -> None:
        zoho, clock = Zoho(THROTTLED), VirtualClock()
        waits: list[float | None] = []
        for _ in range(3):
            with pytest.raises(TokenDelayed) as caught:
                await tokens(zoho, tmp_path, clock).token()
            waits.append(caught.value.retry_in)
            with pytest.raises(TokenDelayed):
                await tokens(zoho, tmp_path, clock).token()
            await clock.sleep(601.0)
        assert [600.0, 600.0, None] == waits
        assert 3 == zoho.asked

    run(main)


@pytest.mark.parametrize("error", ["invalid_code", "invalid_client", "invalid_grant"])
def test_dead_credentials_need_a_person_and_show_no_secret(tmp_path: Path, error: str) -> None:
    async def main() -> None:
        with pytest.raises(NotAuthorized, match="bulkremove login") as caught:
            await tokens(Zoho({"error": error}), tmp_path, VirtualClock()).token()
        assert "the-" not in str(caught.value)

    run(main)


def test_a_stumble_of_the_endpoint_is_tried_again(tmp_path: Path) -> None:
    async def main() -> None:
        zoho, clock = Zoho(Unanswered("gone"), {"api_domain": "x"}, None), VirtualClock()
        mine = tokens(zoho, tmp_path, clock)
        for _ in range(2):
            with pytest.raises(TokenDelayed):
                await mine.token()
            with pytest.raises(TokenDelayed, match="a moment ago"):  # the next row in flight asks nobody
                await mine.token()
            await clock.sleep(15.1)
        assert "token-3" == await mine.token()
        assert 3 == zoho.asked

    run(main)


def test_an_endpoint_that_is_gone_pauses_the_run_after_three_tries(tmp_path: Path) -> None:
    async def main() -> None:
        zoho, clock = Zoho(Unanswered("gone")), VirtualClock()
        mine = tokens(zoho, tmp_path, clock)
        waits = []
        for _ in range(3):
            with pytest.raises(TokenDelayed) as told:
                await mine.token()
            waits.append(told.value.retry_in)
            await clock.sleep(15.1)
        assert [15.0, 15.0, None] == waits

    run(main)


def test_a_refused_token_is_never_handed_out_again_even_while_no_other_can_be_had(tmp_path: Path) -> None:
    async def main() -> None:
        zoho, clock = Zoho(None), VirtualClock()
        mine = tokens(zoho, tmp_path, clock)
        refused = await mine.token()
        for _ in range(2):
            refused = await mine.renew(refused)
        with pytest.raises(TokenDelayed):
            await mine.renew(refused)
        for other in (mine, tokens(zoho, tmp_path, clock)):
            with pytest.raises(TokenDelayed):
                await other.token()

    run(main)


@pytest.mark.parametrize("seconds", [-2.0, -100_000.0])
def test_a_wall_clock_that_is_set_back_does_not_end_the_token_lock(tmp_path: Path, seconds: float) -> None:
    async def main() -> None:
        zoho, clock = Zoho(THROTTLED), VirtualClock()
        mine = tokens(zoho, tmp_path, clock)
        with pytest.raises(TokenDelayed):
            await mine.token()
        clock.step_wall(seconds)
        with pytest.raises(TokenDelayed) as told:
            await mine.token()
        assert 1 == zoho.asked
        assert told.value.retry_in is not None
        assert told.value.retry_in <= 600.0

    run(main)


@pytest.mark.parametrize("reply", [{"error": "invalid_token"}, Reply(500, b"<html>")])
def test_a_token_that_zoho_did_not_revoke_is_not_reported_as_revoked(reply: object) -> None:
    with pytest.raises(TokenDelayed, match="did not revoke"):
        asyncio.run(revoke(Zoho(reply).post, "https://accounts.zoho.com", WHO))


@pytest.mark.parametrize("text", ["{", "[]", '{"default": {"dc": "us"}}'])
def test_a_damaged_list_of_accounts_is_named_and_says_what_to_do(tmp_path: Path, text: str) -> None:
    write_private(tmp_path / "accounts.json", text)
    with pytest.raises(LocalFileFailed, match=r"accounts\.json is damaged.*log"):
        AccountStore(tmp_path, None).all()


def test_tokens_and_accounts_are_private_from_the_first_moment(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        run(lambda: tokens(Zoho(None), tmp_path / "h", VirtualClock()).token())
        AccountStore(tmp_path / "h", None).add("default", WHO)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "h").rglob("*.json")}
    assert {0o600} == set(modes.values())
    assert WHO == AccountStore(tmp_path / "h", None).get("default")


def test_credentials_that_others_can_read_are_refused(tmp_path: Path) -> None:
    AccountStore(tmp_path, None).add("default", WHO)
    (tmp_path / "credentials" / "default.json").chmod(0o644)
    with pytest.raises(LocalFileFailed, match="chmod 600"):
        AccountStore(tmp_path, None).get("default")


def test_no_secret_stands_in_a_repr() -> None:
    assert "the-" not in repr(WHO)


def test_the_environment_gives_all_three_or_none() -> None:
    assert from_environment({}, "us") is None
    with pytest.raises(SettingsError, match="BULKREMOVE_REFRESH_TOKEN"):
        from_environment({"BULKREMOVE_CLIENT_ID": "a", "BULKREMOVE_CLIENT_SECRET": "b"}, "us")


def test_a_grant_code_gives_a_refresh_token_and_its_scopes(tmp_path: Path) -> None:
    async def main() -> None:
        zoho = Zoho({"access_token": "a", "refresh_token": "r", "scope": "ZOHOPEOPLE.training.READ"})
        granted = await exchange(zoho.post, "https://accounts.zoho.com", WHO, "code")
        assert ("r", ("ZOHOPEOPLE.training.READ",)) == (granted.refresh_token, granted.scopes)
        with pytest.raises(NotAuthorized, match="good for one use"):
            await exchange(Zoho({"error": "invalid_code"}).post, "https://accounts.zoho.com", WHO, "code")

    run(main)


def test_flags_stand_above_the_environment_above_the_file(tmp_path: Path) -> None:
    (tmp_path / "bulkremove.toml").write_text('concurrency = 2\nlimit = "20/60s"\ndc = "eu"\n')
    environ = {"BULKREMOVE_HOME": str(tmp_path), "BULKREMOVE_CONCURRENCY": "3", "BULKREMOVE_LIMIT": "25/60s"}
    found = load({"limit": "28/60s"}, environ)
    assert ((28, 60.0), 3, "people.zoho.eu") == (found.limit, found.concurrency, found.host)
    assert "bulkremove.toml line 3" == found.sources["dc"]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"limit": "31/60s"}, "Zoho's 30"),
        ({"limit": "30/59s"}, "Zoho's 30"),
        ({"lock": "299s"}, "300"),
        ({"api_url": "https://people.zoho.com.evil.example"}, "Zoho's own hosts"),
        ({"api_url": "http://people.zoho.com"}, "over https"),
        ({"api_url": "http://127.0.0.1:8030"}, "both"),
        ({"api_url": "https://localhost:x@people.zoho.com"}, "no user name"),
        ({"api_url": "https://localhost@people.zoho.com"}, "no user name"),
        ({"api_url": "http://localhost.example.com"}, "over https"),
        ({"speed": "2"}, "sandbox"),
        ({"dc": "xx"}, "data centre"),
        ({"concurrency": 0}, "1 to 16"),
    ],
)
def test_wrong_settings_are_refused_with_what_is_accepted(tmp_path: Path, flags: dict[str, object], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        load(flags, {"BULKREMOVE_HOME": str(tmp_path)})


def test_an_account_by_name_and_another_by_environment_are_refused_together(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--account names a stored account"):
        load({"account": "a"}, {"BULKREMOVE_HOME": str(tmp_path), "BULKREMOVE_CLIENT_ID": "c"})


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *((host, True) for host in ("localhost", "localhost:80", "127.0.0.1", "127.0.0.1:8030", "[::1]:80", "::1")),
        *(
            (host, False)
            for host in ("localhost:x@people.zoho.com", "people.zoho.com", "localhost.example", "", "[::1")
        ),
    ],
)
def test_this_machine_is_told_by_the_host_alone(host: str, local: bool) -> None:
    assert local == is_loopback(host)


def test_an_unknown_setting_names_its_line_and_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "bulkremove.toml").write_text("\nconcurency = 2\n")
    with pytest.raises(SettingsError, match=r"line 2.*'concurrency'"):
        load({}, {"BULKREMOVE_HOME": str(tmp_path)})
