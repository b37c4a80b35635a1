"""Helpers that several handlers share: rendered pages, downloads, form fields and page numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp_jinja2 import render_string, render_template
from multidict import MultiDict

from bulkremove.web.routes import PERSON

MAX_FORM_BYTES = 64 * 1024
"""Largest body of a request that is not an upload."""
BODY_SECONDS = 20.0
"""Seconds for the body of a request that is not an upload, 64 kB at most."""

LOOK_SECONDS = 0.5
"""Seconds between two looks whether slow work is still wanted."""
T = TypeVar("T")

KINDS = {
    ".csv": "text/csv",
    ".jsonl": "application/jsonl",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def page(
    template: str,
    request: web.Request,
    context: Mapping[str, object],
    *,
    status: int = 200,
    headers: Mapping[str, str] = {},
) -> web.Response:
    """Render a whole page; its template also gets the ``path`` and the ``person``, None before sign-in."""
    frame = {"person": request.get(PERSON), "path": request.path}
    response = render_template(template, request, {**frame, **context}, status=status)
    response.headers.update(headers)
    return response


def part(template: str, request: web.Request, context: Mapping[str, object]) -> str:
    """Render a part of a page as HTML on one line, as server-sent events need it."""
    return render_string(template, request, {**context, "person": request.get(PERSON)}).replace("\n", " ")


async def read_form(request: web.Request, *, max_bytes: int = MAX_FORM_BYTES) -> Mapping[str, object]:
    """Read the fields of a form, of which there may be more than the thousand that aiohttp takes.

    Raises HTTPRequestEntityTooLarge, HTTPBadRequest for a body that can't be decoded, or TimeoutError.
    """
    try:
        async with asyncio.timeout(BODY_SECONDS):
            text = await request.clone(client_max_size=max_bytes).text()
        return MultiDict(parse_qsl(text, keep_blank_values=True, encoding=request.charset or "utf-8"))
    except web.HTTPRequestEntityTooLarge:
        text = "That is more than this form takes. Go back and choose fewer, or give a file instead."
        raise web.HTTPRequestEntityTooLarge(max_bytes, max_bytes + 1, text=text) from None
    except (LookupError, ValueError):  # an unknown charset, bytes that are no text
        raise web.HTTPBadRequest(text="This form can't be read. Go back and try again.") from None


async def while_checked(check: Callable[[], Awaitable[None]], work: Coroutine[object, object, T]) -> T:
    """The result of work that takes long; it ends with the error that ``check`` raises, once it raises one."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=LOOK_SECONDS)
            if not task.done():
                await check()
        return task.result()
    finally:
        task.cancel()


async def while_awaited(request: web.Request, work: Coroutine[object, object, T]) -> T:
    """The result of work that takes long; it ends when the browser goes away, or would use up the person's requests.

    Raises ConnectionResetError then.
    """

    async def check() -> None:
        if request.transport is None or request.transport.is_closing():
            raise ConnectionResetError("Nobody waits for this response any more.")

    return await while_checked(check, work)


async def download(path: Path, *, content_type: str = "") -> web.Response:
    """Return a file as a download under its own name, which must be ASCII and never come from a user.

    ``content_type``: empty for that of the file's kind.
    """
    headers = {"Content-Disposition": f'attachment; filename="{path.name}"'}
    charset = None if content_type or path.suffix == ".xlsx" else "utf-8"
    body = await asyncio.to_thread(path.read_bytes)
    return web.Response(body=body, content_type=content_type or KINDS[path.suffix], charset=charset, headers=headers)


def parse_number(text: str, default: int) -> int:
    """Parse a whole number of 1 to 8 ASCII digits; ``default`` for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else default


def page_number(request: web.Request) -> int:
    """Read the query parameter ``page``, counted from 1; anything else means page 1."""
    return max(1, parse_number(request.query.get("page", "1"), 1))
