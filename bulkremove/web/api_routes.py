"""Routes of the HTTP API: below its prefix, and with the query parameters that its document names."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from bulkremove.domain.permissions import Permission
from bulkremove.web.openapi import PREFIX, query_names
from bulkremove.web.routes import Route, Scope

__all__ = ["PREFIX", "api_route"]


def api_route(
    method: str,
    path: str,
    handler: Handler,
    scope: Scope,
    permission: Permission | None,
    content_type: str = "",
    *,
    is_stream: bool = False,
) -> Route:
    """Return the route of an operation. Other query parameters than the document names are refused with 400."""
    checked = _with_known_parameters(handler, query_names(method, path))
    return Route(method, f"{PREFIX}{path}", checked, scope, permission, content_type, is_stream=is_stream)


def _with_known_parameters(handler: Handler, names: frozenset[str]) -> Handler:
    async def checked(request: web.Request) -> web.StreamResponse:
        unknown = sorted(set(request.query) - names)
        if unknown:
            allowed = ", ".join(sorted(names)) or "none"
            raise web.HTTPBadRequest(text=f"Unknown query parameter {unknown[0]!r}. Allowed: {allowed}.")
        return await handler(request)

    return checked
