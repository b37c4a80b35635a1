"""Users, programs and the audit log: what the program's own commands do with them, and how guessing is slowed."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bulkremove.app import App, SandboxOptions, SessionUser, this_person
from bulkremove.app.audit_text import facts_in_words
from bulkremove.config import Settings, load
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import PlanOutdated, SettingsError, UserError
from bulkremove.domain.job import APPROVAL_SECONDS, JobState
from bulkremove.domain.permissions import EVERY_ACCOUNT, Access, Permission, Role
from bulkremove.domain.row import Status
from bulkremove.platform.system_clock import SystemClock
from bulkremove.reading.options import ReadOptions
from bulkremove.storage.interface.records import Act
from bulkremove.storage.sqlite import SqliteStorage
from bulkremove.web.sessions import Sessions
from bulkremove.web.sign_in_throttle import (
    FREE_ATTEMPTS,
    MAX_SIGN_INS_AT_ONCE,
    MAX_WAIT_SECONDS,
    KnownBrowsers,
    SignInThrottle,
    SignInThrottled,
)
from tests.application_fixtures import LateClock, run, stored
from tests.cli_fixtures import SAMPLES, Bulkremove, crowd, environment
from tests.web_fixtures import CREDENTIALS, PASSWORD, free_port, triples


@pytest.fixture
def program(tmp_path: Path) -> Bulkremove:
    return Bulkremove(tmp_path / "home", environment())


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with closing(App(Settings(tmp_path / "home"), environ=CREDENTIALS)) as made:
        yield made


def test_each_role_may_what_the_one_below_it_may() -> None:
    rights = [
        {right for right in Permission if Access.everywhere(role).may(right, "any")}
        for role in (Role.PREPARER, Role.APPROVER, Role.ADMIN)
    ]
    assert rights[0] < rights[1] < rights[2] == set(Permission)
    assert Permission.APPROVE not in rights[0]


def test_users_are_added_listed_and_removed_and_no_password_is_ever_shown(program: Bulkremove) -> None:
    assert "no users" in program("users").stdout
    assert 0 == program("users", "add", "jo", "--role", "approver", stdin=f"{PASSWORD}\n").returncode
    assert "already" in program("users", "add", "jo", "--role", "admin", stdin=f"{PASSWORD}\n").stderr
    listed = program("users", "--json").stdout
    assert ["approver"] == [one["role"] for one in json.loads(listed)]
    assert 0 == program("users", "password", "jo", stdin="another good password\n").returncode
    assert 2 == program("users", "password", "al", stdin=f"{PASSWORD}\n").returncode
    assert 0 == program("users", "remove", "jo").returncode
    assert 2 == program("users", "remove", "jo").returncode
    everything = b"".join(path.read_bytes() for path in program.home.rglob("*") if path.is_file())
    assert PASSWORD.encode() not in everything
    assert PASSWORD not in listed


@pytest.mark.parametrize("password", ["", "short", "x" * 201])
async def test_a_password_that_is_too_short_or_too_long_is_refused(app: App, password: str) -> None:
    with pytest.raises(UserError, match="12 to 200"):
        await app.users.add_user("jo", Access.everywhere(Role.ADMIN), password, by="a test")
    assert [] == await app.users.all()


@pytest.mark.parametrize(
    "password", ["password1234", "qwertyuiop123", "xxxxxxxxxxxx", "bulkremove2026", "christopher1"]
)
async def test_a_password_that_is_easily_guessed_is_refused(app: App, password: str) -> None:
    with pytest.raises(UserError, match="easily guessed"):
        await app.users.add_user("christopher", Access.everywhere(Role.ADMIN), password, by="a test")
    assert [] == await app.users.all()


async def test_one_person_has_one_name_in_whatever_letter_case(app: App) -> None:
    await app.users.add_user("Kim", Access.everywhere(Role.ADMIN), PASSWORD, by="a test")
    with pytest.raises(UserError, match="already"):
        await app.users.add_user("kim", Access.everywhere(Role.APPROVER), PASSWORD, by="a test")
    known = await app.users.sign_in("KIM", PASSWORD)
    assert known is not None
    assert "Kim" == known.name, "four_eyes compares names"
    await app.users.remove_user("kIM", by="a test")
    assert [] == await app.users.all()


async def test_failed_sign_ins_are_counted_and_do_not_fill_the_audit_log(tmp_path: Path) -> None:
    clock = LateClock()
    with closing(App(Settings(tmp_path), environ={}, clock=clock)) as app:
        await app.users.add_user("jo", Access.everywhere(Role.ADMIN), PASSWORD, by="a test")
        for name in ("jo", "al", "bo") * 5:
            assert await app.users.sign_in(name, "wrong") is None
        clock.ahead = 3601.0
        assert await app.users.sign_in("al", "wrong") is None
        assert await app.users.sign_in("jo", PASSWORD) is not None
        entries = [(entry.actor, entry.act, dict(entry.facts)) for entry in await app.audit.newest(10, EVERY_ACCOUNT)][
            :-1
        ]
    assert [
        ("jo", "signed_in", {"failed_before": 4}),
        ("an unknown name", "sign_in_failed", {"failed_before": 9}),
        ("an unknown name", "sign_in_failed", {}),
        ("jo", "sign_in_failed", {}),
    ] == entries


@pytest.mark.parametrize("name", ["", " jo", "jo\n", "../jo", "x" * 65, "jö"])
async def test_a_name_that_could_be_misread_is_refused(app: App, name: str) -> None:
    with pytest.raises(UserError, match="not a valid user name"):
        await app.users.add_user(name, Access.everywhere(Role.ADMIN), PASSWORD, by="a test")


def test_a_token_is_shown_once_and_kept_as_a_digest(program: Bulkremove) -> None:
    made = program("tokens", "add", "hr-system", "--role", "preparer")
    secret = made.stdout.strip()
    assert secret.startswith("bulkremove_")
    assert secret not in made.stderr
    listed = json.loads(program("tokens", "--json").stdout)
    assert [("hr-system", None)] == [(one["name"], one["revoked_at"]) for one in listed]
    assert secret.encode() not in b"".join(path.read_bytes() for path in program.home.rglob("*") if path.is_file())
    assert 0 == program("tokens", "revoke", listed[0]["id"]).returncode
    assert 2 == program("tokens", "revoke", listed[0]["id"]).returncode
    assert "revoked" in program("tokens").stdout


async def test_a_wrong_name_and_a_wrong_password_are_the_same_answer(app: App) -> None:
    await app.users.add_user("jo", Access.everywhere(Role.ADMIN), PASSWORD, by="a test")
    assert SessionUser("jo", Access.everywhere(Role.ADMIN), "") != await app.users.sign_in("jo", "wrong")
    assert await app.users.sign_in("jo", "wrong") is None
    assert await app.users.sign_in("al", PASSWORD) is None
    longest = "a long sentence that nobody guesses " * 5 + "x" * 20
    await app.users.set_password("jo", longest[:200], by="a test")
    assert await app.users.sign_in("jo", longest[:200] + "y") is None  # what is too long is not cut off
    known = await app.users.sign_in("jo", longest[:200])
    assert known is not None
    assert known == await app.users.refresh(known)


async def test_sessions_end_by_idleness_and_by_age(app: App) -> None:
    await app.users.add_user("jo", Access.everywhere(Role.ADMIN), PASSWORD, by="a test")
    known = await app.users.sign_in("jo", PASSWORD)
    now = 0.0
    sessions = Sessions(app.users, users=True, clock=lambda: now)
    idle = sessions.open(known)
    now = 3500.0
    assert await sessions.person_of(idle) is not None
    now = 7000.0
    assert await sessions.person_of(idle, watching=True) is not None
    now = 7101.0
    assert await sessions.person_of(idle) is None
    busy = sessions.open(known)
    for _ in range(20):
        now += 3000.0
        alive = await sessions.person_of(busy)
    assert alive is None
    assert sessions.start_token is None


class Guesser:
    """Sign-ins on a clock of their own; only the right password comes in."""

    def __init__(self) -> None:
        self.now, self.slept = 0.0, 0.0
        self.sign_ins = SignInThrottle(lambda: self.now, self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.slept += seconds

    async def guess(self, source: str, *, right: bool = False) -> bool:
        async def sign_in() -> SessionUser | None:
            return SessionUser("jo", Access.everywhere(Role.ADMIN), "") if right else None

        return await self.sign_ins.attempt(source, sign_in) is not None


async def test_guessing_is_slowed_per_address_and_never_for_good() -> None:
    guesser = Guesser()
    for _ in range(FREE_ATTEMPTS):
        assert not await guesser.guess("a")
    with pytest.raises(SignInThrottled):
        await guesser.guess("a", right=True)
    assert await guesser.guess("b", right=True), "another address is not held up"
    tried, waits = 0, list[float]()
    while guesser.now < 3600.0:
        try:
            await guesser.guess("a")
            tried += 1
        except SignInThrottled as soon:
            waits.append(soon.seconds)
            guesser.now += soon.seconds
    assert tried <= 70
    assert max(waits) <= MAX_WAIT_SECONDS
    guesser.now += MAX_WAIT_SECONDS
    assert await guesser.guess("a", right=True), "the admin is not shut out for good"


async def test_an_address_that_guesses_for_days_is_still_answered_in_words() -> None:
    guesser = Guesser()
    for _ in range(1100):
        assert not await guesser.guess("a")
        guesser.now += MAX_WAIT_SECONDS
    assert not await guesser.guess("a")
    with pytest.raises(SignInThrottled):
        await guesser.guess("a")


async def test_a_whole_network_of_one_visitor_counts_as_one() -> None:
    guesser = Guesser()
    for i in range(FREE_ATTEMPTS):
        assert not await guesser.guess(f"2001:db8::{i + 1}")
    with pytest.raises(SignInThrottled):
        await guesser.guess("2001:db8::ffff")
    with pytest.raises(SignInThrottled):
        await guesser.guess("2001:db8:0:ffff::1")
    assert await guesser.guess("2001:db8:1::1", right=True)


async def test_a_known_browser_does_not_wait_for_strangers(tmp_path: Path) -> None:
    guesser, browsers = Guesser(), KnownBrowsers(tmp_path)
    mark = browsers.make_cookie("Jo")
    assert browsers.is_valid("jo", mark)
    assert KnownBrowsers(tmp_path).is_valid("jo", mark), "after a restart too"
    assert not any(browsers.is_valid(*other) for other in (("al", mark), ("jo", ""), ("jo", "a.b"), ("jo", f"{mark}0")))
    for source in range(60):
        await guesser.guess(str(source))
    slept, release = guesser.slept, asyncio.Event()

    async def never() -> SessionUser | None:
        await release.wait()
        return None

    waiting = [asyncio.create_task(guesser.sign_ins.attempt(f"10.0.{i}.1", never)) for i in range(MAX_SIGN_INS_AT_ONCE)]
    await asyncio.sleep(0)
    with pytest.raises(SignInThrottled):
        await guesser.guess("another", right=True)

    async def right() -> SessionUser | None:
        return SessionUser("jo", Access.everywhere(Role.ADMIN), "")

    assert await guesser.sign_ins.attempt("10.0.1.1", right, browser=mark) is not None
    release.set()
    await asyncio.gather(*waiting)
    assert guesser.slept > slept, "only strangers wait"
    for _ in range(FREE_ATTEMPTS):
        assert await guesser.sign_ins.attempt("9.9.9.9", never, browser=mark) is None
    with pytest.raises(SignInThrottled):  # a stolen mark guesses no faster
        await guesser.sign_ins.attempt("9.9.9.8", right, browser=mark)


async def test_what_was_typed_as_a_name_may_be_a_password_and_is_not_kept(app: App) -> None:
    assert await app.users.sign_in("my secret password", "x") is None
    assert "secret" not in str(await app.audit.newest(10, EVERY_ACCOUNT))


async def test_two_servers_on_one_home_would_harm_each_other(app: App) -> None:
    async with app.runs.serving():
        with pytest.raises(SettingsError, match="Another"):
            async with app.runs.serving():
                pass


async def test_guessing_from_many_addresses_is_slowed_for_all() -> None:
    guesser = Guesser()
    for source in range(60):
        await guesser.guess(str(source))
    assert guesser.slept > 30.0
    assert await guesser.guess("the admin", right=True)


def test_the_audit_log_names_the_first_entry_that_was_changed_or_lost(program: Bulkremove) -> None:
    for name in ("one", "two", "three"):
        program("tokens", "add", name, "--role", "preparer")
    assert "sound: 3 entries" in program("audit", "verify").stdout
    journal = program.home / "journal.db"
    with closing(sqlite3.connect(journal)) as db, db:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute("DELETE FROM audit")
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute("UPDATE audit SET actor = 'nobody'")
        db.execute("DROP TRIGGER audit_is_not_changed")
        db.execute("UPDATE audit SET actor = 'nobody' WHERE id = 2")
    changed = program("audit", "verify")
    assert 1 == changed.returncode
    assert "broken at entry 2" in changed.stdout
    with closing(sqlite3.connect(journal)) as db, db:
        db.execute("DROP TRIGGER audit_is_not_deleted")
        db.execute("DELETE FROM audit WHERE id = 1")
    assert "broken at entry 1: it is missing" in program("audit", "verify").stdout


def test_a_log_that_was_made_anew_lacks_the_hash_of_an_old_notice(program: Bulkremove, tmp_path: Path) -> None:
    program("tokens", "add", "one", "--role", "preparer")
    known = re.search(r"hash ([0-9a-f]{64})\.", program("audit", "verify").stdout)
    assert known is not None
    program("tokens", "add", "two", "--role", "preparer")
    assert 0 == program("audit", "verify", "--hash", known[1]).returncode
    for path in program.home.glob("journal*"):
        path.unlink()
    program("tokens", "add", "one", "--role", "preparer")
    assert "sound: 1 entries" in program("audit", "verify").stdout
    lost = program("audit", "verify", "--hash", known[1])
    assert (1, True) == (lost.returncode, "cut short or made anew" in lost.stdout)


def test_the_audit_log_is_read_as_sentences(program: Bulkremove) -> None:
    program("tokens", "add", "hr", "--role", "preparer")
    line = program("audit").stdout
    assert re.search(
        r"on this machine added a token  name hr, owner .* on this machine, role preparer, token [0-9a-f]{8}\n$", line
    )
    facts = {"columns": {"course": 1, "batch": 2}, "sheet": None, "open": False, "sign_on": True, "plan": "a" * 64}
    assert "columns course 1 and batch 2, sign on, plan aaaaaaaaaaaa..." == facts_in_words(facts)


async def test_an_entry_that_is_put_in_between_is_found(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path, SystemClock())
    for act in (AuditAct.UPLOADED, AuditAct.READ):
        await storage.audit.append(Act("jo", act, {"n": 1}, Epoch(1.0)))
    storage.close()
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        db.execute("INSERT INTO audit SELECT 3, at, actor, 'forged', facts, hash FROM audit WHERE id = 2")
    storage = SqliteStorage(tmp_path, SystemClock())
    assert (3, "it was changed, or the one before it was") == (await storage.audit.verify()).broken
    storage.close()


@pytest.mark.parametrize("words", [("--owner", "Kim"), ()])
def test_a_token_is_its_owners_or_of_who_made_it(program: Bulkremove, words: tuple[str, ...]) -> None:
    assert 0 == program("tokens", "add", "hr", "--role", "preparer", *words).returncode
    (token,) = json.loads(program("tokens", "--json").stdout)
    owner = "Kim" if words else this_person()
    assert owner == token["owner"]
    assert f"good, of {owner}" in program("tokens").stdout
    unknown = program("tokens", "add", "hr", "--role", "preparer", "--owner", "jo of kim")
    assert (True, True) == (unknown.returncode != 0, "is not a valid user name" in unknown.stderr)


def test_a_run_leaves_its_confirmation_in_the_audit_log(program: Bulkremove) -> None:
    done = program(
        "run", str(SAMPLES / "leavers.csv"), "--sandbox", str(SAMPLES / "world.json"), "--speed", "300", "--yes"
    )
    assert done.returncode in (0, 3), done.stderr
    acts = [entry["act"] for entry in json.loads(program("audit", "--json").stdout)]
    assert ["run", "confirmed"] == acts
    assert "478346" not in program("audit").stdout, "no id of a learner stands in the log"


def test_with_four_eyes_one_person_alone_can_not_run(program: Bulkremove) -> None:
    program.env["BULKREMOVE_FOUR_EYES"] = "true"
    words = (str(SAMPLES / "leavers.csv"), "--sandbox", str(SAMPLES / "world.json"))
    done = program("run", *words, "--yes", "--no-check")
    assert 4 == done.returncode
    assert "four_eyes" in done.stderr
    (job,) = [line.split()[0] for line in program("jobs", "--state", "held").stdout.splitlines()]
    assert f"approve {job}" in done.stderr
    alone = program("approve", job, "--yes")
    assert (4, True) == (alone.returncode, "prepared this plan" in alone.stderr)
    assert 4 == program("resume", job, *words[1:]).returncode
    counts = json.loads(program("show", job, "--json").stdout)
    assert (60, 0) == (counts["open"], counts["counts"]["removed"])


def test_a_variable_makes_nobody_a_second_person(program: Bulkremove) -> None:
    program.env["BULKREMOVE_FOUR_EYES"] = "true"
    program("run", str(SAMPLES / "leavers.csv"), "--sandbox", str(SAMPLES / "world.json"), "--yes")
    (job,) = [line.split()[0] for line in program("jobs", "--state", "held").stdout.splitlines()]
    program.env |= {"LOGNAME": "kim", "USER": "kim", "LNAME": "kim", "USERNAME": "kim"}
    assert 4 == program("approve", job, "--yes").returncode
    held = program("resume", job, "--sandbox", str(SAMPLES / "world.json"))
    assert (4, True) == (held.returncode, f"approve {job}" in held.stderr)


def test_another_settings_file_does_not_loosen_four_eyes(tmp_path: Path) -> None:
    (tmp_path / "bulkremove.toml").write_text("four_eyes = true\n")
    (tmp_path / "other.toml").write_text("max_removals = 5\n")
    with pytest.raises(SettingsError, match="Another settings file can't loosen four_eyes"):
        load({"config": str(tmp_path / "other.toml")}, {"BULKREMOVE_HOME": str(tmp_path)})
    (tmp_path / "other.toml").write_text("four_eyes = true\n")
    assert load({"config": str(tmp_path / "other.toml")}, {"BULKREMOVE_HOME": str(tmp_path)}).four_eyes


async def test_another_person_approves_what_a_command_has_planned(tmp_path: Path) -> None:
    clock = LateClock(60.0)
    world, file = crowd(tmp_path, 3)
    settings = Settings(tmp_path / "home", four_eyes=True)
    with closing(App(settings, environ={}, sandbox=SandboxOptions(world, 60.0), clock=clock)) as app:
        job = await stored(app, await app.plans.preview(file, name="f.csv", options=ReadOptions()), tmp_path)
        assert (JobState.HELD, "") == (job.state, job.confirmed_by)
        approved = await app.jobs.approve(job.id, by="kim")
        assert (JobState.READY, "kim") == (approved.state, approved.confirmed_by)
        assert 3 == (await run(app, approved)).tally[Status.REMOVED]
        (tmp_path / "late.csv").write_text(triples(3))
        late = await stored(
            app, await app.plans.preview(tmp_path / "late.csv", name="late.csv", options=ReadOptions()), tmp_path
        )
        clock.ahead = APPROVAL_SECONDS + 60.0
        with pytest.raises(PlanOutdated, match="expired"):
            await app.jobs.approve(late.id, by="kim")


@pytest.mark.parametrize(("by_file", "by_environment", "is_refused"), [
    ("true", "false", True),
    ("true", "true", False),
    ("false", "true", False),
])  # fmt: skip
def test_the_environment_tightens_four_eyes_and_never_loosens_it(
    tmp_path: Path, by_file: str, by_environment: str, *, is_refused: bool
) -> None:
    (tmp_path / "bulkremove.toml").write_text(f"four_eyes = {by_file}\n")
    environ = {"BULKREMOVE_HOME": str(tmp_path), "BULKREMOVE_FOUR_EYES": by_environment}
    if is_refused:
        with pytest.raises(SettingsError, match=r"can't loosen four_eyes, which bulkremove\.toml line 1 sets"):
            load({}, environ)
    else:
        assert load({}, environ).four_eyes is True


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "users who sign in"),
        ({"BULKREMOVE_ALLOWED_HOSTS": "bulkremove.example.com"}, "users who sign in"),
        ({"BULKREMOVE_FOUR_EYES": "true"}, "nobody could ever confirm"),
        ({"BULKREMOVE_TLS_KEY": __file__}, "belong together"),
        ({"BULKREMOVE_PROXY": "proxy.example.com"}, "not an IP address"),
        ({"BULKREMOVE_ALLOWED_HOSTS": "https://x"}, "not a valid host name"),
        ({"BULKREMOVE_TLS_KEY": __file__, "BULKREMOVE_TLS_CERTIFICATE": __file__}, "users who sign in"),
    ],
)
def test_a_page_that_others_could_reach_unsafely_is_not_served(
    program: Bulkremove, settings: dict[str, str], words: str
) -> None:
    program.env |= settings
    done = program("serve", "--host", "0.0.0.0", "--port", str(free_port()))  # noqa: S104 - that is what is refused
    assert 2 == done.returncode
    assert words in done.stderr


def test_a_proxy_that_could_not_reach_the_page_is_told_at_the_start(program: Bulkremove) -> None:
    program.env["BULKREMOVE_PROXY"] = "10.0.0.0/24"
    done = program("serve", "--port", str(free_port()))
    assert (2, True) == (done.returncode, "where the proxy 10.0.0.0/24 can't reach it" in done.stderr)


def test_with_users_but_without_tls_or_a_proxy_it_is_not_served_either(program: Bulkremove) -> None:
    program("users", "add", "jo", "--role", "admin", stdin=f"{PASSWORD}\n")
    program.env["BULKREMOVE_ALLOWED_HOSTS"] = "bulkremove.example.com"
    done = program("serve", "--host", "0.0.0.0", "--port", str(free_port()))  # noqa: S104 - that is what is refused
    assert "TLS" in done.stderr
    assert "users" not in done.stderr
    program.env |= {"BULKREMOVE_TLS_KEY": __file__, "BULKREMOVE_TLS_CERTIFICATE": __file__}
    broken = program("serve", "--host", "0.0.0.0", "--port", str(free_port()))  # noqa: S104 - that is what is refused
    assert "tls_certificate and tls_key can't be used" in broken.stderr


def test_a_port_that_is_taken_is_told(program: Bulkremove) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = program("serve", "--port", str(taken.getsockname()[1]))
    assert 2 == done.returncode
    assert "Give another --port" in done.stderr
