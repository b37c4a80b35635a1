"""Names of people as two lists write them: whether they can be one person's. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence


def is_other_name(cells: Sequence[str], name: str) -> bool:
    """Whether two names are given that have no part in common, letters' case and accents aside."""
    own, listed = _parts(" ".join(cells)), _parts(name)
    return bool(own and listed) and own.isdisjoint(listed)


def _parts(name: str) -> set[str]:
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return set(re.findall(r"\w+", bare))
