"""The middleware that turns errors into responses: what happened and what to do next, never a traceback."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web
from aiohttp.typedefs import Handler

from bulkremove.domain.errors import ActionRefused, BulkremoveError, FileRefused, JobBusy, JobNotFound, NoteRejected
from bulkremove.domain.table import Choices
from bulkremove.report.json_types import ChoicesJson, ColumnValuesJson
from bulkremove.web.responses import page
from bulkremove.web.routes import API, PERSON

_STATUS: dict[type[BulkremoveError], int] = {FileRefused: 422, ActionRefused: 409, JobBusy: 409, JobNotFound: 404}
"""The HTTP status of each kind of error; 400 for any other."""


def _text(error: BulkremoveError) -> str:
    """The message and hint of an error, without a hint that is written for the command line."""
    if isinstance(error, FileRefused) and error.choices:
        return error.message
    return error.message if isinstance(error, (JobBusy, JobNotFound, NoteRejected)) else error.page_text


def _as_json(choices: Choices) -> ChoicesJson:
    only: list[ColumnValuesJson] = [
        {"column": column, "values": [{"value": value, "rows": rows} for value, rows in values]}
        for column, values in choices.only
    ]
    return {
        "sheet": [*choices.sheets],
        "header": [*choices.header],
        "header_row": choices.header_row,
        "only": only,
        "hidden": choices.hidden,
    }


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into responses, as the outermost middleware: an error page, or a JSON object under ``API``."""
    headers: dict[str, str] = {}
    extra_members: dict[str, object] = {}
    try:
        return await handler(request)
    except web.HTTPRedirection:
        raise
    except web.HTTPException as error:
        message, status = error.text or error.reason, error.status
        headers = {
            name: error.headers[name] for name in ("Allow", "WWW-Authenticate", "Retry-After") if name in error.headers
        }
    except BulkremoveError as error:
        message = _text(error)
        status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 400)
        if isinstance(error, FileRefused) and error.choices:
            extra_members = {"choices": _as_json(error.choices)}
    except TimeoutError:
        message, status = "That took too long and was stopped. Try again.", 408
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception as error:
        logging.getLogger(__name__).debug("%s", type(error).__name__, exc_info=error)  # --debug shows it
        message, status = "Something unexpected happened. Nothing was sent because of it; go back and try again.", 500
    if request.path.startswith(API):
        return web.json_response({"error": message, **extra_members}, status=status, headers=headers)
    if PERSON not in request and "text/html" not in request.headers.get("Accept", ""):
        return web.Response(text=message, status=status, headers=headers)
    return page("error.html", request, {"message": message, "status": status}, status=status, headers=headers)
