"""The command serve: the page, for people who do not use a terminal."""

from __future__ import annotations

import click

from bulkremove.cli.console import Screen, sandbox_options
from bulkremove.cli.demo_command import SPEED, demo_home


def add_to(group: click.Group) -> None:
    """Add this command to the group."""
    group.add_command(serve)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on; this machine only.")
@click.option("--port", type=int, default=8040, show_default=True)
@click.option("--demo", is_flag=True, help="Use the bundled sandbox with sample files; no account is needed.")
@sandbox_options
@click.pass_obj
def serve(screen: Screen, host: str, port: int, demo: bool, sandbox: str | None, speed: float | None) -> None:
    """Serve the page on this machine: upload, preview, confirm, watch, download.

    Example: bulkremove serve --demo
    """
    from bulkremove import web

    if demo:
        if sandbox:
            raise click.UsageError("--demo and --sandbox exclude each other.")
        screen, world = demo_home(screen)
        sandbox, speed = str(world), speed or SPEED
        screen.info(f"Files to upload lie in {world.parent}.")
    screen.call(lambda app: web.serve(app, host=host, port=port, say=screen.print_result), sandbox=sandbox, speed=speed)
