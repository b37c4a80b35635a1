"""The command serve: the page, for people who do not use a terminal."""

from __future__ import annotations

import click

from bulkremove.cli.console import Screen, sandbox_options


def add_to(group: click.Group) -> None:
    """Add this command to the group."""
    group.add_command(serve)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on; this machine only.")
@click.option("--port", type=int, default=8040, show_default=True)
@sandbox_options
@click.pass_obj
def serve(screen: Screen, host: str, port: int, sandbox: str | None, speed: float | None) -> None:
    """Serve the page on this machine: upload, preview, confirm, watch, download.

    Example: bulkremove serve --sandbox sample_data/world.json --speed 20
    """
    from bulkremove import web

    screen.call(lambda app: web.serve(app, host=host, port=port, say=screen.answer), sandbox=sandbox, speed=speed)
