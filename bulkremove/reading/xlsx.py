"""Scan an .xlsx file for hidden sheets, totals rows, comments, and marks of texts and formats; then each sheet.

python-calamine reads the values quickly, but reports none of this. The scan also counts the rows with values, so that
none can be lost unseen.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from bulkremove.domain.errors import FileRefused
from bulkremove.reading.grid import CellRange
from bulkremove.reading.sheet_facts import SheetFacts, parse_range
from bulkremove.reading.xlsx_sheet import SheetScan
from bulkremove.reading.xlsx_xml import elements, is_on, is_raised, parse

MAX_TEXTS = 3_000_000
_TEXTS, _STYLES = "xl/sharedstrings.xml", "xl/styles.xml"
_EMPTY_TEXT = re.compile(rb"<(?:\w+:)?(?:t|si)\b[^<>]*(?:/>|>\s*(?:</|&#))")
"""An element of a shared text that may hold no letter."""


def facts(parts: Mapping[str, bytes], name: str) -> list[SheetFacts]:
    """Scan every worksheet, in the order of the workbook. Raises FileRefused."""
    lowered = {path.lower(): part for path, part in parts.items()}  # python-calamine ignores their case
    texts = lowered.get(_TEXTS, b"")
    if texts.count(b"<si") > MAX_TEXTS:
        raise FileRefused(f"{name} holds more than {MAX_TEXTS:,} different texts.", hint="Split it.")
    sheets = []
    try:
        blank_texts = _blank_texts(texts)
        struck_texts, raised_texts = _texts_with(texts, "strike", is_on), _texts_with(texts, "vertAlign", is_raised)
        struck_styles = _struck_styles(lowered.get(_STYLES, b""))
        for sheet, visible, path in _sheets(parts):
            facts = SheetFacts(sheet, visible, totals=_totals(lowered, path.lower()))
            scan = SheetScan(name, facts, blank_texts, struck_texts, raised_texts, struck_styles)
            scan.scan(lowered[path.lower()])
            facts.hidden_rows |= _commented_rows(lowered, path.lower())
            sheets.append(facts)
    except (ParseError, ExpatError, DefusedXmlException, LookupError, ValueError):
        raise FileRefused(f"{name} is damaged.", hint="Export it again.") from None
    return sheets


def _blank_texts(xml: bytes) -> frozenset[int]:
    """Return the indexes of the shared texts that hold no letter. Reads them only when one may be empty."""
    if not _EMPTY_TEXT.search(xml):
        return frozenset()
    filled: list[bool] = []

    def start(tag: str, _attributes: Mapping[str, str]) -> None:
        if tag.rpartition(" ")[2] == "si":
            filled.append(False)

    def characters(data: str) -> None:
        if data.strip():
            filled[-1] = True

    parse(xml, start, characters=characters)
    return frozenset(index for index, has_text in enumerate(filled) if not has_text)


def _texts_with(xml: bytes, mark: str, is_marked: Callable[[Mapping[str, str]], bool]) -> frozenset[int]:
    """Return the indexes of the shared texts of which a part has this mark. ``is_marked``: whether it is on."""
    if mark.encode() not in xml:
        return frozenset()
    marked: set[int] = set()
    count = 0

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        nonlocal count
        name = tag.rpartition(" ")[2]
        count += name == "si"
        if name == mark and is_marked(attributes):
            marked.add(count - 1)

    parse(xml, start)
    return frozenset(marked)


def _struck_styles(xml: bytes) -> frozenset[str]:
    """Return the indexes, as cells name them, of the formats whose font is struck through."""
    struck: list[bool] = []
    """By font."""
    fonts: list[int] = []
    """By format: its font."""
    path: list[str] = []

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        path.append(tag.rpartition(" ")[2])
        match path[1:]:
            case ["fonts", "font"]:
                struck.append(False)
            case ["fonts", "font", "strike"]:
                struck[-1] = is_on(attributes)
            case ["cellXfs", "xf"]:
                fonts.append(int(attributes.get("fontId", "0")))

    if b"strike" not in xml:
        return frozenset()
    parse(xml, start, end=lambda _tag: path.pop())
    return frozenset(str(index) for index, font in enumerate(fonts) if font < len(struck) and struck[font])


def _totals(parts: Mapping[str, bytes], sheet: str) -> tuple[CellRange, ...]:
    """Return the totals rows of the Excel tables on the sheet at the path ``sheet``; all paths in lower case."""
    totals = []
    for part in _related(parts, sheet, "/table"):
        for table in elements(part, "table"):
            if count := int(table.get("totalsRowCount", "0")):
                extent = parse_range(table.get("ref", ""))
                totals.append(extent._replace(top=extent.bottom - count + 1))
    return tuple(totals)


def _commented_rows(parts: Mapping[str, bytes], sheet: str) -> set[int]:
    """Return the rows with a comment on the sheet at the path ``sheet``; all paths in lower case."""
    comments = (comment for part in _related(parts, sheet, "/comments") for comment in elements(part, "comment"))
    return {parse_range(comment.get("ref", "")).top for comment in comments}


def _related(parts: Mapping[str, bytes], sheet: str, kind: str) -> Iterator[bytes]:
    """Iterate over the parts to which the sheet at the path ``sheet`` has relations of this kind."""
    folder, _, file = sheet.rpartition("/")
    for relation in elements(parts.get(f"{folder}/_rels/{file}.rels", b""), "Relationship"):
        if relation.get("Type", "").endswith(kind):
            yield parts.get(_target(folder, relation.get("Target", "").lower()), b"")


def _sheets(parts: Mapping[str, bytes]) -> Iterator[tuple[str, bool, str]]:
    """Iterate over the sheets: name, whether it is visible, and its path in the archive."""
    book = next(path for path in parts if path.lower() == "xl/workbook.xml")
    relations = fromstring(parts[next((p for p in parts if p.lower() == "xl/_rels/workbook.xml.rels"), "")])
    targets = {relation.get("Id"): relation.get("Target", "") for relation in relations}
    for element in fromstring(parts[book]).iter():
        if element.tag.rpartition("}")[2] == "sheet":
            key = next((value for key, value in element.attrib.items() if key.endswith("}id")), None)
            is_visible = element.get("state", "visible") == "visible"
            yield element.get("name", ""), is_visible, _target("xl", targets.get(key, ""))


def _target(folder: str, target: str) -> str:
    """Return the path in the archive to which a part in this folder refers."""
    return target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"{folder}/{target}")
