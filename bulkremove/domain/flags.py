"""Flags: what a person should look at in rows that are sent all the same. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from bulkremove.domain.plural import pluralize

_NAMED = 5
"""Rows that a sentence names."""


class Flag(StrEnum):
    """What is so about the learner of a row, the most urgent first."""

    OTHER_EMAIL = "other_email"
    """The e-mail addresses differ, and a person decided to send the row."""
    OTHER_NAME = "other_name"
    """The names in file and Zoho have no part in common."""
    COMPLETED = "completed"
    """The learner has completed the course, by Zoho's list."""

    @property
    def words(self) -> str:
        """The same in words, about one learner."""
        return _WORDS[self][0]


_WORDS = {
    Flag.OTHER_EMAIL: (
        "has another e-mail address in the file, and is sent as a person decided",
        "have another e-mail address in the file, and are sent as a person decided",
    ),
    Flag.OTHER_NAME: ("has another name in the file", "have another name in the file"),
    Flag.COMPLETED: ("has completed the course", "have completed the course"),
}
_BY_URGENCY = tuple(Flag)


def urgency(flags: Sequence[Flag]) -> int:
    """How soon a person should look at a row with these flags, from 0; the last of all without any."""
    return next((place for place, flag in enumerate(_BY_URGENCY) if flag in flags), len(_BY_URGENCY))


def flag_texts(rows: Mapping[int, Iterable[Flag]]) -> list[tuple[Flag, str]]:
    """How many rows have each flag, in a sentence with the first of their numbers. ``rows``: flags by row number."""
    texts = []
    for flag in _BY_URGENCY:
        numbers = sorted(number for number, flags in rows.items() if flag in flags)
        if numbers:
            learners = pluralize(len(numbers), f"learner {_WORDS[flag][0]}", f"learners {_WORDS[flag][1]}")
            named = ", ".join(f"{number:,}" for number in numbers[:_NAMED])
            more = f" and {len(numbers) - _NAMED:,} more" if len(numbers) > _NAMED else ""
            texts.append((flag, f"{learners} ({'row' if len(numbers) == 1 else 'rows'} {named}{more})."))
    return texts
