"""SQL statements loaded from .sql files, each with a name and a description."""

from __future__ import annotations

import re
from importlib.resources import files


class Queries:
    """The statements of one file as attributes. Each begins with ``-- name: get_job`` and a comment about it."""

    def __init__(self, file: str) -> None:
        text = files("bulkremove.storage.sqlite").joinpath("queries", file).read_text(encoding="utf-8")
        parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
        self.statements = dict(zip(parts[::2], parts[1::2], strict=True))

    def __getattr__(self, name: str) -> str:
        try:
            return self.statements[name]
        except KeyError:
            raise AttributeError(name) from None
