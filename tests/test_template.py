"""The template: what a person fills in with Excel is read as it was typed, and its sheet of notes asks no question."""

from __future__ import annotations

import io
from pathlib import Path

from openpyxl import Workbook, load_workbook

from tests.test_find_pages import looked_up
from tests.test_reads import BATCH, COURSE, learner, world
from tests.web_fixtures import Visitor, running_site


async def template(visitor: Visitor) -> Workbook:
    return load_workbook(io.BytesIO((await visitor.get("/template.xlsx")).body))


def saved(book: Workbook) -> bytes:
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


async def test_the_page_offers_a_template_whose_filled_rows_become_the_plan(tmp_path: Path) -> None:
    file = world(tmp_path)
    async with running_site(tmp_path / "home", world=file) as one, one.visitor() as visitor:
        assert 'href="/template.xlsx"' in (await visitor.get("/")).text
        book = await template(visitor)
        people = book["People"]
        columns = people.column_dimensions["A"]
        assert ("@", 1, 6) == (columns.number_format, columns.min, columns.max)
        people.append([COURSE, BATCH, learner(1), "Ann Example"])
        plan = await visitor.upload(saved(book), "people.xlsx")
        assert "Would be removed</dt><dd>1<" in plan.text


async def test_without_learner_ids_the_page_offers_to_ask_zoho_as_its_notes_say(tmp_path: Path) -> None:
    file = world(tmp_path)
    async with running_site(tmp_path / "home", world=file) as one, one.visitor() as visitor:
        book = await template(visitor)
        notes = " ".join(str(row[0]) for row in book["Where to find the ids"].iter_rows(values_only=True))
        assert "leave the column Learner ID empty and fill in E-mail" in notes
        people = book["People"]
        people.append(["Fire safety", "Spring", None, "Learner 0001", "learner0001@example.com"])
        asked = await visitor.upload(saved(book), "people.xlsx")
        assert 'name="match" value="email"' in asked.text
        await visitor.post(asked.url, match="email")
        plan = await looked_up(visitor, asked)
        assert ("Would be removed</dt><dd>1<" in plan.text, learner(1) in plan.text) == (True, True)
        assert 'name="match"' not in plan.text
        people.append([COURSE, BATCH, learner(2)])
        with_an_id = await visitor.upload(saved(book), "people.xlsx")
        assert 'name="match" value="email"' not in with_an_id.text


async def test_a_template_that_nobody_filled_in_removes_nobody(tmp_path: Path) -> None:
    async with running_site(tmp_path / "home") as one, one.visitor() as visitor:
        empty = await visitor.upload(saved(await template(visitor)), "people.xlsx")
        assert "Would be removed</dt><dd>0<" in empty.text
