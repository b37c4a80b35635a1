"""E-mail addresses in the cells of lists, as people and programs write them. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_BETWEEN = re.compile(r"[\s<>()\[\],;:?/|\"]+")
"""What may be between e-mail addresses, or beside one: "Ann <ann@example.com>", "mailto:ann@example.com"."""
_MARKS = "'`.=*"
"""Characters that no address begins or ends with."""
_MAX_QUOTED = 3
"""Addresses that a text names."""
_ADDRESS = r"[^\s<>()\[\],;:?\"@]+@[^\s<>()\[\],;:?\"@]+"
_LINK = re.compile(rf"mailto:({_ADDRESS})", re.IGNORECASE)
_WITH_NAME = re.compile(rf"[^<>@]*<(?:mailto:)?({_ADDRESS})>", re.IGNORECASE)


def addresses_in(text: str) -> list[str]:
    """The e-mail addresses in a text as they are compared, letters' case aside. A text such as "-" has none."""
    visible = "".join(char for char in text if unicodedata.category(char) != "Cf")
    texts = _BETWEEN.split(unicodedata.normalize("NFKC", visible).casefold())
    return [address for one in texts if "@" in (address := one.strip(_MARKS))[1:-1]]


def quoted(addresses: Sequence[str]) -> str:
    """The first of some addresses, for a message."""
    more = " and others" if len(addresses) > _MAX_QUOTED else ""
    return " and ".join(f'"{address}"' for address in addresses[:_MAX_QUOTED]) + more


def bare_address(text: str) -> str:
    """The address of "mailto:ann@example.com" or "Ann <ann@example.com>"; any other text unchanged.

    Whoever is looked for by it may be removed, so nothing is read out of a text that could name two people.
    """
    match = _LINK.fullmatch(text) or _WITH_NAME.fullmatch(text)
    return match[1] if match else text
