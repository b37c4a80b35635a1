"""Single sign-on: the proxy names the person and their groups in headers, which count from its address alone.

There is no session and no password here then: each request is that of whom the proxy names, with the roles of their
groups at this moment. The second factor is the sign-on's business.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

from aiohttp import web
from multidict import CIMultiDictProxy

from bulkremove.app import App
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.permissions import Access
from bulkremove.web.routes import Person

AWAY_SECONDS = 3600.0
"""Seconds without a request after which the next one is recorded as a sign-in."""
MAX_STREAM_SECONDS = 60.0
"""Seconds after which the stream of a job's page is ended, so that the browser asks, and the proxy answers, anew."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}", re.ASCII)


class SignOn:
    """The headers of a proxy that signs people on. ``access``: what the members of a group may do."""

    def __init__(
        self,
        header: str,
        groups_header: str,
        access: Mapping[str, Access],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._header, self._groups_header, self._access, self._clock = header, groups_header, access, clock
        self._seen: dict[str, tuple[Access, float]] = {}

    async def person(self, headers: CIMultiDictProxy[str], app: App) -> Person:
        """The person whom a request that came from the proxy names. Raises HTTPForbidden."""
        name = self._only(headers, self._header).lower()  # one person has one name, in whatever letter case
        if not name:
            raise web.HTTPForbidden(text=f"The proxy did not say who you are: it must set the header {self._header}.")
        if _NAME.fullmatch(name) is None:
            raise web.HTTPForbidden(
                text=f"The proxy's header {self._header} holds no name that the audit log can keep: letters, digits, "
                "'.', '_', '@', '+' and '-' only, at most 100. Let it send the e-mail address."
            )
        groups = {group.strip() for group in self._only(headers, self._groups_header).split(",")}
        access = Access()
        for group in groups & self._access.keys():
            access = access.joined(self._access[group])
        if not access.roles:
            raise web.HTTPForbidden(text=f"{name} is in no group that may use this page. Ask an admin (auth_roles).")
        await self._record(name, access, app)
        return Person(name, access, is_signed_on=True)

    def _only(self, headers: CIMultiDictProxy[str], name: str) -> str:
        """The value of a header. Of two, one may be what the browser sent, so none is believed."""
        values = headers.getall(name, [""])
        if len(values) > 1:
            raise web.HTTPForbidden(text=f"The header {name} came twice. The proxy must replace what a browser sends.")
        return values[0].strip()

    async def _record(self, name: str, access: Access, app: App) -> None:
        now, before = self._clock(), self._seen.get(name)
        self._seen[name] = access, now
        if before is None or before[0] != access or now - before[1] > AWAY_SECONDS:
            await app.record(name, AuditAct.SIGNED_IN, role=str(access), sign_on=True)
