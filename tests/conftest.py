"""How much is proven: a sample by default, the whole with ``--deep``; and the table of what was seen."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from tests.starters import starts_something

# A test never judges by a time: on a busy machine an example may take as long as it likes.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

TABLE = Path(__file__).parent.parent / "build" / "prove.md"
FAILURES = TABLE.with_name("failures.txt")
"""What has failed so far: a run that is ended by hand prints no summary."""
_FIGURE = "figure"
_LINES = "lines"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "proofs" or starts_something(item):
            item.add_marker(pytest.mark.slow)


def pytest_sessionstart() -> None:
    if not _is_worker():
        FAILURES.unlink(missing_ok=True)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed and not _is_worker():
        FAILURES.parent.mkdir(exist_ok=True)
        with FAILURES.open("a", encoding="utf-8") as file:
            file.write(f"{report.nodeid} ({report.when})\n{report.longreprtext}\n\n")


def _is_worker() -> bool:
    """Whether this is a process of xdist's: each report of it is given to the one that began the run, too."""
    return "PYTEST_XDIST_WORKER" in os.environ


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("proofs")
    group.addoption("--deep", action="store_true", help="the proofs in full, as `make prove` runs them")
    group.addoption("--history", type=int, metavar="SEED", help="replay this one history of the simulation")
    group.addoption("--seed", type=int, metavar="SEED", help="replay this one sequence of the whole program")


@dataclass(frozen=True)
class Proving:
    """What a proof is told, and where it says what it saw."""

    deep: bool
    _record: Callable[[str, object], None]

    def count(self, *, sample: int, deep: int) -> int:
        """How many trials: ``sample`` in `make test`, ``deep`` in `make prove`."""
        return deep if self.deep else sample

    def figure(self, promise: str, seen: str) -> None:
        """One line of the table in docs/reliability.md: the promise and what this run saw of it.

        Several parts of one proof may run apart: where they name the same promise, their words stand side by side.
        """
        self._record(_FIGURE, (promise, seen))

    def show(self, lines: str) -> None:
        """A table of the proof's own, printed after the figures."""
        self._record(_LINES, lines)


@pytest.fixture(autouse=True, scope="session")
def _own_state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the claims of the tests' home folders out of the state folder of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def proving(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Proving:
    return Proving(bool(request.config.getoption("--deep")), record_property)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.getoption("--deep"):
        return
    figures: dict[str, list[str]] = {}
    shown: list[str] = []
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties if report.when == "call" else ():
            if name == _FIGURE:
                promise, seen = value
                figures.setdefault(promise, []).append(seen)
            elif name == _LINES:
                shown.append(str(value))
    if not figures:
        return
    rows = [f"| {promise} | {_together(seen)} |" for promise, seen in sorted(figures.items())]
    table = "\n".join(["| promise | seen |", "|---|---|", *rows, *(f"\n{lines}" for lines in sorted(shown)), ""])
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(table, encoding="utf-8")
    terminalreporter.write_sep("=", "what was proven")
    terminalreporter.write(table)


def _together(seen: list[str]) -> str:
    """The words of all parts; those that say the same are counted."""
    counted = sorted(Counter(seen).items())
    return "; ".join(words if count == 1 else f"{count} times: {words}" for words, count in counted)
