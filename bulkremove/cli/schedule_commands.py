"""The command schedule: when nightly runs start, and what starts them, for cron and systemd."""

from __future__ import annotations

import getpass
import re
import shlex
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from bulkremove.cli import systemd_units
from bulkremove.cli.console import Screen
from bulkremove.domain.errors import LocalFileFailed, SettingsError
from bulkremove.platform.local_time import local

if TYPE_CHECKING:
    from bulkremove.app import App
    from bulkremove.config import Night

DEFAULT_START = time(2, 30)
"""When a night starts by cron or systemd that has no time."""


def add_to(group: click.Group) -> None:
    """Add this command to the group."""
    group.add_command(schedule)


@click.group()
def schedule() -> None:
    """Show the next nightly runs, or print what starts them.

    Example: bulkremove schedule show
    """


@schedule.command()
@click.pass_obj
def show(screen: Screen) -> None:
    """Print when the next ten nightly runs start."""
    from bulkremove.app.nightly import schedule as schedule_of
    from bulkremove.cli.nightly_commands import NO_TIME

    with screen.app() as app:
        now, nights = app.clock.wall(), [night for night in app.settings.nights if night.at is not None]
        if not nights:
            raise SettingsError("No night has a time.", hint=NO_TIME)
        starts = [(start, night) for night in nights for _, start in schedule_of(night).next_starts(now, 10)]
        for start, night in sorted(starts, key=lambda start_and_night: start_and_night[0])[:10]:
            at = datetime.fromtimestamp(start, UTC).astimezone(ZoneInfo(night.zone))
            screen.print_result(f"{at:%a %Y-%m-%d %H:%M %Z}  {night.name}", night=night.name)


@schedule.command()
@click.pass_obj
def cron(screen: Screen) -> None:
    """Print a line for crontab for each night, in this machine's own time zone, by which cron goes."""
    with screen.app() as app:
        for night in _nights(app):
            _cron_line(screen, app, night)


def _nights(app: App) -> list[Night]:
    """The nights, those without a time at ``DEFAULT_START``. Raises SettingsError when there are none."""
    from bulkremove.app.context import NO_NIGHTS

    if not app.settings.nights:
        raise SettingsError("There are no nights.", hint=NO_NIGHTS)
    for night in app.settings.nights:
        app.settings.for_night(night)  # raises SettingsError when it could never run
    return [replace(night, at=night.at or DEFAULT_START) for night in app.settings.nights]


def _cron_line(screen: Screen, app: App, night: Night) -> None:
    from bulkremove.app.nightly import schedule as schedule_of

    starts = [local(start) for _, start in schedule_of(night).next_starts(app.clock.wall(), 366)]
    command = shlex.join(_command(screen, app, "-q", "nightly", "--night", night.name))
    log = app.settings.home / "nightly.log"
    times = Counter((start.hour, start.minute) for start in starts)
    ((common_time, _),) = times.most_common(1)
    next_start = (starts[0].hour, starts[0].minute)
    hour, minute = (
        next_start if times[next_start] > 2 else common_time
    )  # not that of a night on which the clocks change
    others = len(starts) - times[hour, minute]
    if others > 2:  # a day on which this very time is skipped is cron's to handle
        screen.warn(
            f"cron goes by this machine's time zone, not by zone = {night.zone} of night {night.name}: on {others} "
            "days of the next year this line starts the nightly run an hour off. Use `bulkremove schedule systemd`, "
            f"or a cron that knows CRON_TZ={night.zone}."
        )
    line = f"{command} >> {shlex.quote(str(log))} 2>&1".replace("%", r"\%")  # cron ends a command at a bare one
    screen.print_result(f"{minute} {hour} * * * {line}", night=night.name)


@schedule.command()
@click.option(
    "--for", "command", type=click.Choice(["nightly", "worker", "serve"]), default="nightly", show_default=True
)
@click.option("--write", "folder", metavar="DIR", help="Write the files to this folder, such as /etc/systemd/system.")
@click.option("--user", metavar="NAME", help="The system user that it runs as.  [default: yours]")
@click.option(
    "--on-failure", metavar="UNIT", help="The unit to start when it fails.  [default: one that sends a notice]"
)
@click.option(
    "--credential", "credentials", metavar="NAME:FILE", multiple=True, help="A variable whose value FILE holds."
)
@click.pass_obj
def systemd(
    screen: Screen,
    command: str,
    folder: str | None,
    user: str | None,
    on_failure: str | None,
    credentials: tuple[str, ...],
) -> None:
    """Print or write a service for systemd, and for nightly runs one for each night, with its timer.

    Example: bulkremove schedule systemd --write /etc/systemd/system
    """
    from bulkremove.app.night_sources import night_inbox
    from bulkremove.cli.nightly_commands import NO_TIME
    from bulkremove.platform.sending_homes import state_folder

    units: dict[str, str] = {}
    for start_and_night in credentials:
        if re.fullmatch(r"BULKREMOVE_[A-Z0-9_]+:/.+", start_and_night) is None:
            raise SettingsError(
                f"{start_and_night!r} is no credential.", hint="Write BULKREMOVE_REFRESH_TOKEN:/etc/FILE."
            )
    with screen.app() as app:
        settings = app.settings
        if command == "worker" and not any(night.at for night in settings.nights):
            raise SettingsError("No night has a time, so none ever starts.", hint=NO_TIME)
        nights = _nights(app) if command == "nightly" or settings.nights else []
        always = [settings.home, state_folder()]
        if settings.metrics_file:
            always.append(Path(settings.metrics_file).expanduser().absolute().parent)
        folders = {night.name: night_inbox(night, app.context).path for night in nights}
        units_of = partial(
            systemd_units.units,
            command,
            home=settings.home,
            user=user or getpass.getuser(),
            on_failure=on_failure,
            credentials=credentials,
        )
        if command == "nightly":
            for night in nights:
                arguments = _command(screen, app, command, "--night", night.name)
                start = systemd_units.Start(night.name, f"{night.at:%H:%M}:00 {night.zone}", night.missed == "run")
                writable = [*always, folders[night.name]]
                notice = _command(screen, app, "nightly", "--failed", "--night", night.name)
                units |= units_of(arguments, writable=writable, start=start, notice=notice)
        else:
            writable = [*always, *folders.values()]
            notice = _command(screen, app, "nightly", "--failed") if nights else []
            units |= units_of(_command(screen, app, command), writable=writable, notice=notice)
    for name, text in units.items():
        if folder is None:
            screen.print_result(f"# {name}")
            for line in text.splitlines():
                screen.print_result(line)
            continue
        path = Path(folder).absolute() / name
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise LocalFileFailed(f"The file {path} can't be written: {error.strerror}.") from None
        screen.print_result(str(path))
    if folder is not None:
        last = [name for name in units if name.endswith(".timer")] or list(units)[:1]
        screen.info(f"To start it: systemctl daemon-reload && systemctl enable --now {' '.join(last)}")


def _command(screen: Screen, app: App, *words: str) -> list[str]:
    """The command that cron and systemd run; its paths are absolute, because they start it from another folder."""
    program, config = Path(sys.argv[0]).absolute(), screen.flags.get("config")
    arguments = [str(program)] if program.name == "bulkremove" else [sys.executable, "-m", "bulkremove"]
    arguments += ["--home", str(app.settings.home)]
    arguments += ["--config", str(Path(str(config)).absolute())] * bool(config)
    arguments += ["--account", app.settings.account] * app.settings.is_explicit("account")
    return [*arguments, *words]
