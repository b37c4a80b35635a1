"""What several pages answer with or read: a page, a part of one, a download, the number of a table's page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aiohttp import web
from aiohttp_jinja2 import render_string, render_template

from bulkremove.web.routes import PERSON

KINDS = {
    ".csv": "text/csv",
    ".jsonl": "application/jsonl",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def page(
    template: str,
    request: web.Request,
    facts: Mapping[str, object],
    *,
    status: int = 200,
    headers: Mapping[str, str] = {},
) -> web.Response:
    """A whole page; the templates also know who asks."""
    answer = render_template(template, request, {**facts, "person": request.get(PERSON)}, status=status)
    answer.headers.update(headers)
    return answer


def part(template: str, request: web.Request, facts: Mapping[str, object]) -> str:
    """A part of a page, as HTML on one line."""
    return render_string(template, request, {**facts, "person": request.get(PERSON)}).replace("\n", " ")


async def read_form(request: web.Request) -> Mapping[str, object]:
    """The fields of a form. Raises HTTPBadRequest for one that can't be read."""
    try:
        return await request.post()
    except (LookupError, ValueError):  # an unknown charset, bytes that are no text
        raise web.HTTPBadRequest(text="This form can't be read. Go back and try again.") from None


def download(path: Path) -> web.Response:
    """The file's bytes, to be saved under its name; the name is ours and plain ASCII."""
    headers = {"Content-Disposition": f'attachment; filename="{path.name}"'}
    return web.Response(body=path.read_bytes(), content_type=KINDS[path.suffix], headers=headers)


def page_number(request: web.Request) -> int:
    """The page that was asked for, from 1; anything odd means the first."""
    text = request.query.get("page", "1")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 9 else 1
