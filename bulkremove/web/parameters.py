"""The query parameters and the JSON body of a request to the HTTP API. Anything unexpected is refused with 400."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from bulkremove.web.responses import BODY_SECONDS, parse_number

T = TypeVar("T")


def with_known_parameters(handler: Handler, names: frozenset[str]) -> Handler:
    """Wrap a handler so that query parameters other than ``names`` are refused with 400."""

    async def checked(request: web.Request) -> web.StreamResponse:
        unknown = sorted(set(request.query) - names)
        if unknown:
            allowed = ", ".join(sorted(names)) or "none"
            raise web.HTTPBadRequest(text=f"Unknown query parameter {unknown[0]!r}. Allowed: {allowed}.")
        return await handler(request)

    return checked


async def json_body(request: web.Request, kind: type[T]) -> T:
    """Parse the body as an object of this class.

    Raises HTTPBadRequest when it is none, TimeoutError when it comes too slowly.
    """
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.ValidationError as error:
        raise web.HTTPBadRequest(text=f"The body is not as the API's document says: {error}.") from None
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise web.HTTPBadRequest(text="The body must be a JSON object.") from None


def choice(request: web.Request, name: str, values: Mapping[str, T]) -> T | None:
    """Return the value that a query parameter names; None when it is not given. Raises HTTPBadRequest."""
    text = request.query.get(name)
    if text is None:
        return None
    if text not in values:
        raise web.HTTPBadRequest(text=f"{name} must be one of: {', '.join(values)}.")
    return values[text]


def whole_number(request: web.Request, name: str) -> int | None:
    """Return a query parameter that is a whole number from 0; None when it is not given. Raises HTTPBadRequest."""
    text = request.query.get(name)
    if text is None:
        return None
    if (number := parse_number(text, -1)) < 0:
        raise web.HTTPBadRequest(text=f"{name} must be a whole number.")
    return number


def page_parameter(request: web.Request) -> int:
    """Read the query parameter ``page``, counted from 1. Raises HTTPBadRequest for anything else."""
    number = parse_number(request.query.get("page", "1"), 0)
    if number < 1:
        raise web.HTTPBadRequest(text="page must be a whole number from 1.")
    return number
