"""No text that reaches the page names a command or an option of the command line, where nobody can give one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkremove.domain.errors import BulkremoveError, NotAuthorized

PACKAGE = Path(__file__).parent.parent / "bulkremove"
COMMAND = re.compile(r"(?<![\w-])--[a-z]|`bulkremove ")
FRONT_ENDS = {
    "cli": "the command line itself",
    "python_api": "for programs",
    "sandbox": "the command sandbox",
    "config": "settings, which are read before there is a page",
    "web/server.py": "what the command serve says before it serves",
    "web/security.py": "the way in for who has no session: the person at this machine, or a program",
    "web/sign_in.py": "the same",
    "app/backup.py": "the commands backup, restore-backup and journal",
    "app/doctor.py": "the command doctor",
    "app/employee_list.py": "the command leavers, and nights",
    "app/leavers.py": "the command leavers, and nights",
    "app/login.py": "the command login",
    "app/night_checks.py": "the command doctor",
    "app/nightly": "mails and results of nights, for admins of the machine",
    "app/notices": "mails of nights",
    "app/seen_fields.py": "the command doctor",
    "app/setting_checks.py": "the command doctor",
    "app/tokens.py": "the command tokens",
    "app/users.py": "the command users; on the page a person changes the own password alone",
    "domain/command_text.py": "it looks for commands in texts",
}
"""Modules whose texts no page shows, each with why."""


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not any(name == one or name.startswith(f"{one}/") for one in FRONT_ENDS):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def _for_the_command_line(tree: ast.AST) -> set[ast.AST]:
    """What stands in a ``hint`` of a call that has another one for the page, or that offers choices there."""
    return {
        node
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and {"page_hint", "choices"} & {keyword.arg for keyword in call.keywords}
        for keyword in call.keywords
        if keyword.arg == "hint"
        for node in ast.walk(keyword.value)
    }


def _texts_for_all(tree: ast.Module) -> Iterator[ast.Constant]:
    """Constants of a module but its docstrings, and but what only hints for the command line use."""
    left_out, before = _for_the_command_line(tree), 0
    while len(left_out) > before:  # a hint may name a function, and that another constant
        before = len(left_out)
        only_there = {node.id for node in left_out if isinstance(node, ast.Name)} - {
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node not in left_out
        }
        for node in ast.walk(tree):
            if (isinstance(node, ast.Assign) and {ast.unparse(target) for target in node.targets} <= only_there) or (
                isinstance(node, ast.FunctionDef) and node.name in only_there
            ):
                left_out |= set(ast.walk(node))
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in left_out | docstrings:
            yield node


def test_only_hints_for_the_command_line_name_commands_and_options() -> None:
    assert [] == [
        f"{name}:{text.lineno}: {text.value!r}"
        for name, tree in _modules()
        for text in _texts_for_all(tree)
        if COMMAND.search(str(text.value))
    ]


@pytest.mark.parametrize(
    "code",
    [
        'raise FileRefused("No sheet.", hint="Give --sheet.")',
        'raise RunEnd("Run `bulkremove login`, then resume.")',
        'HINT = "Give --yes."\nraise A("No.", hint=HINT)',
        'raise A("Give --yes.", hint="Give --yes.", page_hint="")',
    ],
)
def test_the_scan_finds_a_command_that_the_page_would_show(code: str) -> None:
    assert [] != [text for text in _texts_for_all(ast.parse(code)) if COMMAND.search(str(text.value))]


def test_every_front_end_is_there() -> None:
    assert [] == [name for name in FRONT_ENDS if not (PACKAGE / name).exists()]


def test_an_error_has_another_hint_on_the_page() -> None:
    error: BulkremoveError = NotAuthorized("No account.", hint="Run `bulkremove login`.", page_hint="Ask an admin.")
    assert ("No account. Run `bulkremove login`.", "No account. Ask an admin.") == (str(error), error.page_text)
    assert "No account. Log in." == NotAuthorized("No account.", hint="Log in.").page_text
