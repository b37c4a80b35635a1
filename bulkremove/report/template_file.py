"""The template of a list of people to remove: columns formatted as text, and a sheet that says where the ids are."""

from __future__ import annotations

from typing import BinaryIO

from bulkremove.domain.table import IDS_SHEET
from bulkremove.report.workbook import TEXT_FORMAT, opened_workbook, write_texts

HEADER = ("Course ID", "Batch ID", "Learner ID", "Name", "E-mail", "Reason")
"""The headings; the last three may stay empty."""
NAME = "bulkremove-template.xlsx"

_EXAMPLE = (
    "478346000019501001", "478346000019502001", "478346000019558010", "Ann Example", "ann@example.com", "left",
)  # fmt: skip
_WHERE = (
    "Fill in the sheet People, one row for each removal. Its cells are formatted as text: Excel would round an id.",
    "A removal needs three ids of Zoho's: of the course, of the batch, and of the learner in it. An employee's record "
    "number or id is none of them.",
    "Course ID and Batch ID: open the batch in Zoho People. Both stand in the address of that page.",
    "Learner ID: it stands in no address. Ask whoever looks after the page for a roster of the batch.",
    "Without learner ids: leave the column Learner ID empty and fill in E-mail. Course and batch may be names then, "
    "and the page offers to ask Zoho for the ids. Or choose people from Zoho's lists on the page, without a file.",
)


def write_template(file: BinaryIO) -> None:
    """Write the template as a workbook."""
    with opened_workbook(file) as book:
        text = book.add_format({"num_format": TEXT_FORMAT})
        bold = book.add_format({"num_format": TEXT_FORMAT, "bold": True, "bottom": 1})
        wrapped = book.add_format({"num_format": TEXT_FORMAT, "text_wrap": True, "valign": "top"})
        people = book.add_worksheet("People")
        people.set_column(0, len(HEADER) - 1, 22, text)
        people.freeze_panes(1, 0)
        write_texts(people, 0, HEADER, bold)
        notes = book.add_worksheet(IDS_SHEET)
        notes.set_column(0, 0, 110, wrapped)
        notes.set_column(1, len(HEADER), 22, text)
        write_texts(notes, 0, (IDS_SHEET,), bold)
        for number, line in enumerate(_WHERE, start=2):
            write_texts(notes, number, (line,), wrapped)
        write_texts(notes, len(_WHERE) + 3, ("A filled row looks like this:", *HEADER), bold)
        write_texts(notes, len(_WHERE) + 4, ("", *_EXAMPLE), text)
