"""The page's server within a test: real sockets, a real journal, and the sandbox where a test wants removals."""

from __future__ import annotations

import asyncio
import io
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import aiohttp
from aiohttp import web
from argon2 import PasswordHasher

from bulkremove.app import App, SandboxOptions
from bulkremove.app.job_supervisor import JobSupervisor
from bulkremove.config import Settings
from bulkremove.domain.clock import Clock, Epoch
from bulkremove.domain.permissions import Access, Role
from bulkremove.domain.table import Table
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.reader import read
from bulkremove.reading.subprocess_reader import ReadUntrusted
from bulkremove.storage.interface.users import User
from bulkremove.web.connections import listening
from bulkremove.web.security import Address
from bulkremove.web.server import make_site
from bulkremove.web.sessions import Sessions
from bulkremove.web.sign_in_throttle import SignInThrottle
from bulkremove.zoho.accounts import SCOPE_VARIABLE

PASSWORD = "correct horse battery"
CREDENTIALS = {"BULKREMOVE_CLIENT_ID": "sandbox", "BULKREMOVE_CLIENT_SECRET": "s", "BULKREMOVE_REFRESH_TOKEN": "r"}
IDS = ("478346000019501001", "478346000019502001", "478346000019558000")


def triples(count: int, *, first: int = 0, reason: str = "left") -> str:
    """A CSV of ``count`` learners of the world that ``crowd`` makes."""
    course, batch, learner = IDS
    rows = (f"{course},{batch},{int(learner) + first + i},{reason}\n" for i in range(count))
    return "course,batch,learner,reason\n" + "".join(rows)


@dataclass
class Reply:
    """An answer, read to its end."""

    status: int
    text: str
    headers: dict[str, str]
    url: str
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.text)
        return found

    @property
    def data(self) -> Any:
        """The JSON of the answer, of whatever kind."""
        return json.loads(self.text)

    def field(self, name: str) -> str:
        """The value of a form's field."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.text)
        assert found, f"no field {name}"
        return found[1]


class Visitor:
    """A browser's requests without the browser: cookies are kept, forms carry what a browser adds."""

    def __init__(self, running_site: RunningSite, session: aiohttp.ClientSession) -> None:
        self._house, self._session = running_site, session

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.ask("GET", path, headers={"Sec-Fetch-Site": "same-origin", **headers})

    async def post(self, path: str, **fields: str) -> Reply:
        return await self.post_all(path, [*fields.items()])

    async def post_all(self, path: str, fields: Sequence[tuple[str, str]]) -> Reply:
        """``fields``: of which several may have one name."""
        headers = {"Origin": self._house.url, "Sec-Fetch-Site": "same-origin"}
        kind = {} if fields else {"Content-Type": "application/x-www-form-urlencoded"}
        return await self.ask("POST", path, data=fields, headers={**headers, **kind})

    async def upload(self, content: str | bytes, name: str = "leavers.csv") -> Reply:
        form = aiohttp.FormData(quote_fields=False)
        raw = content.encode() if isinstance(content, str) else content
        form.add_field("file", io.BytesIO(raw), filename=name, content_type="application/octet-stream")
        return await self.ask("POST", "/uploads", data=form, headers={"Origin": self._house.url})

    async def ask(self, method: str, path: str, **kwargs: object) -> Reply:
        async with self._session.request(method, self._house.url + path, **kwargs) as reply:  # type: ignore[arg-type] # passed on
            body = await reply.read()
            text = body.decode("utf-8", "replace")
            return Reply(reply.status, text, dict(reply.headers), reply.url.path_qs, body)

    def cookie(self, name: str) -> str:
        """The value of a cookie that it keeps."""
        return next(cookie.value for cookie in self._session.cookie_jar if cookie.key == name)

    async def sign_in(self, name: str, password: str = PASSWORD) -> Reply:
        return await self.post("/sign-in", name=name, password=password)

    async def confirm(self, plan: Reply) -> Reply:
        """Agree to the plan that a page shows."""
        number = re.search(r'data-wanted="([0-9]+)"', plan.text)
        assert number, "no number to type"
        return await self.post(f"{plan.url.partition('?')[0]}/confirm", plan=plan.field("plan"), number=number[1])


@dataclass
class RunningSite:
    """A server under test."""

    app: App
    supervisor: JobSupervisor
    sessions: Sessions
    site: web.Application
    url: str
    cookie: str
    """The name of the session's cookie."""

    @asynccontextmanager
    async def visitor(self, *, known: bool = True, **headers: str) -> AsyncIterator[Visitor]:
        """A new browser; ``known``: it has used the start link, where there is one."""
        jar = aiohttp.CookieJar(unsafe=True)  # unsafe only in that it keeps cookies of an IP address
        async with aiohttp.ClientSession(cookie_jar=jar, headers=headers) as session:
            visitor = Visitor(self, session)
            if known:
                await visitor.get(f"/start?token={self.sessions.start_token}")
            yield visitor

    @asynccontextmanager
    async def signed_in(self, name: str) -> AsyncIterator[Visitor]:
        """A new browser on which a user has signed in."""
        async with self.visitor(known=False) as visitor:
            await visitor.sign_in(name)
            yield visitor

    @asynccontextmanager
    async def strangers(self) -> AsyncIterator[tuple[Visitor, Visitor]]:
        """Two browsers that nobody has signed in on."""
        async with self.visitor(known=False) as first, self.visitor(known=False) as second:
            yield first, second

    async def program(self, role: Role | Access, *, owner: str = "") -> dict[str, str]:
        """The header with which a program comes in."""
        access = role if isinstance(role, Access) else Access.everywhere(role)
        _, secret = await self.app.tokens.add("program", access, by="a test", owner=owner)
        return {"Authorization": f"Bearer {secret}"}


@cache
def password_hash() -> str:
    """That of PASSWORD, which is quick to check; test_people.py has those that the program makes."""
    return PasswordHasher(time_cost=1, memory_cost=64).hash(PASSWORD)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


async def read_here(source: Path | BinaryIO, /, *, name: str, options: ReadOptions) -> Table:
    """Read a file in this process, which has pandas loaded; test_bombs.py and others have theirs read in a child."""
    return await asyncio.to_thread(_read_from_start, source, name, options)


def _read_from_start(source: Path | BinaryIO, name: str, options: ReadOptions) -> Table:
    if not isinstance(source, Path):
        source.seek(0)
    return read(source, name=name, options=options)


@asynccontextmanager
async def running_site(
    home: Path,
    *,
    world: Path | None = None,
    speed: float = 60.0,
    roles: tuple[Role, ...] = (),
    address: Address | None = None,
    clock: Clock | None = None,
    environ: Mapping[str, str] = CREDENTIALS,
    access: Mapping[str, Access] = MappingProxyType({}),
    read_untrusted: ReadUntrusted = read_here,
    is_scope_known: bool = False,
    prepare: Callable[[App], None] = lambda app: None,
    **settings: object,
) -> AsyncIterator[RunningSite]:
    """A server, with a user of each role (named like it), those of ``access`` by name, and a sandbox with ``world``.

    ``is_scope_known``: the world's credentials say that they may read, so plans are checked unasked.
    ``prepare``: changes the application before the server is made.
    """
    play = SandboxOptions(world, speed) if world else None
    base = Settings(home, api_url="http://127.0.0.1:9", accounts_url="http://127.0.0.1:9")
    settings_of_app = replace(base, **settings)  # type: ignore[arg-type] # the caller names fields of Settings
    app = App(settings_of_app, environ=environ, sandbox=play, clock=clock, read_untrusted=read_untrusted)
    if not is_scope_known:
        app.context = replace(app.context, environ={**app.context.environ, SCOPE_VARIABLE: ""})
    for name, own in ({role.value: Access.everywhere(role) for role in roles} | dict(access)).items():
        await app.context.storage.users.add_user(User(name, own, Epoch(1.0)), password_hash())
    prepare(app)
    supervisor, sessions = app.supervisor(), Sessions(app.users, users=bool(roles or access))
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    address = replace(
        address or Address(frozenset()), hosts=frozenset({f"127.0.0.1:{port}", f"localhost:{port}"}), port=port
    )
    site = make_site(app, supervisor, sessions, SignInThrottle(), address)
    try:
        async with app.connections.in_sandbox(), listening(site, listener, address):
            try:
                yield RunningSite(app, supervisor, sessions, site, f"http://127.0.0.1:{port}", address.cookie)
            finally:
                await supervisor.close()
    finally:
        app.close()


async def until(so: Callable[[], object | Awaitable[object]]) -> None:
    """Wait until something is so."""
    for _ in range(2000):
        found = so()
        if await found if isinstance(found, Awaitable) else found:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came so far")
