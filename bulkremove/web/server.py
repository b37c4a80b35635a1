"""The server of the page: routes behind security checks, templates, and the jobs that it runs beside them."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import web

from bulkremove.app import App, Stop
from bulkremove.app.job_supervisor import JobSupervisor
from bulkremove.app.nightly import Scheduler
from bulkremove.config import Settings
from bulkremove.domain.errors import SettingsError
from bulkremove.domain.hosts import is_loopback
from bulkremove.domain.job import EndReason
from bulkremove.domain.row import Status
from bulkremove.report import many
from bulkremove.web import filters
from bulkremove.web.api import Api
from bulkremove.web.error_pages import failures
from bulkremove.web.events import Live
from bulkremove.web.job_pages import JobPages
from bulkremove.web.login import Entry
from bulkremove.web.plan_pages import PlanPages
from bulkremove.web.routes import Route
from bulkremove.web.security import MAX_FORM_BYTES, Address, make_guard, make_security_middleware
from bulkremove.web.sessions import Sessions, SignIns
from bulkremove.web.uploads import Uploads

_HERE = Path(__file__).parent


def make_site(
    app: App, supervisor: JobSupervisor, sessions: Sessions, sign_ins: SignIns, address: Address
) -> web.Application:
    """All routes behind the security checks."""
    uploads, live = Uploads(app), Live(app, supervisor, sessions)
    all_routes = [
        *Entry(app, sessions, sign_ins, secure=address.tls or bool(address.proxy)).routes(),
        *PlanPages(app, supervisor, uploads).routes(),
        *JobPages(app, supervisor, uploads, live).routes(),
        *live.routes(),
        *Api(app, supervisor, uploads).routes(),
    ]
    routes: dict[web.AbstractRoute, Route] = {}
    security = make_security_middleware(address, app, sessions, routes)
    site = web.Application(middlewares=[failures, security], client_max_size=MAX_FORM_BYTES)
    site.on_response_prepare.append(make_guard(address))
    for route in all_routes:
        routes[site.router.add_route(route.method, route.path, route.answer)] = route
    _add_templates(site, app.settings, sessions)
    return site


def _add_templates(site: web.Application, settings: Settings, sessions: Sessions) -> None:
    environment = aiohttp_jinja2.setup(
        site,
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        account=settings.account, host=settings.host, sandbox=settings.sandbox, Status=Status, users=sessions.users
    )
    environment.filters.update(
        grouped=filters.grouped, local=filters.local, lasts=filters.lasts, name=filters.name, many=many
    )


async def serve(app: App, *, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve the page until SIGINT or SIGTERM; unfinished jobs of an earlier server go on. Raises SettingsError."""
    settings, users = app.settings, bool(await app.users.all())
    _check(settings, host, users)
    sessions, supervisor = Sessions(app.users, users=users), app.supervisor()
    nightly_stop, scheduler = Stop(), None
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tls = _tls(settings)
    listening = _listen(host, port)
    port = listening.getsockname()[1]
    own = _own_hosts(port) if is_loopback(host) else frozenset()
    only_by_proxy = not is_loopback(host) and tls is None
    address = Address(own, frozenset(settings.allowed_hosts), settings.proxy, only_by_proxy, tls is not None)
    async with AsyncExitStack() as open_:
        await open_.enter_async_context(app.runs.serving())
        await open_.enter_async_context(app.runs.in_sandbox())
        site = make_site(app, supervisor, sessions, SignIns(), address)
        runner = web.AppRunner(site, access_log=None, handle_signals=False, shutdown_timeout=2.0)
        await runner.setup()
        try:
            await web.SockSite(runner, listening, ssl_context=tls).start()
            taken_up = (
                await supervisor.resume_interrupted()
            )  # before the link is printed: a journal that can't be written ends the server
            for line in _greeting(settings, sessions, host, port, secure=tls is not None):
                say(line)
            for job in taken_up:
                say(f"Job {job.id} goes on.")
            if settings.nightly_source and settings.nightly_at is not None:
                scheduler = asyncio.create_task(
                    Scheduler(app.context, app.nightly_runs(supervisor), nightly_stop).run()
                )
                say(f"Nightly runs start at {settings.nightly_at:%H:%M} ({settings.nightly_zone}).")
            await stop.wait()
            say("Stopping; the rows in flight are finished first.")
        finally:
            nightly_stop.ask("The server was stopped.", EndReason.SERVER_STOPPED, auto_resumable=True)
            await supervisor.close()
            if scheduler is not None:
                scheduler.cancel()
                await asyncio.gather(scheduler, return_exceptions=True)
            await runner.cleanup()


def _own_hosts(port: int) -> frozenset[str]:
    """The Host headers of this machine's browsers, which leave a scheme's own port out."""
    names = ("127.0.0.1", "localhost", "[::1]")
    bare = names if port in (80, 443) else ()
    return frozenset({*bare, *(f"{name}:{port}" for name in names)})


def _check(settings: Settings, host: str, users: bool) -> None:
    """Raises SettingsError when this is no safe way to serve."""
    if settings.four_eyes and not users:
        raise SettingsError(
            "four_eyes is set, but there are no users, so nobody could ever confirm a plan.",
            hint="Add two people with `bulkremove users add`, or take four_eyes out.",
        )
    if is_loopback(host):
        return
    missing = []
    if not users:
        missing.append("users who sign in (`bulkremove users add NAME --role admin`)")
    if not settings.allowed_hosts:
        missing.append('the names it is reached under (allowed_hosts = ["bulkremove.example.com"])')
    if not (settings.tls_certificate or settings.proxy):
        missing.append("TLS (tls_certificate and tls_key) or the address of a proxy that has it (proxy)")
    if missing:
        raise SettingsError(
            f"The page is not served on {host}, where others could reach it, without {'; '.join(missing)}.",
            hint="Or leave --host out: then it is for this machine only.",
        )


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.tls_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"tls_certificate and tls_key can't be used: {error.strerror or error}.") from None
    return context


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host.strip("[]"), port), family=family)
    except OSError as error:
        raise SettingsError(
            f"The page can't be served on {host}, port {port}: {error.strerror}.", hint="Give another --port."
        ) from None


def _greeting(settings: Settings, sessions: Sessions, host: str, port: int, *, secure: bool) -> list[str]:
    last = "Ctrl-C ends the server; unfinished jobs go on when it is started again."
    if sessions.start_token is not None:
        here = f"http{'s' if secure else ''}://{'[::1]' if ':' in host else '127.0.0.1'}:{port}"
        return [f"Open {here}/start?token={sessions.start_token}", f"The link is good once. {last}"]
    names = settings.allowed_hosts or ("127.0.0.1",)
    place = f"https://{names[0]}/" if settings.proxy else f"http{'s' if secure else ''}://{names[0]}:{port}/"
    return [f"Listening on {host}, port {port}. Sign in at {place}", last]
