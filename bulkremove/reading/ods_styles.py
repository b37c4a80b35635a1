"""The styles of an .ods: which of them strike a text or a cell through, and which raise or lower a text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from bulkremove.reading.ods_xml import attributes_of, get_attribute

_STRUCK = re.compile(rb"text-(?:line-through-(?:style|type)|crossing-out)=[\"'](?!none)")
_ON_THE_LINE = re.compile(r"[+-]?0+(\.0*)?%")
_MAX_PARENTS = 20
"""Styles that one style can be made from, one after the other."""


def may_strike(content: bytes) -> bool:
    """Whether a style in this part of the archive strikes through."""
    return bool(_STRUCK.search(content))


class Styles:
    """The styles of cells and texts: which of them strike through, and which raise or lower a text."""

    def __init__(self) -> None:
        self._struck: dict[str, bool] = {}
        """By name, where a style says so itself."""
        self._raised: dict[str, bool] = {}
        self._parents: dict[str, str] = {}
        self._name = ""

    @property
    def may_strike(self) -> bool:
        """Whether any style strikes through, so that the styles of cells matter."""
        return any(self._struck.values())

    def begin(self, element: Element) -> None:
        """Begin a style; its properties follow."""
        self._name = get_attribute(element, "name")
        self._parents[self._name] = get_attribute(element, "parent-style-name")

    def add(self, properties: Element) -> None:
        """Add properties of the style that was begun last."""
        attributes = attributes_of(properties)
        names = ("text-line-through-style", "text-line-through-type", "text-crossing-out")
        if values := [attributes[name] for name in names if name in attributes]:
            self._struck[self._name] = any(value != "none" for value in values)
        if place := attributes.get("text-position"):
            self._raised[self._name] = not _ON_THE_LINE.match(place)

    def is_struck(self, name: str) -> bool:
        """Whether the style of this name strikes through, by itself or by those that it is made from."""
        return self._is_on(self._struck, name)

    def is_raised(self, name: str) -> bool:
        """Whether the style of this name raises or lowers a text, by itself or by those that it is made from."""
        return self._is_on(self._raised, name)

    def _is_on(self, on: Mapping[str, bool], name: str) -> bool:
        for _ in range(_MAX_PARENTS):
            if name in on:
                return on[name]
            name = self._parents.get(name, "")
        return False
