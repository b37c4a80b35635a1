"""Makes every file of this folder; run it again and the same files come out (`python sample_data/make_samples.py`)."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path

from xlsxwriter import Workbook

from bulkremove.report.template_file import HEADER, write_template

BATCHES = (
    ("478346000019501001", "478346000019502001", "Fire safety, spring"),
    ("478346000019501001", "478346000019502002", "Fire safety, autumn"),
    ("478346000019501002", "478346000019502003", "Data protection"),
    ("478346000019501003", "478346000019502004", "First aid, group A"),
    ("478346000019501003", "478346000019502005", "First aid, group B"),
)
COURSES = {
    "478346000019501001": "Fire safety",
    "478346000019501002": "Data protection",
    "478346000019501003": "First aid",
}
GONE = (17, 41)
"""Learners of the list who are in their batch no more."""
LEFT = (5, 6, 10, 11, 12)
"""Learners of the world who have left the company, the last of whom was employed again."""
EMPLOYED_AGAIN = {
    "erecno": "478346000000299999",
    "employeeId": "E9999",
    "status": "Active",
    "statusType": 1,
    "exit": "",
}
Row = tuple[str, ...]


def learner(number: int) -> str:
    return str(478346000019558000 + 7 * number + 3)


def row(number: int) -> Row:
    course, batch, _ = BATCHES[number % len(BATCHES)]
    reason = ("left the company", "moved to another site", "enrolled by mistake")[number % 3]
    return (course, batch, learner(number), f"Learner {number}", f"learner{number}@example.com", reason)


def rows(count: int) -> list[Row]:
    return [row(number) for number in range(1, count + 1)]


def write_csv(path: Path, lines: list[Row], *, separator: str = ",", encoding: str = "utf-8") -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=separator).writerows([HEADER, *lines])


def write_xlsx(path: Path, lines: list[Row], *, ids_as_numbers: bool = False) -> None:
    with Workbook(str(path)) as book:
        book.set_properties({"created": datetime(2026, 1, 1)})  # noqa: DTZ001 - the file format knows no zone
        text = book.add_format({"num_format": "@"})
        sheet = book.add_worksheet("Leavers")
        sheet.set_column(0, 5, 22, text)
        sheet.freeze_panes(1, 0)
        for number, line in enumerate([HEADER, *lines]):
            for column, cell in enumerate(line):
                if ids_as_numbers and number and column < 3:
                    sheet.write_number(number, column, float(cell))
                else:
                    sheet.write_string(number, column, cell, text)


def mixed() -> list[Row]:
    """Good rows, repetitions, and every usual kind of bad cell."""
    lines = rows(8)
    lines += [lines[1], lines[3]]
    bad = [
        "",
        "47834600001955 8101",
        "".join(chr(0xFF10 + digit) for digit in (4, 7, 8, 3, 4, 6)),
        "n/a",
        "+478346000019558101",
        "'478346000019558101",
        "4" * 20,
    ]
    lines += [(*row(20)[:2], cell, *row(20)[3:]) for cell in bad]
    return [*lines, row(9)]


def world() -> dict[str, object]:
    """The sandbox's world: everybody of the lists but those who have gone before."""
    members: dict[tuple[str, str], list[object]] = {(course, batch): [] for course, batch, _ in BATCHES}
    for number in range(1, 61):
        course, batch, who, name, email, _ = row(number)
        if number not in GONE:
            person = {
                "name": name,
                "email": email,
                "employeeId": f"E{number:04}",
                "erecno": f"4783460000002{number:05}",
            }
            members[course, batch].append({"learnerId": who, **person, "progress": 100 if number % 4 == 0 else 25})
    return {
        "organisation": "Sandbox Ltd",
        "client": {
            "client_id": "sandbox-client",
            "client_secret": "sandbox-secret",
            "refresh_token": "1000.sandbox.refresh",
            "grant_codes": ["1000.sandbox.grant"],
            "scope": "ZOHOPEOPLE.training.ALL,ZOHOPEOPLE.forms.READ",
        },
        "courses": [{"courseId": course, "name": name} for course, name in COURSES.items()],
        "batches": [
            {"courseId": course, "batchId": batch, "name": name, "learners": members[course, batch]}
            for course, batch, name in BATCHES
        ],
        "employees": [*map(employee, LEFT), {**employee(LEFT[-1]), **EMPLOYED_AGAIN}],
    }


def employee(number: int) -> dict[str, object]:
    """The record of somebody who has left."""
    return {
        "erecno": f"4783460000002{number:05}",
        "name": f"Learner {number}",
        "email": f"learner{number}@example.com",
        "employeeId": f"E{number:04}",
        "status": "Inactive",
        "statusType": 0,
        "exit": "" if number % 2 else "31-Jan-2026",
        "department": "Sales",
    }


def make(folder: Path) -> None:
    """All samples into ``folder``."""
    write_csv(folder / "leavers.csv", rows(60))
    write_xlsx(folder / "leavers.xlsx", rows(60))
    write_xlsx(folder / "damaged.xlsx", rows(12), ids_as_numbers=True)
    write_csv(folder / "europe.csv", rows(20), separator=";", encoding="utf-8-sig")
    write_csv(folder / "mixed.csv", mixed())
    write_csv(folder / "template.csv", [])
    with (folder / "template.xlsx").open("wb") as file:
        write_template(file)
    (folder / "world.json").write_text(json.dumps(world(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    make(Path(__file__).parent)
