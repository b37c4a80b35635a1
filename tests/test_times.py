"""Times of different clocks can't be mixed: mypy rejects it."""

from __future__ import annotations

import gc
import os
import re
import sys
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parent.parent
TEXT = """\
from bulkremove.domain.attempt import Note
from bulkremove.domain.clock import Clock, later, seconds_between
from bulkremove.domain.ledger import Quota
from bulkremove.engine.rate_limit import released_at

def use(clock: Clock) -> float:
    released_at(Quota(), later(clock.monotonic(), 1.0))
    released_at(Quota(), clock.wall())  # wrong
    seconds_between(clock.wall(), clock.monotonic())  # wrong
    later(1000.0, 1.0)  # wrong
    Note(clock.monotonic(), "jo", "gone")  # wrong
    return seconds_between(Note(clock.wall(), "jo", "gone").at, clock.wall())
"""


def test_mypy_rejects_every_mixture_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # where it looks for bulkremove
    limit, threshold = sys.getrecursionlimit(), gc.get_threshold()
    try:
        output, _, _ = api.run(["--config-file=", "--strict", f"--cache-dir={os.devnull}", "-c", TEXT])
    finally:  # mypy changes both for the whole process
        sys.setrecursionlimit(limit)
        gc.set_threshold(*threshold)
    wrong = [number for number, line in enumerate(TEXT.splitlines(), start=1) if line.endswith("# wrong")]
    assert 4 == len(wrong)
    assert wrong == [int(number) for number in re.findall(r"^<string>:(\d+): error", output, re.MULTILINE)], output
