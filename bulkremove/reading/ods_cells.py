"""Read a cell of an .ods: its value, by its type, and the text that it shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from xml.etree.ElementTree import Element

from bulkremove.reading.grid import MAX_CELL_LENGTH, CellError, Formula, PartlyRaised
from bulkremove.reading.ods_styles import Styles
from bulkremove.reading.ods_xml import CALC_TYPE, attributes_of, get_attribute, local_name, repeats

_ERROR_TEXT = re.compile(r"#(?:N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|SPILL!|CALC!)|Err:[0-9]{3}")


def value_of(cell: Element, attributes: Mapping[str, str], styles: Styles) -> object:
    """Return the value of a cell with these attributes, with its type. Raises ValueError."""
    kind = attributes.get("value-type", "")
    paragraphs = "\n".join(_text(p) for p in cell if local_name(p.tag) == "p") if len(cell) else ""
    text = attributes.get("string-value", paragraphs)
    value: object = text
    is_text = kind == "string" and text != ""
    if attributes.get(CALC_TYPE) == "error" or (not is_text and _ERROR_TEXT.fullmatch(paragraphs)):
        value = CellError(paragraphs or text or "an error")
    elif kind in ("float", "percentage", "currency"):
        number = attributes.get("value", "")
        if "_" in number:  # float() would accept it, the format does not
            raise ValueError(number)
        value = float(number)
    elif kind == "boolean":
        value = attributes.get("boolean-value") == "true"
    elif kind == "date":
        iso = attributes.get("date-value", "")
        value = datetime.fromisoformat(iso) if "T" in iso else date.fromisoformat(iso)
    if attributes.get("formula"):
        return Formula(value)
    spans = (span for span in cell.iter() if local_name(span.tag) == "span") if len(cell) else ()
    is_raised = any(styles.is_raised(get_attribute(span, "style-name")) for span in spans)
    return PartlyRaised(value) if is_raised and value != "" else value


def _text(element: Element) -> str:
    """The displayed text of a paragraph; elements for spaces, tabs and line breaks become those characters."""
    pieces = [element.text or ""]
    for child in element:
        match local_name(child.tag):
            case "s":
                pieces.append(" " * min(repeats(attributes_of(child), "c"), MAX_CELL_LENGTH + 1))
            case "tab":
                pieces.append("\t")
            case "line-break":
                pieces.append("\n")
            case "a" | "span":
                pieces.append(_text(child))
            case _:  # a note, field or ruby may not belong to the text: U+FFFD keeps it from passing as an id
                pieces.append(f"\ufffd{_text(child)}")
        pieces.append(child.tail or "")
    return "".join(pieces)
