"""The icons of the page, drawn inline; the files are Lucide's, unchanged (see ``static/LICENSES.txt``)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from markupsafe import Markup

_FOLDER = Path(__file__).parent / "lucide"


@cache
def icon(name: str) -> Markup:
    """Draw an icon as large as the text beside it, which says the same: screen readers skip the icon."""
    shapes = (_FOLDER / f"{name}.svg").read_text().partition("<svg")[2].partition(">")[2]
    start = '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">'
    return Markup(start + " ".join(shapes.split()))  # noqa: S704 # nosec B704 - a file of this package
