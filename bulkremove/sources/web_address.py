"""A web address that answers with a CSV."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit

from bulkremove.domain.errors import SourceFailed
from bulkremove.domain.hosts import is_loopback
from bulkremove.sources.download import download
from bulkremove.sources.inbox import Inbox
from bulkremove.sources.interface import SourceFile


class WebAddress:
    """A URL, requested with the bearer ``token`` if there is one. Redirects are not followed."""

    is_export = True

    def __init__(self, url: str, token: str | None) -> None:
        self._url, self._token = url, token

    def inbox(self, folder: Path) -> Inbox:
        """The ``folder`` that is given."""
        return Inbox(folder)

    async def fetch(self, folder: Path) -> list[SourceFile]:
        """Save the response's body as one CSV file in ``folder``. Raises SourceFailed."""
        try:
            parts = urlsplit(self._url)
        except ValueError:
            raise SourceFailed("The source's address is not valid.") from None
        if parts.username is not None:  # it would appear in logs and in the list of processes
            raise SourceFailed(
                "The source's address holds a name or password.",
                hint="Leave it out, and set BULKREMOVE_SOURCE_TOKEN if the address asks for a bearer token.",
            )
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise SourceFailed(
                "The source's address is not https, so anybody on the way could change who is removed.",
                hint="Change the source's address.",
            )
        return [await download(self._body(), folder, Path(parts.path).name or f"{parts.hostname}.csv")]

    async def _body(self) -> AsyncGenerator[bytes]:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30.0, sock_read=60.0)  # `download` bounds the whole
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            async with (
                aiohttp.ClientSession(headers=headers, trust_env=False, timeout=timeout) as session,
                session.get(self._url, allow_redirects=False) as reply,
            ):
                if reply.status != 200:
                    raise SourceFailed(f"The source's address answered with {reply.status}; nothing of it was used.")
                if "Content-Length" not in reply.headers and "chunked" not in reply.headers.get(
                    "Transfer-Encoding", ""
                ):
                    raise SourceFailed("The source's address does not say where its answer ends; it may be cut off.")
                async for piece in reply.content.iter_chunked(64 * 1024):
                    yield piece
        except (aiohttp.ClientError, ValueError):
            raise SourceFailed("The source's address can't be read.", hint="Open it in a browser to see why.") from None
