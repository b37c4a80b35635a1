"""Names, attributes and repeat counts of elements of an .ods."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from xml.etree.ElementTree import Element

CALC_TYPE = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}value-type"
"""LibreOffice's own type of a cell; only this one tells errors."""


def repeats(attributes: Mapping[str, str], name: str) -> int:
    """Return a repeat count of 1 or more. Raises ValueError otherwise: 0 would shift all later cells."""
    count = attributes.get(name, "1")
    if not (count.isascii() and count.isdigit() and int(count)):
        raise ValueError(count)
    return int(count)


def attributes_of(element: Element) -> dict[str, str]:
    """Return the attributes by their local names, in any namespace but that of ``CALC_TYPE``."""
    return {key if key == CALC_TYPE else local_name(key): value for key, value in element.attrib.items()}


def get_attribute(element: Element, name: str) -> str:
    """Return the attribute with that local name, in any namespace."""
    return attributes_of(element).get(name, "")


@lru_cache(maxsize=1000)
def local_name(name: str) -> str:
    """Return the local part of a name with its namespace."""
    return name.rpartition("}")[2]
