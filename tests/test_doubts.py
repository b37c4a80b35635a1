"""Signs that a file was damaged, which prove nothing: a person compares the ids before anything is sent."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkremove.app import Consent, this_person
from bulkremove.config import Night
from bulkremove.domain.doubts import DoubtCode
from bulkremove.domain.errors import ConsentMissing
from bulkremove.domain.job import FrontEnd, JobState
from bulkremove.domain.permissions import EVERY_ACCOUNT, Role
from bulkremove.domain.plan import Plan
from bulkremove.domain.planner import plan
from bulkremove.domain.row import Status
from bulkremove.reading.columns import compared_columns
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.reader import read
from tests.application_fixtures import account, application
from tests.cli_fixtures import Bulkremove, crowd, environment
from tests.nightly_fixtures import nightly_site
from tests.test_web_api import Program
from tests.web_fixtures import running_site

COURSES = ("478346000019501001", "478346000019501002")
BATCHES = ("478346000019502001", "478346000019502002")
HEADER = ["Course ID", "Batch ID", "Learner ID"]


def learner(number: int) -> str:
    return str(478346000019558001 + number)


def listed(*rows: Sequence[str], header: Sequence[str] = HEADER) -> str:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([header, *rows])
    return out.getvalue()


MIXED = listed(
    (COURSES[0], BATCHES[0], learner(0)),
    (COURSES[1], BATCHES[1], learner(1)),
    (COURSES[0], BATCHES[1], learner(2)),
)
"""Rows of two batches, the courses of which were sorted without the batches."""


def planned(text: str) -> Plan:
    table = read(io.BytesIO(text.encode()), name="list.csv")
    emails = compared_columns(table.header, table.roles).email
    return plan(table, account="a", host="h", email_column=emails)


@pytest.mark.parametrize(
    ("batch", "emails", "rows"),
    [
        (0, ("ann@example.com", "bo@example.com"), "rows 2 and 3"),
        (1, ("ann@example.com", "bo@example.com"), "rows 2 and 3"),
        (0, ("-", "ann@example.com", "ANN@example.com ", "mailto:bo@example.com"), "rows 3 and 5"),
        (0, ("ann@example.com", "Ann <ann@example.com>"), ""),
        (0, ("ann@example.com", ""), ""),
        (0, ("ann@example.com", "bo@example.com; ann@example.com"), ""),
    ],
)
def test_a_learner_beside_different_addresses_is_a_doubt_also_where_a_row_repeats_the_other_one(
    batch: int, emails: Sequence[str], rows: str
) -> None:
    lines = [(COURSES[0], BATCHES[batch and index % 2], learner(0), email) for index, email in enumerate(emails)]
    one = planned(listed(*lines, header=[*HEADER, "E-mail"]))
    found = [doubt for doubt in one.doubts if doubt.code is DoubtCode.LEARNER_OF_SEVERAL_ADDRESSES]
    assert (bool(rows), 1 if rows else 0) == (bool(found), sum(doubt.ids for doubt in found))
    assert all(f"{learner(0)} in {rows}." in doubt.text for doubt in found), found


def rounded(count: int, of: int, *, step: int = 1000) -> str:
    """A list of ``of`` learners of one batch; the ids of the first ``count`` end in 000."""
    first = [str(478346000019000000 + step * number) for number in range(count)]
    return listed(*((COURSES[0], BATCHES[0], one) for one in [*first, *map(learner, range(of - count))]))


def test_a_batch_under_several_courses_is_named_with_its_rows() -> None:
    (doubt,) = planned(MIXED).doubts
    assert (DoubtCode.BATCH_OF_SEVERAL_COURSES, 1) == (doubt.code, doubt.ids)
    assert doubt.text == (
        "1 batch stands under more than one course, and in Zoho a batch belongs to one: a column may have been sorted "
        "without the others, which mixes the ids of different people. In this list: batch 478346000019502002 under "
        "course 478346000019501002 (row 3) and course 478346000019501001 (row 4)."
    )


def test_a_column_that_was_sorted_alone_is_seen_however_long_the_list_is() -> None:
    rows = [(COURSES[0], str(478346000019600001 + number % 7), learner(number)) for number in range(350)]
    rows += [(COURSES[1], str(478346000019700001 + number % 7), learner(350 + number)) for number in range(350)]
    assert () == planned(listed(*rows)).doubts
    shuffled = [*rows[::2], *rows[1::2]]
    in_order = sorted(course for course, _, _ in shuffled)
    mixed = planned(listed(*((course, *row[1:]) for course, row in zip(in_order, shuffled, strict=True))))
    assert [(DoubtCode.BATCH_OF_SEVERAL_COURSES, 14)] == [(doubt.code, doubt.ids) for doubt in mixed.doubts]
    assert mixed.doubts[0].text.endswith("; and 11 more.")


def test_a_batch_counts_in_rows_that_are_not_sent_but_not_in_rows_without_ids() -> None:
    row = (COURSES[0], BATCHES[0], learner(0))
    protected = planned(listed(row, (COURSES[1], "", learner(1)), (COURSES[1], "x", learner(2))))
    assert () == protected.doubts
    report = "row,status,detail,http_status,api_code,attempts,first_sent_at,finished_at,job,plan_hash"
    settled = ["2", "removed", "", "200", "200", "1", "t", "t", "20260101-abcd", "0" * 64]
    waiting = ["3", "not_sent", "", "", "", "0", "", "", "20260101-abcd", "0" * 64]
    given_back = listed(
        [*row, *settled], [COURSES[1], BATCHES[0], learner(1), *waiting], header=[*HEADER, *report.split(",")]
    )
    assert [1] == [doubt.ids for doubt in planned(given_back).doubts]
    assert () == planned(given_back.replace("not_sent", "not_found")).doubts, "nothing is sent"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([(COURSES[0], COURSES[0], learner(0))], f"{COURSES[0]} as course id (row 2) and as batch id (row 2)"),
        (
            [(COURSES[0], BATCHES[0], learner(0)), (BATCHES[0], COURSES[1], learner(1))],
            f"{BATCHES[0]} as course id (row 3) and as batch id (row 2)",
        ),
        (
            [(COURSES[0], BATCHES[0], learner(0)), (COURSES[0], BATCHES[0], BATCHES[0])],
            f"{BATCHES[0]} as batch id (row 2) and as learner id (row 3)",
        ),
    ],
)
def test_an_id_in_two_columns_is_named_with_its_rows(rows: list[tuple[str, ...]], words: str) -> None:
    (doubt,) = planned(listed(*rows)).doubts
    assert (DoubtCode.ID_IN_TWO_COLUMNS, 1) == (doubt.code, doubt.ids)
    assert doubt.text == (
        "1 id stands in two columns, and in Zoho no course, batch or learner has the id of another: ids may stand in "
        f"the wrong column. In this list: {words}."
    )


def test_short_ids_and_rows_without_ids_are_in_two_columns_without_doubt() -> None:
    assert [DoubtCode.SHORT_IDS] * 3 == [one.code for one in planned(listed(("1", "1", "1"), ("2", "3", "1"))).doubts]
    assert () == planned(listed((COURSES[0], BATCHES[0], learner(0)), (BATCHES[0], learner(1), ""))).doubts


def as_doubles(ids: Iterable[int], *, shown: bool) -> list[str]:
    """Ids as a program writes them that read them as numbers; ``shown``: as JavaScript shows such a number."""
    return [str(int(Decimal(repr(float(one))))) if shown else f"{float(one):.0f}" for one in ids]


@pytest.mark.parametrize("shown", [False, True])
@pytest.mark.parametrize("count", [4, 12, 500])
def test_ids_that_a_program_read_as_numbers_are_doubtful(count: int, shown: bool) -> None:
    dice = Random(count)
    ids = [478346000019000000 + dice.randrange(10**7) for _ in range(count)]
    (doubt,) = planned(listed(*((COURSES[0], BATCHES[0], one) for one in as_doubles(ids, shown=shown)))).doubts
    assert DoubtCode.ROUNDED_IDS is doubt.code
    assert "are numbers that a computer's calculations round to" in doubt.text
    assert () == planned(listed(*((COURSES[0], BATCHES[0], str(one)) for one in ids))).doubts


@given(
    first=st.integers(10**17, 9 * 10**17), step=st.integers(1, 9), count=st.integers(1, 300), digits=st.integers(15, 19)
)
def test_whole_ids_in_sequence_are_not_doubtful(first: int, step: int, count: int, digits: int) -> None:
    first = first // 10**9 * 10**9 % 10**digits + 10 ** (digits - 1) + 1
    ids = [str(first + step * number) for number in range(count)]
    assert () == planned(listed(*((COURSES[0], BATCHES[0], one) for one in ids if len(one) == len(ids[0])))).doubts


@pytest.mark.parametrize(
    ("odd", "of", "is_doubtful"),
    [(1, 10, True), (2, 20, True), (1, 3, True), (1, 2, False), (2, 9, False), (0, 30, False)],
)
def test_ids_of_another_length_than_nearly_all_others_are_doubtful(odd: int, of: int, is_doubtful: bool) -> None:
    ids = [learner(number) + "1" * (number < odd) for number in range(of)]
    found = planned(listed(*((COURSES[0], BATCHES[0], one) for one in ids))).doubts
    assert [(DoubtCode.ODD_LENGTHS, odd)] * is_doubtful == [(doubt.code, doubt.ids) for doubt in found]
    if is_doubtful:
        assert f"such as {ids[0]} in row 2" in found[0].text


@pytest.mark.parametrize(
    ("ending", "of", "is_doubtful"),
    [(1, 1, False), (1, 2, False), (2, 2, True), (2, 4, True), (2, 6, False), (3, 13, True), (30, 100, True)],
)
def test_ids_that_end_in_000_more_often_than_chance_makes_them_are_doubtful(
    ending: int, of: int, is_doubtful: bool
) -> None:
    found = planned(rounded(ending, of)).doubts
    assert [DoubtCode.ROUNDED_IDS] * is_doubtful == [doubt.code for doubt in found]
    assert all(doubt.ids >= ending for doubt in found)


def test_a_run_of_ids_in_sequence_is_no_sign() -> None:
    assert () == planned(listed(*((COURSES[0], BATCHES[0], str(10**17 + n)) for n in range(3000)))).doubts


def test_the_text_names_column_share_and_a_row() -> None:
    (doubt,) = planned(rounded(3, 4)).doubts
    assert doubt.text == (
        "Column 'Learner ID': ids end in 000 (3 of 4 different ones), such as 478346000019000000 in row 2. A "
        "spreadsheet may have rounded them, and a rounded id may be that of another person."
    )


def test_one_id_in_every_row_is_one_id_and_short_numbers_are_never_rounded() -> None:
    rows = [("478346000019501000", "478346000019502000", learner(number)) for number in range(20)]
    assert () == planned(listed(*rows)).doubts
    short = planned(listed(*((COURSES[0], BATCHES[0], str(1000 * n)) for n in range(1, 20)))).doubts
    assert [DoubtCode.SHORT_IDS] == [doubt.code for doubt in short]
    everywhere = [(COURSES[0], batch, "478346000019558000") for batch in BATCHES]
    assert () == planned(listed(*everywhere)).doubts, "one person in two batches"


@pytest.mark.parametrize("digits", [1, 4, 10, 11, 12, 18])
def test_row_numbers_or_employee_ids_in_an_id_column_are_doubtful(digits: int) -> None:
    rows = [(COURSES[0], BATCHES[0], str(n + 10 ** (digits - 1))) for n in range(3)]
    text = listed(*rows, (COURSES[0], BATCHES[0], "Printed by the HR department"))
    found = planned(text).doubts
    assert [DoubtCode.SHORT_IDS] * (digits < 12) == [doubt.code for doubt in found]
    for doubt in found:
        assert (3, True) == (
            doubt.ids,
            f"'Learner ID': 3 different ids have fewer than 12 digits, such as {rows[0][2]} in row 2." in doubt.text,
        )
    table = read(io.BytesIO(text.encode()), name="list.csv")
    assert () == plan(table, account="a", host="127.0.0.1:8").doubts, "a sandbox may have ids of any length"


def test_learners_that_rounding_has_made_one_are_seen() -> None:
    made = planned(listed(*((COURSES[0], BATCHES[0], "478346000019558000") for _ in range(9))))
    assert (1, 8) == (made.removals, made.not_sent()[Status.DUPLICATE])
    assert [(DoubtCode.ROUNDED_IDS, 1)] == [(doubt.code, doubt.ids) for doubt in made.doubts]


PRINT_HASH = """
import sys
from tests.test_doubts import planned
made = planned(sys.stdin.read())
print(made.hash, made.doubtful_ids)
"""


def hash_in_a_process(text: str, seed: str) -> str:
    """Hash and number of doubtful ids of the plan of a text, in a process that orders its sets in another way."""
    environ = {**os.environ, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-c", PRINT_HASH]
    return subprocess.run(command, input=text, env=environ, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("is_long", [True, False])
def test_the_same_doubts_are_found_in_each_process_since_the_hash_of_a_plan_holds_them(is_long: bool) -> None:
    rows = [(COURSES[0], f"4783460000196020{n:02}", f"4783460000196020{(n + 1) % 50:02}") for n in range(50)]
    if is_long:  # not each of its ids is looked at
        random = Random(1)
        ids = [478346000000000000 + random.randrange(10**9) for _ in range(21_000)]
        rows = [(COURSES[0], BATCHES[0], str(int(float(one)) if n % 4 else one)) for n, one in enumerate(ids)]
    text = listed(*rows)
    made = planned(text)
    assert made.doubts
    assert {f"{made.hash} {made.doubtful_ids}\n"} == {hash_in_a_process(text, seed) for seed in "12"}


async def test_neither_yes_nor_a_hash_nor_a_number_is_enough(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application(environ)) as app:
        preview = await app.plans.preview(io.BytesIO(MIXED.encode()), name="f.csv", options=ReadOptions())
        by = this_person()

        async def submit(consent: Consent) -> JobState:
            job = await app.confirmations.submit(
                preview, consent=consent, folder=tmp_path, prepared_by=[by], by=by, front_end=FrontEnd.COMMAND
            )
            return job.state

        for consent in (Consent(yes=True), Consent(plan_hash=preview.plan.hash), Consent(removals=3)):
            with pytest.raises(ConsentMissing, match=r"1 batch stands under more than one course.*--compared 1"):
                await submit(consent)
        for wrong in (0, 2, -1):
            with pytest.raises(ConsentMissing, match="not the number of doubtful ids, which is 1"):
                await submit(Consent(yes=True, compared=wrong))
        with pytest.raises(ConsentMissing, match="Nobody agreed"):
            await submit(Consent(compared=1))
        assert [] == await app.jobs.all()
        assert JobState.READY is await submit(Consent(yes=True, compared=1))
        (entry,) = await app.audit.newest(1, EVERY_ACCOUNT)
        assert ("confirmed", 1) == (entry.act, entry.facts["compared"])


async def test_who_compares_a_plan_without_doubts_means_another_plan(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application(environ)) as app:
        text = listed((COURSES[0], BATCHES[0], learner(0)))
        preview = await app.plans.preview(io.BytesIO(text.encode()), name="f.csv", options=ReadOptions())
        with pytest.raises(ConsentMissing, match="3 is not the number of doubtful ids, which is 0"):
            await app.confirmations.submit(
                preview,
                consent=Consent(yes=True, compared=3),
                folder=tmp_path,
                prepared_by=["jo"],
                by="jo",
                front_end=FrontEnd.COMMAND,
            )


async def test_the_page_asks_with_a_box_beside_the_number(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        page = await visitor.upload(MIXED)
        assert "1 batch stands under more than one course" in page.text
        assert 'name="compared" value="1" required> I compared 1 doubtful id with Zoho People' in page.text
        given = {"plan": page.field("plan"), "number": "3"}
        refused = await visitor.post(f"{page.url}/confirm", **given)
        assert (409, True, False) == (refused.status, "tick the box" in refused.text, "--compared" in refused.text)
        for wrong in ("", "2", "on"):
            assert 409 == (await visitor.post(f"{page.url}/confirm", **given, compared=wrong)).status
        assert [] == await one.app.jobs.all()
        assert (await visitor.post(f"{page.url}/confirm", **given, compared="1")).url.startswith("/jobs/")


async def test_a_program_sends_the_number_that_a_person_compared(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.APPROVER))
        made = (await program.post("/plans", rounded(4, 4))).json
        assert (4, "rounded_ids") == (made["doubtful_ids"], made["doubts"][0]["code"])  # type: ignore[index] # a list
        address, agreed = f"/plans/{made['id']}/confirm", {"plan_hash": made["plan_hash"]}
        refused = await program.post(address, agreed)
        assert (409, True) == (refused.status, "compared = 4" in str(refused.json["detail"]))
        assert 409 == (await program.post(address, {**agreed, "compared": 3})).status
        assert 400 == (await program.post(address, {**agreed, "compared": "4"})).status
        assert 400 == (await program.post(address, {**agreed, "compared": True})).status
        assert 201 == (await program.post(address, {**agreed, "compared": 4})).status


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MIXED, "1 batch stands under more than one course"),
        (rounded(5, 5), "end in 000"),
        (listed(*((COURSES[0], BATCHES[0], str(n)) for n in range(1, 6))), "fewer than 12 digits"),
    ],
)
async def test_a_night_holds_it_until_it_is_approved(tmp_path: Path, text: str, words: str) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", text)
        result = await one.run()
        assert ([], 1) == (result.ran, len(result.held))
        assert words in result.held[0]
        assert words in (await one.job()).reason
        job = await one.job()
        for compared in (None, job.doubtful_ids + 1):
            with pytest.raises(ConsentMissing, match=f"doubtful ids.*{words}.*--compared {job.doubtful_ids}"):
                await one.app.jobs.approve(job.id, by="kim", compared=compared)
        await one.app.jobs.approve(job.id, by="kim", compared=job.doubtful_ids)
        assert 1 == len((await one.run()).ran)


async def test_the_page_asks_who_approves_a_held_plan_too(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 5)
    nights = (Night("/srv/leavers"),)
    async with running_site(tmp_path / "home", world=world, nights=nights) as one, one.visitor() as visitor:
        preview = await one.app.plans.preview(io.BytesIO(MIXED.encode()), name="f.csv", options=ReadOptions())
        reserve = tmp_path / "reports"
        reserve.mkdir()
        job = await one.app.for_night(*nights).confirmations.submit_nightly(
            preview,
            lambda job: (),
            folder=reserve,
            hold_reason=preview.plan.doubts[0].text,
            due_at=None,
            by="the nightly run",
        )
        shown = await visitor.get(f"/jobs/{job.id}")
        assert "I compared 1 doubtful id with Zoho People: it is right" in shown.text
        form = {"plan": job.plan_hash, "number": "3"}
        refused = await visitor.post(f"/jobs/{job.id}/approve", **form)
        assert (409, True) == (refused.status, "doubtful ids (1)" in refused.text)
        assert "--compared" not in refused.text
        assert 409 != (await visitor.post(f"/jobs/{job.id}/approve", **form, compared="1")).status
        assert JobState.HELD is not (await one.app.jobs.find(job.id)).state


async def test_the_second_person_reads_of_the_doubt_too(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application({**environ, "BULKREMOVE_FOUR_EYES": "true"})) as app:
        preview = await app.plans.preview(io.BytesIO(MIXED.encode()), name="f.csv", options=ReadOptions())
        job = await app.confirmations.submit(
            preview,
            consent=Consent(yes=True, compared=1),
            folder=tmp_path,
            prepared_by=["jo"],
            by="jo",
            front_end=FrontEnd.COMMAND,
        )
        assert JobState.HELD is job.state
        assert "1 batch stands under more than one course" in job.reason


@pytest.mark.slow
def test_the_command_line_shows_the_doubt_and_needs_its_number(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 3)
    file.write_text(MIXED)
    program = Bulkremove(tmp_path / "home", environment())
    place = (str(file), "--sandbox", str(world), "--speed", "60")
    shown = program("preview", *place).stdout
    assert "Doubt     1 batch stands under more than one course" in shown
    assert "add --compared 1:" in shown
    answer = json.loads(program("preview", *place, "--json").stdout)
    assert (1, False) == (answer["doubtful_ids"], "--compared" in answer["command"])
    for consent in (("--yes",), ("--plan", answer["plan_hash"])):
        refused = program("run", *place, *consent)
        assert (4, True) == (refused.returncode, "give --compared 1" in refused.stderr)
    assert 4 == program("run", *place, "--yes", "--compared", "2").returncode
    assert 3 >= program("run", *place, "--yes", "--compared", "1").returncode
