"""Which tests start programs, servers or browsers: found in their code, so that no list of them can be out of date."""

from __future__ import annotations

import inspect
import subprocess
from collections.abc import Iterator
from functools import cache
from types import CodeType, FunctionType

import pytest

STARTERS = frozenset(
    {
        "tests.forked_program.started",
        "tests.nightly_fixtures.nightly_site",
        "tests.web_fixtures.running_site",
        "bulkremove.reading.subprocess_reader.read_in_subprocess",
    }
)
"""What starts a process or a server; so does whatever uses ``subprocess``."""


def starts_something(item: pytest.Item) -> bool:
    """Whether a test or one of its fixtures uses a starter, itself or by other functions of ``tests``."""
    if not isinstance(item, pytest.Function):
        return False
    definitions = item._fixtureinfo.name2fixturedefs.values()
    return starts(item.function) or any(starts(one.func) for several in definitions for one in several)


@cache
def starts(one: object) -> bool:
    """Whether a function, or a function of ``tests`` that it uses, uses a starter."""
    if one is subprocess:
        return True
    one = inspect.unwrap(one) if callable(one) else one
    one = getattr(getattr(one, "hypothesis", one), "inner_test", one)
    module, name = getattr(one, "__module__", ""), getattr(one, "__qualname__", "")
    if f"{module}.{name}" in STARTERS:
        return True
    if not str(module).startswith("tests."):
        return False
    if isinstance(one, type):
        return any(starts(member) for member in vars(one).values() if isinstance(member, FunctionType))
    if not isinstance(one, FunctionType):
        return False
    used = (one.__globals__.get(name) for name in _names(one.__code__))
    return any(starts(other) for other in used if other is not one and _is_code(other))


def _is_code(one: object) -> bool:
    return one is subprocess or isinstance(one, type | FunctionType)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
