"""Documents that can't lie: the README's tables are those of the code."""

from __future__ import annotations

from pathlib import Path

from bulkremove.cli import EXIT_CODES
from bulkremove.model import Status
from bulkremove.policy import RULES

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_readme_has_every_line_of_the_decision_table() -> None:
    assert [] == [rule.says for rule in RULES.values() if f"| {rule.says} | {rule.row} |" not in README]


def test_the_readme_has_every_exit_code_and_status() -> None:
    assert [] == [code for code, words in EXIT_CODES.items() if f"| {code} | {words} |" not in README]
    assert [] == [status for status in Status if f"| `{status.value}` |" not in README]
