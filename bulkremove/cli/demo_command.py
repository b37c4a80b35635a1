"""The command demo, and what ``serve --demo`` shares with it: the sample files, in a home folder of their own."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click

from bulkremove.cli.console import Screen
from bulkremove.domain.errors import LocalFileFailed

SPEED = 60.0
"""How many times faster than real time the clock of the sandbox runs."""


def add_to(group: click.Group) -> None:
    """Add this command to the group."""
    group.add_command(demo)


@click.command()
@click.pass_context
def demo(context: click.Context) -> int:
    """Remove the learners of a sample file in the bundled sandbox: no account is needed, and nobody is removed.

    Example: bulkremove demo
    """
    from bulkremove.cli.run_commands import run

    screen, world = demo_home(context.obj)
    context.obj = screen
    leavers = world.with_name("leavers.csv")
    command = screen.command("run", str(leavers), values={"sandbox": world, "speed": f"{SPEED:g}"})
    screen.info(f"This is: {command}\n")
    return int(context.invoke(run, file=str(leavers), sandbox=str(world), speed=SPEED, yes=True))


def demo_home(screen: Screen) -> tuple[Screen, Path]:
    """Return a screen with a home folder of its own within the present one, and the path of the world in it.

    It holds nothing of a real account. Raises LocalFileFailed.
    """
    from bulkremove.config.loading import default_home
    from bulkremove.sandbox.samples import copy_samples

    home = Path(str(screen.flags.get("home") or os.environ.get("BULKREMOVE_HOME") or default_home())) / "demo"
    try:
        world = copy_samples(home / "samples")
    except OSError as error:
        raise LocalFileFailed(f"The sample files can't be written to {home}: {error.strerror or error}.") from None
    return replace(screen, flags={**screen.flags, "home": str(home)}), world
