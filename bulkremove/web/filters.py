"""Template filters that format numbers, times and states; ids are shown as they are, never grouped or rounded."""

from __future__ import annotations

from bulkremove.domain.clock import Epoch
from bulkremove.platform import local_time


def grouped(number: int) -> str:
    """Format a whole number with thousands separators: ``12,345``."""
    return f"{number:,}"


def local(at: Epoch | None) -> str:
    """Format a time as local time with its zone; empty for None."""
    return "" if at is None else f"{local_time.local(at):%Y-%m-%d %H:%M:%S %Z}"


def name(value: str) -> str:
    """Format the value of a status or state as text: ``not_found`` becomes ``not found``."""
    return value.replace("_", " ")
