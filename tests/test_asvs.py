"""docs/security.md leaves out no requirement of OWASP ASVS 5.0, levels 1 and 2, and names tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
DOCUMENT = (TESTS.parent / "docs" / "security.md").read_text(encoding="utf-8")
REQUIREMENTS = {
    "V1.1": 2, "V1.2": 9, "V1.3": 11, "V1.4": 3, "V1.5": 2, "V2.1": 3, "V2.2": 3, "V2.3": 4, "V2.4": 1, "V3.2": 2,
    "V3.3": 4, "V3.4": 6, "V3.5": 5, "V3.7": 2, "V4.1": 3, "V4.2": 1, "V4.3": 2, "V4.4": 4, "V5.1": 1, "V5.2": 3,
    "V5.3": 2, "V5.4": 3, "V6.1": 3, "V6.2": 12, "V6.3": 4, "V6.4": 4, "V6.5": 5, "V6.6": 3, "V6.8": 4, "V7.1": 3,
    "V7.2": 4, "V7.3": 2, "V7.4": 5, "V7.5": 2, "V7.6": 2, "V8.1": 2, "V8.2": 3, "V8.3": 1, "V8.4": 1, "V9.1": 3,
    "V9.2": 4, "V10.1": 2, "V10.2": 2, "V10.3": 4, "V10.4": 11, "V10.5": 5, "V10.6": 2, "V10.7": 3, "V11.1": 2,
    "V11.2": 3, "V11.3": 3, "V11.4": 4, "V11.5": 1, "V11.6": 1, "V12.1": 3, "V12.2": 2, "V12.3": 4, "V13.1": 1,
    "V13.2": 5, "V13.3": 2, "V13.4": 5, "V14.1": 2, "V14.2": 4, "V14.3": 3, "V15.1": 3, "V15.2": 3, "V15.3": 7,
    "V16.1": 1, "V16.2": 5, "V16.3": 4, "V16.4": 3, "V16.5": 3, "V17.1": 1, "V17.2": 4, "V17.3": 2,
}  # fmt: skip
"""How many requirements of levels 1 and 2 each section of ASVS 5.0.0 has, counted from its published table."""
ROWS = re.findall(r"^\| (V[0-9.]+(?:, V[0-9.]+)*) \| (.*) \|(.*)\|$", DOCUMENT, re.MULTILINE)
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


@cache
def names_in(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_requirement_stands_there_once() -> None:
    expected = [f"{section}.{n}" for section, count in REQUIREMENTS.items() for n in range(1, count + 1)]
    assert sorted(expected) == sorted(name for names, _, _ in ROWS for name in names.split(", "))


def test_each_is_met_by_a_test_or_says_why_it_is_not() -> None:
    for names, how, tests in ROWS:
        reason = re.match(r"(?:(not applicable|partly):|left to) (.{10})", how)
        assert reason or NAMED.search(tests), names
        assert "not met" not in how, f"{names}: who or what meets it instead?"


def test_each_test_that_is_named_exists() -> None:
    named = [found for _, _, tests in ROWS for found in NAMED.findall(tests)]
    assert len(named) > 100
    assert [] == [f"{file}::{name}" for file, name in named if name not in names_in(file)]
