"""What starts nightly runs: the lines for cron and the units for systemd that `bulkremove schedule` prints."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bulkremove.cli.systemd_units import failure
from bulkremove.platform.child_process import child_environment
from tests.cli_fixtures import Bulkremove, environment
from tests.web_fixtures import free_port

BERLIN = '[[nights]]\nsource = "/srv/leavers"\nat = "02:30"\nzone = "Europe/Berlin"\n'
pytestmark = pytest.mark.slow


def program_of(home: Path, settings: str = BERLIN, zone: str = "Europe/Berlin") -> Bulkremove:
    home.mkdir()
    (home / "bulkremove.toml").write_text(settings)
    return Bulkremove(home, {**environment(), "TZ": zone})


def test_the_next_ten_starts_are_shown_in_the_zone_of_the_nights(tmp_path: Path) -> None:
    shown = program_of(tmp_path / "home", zone="UTC")("schedule", "show").stdout.splitlines()
    assert 10 == len(shown)
    assert all(" 02:30 CE" in line for line in shown)


def test_cron_starts_a_quiet_night_with_a_log_in_the_zone_of_the_machine(tmp_path: Path) -> None:
    home = tmp_path / "home"
    program = program_of(home)
    done = program("schedule", "cron")
    assert done.stdout.startswith("30 2 * * * ")
    assert done.stdout.endswith(f"--home {home} -q nightly --night nightly >> {home / 'nightly.log'} 2>&1\n")
    assert "" == done.stderr
    assert f"--home {home} -q nightly --night nightly" in program("schedule", "cron", "--home", "home").stdout, (
        "cron starts elsewhere"
    )


@pytest.mark.parametrize(
    ("zone", "start", "warned"),
    [("UTC", r"30 [01] ", True), ("Europe/Rome", r"30 2 ", False), ("America/Bogota", r"30 (19|20) ", True)],
)
def test_cron_in_another_zone_has_the_hour_converted_and_warns_where_it_changes(
    tmp_path: Path, zone: str, start: str, warned: bool
) -> None:
    done = program_of(tmp_path / "home", zone=zone)("schedule", "cron")
    assert re.match(start, done.stdout)
    assert warned == ("CRON_TZ=Europe/Berlin" in done.stderr)


def test_percent_signs_are_escaped_as_cron_and_systemd_want_them(tmp_path: Path) -> None:
    program = program_of(tmp_path / "100% of it")
    line = program("schedule", "cron").stdout
    assert 2 == line.count("100\\% of it")
    units = program("schedule", "systemd").stdout
    assert re.search(r'ExecStart=.* --home "\S+100%% of it" nightly --night nightly$', units, re.MULTILINE)
    assert "100% of it" not in units


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("nightly", ["bulkremove-nightly.service", "bulkremove-nightly.timer"]),
        ("worker", ["bulkremove-worker.service"]),
        ("serve", ["bulkremove-serve.service"]),
    ],
)
def test_units_are_written_by_name_and_systemd_finds_them_safe(tmp_path: Path, command: str, names: list[str]) -> None:
    folder = tmp_path / "units"
    folder.mkdir()
    (tmp_path / "leavers").mkdir()
    program = program_of(tmp_path / "home", BERLIN.replace("/srv/leavers", str(tmp_path / "leavers")))
    options = ("--for", command, "--user", "daemon", "--on-failure", "call-kim.service", "--write", str(folder))
    assert 0 == program("schedule", "systemd", *options).returncode
    assert names == sorted(path.name for path in folder.iterdir())
    service = (folder / names[0]).read_text()
    for line in (
        "User=daemon",
        "OnFailure=call-kim.service",
        "After=network-online.target",
        f"EnvironmentFile=-{tmp_path / 'home'}/environment",
        f"ReadWritePaths=-{tmp_path / 'home'} ",
    ):
        assert line in service
    assert f"-{tmp_path / 'leavers'}" in service.partition("ReadWritePaths=")[2]
    if len(names) > 1:
        assert "OnCalendar=*-*-* 02:30:00 Europe/Berlin" in (folder / names[1]).read_text()
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is needed for the rest (apt-get install systemd).")
    safety = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(folder / names[0])],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    level = re.search(r"exposure level for \S+: ([0-9.]+)", safety.stdout)
    assert level, safety.stdout + safety.stderr
    assert float(level[1]) < 3
    verified = subprocess.run(
        ["systemd-analyze", "verify", *(str(folder / name) for name in names)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not [line for line in verified.stderr.splitlines() if "bulkremove-" in line and "call-kim" not in line]


@pytest.mark.parametrize("command", ["nightly", "worker", "serve"])
def test_who_is_notified_hears_of_a_service_that_failed(tmp_path: Path, command: str) -> None:
    program = program_of(tmp_path / "home")
    program.home.chmod(0o700)
    done = program("schedule", "systemd", "--for", command, "--write", str(tmp_path))
    assert 0 == done.returncode, done.stderr
    service = (tmp_path / f"bulkremove-{command}.service").read_text()
    failed = (tmp_path / f"bulkremove-failed-{command}.service").read_text()
    assert f"OnFailure=bulkremove-failed-{command}.service" in service
    assert "bulkremove-failed" not in done.stderr, "nobody starts that one by hand"
    # a service that is started again for ever never fails for systemd
    assert (command == "nightly") != ("StartLimitBurst=5" in service.partition("[Service]")[0])
    start = re.search(r"^ExecStart=.* --home \S+ (nightly --failed.*)$", failed, re.MULTILINE)
    assert start, failed
    environ = {"MONITOR_UNIT": "bulkremove-nightly.service", "MONITOR_SERVICE_RESULT": "oom-kill"}
    address = f"json://127.0.0.1:{free_port()}"
    told = Bulkremove(program.home, {**program.env, **environ, "BULKREMOVE_NOTIFY": address})(*start[1].split())
    assert (1, True) == (told.returncode, "A notice could not be sent" in told.stderr), told.stderr
    nobody = Bulkremove(program.home, {**program.env, **environ})(*start[1].split())
    assert (2, True) == (nobody.returncode, "Nobody is notified" in nobody.stderr)


def test_a_notice_about_a_failed_service_says_which_and_how() -> None:
    subject, text = failure(
        {"MONITOR_UNIT": "x.service", "MONITOR_SERVICE_RESULT": "signal", "MONITOR_EXIT_STATUS": "KILL"}
    )
    assert "x.service has failed (signal). Find out why" == subject
    assert "(signal, KILL)" in text


def test_credentials_of_the_service_manager_are_read_by_name_and_no_child_knows_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, passed = program_of(tmp_path / "home"), tmp_path / "passed"
    passed.mkdir()
    (passed / "BULKREMOVE_NOTIFY").write_text(f"json://127.0.0.1:{free_port()}\n")
    (passed / "other").write_text("x")
    units = program("schedule", "systemd", "--credential", f"BULKREMOVE_NOTIFY:{passed}/BULKREMOVE_NOTIFY").stdout
    assert f"LoadCredential=BULKREMOVE_NOTIFY:{passed}/BULKREMOVE_NOTIFY" in units
    assert 2 == program("schedule", "systemd", "--credential", "BULKREMOVE_NOTIFY=secret").returncode
    with_them = Bulkremove(program.home, {**program.env, "CREDENTIALS_DIRECTORY": str(passed)})
    assert "A notice could not be sent" in with_them("nightly", "--test-notice").stderr
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(passed))
    assert not {"CREDENTIALS_DIRECTORY", "BULKREMOVE_NOTIFY"} & child_environment().keys()


def test_a_worker_whose_nights_have_no_time_gets_no_unit(tmp_path: Path) -> None:
    program = program_of(tmp_path / "home", BERLIN.replace('at = "02:30"\n', ""))
    for command, code in (("worker", 2), ("nightly", 0), ("serve", 0)):
        assert code == program("schedule", "systemd", "--for", command).returncode
