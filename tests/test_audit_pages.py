"""The page of the audit log: sentences, filters and a file of the same entries."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

from bulkremove.domain.audit_acts import AuditAct, act_in_words
from bulkremove.web import audit_pages
from tests.web_fixtures import running_site, triples


def sentences(text: str) -> list[tuple[str, str]]:
    return re.findall(r"<td><strong>([^<]+)</strong> ([^<]+)</td>", text)


async def test_acts_are_sentences_and_filters_leave_those_of_one_kind_or_with_a_text(tmp_path: Path) -> None:
    async with running_site(tmp_path / "home") as one, one.visitor() as visitor:
        for name in ("march.csv", "April Ö.csv"):
            await visitor.upload(triples(2), name)
        await one.app.record("jo", AuditAct.ROSTER, course="1")
        everything = sentences((await visitor.get("/audit")).text)
        assert ("jo", "read the learners of a batch") == everything[0]
        assert 2 == [what for _, what in everything].count("uploaded a file")
        assert [("jo", "read the learners of a batch")] == sentences((await visitor.get("/audit?act=roster")).text)
        for text in ("april", "APRIL ö.CSV"):
            shown = (await visitor.get(f"/audit?q={text}")).text
            assert ("April Ö.csv" in shown, "march.csv" in shown) == (True, False)
        assert 1 == len(sentences((await visitor.get("/audit?q=JO")).text))
        assert "No entry matches." in (await visitor.get("/audit?act=forgot")).text
        assert everything == sentences((await visitor.get("/audit?act=nonsense")).text)


async def test_older_entries_are_on_the_next_page(tmp_path: Path) -> None:
    async with running_site(tmp_path / "home") as one, one.visitor() as visitor:
        for number in range(audit_pages.ENTRIES + 3):
            await one.app.record("jo", AuditAct.ROSTER, course=str(number))
        first, second = await visitor.get("/audit?act=roster"), await visitor.get("/audit?act=roster&page=2")
        assert (audit_pages.ENTRIES, 3) == (len(sentences(first.text)), len(sentences(second.text)))
        assert ("Older entries" in first.text, "Older entries" in second.text) == (True, False)


async def test_the_file_holds_what_the_filters_leave_with_facts_and_hashes(tmp_path: Path) -> None:
    async with running_site(tmp_path / "home") as one, one.visitor() as visitor:
        await visitor.upload(triples(2), "=cmd.csv")
        await one.app.record("=jo", AuditAct.ROSTER, course="1")
        lines = list(csv.DictReader(io.StringIO((await visitor.get("/audit.csv?act=roster")).body.decode("utf-8-sig"))))
        assert [*audit_pages.HEADER] == [*lines[0]]
        (line,) = lines
        assert ("'=jo", "roster", {"course": "1"}) == (line["who"], line["act"], json.loads(line["facts"]))
        assert re.fullmatch(r"[0-9a-f]{64}", line["hash"])
        whole = csv.reader(io.StringIO((await visitor.get("/audit.csv")).body.decode("utf-8-sig")))
        assert not [cell for row in whole for cell in row if cell.startswith("=")]


def test_every_act_has_words_of_its_own_and_an_unknown_one_its_name() -> None:
    assert len(AuditAct) == len({act_in_words(act) for act in AuditAct})
    assert "was renamed" == act_in_words("was_renamed")
