"""Numbers with their nouns, for messages."""

from __future__ import annotations


def pluralize(number: int, singular: str, plural: str = "") -> str:
    """Format a number with its noun: ``1 learner``, ``12,345 learners``. ``plural``: empty if it only adds an s."""
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"
