"""The query parameters and the JSON body of a request to the HTTP API. Anything unexpected is refused with 400."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

import msgspec
from aiohttp import web

from bulkremove.domain.clock import Epoch
from bulkremove.web.responses import BODY_SECONDS, MAX_FORM_BYTES, parse_number

T = TypeVar("T")

DEFAULT_LIMIT, MAX_LIMIT = 100, 1000
"""Entries of a page, where none are asked for and at most."""
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
"""RFC 3339, section 5.6. Python's own reader takes more than that."""


def _number(text: str) -> int | float:
    number = float(text)
    return int(number) if number.is_integer() else number


_JSON = msgspec.json.Decoder[object](float_hook=_number)
"""JSON Schema counts 3.0 as a whole number."""


async def json_body(request: web.Request, kind: type[T], *, max_bytes: int = MAX_FORM_BYTES) -> T:
    """Parse the body as an object of this class.

    Raises HTTPBadRequest when it is none, HTTPRequestEntityTooLarge, TimeoutError when it comes too slowly.
    """
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.clone(client_max_size=max_bytes).read()
            return msgspec.convert(_JSON.decode(body), kind)
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


def limit_parameter(request: web.Request) -> int:
    """Read the query parameter ``limit``: how many entries a page has. Raises HTTPBadRequest."""
    number = parse_number(request.query.get("limit", str(DEFAULT_LIMIT)), 0)
    if not 1 <= number <= MAX_LIMIT:
        raise web.HTTPBadRequest(text=f"limit must be a whole number from 1 to {MAX_LIMIT}.")
    return number


def time_parameter(request: web.Request, name: str) -> Epoch | None:
    """Read a query parameter that is a time of RFC 3339; None when it is not given. Raises HTTPBadRequest."""
    text = request.query.get(name)
    if text is None:
        return None
    if (time := parse_time(text)) is None:
        raise web.HTTPBadRequest(text=f"{name} must be a time such as 2026-11-23T02:30:00Z; a + in it is written %2B.")
    return time


def parse_time(text: str) -> Epoch | None:
    """The time that a text of RFC 3339 tells; None for any other text."""
    with suppress(ValueError, OverflowError):
        if _TIME.fullmatch(text):
            return Epoch(datetime.fromisoformat(text.upper()).timestamp())
    return None
