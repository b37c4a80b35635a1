"""The server of the page: its routes, its gates, its templates, and the jobs that it runs beside them."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import web

from bulkremove.app import App
from bulkremove.app.desk import Desk
from bulkremove.errors import SettingsError
from bulkremove.model import Status
from bulkremove.web import words
from bulkremove.web.gates import Sessions, guard, make_gates
from bulkremove.web.pages import Pages, errors
from bulkremove.web.uploads import Uploads

_HERE = Path(__file__).parent


def make_app(app: App, desk: Desk, sessions: Sessions, *, hosts: frozenset[str]) -> web.Application:
    """All routes behind the gates. ``hosts``: the Host headers that are ours."""
    site = web.Application(middlewares=[errors, make_gates(hosts, sessions)], client_max_size=64 * 1024)
    site.on_response_prepare.append(guard)
    site.router.add_static("/static", _HERE / "static")
    Pages(app, desk, Uploads(app.settings.home / "uploads"), sessions).add_to(site.router)
    settings = app.settings
    place = {"account": settings.account, "host": settings.host, "sandbox": settings.sandbox, "Status": Status}

    async def with_place(request: web.Request) -> dict[str, object]:
        return place

    environment = aiohttp_jinja2.setup(
        site,
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        context_processors=[with_place],
    )
    environment.filters.update(grouped=words.grouped, local=words.local, lasts=words.lasts, name=words.name)
    return site


async def serve(app: App, *, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve the page until SIGINT or SIGTERM; unfinished jobs of an earlier server go on. Raises SettingsError."""
    if host not in ("127.0.0.1", "localhost"):
        raise SettingsError(
            f"The page is not served on {host}: so far it knows one person, who sits at this machine.",
            hint="Leave --host out; reach it from elsewhere through an SSH tunnel.",
        )
    sessions, desk = Sessions(), Desk(app)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        listening = socket.create_server((host, port))
    except OSError as error:
        raise SettingsError(f"Port {port} can't be used: {error.strerror}.", hint="Give another --port.") from None
    port = listening.getsockname()[1]
    hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
    async with app.rehearsing():
        runner = web.AppRunner(make_app(app, desk, sessions, hosts=hosts), access_log=None, handle_signals=False)
        await runner.setup()
        try:
            await web.SockSite(runner, listening).start()
            say(f"Open http://127.0.0.1:{port}/start?token={sessions.start_token}")
            say("The link is good once. Ctrl-C ends the server; unfinished jobs go on when it is started again.")
            for job in desk.take_up():
                say(f"Job {job.id} goes on.")
            await stop.wait()
        finally:
            await desk.close()
            await runner.cleanup()
