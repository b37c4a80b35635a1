"""The audit log in words: the facts of an entry for people, and the newest entry as evidence to keep elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bulkremove.domain.permissions import EVERY_ACCOUNT
from bulkremove.storage.interface.audit import AuditLog

_HASH = re.compile(r"[0-9a-f]{64}")
_SHOWN_DIGITS = 12
"""Digits of a hash that people compare; the JSON has all of them."""


def facts_in_words(facts: Mapping[str, object]) -> str:
    """The facts of an entry in one line, without those that say nothing."""
    return ", ".join(filter(None, (_fact(name.replace("_", " "), value) for name, value in facts.items())))


def _fact(name: str, value: object) -> str:
    if value is None or value is False or value in ("", [], {}):
        return ""
    if value is True:
        return name
    return f"{name} {_words(value)}"


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return " and ".join(f"{name} {_words(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return " and ".join(map(_words, value))
    text = str(value)
    return f"{text[:_SHOWN_DIGITS]}..." if _HASH.fullmatch(text) else text


async def evidence(audit: AuditLog) -> str:
    """A sentence with the number and hash of the newest entry; empty while there is none.

    Kept where nobody can change it, it shows later whether the log up to there is still the same.
    """
    newest = await audit.newest(1, EVERY_ACCOUNT)
    if not newest:
        return ""
    return f"Audit log: entry {newest[0].id:,}, hash {newest[0].hash}."
