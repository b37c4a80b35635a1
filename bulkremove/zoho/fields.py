"""Which fields an answer has: names and types, and no value, so that they can be sent to support. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bulkremove.zoho.read_response import Number, Tree

MAX_FIELDS = 1000
"""Fields of an answer that are told."""
OTHER = "<other>"
"""In place of a name that may be no field's: a record number, an address or a person's name as the key of a record."""
_FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}(\.[a-z][A-Za-z0-9_]{0,39})?", re.ASCII)
_MAX_DEPTH = 8


def fields_of(tree: Tree) -> dict[str, str]:
    """Types of the fields of an answer by path, such as ``learners[].learnerId``."""
    found: dict[str, set[str]] = {}
    pending: list[tuple[str, object, int]] = [("", tree, 0)]
    while pending:
        path, value, depth = pending.pop()
        if path:
            found.setdefault(path, set()).add(_type_of(value))
        if depth >= _MAX_DEPTH:
            continue
        if isinstance(value, Mapping):
            pending += [
                (f"{path}.{_shown(name)}".removeprefix("."), member, depth + 1) for name, member in value.items()
            ]
        elif isinstance(value, list):
            pending += [(f"{path}[]", item, depth + 1) for item in value]
    return {path: " or ".join(sorted(types)) for path, types in sorted(found.items())[:MAX_FIELDS]}


def _shown(name: str) -> str:
    return name if _FIELD_NAME.fullmatch(name) else OTHER


def _type_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case Number():
            return "number"
        case str():
            return "text" if value else "empty text"
        case list():
            return "list" if value else "empty list"
    return "object"
