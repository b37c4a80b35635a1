"""The runbook can't lie: what it quotes is said by the code, and it leaves out no exit code and no end reason."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from bulkremove.cli import EXIT_CODES
from bulkremove.cli.program import cli
from bulkremove.domain.event_names import EventName
from bulkremove.domain.job import EndReason, JobState
from bulkremove.domain.ledger import SuspensionReason

ROOT = Path(__file__).parent.parent
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
MESSAGES = RUNBOOK.partition("## By message")[2]


def _texts() -> set[str]:
    """All texts in the code, those with values in between as one."""
    texts = set()
    for path in (ROOT / "bulkremove").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                texts.add("".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
    return texts


def test_every_message_of_the_runbook_is_said_by_the_code() -> None:
    texts = _texts()
    quoted = re.findall(r"^\| `(.*?)` \|", MESSAGES, re.MULTILINE)
    assert len(quoted) > 15
    assert [] == [message for message in quoted if not any(message in text for text in texts)]


def test_every_exit_code_and_end_reason_has_an_entry() -> None:
    assert [] == [code for code in EXIT_CODES if f"\n| {code} | " not in RUNBOOK]
    assert [] == [reason for reason in EndReason if reason and f"\n| `{reason.value}` | " not in RUNBOOK]


def test_every_command_of_the_runbook_exists() -> None:
    named = set(re.findall(r"`bulkremove ([a-z-]+)", RUNBOOK))
    assert "stop" in named
    assert set() == named - set(cli.commands)


def test_every_event_has_an_entry_and_every_entry_is_an_event() -> None:
    table = RUNBOOK.partition("## By event")[2].partition("## By message")[0]
    assert [name.value for name in EventName] == re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


def test_every_suspension_and_every_end_of_a_run_is_an_event() -> None:
    ends = {JobState.FINISHED, JobState.PAUSED, JobState.STOPPED, JobState.CANCELLED, JobState.HELD}
    names = {reason.value for reason in SuspensionReason} | {state.value for state in ends}
    assert names <= {name.value for name in EventName}


def test_the_queries_look_for_events_by_their_names() -> None:
    """SQL knows no constants: a name that is changed in one place only would find no event any more."""
    names = set()
    for path in (ROOT / "bulkremove" / "storage" / "sqlite" / "queries").glob("*.sql"):
        for query in path.read_text(encoding="utf-8").split(";"):
            for listed in re.findall(r"\bname (?:IN \([^)]*\)|= '\w+')", query) if "FROM event" in query else ():
                names |= set(re.findall(r"'(\w+)'", listed))
    assert {"started", "reported", "canary_given_up"} <= names
    assert set() == names - {name.value for name in EventName}
