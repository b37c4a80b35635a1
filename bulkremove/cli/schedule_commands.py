"""The command schedule: when nightly runs start, and what starts them, for cron and systemd."""

from __future__ import annotations

import getpass
import shlex
import sys
from collections import Counter
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulkremove.cli import systemd_units
from bulkremove.cli.console import Screen
from bulkremove.domain.errors import LocalFileFailed, SettingsError
from bulkremove.platform.local_time import local

if TYPE_CHECKING:
    from bulkremove.app import App

DEFAULT_START = time(2, 30)
"""When nightly runs start by cron or systemd while there is no nightly_at."""


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

    with screen.app() as app:
        if app.settings.nightly_at is None:
            raise SettingsError("There is no nightly_at.", hint='Set nightly_at = "02:30" in bulkremove.toml.')
        plan = schedule_of(app.settings)
        for _, start in plan.next_starts(app.clock.wall(), 10):
            screen.answer(f"{datetime.fromtimestamp(start, UTC).astimezone(plan.zone):%a %Y-%m-%d %H:%M %Z}")


@schedule.command()
@click.pass_obj
def cron(screen: Screen) -> None:
    """Print a line for crontab, in this machine's own time zone, by which cron goes."""
    from dataclasses import replace

    from bulkremove.app.nightly import schedule as schedule_of

    with screen.app() as app:
        settings = replace(app.settings, nightly_at=app.settings.nightly_at or DEFAULT_START)
        starts = [local(start) for _, start in schedule_of(settings).next_starts(app.clock.wall(), 366)]
        command, log = shlex.join(_command(screen, app, "-q", "nightly")), settings.home / "nightly.log"
    times = Counter((start.hour, start.minute) for start in starts)
    ((usual, _),) = times.most_common(1)
    next_start = (starts[0].hour, starts[0].minute)
    hour, minute = next_start if times[next_start] > 2 else usual  # not that of a night on which the clocks change
    others = len(starts) - times[hour, minute]
    if others > 2:  # a day on which this very time is skipped is cron's to handle
        screen.warn(
            f"cron goes by this machine's time zone, not by nightly_zone = {settings.nightly_zone}: on {others} days "
            "of the next year this line starts the nightly run an hour off. Use `bulkremove schedule systemd`, "
            f"or a cron that knows CRON_TZ={settings.nightly_zone}."
        )
    line = f"{command} >> {shlex.quote(str(log))} 2>&1".replace("%", r"\%")  # cron ends a command at a bare one
    screen.answer(f"{minute} {hour} * * * {line}")


@schedule.command()
@click.option(
    "--for", "command", type=click.Choice(["nightly", "worker", "serve"]), default="nightly", show_default=True
)
@click.option("--write", "folder", metavar="DIR", help="Write the files to this folder, such as /etc/systemd/system.")
@click.option("--user", metavar="NAME", help="The system user that it runs as.  [default: yours]")
@click.option("--on-failure", metavar="UNIT", help="The unit to start when it fails, such as one that calls somebody.")
@click.pass_obj
def systemd(screen: Screen, command: str, folder: str | None, user: str | None, on_failure: str | None) -> None:
    """Print or write a service for systemd, and for nightly runs its timer.

    Example: bulkremove schedule systemd --write /etc/systemd/system
    """
    from bulkremove.platform.sending_homes import state_folder
    from bulkremove.sources import source_of

    with screen.app() as app:
        settings = app.settings
        writable = [settings.home, state_folder()]
        if settings.nightly_source:
            writable.append(source_of(settings.nightly_source, {}).inbox(settings.home).path)
        if settings.metrics_file:
            writable.append(Path(settings.metrics_file).expanduser().absolute().parent)
        units = systemd_units.units(
            command,
            _command(screen, app, command),
            home=settings.home,
            writable=writable,
            user=user or getpass.getuser(),
            on_failure=on_failure,
            start=f"{settings.nightly_at or DEFAULT_START:%H:%M}:00 {settings.nightly_zone}",
            catches_up=settings.nightly_missed == "run",
        )
    for name, text in units.items():
        if folder is None:
            screen.answer(f"# {name}")
            for line in text.splitlines():
                screen.answer(line)
            continue
        path = Path(folder).absolute() / name
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise LocalFileFailed(f"The file {path} can't be written: {error.strerror}.") from None
        screen.answer(str(path))
    if folder is not None:
        last = list(units)[-1]
        screen.say(f"To start it: systemctl daemon-reload && systemctl enable --now {last}")


def _command(screen: Screen, app: App, *words: str) -> list[str]:
    """The command that cron and systemd run; its paths are absolute, because they start it from another folder."""
    program, config = Path(sys.argv[0]).absolute(), screen.flags.get("config")
    arguments = [str(program)] if program.name == "bulkremove" else [sys.executable, "-m", "bulkremove"]
    arguments += ["--home", str(app.settings.home)]
    arguments += ["--config", str(Path(str(config)).absolute())] * bool(config)
    arguments += ["--account", app.settings.account] * ("account" in app.settings.sources)
    return [*arguments, *words]
