"""The middleware that turns errors into responses: what happened and what to do next, never a traceback."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web
from aiohttp.typedefs import Handler

from bulkremove.domain.errors import BulkremoveError, FileRefused, JobBusy, JobNotFound, NoteRejected
from bulkremove.web.problems import CONTENT_TYPE, problem, status_of
from bulkremove.web.responses import page
from bulkremove.web.routes import API, PERSON


def _text(error: BulkremoveError) -> str:
    """The message and hint of an error, without a hint that is written for the command line."""
    if isinstance(error, FileRefused) and error.choices:
        return error.message
    return error.message if isinstance(error, (JobBusy, JobNotFound, NoteRejected)) else error.page_text


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into responses, as the outermost middleware: an error page, or a problem under ``API``."""
    headers: dict[str, str] = {}
    caught: Exception
    try:
        return await handler(request)
    except web.HTTPRedirection:
        raise
    except web.HTTPException as error:
        caught, message, status = error, error.text or error.reason, error.status
        headers = {
            name: error.headers[name] for name in ("Allow", "WWW-Authenticate", "Retry-After") if name in error.headers
        }
    except BulkremoveError as error:
        caught, message, status = error, _text(error), status_of(error)
    except TimeoutError as error:
        caught, message, status = error, "That took too long and was stopped. Try again.", 408
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception as error:
        logging.getLogger(__name__).debug("%s", type(error).__name__, exc_info=error)  # --debug shows it
        message, status = "Something unexpected happened. Nothing was sent because of it; go back and try again.", 500
        caught = error
    if request.path.startswith(API):
        body = problem(caught, status, message)
        return web.json_response(body, status=status, headers=headers, content_type=CONTENT_TYPE)
    if PERSON not in request and "text/html" not in request.headers.get("Accept", ""):
        return web.Response(text=message, status=status, headers=headers)
    context = {"message": message, "status": status, "back": _page_of(request, status)}
    return page("error.html", request, context, status=status, headers=headers)


def _page_of(request: web.Request, status: int) -> str:
    """The address of the job or plan that a form was about, which a person goes back to; empty without one."""
    if request.method != "POST" or status in (403, 404, 410):
        return ""
    found = request.match_info
    pages = (f"/{kind}s/{found[kind]}" for kind in ("job", "upload") if kind in found)
    return next(pages, "")
