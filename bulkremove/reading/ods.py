"""Read OpenDocument sheets: cell values, hidden and struck-through rows and merged cells from content.xml, in one pass.

The format is parsed here, not by a library, because its repeat counts can turn a few bytes into billions of cells; the
cells are counted before they are created.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from xml.etree.ElementTree import ParseError, iterparse

from bulkremove.domain.errors import FileRefused
from bulkremove.reading.grid import Grid
from bulkremove.reading.ods_plain_rows import RUN, cut_plain_rows
from bulkremove.reading.ods_sheet import Sheet
from bulkremove.reading.ods_styles import Styles, may_strike
from bulkremove.reading.ods_xml import attributes_of, get_attribute, local_name

_NO_STYLES = b"<none/>"


def read_ods(parts: Mapping[str, bytes], name: str) -> list[tuple[bool, Grid]]:
    """Read each sheet: whether it is visible, and its grid. Raises FileRefused."""
    hidden_styles, styles = set[str](), Styles()
    sheets: list[tuple[bool, Grid]] = []
    sheet = Sheet("", name, styles)
    visible = True
    style = ""
    tables = closed_groups = 0
    try:
        for _, element in iterparse(io.BytesIO(parts.get("styles.xml", _NO_STYLES))):  # noqa: S314 # nosec B314
            if local_name(element.tag) == "style":
                styles.begin(element)
                for properties in element:
                    styles.add(properties)
        plain = not styles.may_strike and not may_strike(parts["content.xml"])
        content, runs = cut_plain_rows(parts["content.xml"]) if plain else (parts["content.xml"], iter(()))
        # defusedxml's parser is far slower; archive.inflate_members has refused document types before.
        for event, element in iterparse(io.BytesIO(content), events=("start", "end")):  # noqa: S314 # nosec B314
            tag = local_name(element.tag)
            if event == "start" and tag == "style":
                style = get_attribute(element, "name")
                styles.begin(element)
            elif event == "end" and tag == "table-properties" and get_attribute(element, "display") == "false":
                hidden_styles.add(style)
            elif event == "end" and tag == "text-properties":
                styles.add(element)
            elif event == "start" and tag == "table-column" and tables == 1:
                sheet.add_columns(attributes_of(element))
            elif event == "start" and tag == "table-row-group":
                closed_groups += bool(closed_groups) or get_attribute(element, "display") == "false"
            elif event == "end" and tag == "table-row-group":
                closed_groups -= bool(closed_groups)
            elif event == "start" and tag == "table":
                tables += 1
                if tables > 1:
                    raise FileRefused(f"{name} holds a table within a table.", hint="Save it as .xlsx or CSV.")
                sheet = Sheet(get_attribute(element, "name"), name, styles)
                visible = get_attribute(element, "style-name") not in hidden_styles
            elif event == "end" and tag == "table-row":
                if not tables:
                    raise FileRefused(f"{name} holds rows outside a table.", hint="Save it as .xlsx or CSV.")
                sheet.add_row(element, hidden=bool(closed_groups))
                element.clear()
            elif event == "end" and tag == RUN:
                if tables != 1:
                    raise FileRefused(f"{name} holds rows outside a table.", hint="Save it as .xlsx or CSV.")
                for row in next(runs):
                    sheet.add_cells(row, hidden=bool(closed_groups))
            elif event == "end" and tag == "table":
                tables -= 1
                sheets.append((visible, sheet.grid()))
    except (ParseError, LookupError, ValueError, RecursionError):
        raise FileRefused(f"{name} is damaged.", hint="Save it as .xlsx or CSV.") from None
    return sheets
