"""The server of the web page and the HTTP API, which also runs the jobs and the nightly runs."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import web

from bulkremove.app import App, Stop
from bulkremove.app.audit_text import facts_in_words
from bulkremove.app.job_supervisor import JobSupervisor
from bulkremove.config import Settings
from bulkremove.domain.audit_acts import act_in_words
from bulkremove.domain.errors import SettingsError
from bulkremove.domain.hosts import is_loopback
from bulkremove.domain.job import EndReason
from bulkremove.domain.permissions import Access
from bulkremove.domain.plural import pluralize
from bulkremove.domain.row import Status
from bulkremove.domain.standing import Standing
from bulkremove.domain.status_words import label_of, meaning_of
from bulkremove.platform.stop_signals import INTERRUPT, TERMINATE, on_stop_signals
from bulkremove.report import duration
from bulkremove.web import filters
from bulkremove.web.access_pages import AccessPages
from bulkremove.web.account_pages import AccountPages
from bulkremove.web.api import Api
from bulkremove.web.approval_pages import ApprovalPages
from bulkremove.web.audit_pages import AuditPages
from bulkremove.web.connections import listening
from bulkremove.web.error_pages import error_middleware
from bulkremove.web.events import LiveUpdates
from bulkremove.web.find_pages import FindPages
from bulkremove.web.frame import only_account
from bulkremove.web.icons import icon
from bulkremove.web.job_pages import JobPages
from bulkremove.web.local_sessions import LocalSessions
from bulkremove.web.lookups import Lookups
from bulkremove.web.overview_pages import OverviewPages
from bulkremove.web.plan_pages import PlanPages
from bulkremove.web.protected_pages import ProtectedPages
from bulkremove.web.put_back_pages import PutBackPages
from bulkremove.web.reauthentication import Reauthentication
from bulkremove.web.responses import MAX_FORM_BYTES
from bulkremove.web.routes import Route
from bulkremove.web.security import Address, make_header_signal, make_security_middleware
from bulkremove.web.sessions import Sessions
from bulkremove.web.settings_pages import SettingsPages
from bulkremove.web.sign_in import LoginPages
from bulkremove.web.sign_in_throttle import SignInThrottle
from bulkremove.web.single_sign_on import SignOn
from bulkremove.web.uploads import Uploads
from bulkremove.web.zoho_account_pages import ZohoAccountPages

_HERE = Path(__file__).parent
NIGHT_END_SECONDS = 30.0
"""Real seconds that the end of the server waits for nightly runs whose jobs have ended."""


def make_site(
    app: App, supervisor: JobSupervisor, sessions: Sessions, sign_ins: SignInThrottle, address: Address
) -> web.Application:
    """Build the aiohttp application: all routes behind the security checks, and the templates."""
    uploads, live = Uploads(app), LiveUpdates(app, supervisor, sessions)
    approvals = ApprovalPages(app, uploads)
    reauthentication = Reauthentication(app, sessions, sign_ins)
    lookups = Lookups(app, uploads)
    all_routes: list[Route] = [
        *LoginPages(app, sessions, sign_ins, address).routes(),
        *(AccountPages(app, sessions, sign_ins).routes() if address.sign_on is None else ()),
        *OverviewPages(app, supervisor, uploads).routes(),
        *PlanPages(app, supervisor, uploads, lookups).routes(),
        *approvals.routes(),
        *FindPages(app, uploads, lookups).routes(),
        *PutBackPages(app, uploads, lookups).routes(),
        *JobPages(app, supervisor, uploads, lookups, live).routes(),
        *live.routes(),
        *AuditPages(app).routes(),
        *SettingsPages(app).routes(),
        *AccessPages(app, sessions, reauthentication).routes(),
        *ZohoAccountPages(app, reauthentication).routes(),
        *ProtectedPages(app, reauthentication).routes(),
        *Api(app, supervisor, uploads, lookups).routes(),
    ]
    routes: dict[web.AbstractRoute, Route] = {}
    security = make_security_middleware(address, app, sessions, uploads, routes)
    site = web.Application(middlewares=[error_middleware, security], client_max_size=MAX_FORM_BYTES)
    site.on_response_prepare.append(make_header_signal(address))
    site.on_shutdown.append(lambda site: lookups.close())
    for route in all_routes:
        routes[site.router.add_route(route.method, route.path, route.handler)] = route
    _add_templates(site, app, sessions, approvals)
    return site


def _add_templates(site: web.Application, app: App, sessions: Sessions, approvals: ApprovalPages) -> None:
    environment = aiohttp_jinja2.setup(
        site,
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    environment.globals.update(
        only_account=partial(only_account, app),
        sandbox=app.settings.is_sandbox,
        Status=Status,
        Standing=Standing,
        users=sessions.users,
        icon=icon,
        waiting_for=approvals.waiting_for,
    )
    environment.filters.update(
        grouped=filters.grouped,
        local=filters.local,
        lasts=duration,
        about=filters.about,
        pill=filters.pill,
        tab_icon=filters.tab_icon,
        sample_values=filters.sample_values,
        label=label_of,
        meaning=meaning_of,
        name=filters.name,
        act_words=act_in_words,
        pluralize=pluralize,
        facts=facts_in_words,
    )


async def serve(app: App, *, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM, and resume the jobs that an earlier server left unfinished. Raises SettingsError.

    ``port`` 0 takes a free one. ``say`` prints a line for the user.
    """
    settings, has_users = app.settings, bool(await app.users.all())
    _check(settings, host, has_users)
    sign_on = _sign_on(settings)
    supervisor, stored = app.supervisor(), LocalSessions(settings.home)
    sessions = Sessions(app.users, users=has_users or sign_on is not None, stored=stored)
    nightly_stop, nights = Stop(), list[asyncio.Task[None]]()
    stop = asyncio.Event()
    on_stop_signals({INTERRUPT: stop.set, TERMINATE: stop.set})
    tls = _tls(settings)
    listener = _listen(host, port)
    port = listener.getsockname()[1]
    own_hosts = _own_hosts(port) if is_loopback(host) else frozenset()
    names = frozenset(settings.allowed_hosts)
    address = Address(own_hosts, names, settings.proxy, tls is not None, port, sign_on)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.runs.serving())
        await stack.enter_async_context(app.connections.in_sandbox())
        site = make_site(app, supervisor, sessions, SignInThrottle(), address)
        await stack.enter_async_context(listening(site, listener, address, tls=tls))
        try:
            # Before the link is printed: a journal that can't be written ends the server.
            resumed_jobs, need_review = await supervisor.resume_interrupted()
            for line in _greeting(settings, sessions, host, port, secure=tls is not None):
                say(line)
            for job in resumed_jobs:
                say(f"Job {job.id} goes on.")
            for job in need_review:
                say(f"Job {job.id} needs review before it goes on: open its page.")
            nights.append(asyncio.create_task(app.scheduled_starts(supervisor).run(nightly_stop)))
            nights.append(asyncio.create_task(app.people_mail.run(nightly_stop)))
            for scheduler in app.schedulers(supervisor, nightly_stop):
                nights.append(asyncio.create_task(scheduler.run()))
                mark = "SANDBOX: on copies of the files. " if settings.is_sandbox else ""
                say(
                    f"{mark}Night {scheduler.night.name} starts at {scheduler.night.at:%H:%M} ({scheduler.night.zone})."
                )
            await stop.wait()
            say("Stopping; the rows in flight are finished first.")
        finally:
            nightly_stop.request("The server was stopped.", EndReason.SERVER_STOPPED, auto_resumable=True)
            await supervisor.close()
            if nights:  # a run that was stopped puts its files away, notifies people, and says that it has ended
                await asyncio.wait(nights, timeout=NIGHT_END_SECONDS)
            for night in nights:
                night.cancel()
            await asyncio.gather(*nights, return_exceptions=True)


def _own_hosts(port: int) -> frozenset[str]:
    """Return the Host headers of browsers on this machine; they leave out the default port of the scheme."""
    names = ("127.0.0.1", "localhost", "[::1]")
    without_port = names if port in (80, 443) else ()
    return frozenset({*without_port, *(f"{name}:{port}" for name in names)})


def _check(settings: Settings, host: str, has_users: bool) -> None:
    """Check that users, host names and TLS are set where they are needed. Raises SettingsError."""
    if settings.proxy and is_loopback(host) and not ipaddress.ip_network(settings.proxy).is_loopback:
        raise SettingsError(
            f"The page would listen on {host}, where the proxy {settings.proxy} can't reach it.",
            hint="Give --host, such as --host 0.0.0.0; where there is a proxy, nobody else is answered.",
        )
    has_users = has_users or bool(settings.auth_header)
    if settings.four_eyes and not has_users:
        raise SettingsError(
            "four_eyes is set, but there are no users, so nobody could ever confirm a plan.",
            hint="Add two people with `bulkremove users add`, or take four_eyes out.",
        )
    if is_loopback(host):
        return
    missing = []
    if not has_users:
        missing.append("users who sign in (`bulkremove users add NAME --role admin`)")
    if not settings.allowed_hosts:
        missing.append('the host names of the page (allowed_hosts = ["bulkremove.example.com"])')
    if not (settings.tls_certificate or settings.proxy):
        missing.append("TLS (tls_certificate and tls_key) or the address of a proxy with TLS (proxy)")
    if missing:
        raise SettingsError(
            f"The page is not served on {host}, where others could reach it, without {'; '.join(missing)}.",
            hint="Or leave --host out: then only this machine can reach it.",
        )


def _sign_on(settings: Settings) -> SignOn | None:
    if not settings.auth_header:
        return None
    access: dict[str, Access] = {}
    for group, text in settings.auth_roles:
        access[group] = access.get(group, Access()).joined(Access.parse([text]))
    return SignOn(settings.auth_header, settings.auth_groups_header, access)


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
    """Return the lines that the server prints when it is ready: where to open the page, and how to end the server."""
    last_line = "Ctrl-C ends the server; unfinished jobs go on when it is started again within an hour."
    scheme = "https" if secure else "http"
    if sessions.start_token is not None:
        url = f"{scheme}://{'[::1]' if ':' in host else '127.0.0.1'}:{port}"
        return [f"Open {sessions.announce(f'{url}/start?token=')}", f"The link is good once. {last_line}"]
    names = settings.allowed_hosts or ("127.0.0.1",)
    url = f"https://{names[0]}/" if settings.proxy else f"{scheme}://{names[0]}:{port}/"
    return [f"Listening on {host}, port {port}. Sign in at {url}", last_line]
