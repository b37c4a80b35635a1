"""Numbers, times and states in the words of the page; an id is never grouped, broken or rounded."""

from __future__ import annotations

from bulkremove.platform import local_time
from bulkremove.report import duration


def grouped(number: int) -> str:
    """``12,345``."""
    return f"{number:,}"


def local(seconds: float | None) -> str:
    """Epoch seconds as local time with its zone."""
    return "" if seconds is None else f"{local_time.local(seconds):%Y-%m-%d %H:%M:%S %Z}"


def lasts(seconds: float) -> str:
    """Seconds in words."""
    return duration(seconds)


def name(word: str) -> str:
    """A status or state as people read it: ``not found``."""
    return word.replace("_", " ")
