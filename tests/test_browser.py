"""The page in a real Chromium, by mouse and by keyboard, against the sandbox; axe looks at every page on the way."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped] # it ships no types
from playwright.sync_api import Browser, Page, expect

from tests.browser_fixtures import NoBrowser, Server, browser, served
from tests.cli_fixtures import SAMPLES, Bulkremove, crowd, environment, sandbox
from tests.web_fixtures import PASSWORD, triples
from tests.workbooks import Book, Sheet

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PHONE = {"width": 360, "height": 740}
WIDE = {"width": 1280, "height": 900}
LEARNER = "478346000019558000"
HOSTILE = "<img src=//evil.example/x onerror=alert(1)><script>alert(2)</script>"


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    try:
        with browser() as found:
            yield found
    except NoBrowser as why:
        if os.environ.get("CI"):
            pytest.fail(str(why))
        pytest.skip(str(why))


class Window:
    """A page that notes whatever should never happen: dialogs, errors, requests to elsewhere."""

    def __init__(self, chrome: Browser, url: str, **options: Any) -> None:
        options = {"viewport": WIDE, "accept_downloads": True, **options}
        self.context = chrome.new_context(**options)
        self.page: Page = self.context.new_page()
        self.odd: list[str] = []
        self.url = url
        self.page.on("dialog", lambda dialog: self.odd.append(f"dialog {dialog.message}"))
        self.page.on("pageerror", lambda error: self.odd.append(f"error {error}"))
        self.page.on("console", lambda said: self.odd.append(said.text) if said.type == "error" else None)
        self.page.on("request", lambda asked: None if asked.url.startswith(url) else self.odd.append(asked.url))

    def check(self) -> None:
        """axe finds nothing, nothing is wider than the window, and nothing odd has happened."""
        found = Axe().run(
            self.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}
        )
        assert found.violations_count == 0, found.generate_report()
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it is wider than the window"
        assert [] == self.odd

    def upload(self, path: Path) -> None:
        self.page.get_by_label("File").set_input_files(path)
        self.page.get_by_role("button", name="Preview").click()
        self.page.wait_for_url("**/uploads/*")

    def remove(self, number: str, learners: str) -> None:
        """Type the number and press the button that names its act."""
        button = self.page.get_by_role("button", name=f"Remove {learners}")
        expect(button).to_be_disabled()
        self.page.get_by_label("type the number of removals").fill(number)
        expect(button).to_be_enabled()
        button.click()
        self.page.wait_for_url("**/jobs/*")

    def press(self, name: str) -> None:
        """Press a button and wait for the page that it leads to; the live parts may show the same before."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=name).click()

    def ended(self) -> None:
        expect(self.page.get_by_role("heading", name="Downloads")).to_be_visible(timeout=60_000)


Open = Callable[..., Window]
Faults = dict[str, object] | None


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Starts a sandbox and a server; both are ended afterwards."""
    with ExitStack() as stack:

        def start(count: int, speed: float = 60.0, faults: Faults = None, **settings: str) -> tuple[Server, str]:
            world, _ = crowd(tmp_path, count, faults=faults, scope="ZOHOPEOPLE.training.ALL")
            variables = stack.enter_context(sandbox(world, tmp_path / "sandbox.log", "--speed", str(speed)))
            variables = {**variables, "BULKREMOVE_SPEED": str(speed), **settings}
            return stack.enter_context(served(tmp_path / "home", variables))

        yield start


@pytest.fixture
def windows() -> Iterator[list[Window]]:
    opened: list[Window] = []
    yield opened
    for window in opened:
        window.context.close()


@pytest.fixture
def window(chrome: Browser, windows: list[Window]) -> Open:
    def opened(server: Server, link: str = "", **options: Any) -> Window:
        one = Window(chrome, server.url, **options)
        windows.append(one)
        one.page.goto(link or server.url)
        return one

    return opened


SETTINGS = ["/settings", "/settings/accounts", "/settings/access", "/settings/protected"]


def write(folder: Path, text: str | bytes, name: str = "leavers.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize(
    "look",
    [{"viewport": WIDE}, {"viewport": PHONE, "color_scheme": "dark", "has_touch": True}],
    ids=["wide", "phone-dark"],
)
def test_the_whole_way_from_a_file_to_the_report(
    tmp_path: Path, place: Any, window: Open, kind: str, look: dict[str, Any]
) -> None:
    server, link = place(20)
    one = window(server, link, **look)
    expect(one.page.get_by_text("SANDBOX: nobody is really removed")).to_be_visible()
    one.check()
    rows = [line.split(",") for line in triples(20).splitlines()]
    content = triples(20).encode() if kind == "csv" else Book([Sheet(rows)]).as_bytes("xlsx")  # type: ignore[arg-type] # texts
    one.upload(write(tmp_path, content, f"leavers.{kind}"))
    expect(one.page.get_by_text("DRY RUN - nothing has been removed").first).to_be_visible()
    assert "Leave it as a draft" == one.page.evaluate("document.activeElement.textContent")
    one.check()
    one.remove("20", "20 learners")
    one.ended()
    expect(one.page.get_by_text("Removed 20 (0 inferred)")).to_be_attached()
    one.check()
    with one.page.expect_download() as download:
        one.page.get_by_role("link", name="Report (CSV, for programs)").click()
    report = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8-sig"))))
    assert ["removed"] * 20 == [row["status"] for row in report]
    assert LEARNER == report[0]["learner"].strip()
    one.page.get_by_role("link", name="Every row of this job").click()
    one.check()


def test_people_are_put_back_whom_a_job_removed(tmp_path: Path, place: Any, window: Open) -> None:
    server, link = place(20)
    one = window(server, link, viewport=PHONE)
    one.upload(write(tmp_path, triples(3)))
    one.press("Ask Zoho who these learners are")
    expect(one.page.get_by_text("can put back 3 of 3 learners later")).to_be_visible(timeout=60_000)
    one.remove("3", "3 learners")
    one.ended()
    one.page.get_by_role("link", name="Put people back").click()
    one.check()
    one.page.get_by_role("checkbox").nth(1).check()
    one.page.get_by_role("button", name="Preview those ticked").first.click()
    button = one.page.get_by_role("button", name="Enrol 1 learner")
    expect(button).to_be_disabled(timeout=60_000)
    one.check()
    one.page.get_by_label("type the number of enrolments").fill("1")
    button.click()
    one.ended()
    expect(one.page.get_by_text("Enrolled 1,")).to_be_attached()
    one.check()


def test_a_file_that_is_dropped_is_as_good_as_one_that_is_picked(place: Any, window: Open) -> None:
    server, link = place(3)
    one = window(server, link)
    one.page.evaluate(
        """text => {
            const files = new DataTransfer();
            files.items.add(new File([text], "dropped.csv"));
            const form = document.querySelector("form.drop");
            for (const name of ["dragover", "drop"])
                form.dispatchEvent(new DragEvent(name, { dataTransfer: files, bubbles: true, cancelable: true }));
        }""",
        triples(3),
    )
    one.page.wait_for_url("**/uploads/*")
    expect(one.page.get_by_role("heading", name="dropped.csv")).to_be_visible()
    assert [] == one.odd


def test_everything_can_be_done_by_keyboard_alone(tmp_path: Path, place: Any, window: Open) -> None:
    server, link = place(3)
    one = window(server, link)
    page, keys = one.page, one.page.keyboard

    def focus_on(words: str) -> None:
        """Press Tab until the focus is there, and see that it can be seen."""
        for _ in range(60):
            keys.press("Tab")
            text = page.evaluate("(e => e.labels?.[0]?.textContent ?? e.textContent)(document.activeElement)")
            if words in text:
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", f"nobody sees that {words} has the focus"
                return
        raise AssertionError(f"{words} can't be reached")

    keys.press("Tab")
    assert "Skip to the content" == page.evaluate("document.activeElement.textContent")
    page.get_by_label("File").set_input_files(write(tmp_path, triples(3)))  # the system's own dialog is not the page's
    focus_on("Preview")
    keys.press("Enter")
    page.wait_for_url("**/uploads/*")
    expect(page.get_by_text("DRY RUN").first).to_be_visible()
    focus_on("type the number of removals")
    keys.type("3")
    focus_on("Remove 3 learners")
    keys.press("Enter")
    one.ended()
    focus_on("Report (CSV, for programs)")
    with page.expect_download():
        keys.press("Enter")
    assert [] == one.odd


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland"])
def test_a_removal_starts_later_by_the_clock_of_the_browser(
    tmp_path: Path, place: Any, window: Open, zone: str
) -> None:
    server, link = place(3)
    one = window(server, link, timezone_id=zone)
    one.upload(write(tmp_path, triples(3)))
    one.page.get_by_text("Start it later").click()
    start = datetime.now(ZoneInfo(zone)) + timedelta(hours=2)
    one.page.get_by_label("When it starts by itself").fill(f"{start:%Y-%m-%dT%H:%M}")
    one.check()
    one.remove("3", "3 learners")
    expect(one.page.get_by_text("It starts by itself:")).to_contain_text(
        f"{start:%-I:%M}\N{NARROW NO-BREAK SPACE}{start:%p}"
    )
    expect(one.page.get_by_role("button", name="Remove 3 learners")).to_be_disabled()
    one.check()
    one.page.goto(server.url)
    expect(one.page.get_by_role("heading", name="Scheduled")).to_be_visible()
    one.check()


def test_a_lock_counts_down_and_a_reload_and_a_second_window_show_the_present(
    tmp_path: Path, place: Any, window: Open, windows: list[Window]
) -> None:
    server, link = place(60, speed=30.0, faults={"calls": {"12": "429"}})
    one = window(server, link)
    one.upload(write(tmp_path, triples(60)))
    one.remove("60", "60 learners")
    waiting = one.page.get_by_text(re.compile("Zoho has locked the account: waiting for"))
    expect(waiting).to_be_visible(timeout=30_000)
    first = waiting.inner_text()
    expect(waiting).not_to_have_text(first)  # it counts down
    one.page.reload()
    expect(waiting).to_be_visible()
    second = one.context.new_page()
    second.goto(one.page.url)
    expect(second.get_by_text(re.compile("Zoho has locked the account: waiting for"))).to_be_visible()
    one.page.close()  # closing the tab changes nothing
    expect(second.get_by_role("heading", name="Downloads")).to_be_visible(timeout=60_000)
    expect(second.get_by_text("1 lock-outs")).to_be_attached()
    expect(second.get_by_role("img", name=re.compile("locked out by Zoho for"))).to_be_visible()


def test_pause_go_on_and_cancel(tmp_path: Path, place: Any, window: Open) -> None:
    server, link = place(200, speed=20.0)
    one = window(server, link)
    one.upload(write(tmp_path, triples(200)))
    one.remove("200", "200 learners")
    one.press("Pause")
    expect(one.page.get_by_text(re.compile("paused it")).first).to_be_visible()
    one.check()
    one.press("Resume")
    expect(one.page.get_by_role("button", name="Pause")).to_be_visible()
    one.page.locator("#cancel > summary").click()
    one.check()
    one.press("Cancel this job")
    retry = one.page.get_by_role("button", name=re.compile("Retry .* rows that were not sent"))
    expect(retry).to_be_visible()
    retry.click()
    expect(one.page.get_by_text("DRY RUN").first).to_be_visible()
    assert [] == one.odd


def test_what_a_person_has_opened_stays_open_when_the_page_renews_itself(
    tmp_path: Path, place: Any, window: Open
) -> None:
    server, link = place(200, speed=20.0)
    one = window(server, link)
    one.upload(write(tmp_path, triples(200)))
    one.remove("200", "200 learners")
    controls = "document.querySelector('[sse-swap=controls]')"
    news = one.page.evaluate(f"{controls}.innerHTML")
    one.page.locator("#cancel > summary").click()
    one.page.evaluate(f"news => htmx.swap({controls}, news, {{swapStyle: 'innerHTML'}})", news)  # as an event does
    expect(one.page.get_by_role("button", name="Cancel this job")).to_be_visible()
    one.press("Cancel this job")
    expect(one.page.get_by_role("button", name=re.compile("Retry .* rows that were not sent"))).to_be_visible()
    assert [] == one.odd


def test_a_killed_server_goes_on_when_it_is_started_again(tmp_path: Path, place: Any, window: Open) -> None:
    server, link = place(60, speed=20.0)
    one = window(server, link)
    one.upload(write(tmp_path, triples(60)))
    one.remove("60", "60 learners")
    expect(one.page.get_by_text(re.compile("[1-9][0-9]* of 60 rows"))).to_be_visible()
    job = one.page.url
    server.kill()
    expect(one.page.get_by_text("The server does not answer")).to_be_visible()
    link = server.start()
    one.ended()  # the tab comes back by itself, and its session has outlived the server
    again = window(server, link)
    again.page.goto(job)
    again.ended()
    expect(again.page.get_by_text("The server was started again; the job goes on by itself.")).to_be_visible()
    expect(again.page.get_by_text(re.compile(r"of 60 rows in"))).to_be_attached()
    assert "goes on" in "".join(server.said) + server.stop()
    assert [] == again.odd


def test_a_double_click_and_a_step_back_make_one_job(tmp_path: Path, place: Any, window: Open) -> None:
    server, link = place(5)
    one = window(server, link)
    one.upload(write(tmp_path, triples(5)))
    plan = one.page.url
    one.page.get_by_label("type the number of removals").fill("5")
    one.page.get_by_role("button", name="Remove 5 learners").dblclick()
    one.page.wait_for_url("**/jobs/*")
    job = one.page.url
    one.page.goto(plan)
    assert job == one.page.url
    one.page.goto(f"{server.url}/jobs")
    expect(one.page.locator("main tbody tr")).to_have_count(1)
    one.check()


def test_hostile_texts_show_no_dialog_and_ask_for_nothing(tmp_path: Path, place: Any, window: Open) -> None:
    server, link = place(2, BULKREMOVE_MAX_INVALID="100")
    one = window(server, link)
    quoted = HOSTILE.replace('"', '""')
    ids = f"478346000019501001,478346000019502001,{LEARNER}"
    text = f'course,batch,learner,"{quoted}"\n{ids},"{quoted}"\n"{quoted}",1,2,x\n'
    one.upload(write(tmp_path, text, "<script>alert(3)<"))
    expect(one.page.get_by_role("cell", name=HOSTILE, exact=True).first).to_be_visible()
    one.check()
    one.remove("1", "1 learner")
    one.ended()
    one.page.get_by_role("link", name="Every row of this job").click()
    expect(one.page.get_by_role("cell", name=HOSTILE, exact=True).first).to_be_visible()
    one.check()


@pytest.mark.parametrize("options", [{"viewport": WIDE}, {"viewport": PHONE, "color_scheme": "dark"}])
def test_people_are_found_in_zoho_s_lists_without_a_file(place: Any, window: Open, options: dict[str, Any]) -> None:
    server, link = place(5, BULKREMOVE_MAX_INVALID="100")
    one = window(server, link, **options)
    one.page.get_by_role("link", name="Choose people from Zoho's lists").first.click()
    one.check()
    one.press("Find")
    one.check()
    for _ in ("course", "batch"):
        one.page.locator("main ul a").first.click()
        one.page.get_by_role("heading", level=1).wait_for()
        one.check()
    one.page.get_by_role("checkbox").first.check()
    one.page.get_by_label("E-mail addresses or employee ids").fill("nobody@example.com")
    one.page.get_by_role("button", name="Preview").first.click()
    expect(one.page.get_by_role("button", name="Remove 1 learner")).to_be_visible()
    one.check()
    one.page.go_back()
    expect(one.page.get_by_role("checkbox").first).to_be_checked()


def test_while_zoho_is_asked_the_page_says_how_far_it_is_and_then_shows_the_plan(
    tmp_path: Path, place: Any, window: Open
) -> None:
    server, link = place(3, speed=1.0)
    one = window(server, link)
    one.upload(write(tmp_path, triples(3)))
    one.press("Ask Zoho who these learners are")
    expect(one.page.get_by_text("0 of 1 batch read.")).to_be_visible()
    one.check()
    expect(one.page.get_by_role("columnheader", name="In Zoho")).to_be_visible(timeout=60_000)
    one.check()


def test_a_damaged_file_and_one_without_headings_say_what_to_do(tmp_path: Path, place: Any, window: Open) -> None:
    server, link = place(2)
    one = window(server, link)
    one.upload(SAMPLES / "damaged.xlsx")
    expect(one.page.get_by_role("alert")).to_contain_text("A2 shows")
    one.odd.clear()  # the browser itself says that the answer was a 422
    one.check()
    one.page.get_by_role("link", name="Choose another file").click()
    one.upload(write(tmp_path, triples(2).replace("learner", "person")))
    one.page.get_by_label("Column of the learner id").select_option("C: person")
    one.page.get_by_role("button", name="Continue").click()
    expect(one.page.get_by_role("button", name="Remove 2 learners")).to_be_visible()
    one.odd.clear()
    one.check()


def test_people_sign_in_and_see_what_they_may(tmp_path: Path, place: Any, window: Open) -> None:
    program = Bulkremove(tmp_path / "home", environment())
    for name in ("preparer", "approver"):
        assert 0 == program("users", "add", name, "--role", name, stdin=f"{PASSWORD}\n").returncode
    server, link = place(3)
    assert "" == link
    opened = []
    for name in ("preparer", "approver"):
        one = window(server)
        one.check()
        one.page.get_by_label("Name").fill(name)
        one.page.get_by_label("Password").fill(PASSWORD)
        one.page.get_by_role("button", name="Sign in").click()
        expect(one.page.get_by_text(f"{name} ({name})")).to_be_visible()
        opened.append(one)
    first, second = opened
    first.upload(write(tmp_path, triples(3)))
    expect(first.page.get_by_text("An approver confirms this plan")).to_be_visible()
    first.check()
    second.page.reload()
    second.page.get_by_role("main").get_by_role("link", name="leavers.csv").click()
    second.remove("3", "3 learners")
    second.ended()
    second.page.locator("details.who > summary").click()
    second.check()
    second.page.get_by_role("button", name="Sign out").click()
    expect(second.page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("options", [{"viewport": WIDE}, {"viewport": PHONE, "color_scheme": "dark"}])
@pytest.mark.parametrize(
    "path", ["/", "/jobs", "/nights", "/help", "/people", "/account", "/audit", "/nowhere", *SETTINGS]
)
def test_the_pages_of_the_frame_fit_and_are_accessible(
    place: Any, window: Open, path: str, options: dict[str, Any]
) -> None:
    server, link = place(1)
    one = window(server, link, **options)
    one.page.goto(server.url + path)
    expect(one.page.get_by_role("navigation", name="Main")).to_be_visible()
    one.odd = [text for text in one.odd if "404" not in text]
    one.check()


def test_times_are_in_the_zone_of_the_browser_and_the_tab_says_how_a_job_stands(
    tmp_path: Path, place: Any, window: Open
) -> None:
    server, link = place(2)
    one = window(server, link, timezone_id="Asia/Tokyo", locale="de-DE")
    one.upload(write(tmp_path, triples(2)))
    one.remove("2", "2 learners")
    one.ended()
    expect(one.page).to_have_title("Finished \N{MIDDLE DOT} leavers.csv")
    assert "/static/icon-done.svg" == one.page.locator("link[rel=icon]").get_attribute("href")
    made = one.page.locator("main time").first
    expect(made).to_have_text(re.compile("^(today|yesterday) [0-9]{2}:[0-9]{2}$"))
    told = one.page.evaluate(
        "t => new Date(t).toLocaleTimeString([], {timeStyle: 'short'})", made.get_attribute("datetime")
    )
    assert made.inner_text().endswith(told)


def test_the_first_page_weighs_less_than_200_kb(place: Any, window: Open) -> None:
    server, link = place(1)
    one = window(server, link)
    bodies: list[bytes] = []
    one.page.on("response", lambda answer: bodies.append(answer.body()) if answer.status == 200 else None)
    one.context.new_cdp_session(one.page).send("Network.setCacheDisabled", {"cacheDisabled": True})
    one.page.goto(server.url, wait_until="networkidle")
    assert len(bodies) > 5
    assert sum(map(len, bodies)) < 200_000
