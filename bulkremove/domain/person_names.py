"""Names as two lists write them: whether they can be those of one person, or of one batch. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_ANY_BATCH = frozenset({"batch", "class", "cohort", "group", "the", "of", "and"})
_WORD = re.compile(r"[^\W\d_]{2}")


def is_other_name(cells: Sequence[str], name: str) -> bool:
    """Whether two names are given that have no part in common, letters' case and accents aside."""
    own, listed = _parts(" ".join(cells)), _parts(name)
    return bool(own and listed) and own.isdisjoint(listed)


def is_other_batch(cell: str, name: str) -> bool:
    """Whether a cell names another batch: one of the two names would have to hold all words of the other.

    A cell without a word, such as a number or a letter, names none; nor does a word that stands for any batch.
    """
    own, listed = _parts(cell) - _ANY_BATCH, _parts(name) - _ANY_BATCH
    return bool(listed) and any(map(_WORD.search, own)) and not (own <= listed or listed <= own)


def _parts(name: str) -> set[str]:
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return set(re.findall(r"\w+", bare))
