"""Names as two lists write them: whether they can be those of one person, or of one batch. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_ANY_BATCH = frozenset({"batch", "class", "cohort", "group", "the", "of", "and"})
_WORD = re.compile(r"[^\W\d_]{2}")
_MARK = re.compile(r"\d+|[^\W\d_]|[ivx]+")
"""What tells batches of one name apart: a number, also a Roman one, or a letter."""
_YEAR_DIGITS = 4


def is_other_name(cells: Sequence[str], name: str) -> bool:
    """Whether two names are given that have no part in common, letters' case and accents aside."""
    own, listed = _parts(" ".join(cells)), _parts(name)
    return bool(own and listed) and own.isdisjoint(listed)


def is_other_batch(cell: str, name: str) -> bool:
    """Whether a cell names another batch: one of the two names would have to hold all words of the other.

    A cell without a word, such as a number or a letter, names none; nor does a word that stands for any batch, except
    beside another number or letter than in the other name: "Group A" is not "Group B".
    """
    own, listed = _batch_parts(cell), _batch_parts(name)
    only_own, only_listed = own - listed - _ANY_BATCH, listed - own - _ANY_BATCH
    are_marks = all(map(_MARK.fullmatch, only_own | only_listed))
    apart = [(one, other) for one in only_own for other in only_listed if not are_marks or _are_apart(one, other)]
    if any(map(_WORD.search, own - _ANY_BATCH)):
        return bool(apart)
    is_same_but_for_marks = are_marks and bool(own & _ANY_BATCH) and own & _ANY_BATCH == listed & _ANY_BATCH
    return is_same_but_for_marks and any(one.isdecimal() == other.isdecimal() for one, other in apart)


def _are_apart(one: str, other: str) -> bool:
    """Whether two numbers or letters can't stand in two names of one batch, as the number of a batch and a year can."""
    short, long = sorted((one, other), key=len)
    if not (short.isdecimal() and long.isdecimal()) or len(long) != _YEAR_DIGITS or len(short) > _YEAR_DIGITS // 2:
        return True
    return len(short) > 1 and not long.endswith(short)


def _batch_parts(name: str) -> set[str]:
    """The words and numbers of a name, also where no blank is between them; numbers without leading zeros."""
    found = re.findall(r"[^\W\d_]+|\d+", _bare(name))
    return {part.lstrip("0") or "0" if part.isdecimal() else part for part in found}


def _parts(name: str) -> set[str]:
    return set(re.findall(r"\w+", _bare(name)))


def _bare(name: str) -> str:
    """A name without what two lists may write differently: letters' case and accents."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))
