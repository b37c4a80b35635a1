"""The command sandbox: a local server that stands in for Zoho People, until Ctrl-C."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from bulkremove.cli.console import Screen


def add_to(group: click.Group) -> None:
    """Add this command to the group."""
    group.add_command(sandbox)


@click.command()
@click.option("--world", required=True, metavar="FILE", help="Who is in which batch (JSON).")
@click.option("--port", type=int, default=8030, show_default=True)
@click.option("--speed", type=float, default=1.0, metavar="N", help="Its clock runs N times faster.")
@click.option("--limit", default="30/60s", show_default=True, help="Calls per time.")
@click.option("--lock", default="300s", show_default=True, help="How long a lock lasts.")
@click.option(
    "--rule", default="rolling", show_default=True, help="rolling, fixed, first-call, two-bucket or token-bucket."
)
@click.option(
    "--lock-response",
    default="422",
    show_default=True,
    help="422, 429, 429-retry-after, 400-title, 200-7209, 400-html.",
)
@click.option("--extend", is_flag=True, help="A call during a lock lengthens it.")
@click.option("--foreign", type=float, default=0.0, metavar="N", help="Calls of other programs a minute.")
@click.option("--log", metavar="FILE", help="Write its requests to FILE, as JSON Lines.")
@click.pass_obj
def sandbox(screen: Screen, /, **params: Any) -> None:
    """Run a stand-in for Zoho People on this machine, to try things out with.

    Example: bulkremove sandbox --world sample_data/world.json
    """
    import asyncio

    asyncio.run(_serve(screen, params))


async def _serve(screen: Screen, params: dict[str, Any]) -> None:
    import asyncio

    from bulkremove.app.sandbox_run import SandboxOptions, credentials
    from bulkremove.config import load
    from bulkremove.platform.stop_signals import INTERRUPT, TERMINATE, on_stop_signals
    from bulkremove.platform.system_clock import SystemClock
    from bulkremove.sandbox import build_sandbox

    url = f"http://127.0.0.1:{params['port']}"
    flags = {name: params[name] for name in ("limit", "lock", "speed")}
    places = {name: screen.flags.get(name) for name in ("home", "config")}
    settings = load({**places, **flags, "api_url": url, "accounts_url": url}, {})
    world = Path(params["world"])
    server = build_sandbox(
        world,
        clock=SystemClock(params["speed"]),
        calls=settings.limit[0],
        window=settings.limit[1],
        lock=settings.lock,
        rule=params["rule"],
        lock_response=params["lock_response"],
        extend=params["extend"],
        foreign_per_minute=params["foreign"],
        log=Path(params["log"]) if params["log"] else None,
    )
    await server.start(port=params["port"])
    stop = asyncio.Event()
    on_stop_signals({INTERRUPT: stop.set, TERMINATE: stop.set})
    variables = {
        "BULKREMOVE_API_URL": server.url,
        "BULKREMOVE_ACCOUNTS_URL": server.url,
        "BULKREMOVE_SPEED": f"{params['speed']:g}",
        **credentials(SandboxOptions(world)),
    }
    for name, value in variables.items():
        screen.print_result(f"export {name}={shlex.quote(value)}")
    screen.info("SANDBOX: it runs until Ctrl-C. Paste the lines above into another terminal to use it.")
    await stop.wait()
    await server.stop()
    requested_removals = sum(entry.removal is not None for entry in server.requests)
    screen.info(f"SANDBOX: {requested_removals:,} removals were asked for, {len(server.removed):,} were made.")
