"""Makes the pictures of the page: docs/page-*.png, or with a folder as argument every page, wide and on a phone.

The first way shows the sample data at work. The other one is for looking at every page before a release; it also says
which pages are wider than a phone.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, expect

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # the tests' browser, which is no part of the package

from bulkremove.zoho.accounts import SCOPE_VARIABLE  # noqa: E402 - needs the line above
from tests.browser_fixtures import NoBrowser, Server, browser, served  # noqa: E402 - needs the line above
from tests.cli_fixtures import SAMPLES, sandbox  # noqa: E402 - needs the line above

SCOPES = "ZOHOPEOPLE.training.ALL"
"""Of the sample's client, so that the plan says who the learners are."""
WIDE, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=390, height=800)
NIGHT = """
[[nights]]
name = "leavers"
source = "{inbox}"
at = "02:30"
"""


@contextmanager
def sample_page(folder: Path) -> Iterator[tuple[Browser, Server, str]]:
    """A browser, and the page on the sample data with its link; everything is ended afterwards."""
    (folder / "home").mkdir(mode=0o700)
    (folder / "inbox").mkdir(mode=0o700)
    (folder / "home" / "bulkremove.toml").write_text(NIGHT.format(inbox=folder / "inbox"))
    (folder / "home" / "bulkremove.toml").chmod(0o600)
    with (
        browser() as chrome,
        sandbox(SAMPLES / "world.json", folder / "log", "--speed", "20") as told,
        served(folder / "home", {**told, SCOPE_VARIABLE: SCOPES, "BULKREMOVE_SPEED": "20"}) as (server, link),
    ):
        yield chrome, server, link


def pictures(chrome: Browser, link: str) -> None:
    """The way of one file: its plan, the job under way, its end; and the end on a phone in the dark."""
    page = chrome.new_context(viewport={"width": 1000, "height": 760}).new_page()
    page.goto(link)
    picture(page, "start")
    upload(page, "leavers.csv")
    page.get_by_label("type the number").fill("58")
    picture(page, "plan")
    page.get_by_role("button", name=re.compile("^Remove")).click()
    expect(page.get_by_text(re.compile("[345][0-9] of 60 rows"))).to_be_visible(timeout=60_000)
    picture(page, "job")
    expect(page.get_by_role("heading", name="Downloads")).to_be_visible(timeout=60_000)
    picture(page, "result")
    state = page.context.storage_state()
    dark = chrome.new_context(storage_state=state, viewport={"width": 390, "height": 760}, color_scheme="dark")
    phone = dark.new_page()
    phone.goto(page.url)
    picture(phone, "phone")


def picture(page: Page, name: str) -> None:
    page.screenshot(path=HERE / f"page-{name}.png")


def upload(page: Page, name: str) -> None:
    page.get_by_label("File").set_input_files(SAMPLES / name)
    page.get_by_role("button", name="Preview").click()
    page.wait_for_url("**/uploads/*")


class EveryPage:
    """Shows every page in a wide window, and each again on a phone in the dark."""

    def __init__(self, chrome: Browser, server: Server, link: str, folder: Path) -> None:
        self._server, self._folder, self._number = server, folder, 0
        self._page = chrome.new_context(viewport=WIDE).new_page()
        self._page.goto(link)
        state = self._page.context.storage_state()
        self._phone = chrome.new_context(storage_state=state, viewport=PHONE, color_scheme="dark").new_page()
        self.too_wide = list[str]()

    def show(self, name: str) -> None:
        """Take both pictures of the page that is open."""
        self._number += 1
        self._page.screenshot(path=self._folder / f"{self._number:02} {name}.png", full_page=True)
        self._phone.goto(self._page.url)
        self._phone.screenshot(path=self._folder / f"{self._number:02} {name}, phone.png", full_page=True)
        if self._phone.evaluate("document.documentElement.scrollWidth") > PHONE["width"]:
            self.too_wide.append(name)

    def go(self, path: str, name: str) -> None:
        self._page.goto(self._server.url + path)
        self.show(name)

    def all(self) -> None:
        """Go from page to page as people do."""
        page = self._page
        self.show("start")
        page.get_by_role("link", name="Choose people from Zoho's lists").first.click()
        self.show("find a course")
        page.get_by_role("button", name="Find").click()
        self.show("courses found")
        for name in ("choose a batch", "choose learners"):
            page.locator("main ul a").first.click()
            page.get_by_role("heading", level=1).wait_for()
            expect(page.get_by_role("heading", name="is being read")).to_have_count(0, timeout=60_000)
            self.show(name)
        for file, name in (("damaged.xlsx", "a damaged file"), ("mixed.csv", "a plan with doubts")):
            page.goto(self._server.url)
            upload(page, file)
            self._at_rest()
            self.show(name)
        page.goto(self._server.url)
        odd = self._folder / "people.csv"
        odd.write_text((SAMPLES / "leavers.csv").read_text().replace("Learner", "Somebody", 1))
        page.get_by_label("File").set_input_files(odd)
        page.get_by_role("button", name="Preview").click()
        page.wait_for_url("**/uploads/*")
        self.show("choose the columns")
        odd.unlink()
        for is_later in (True, False):
            page.goto(self._server.url)
            upload(page, "leavers.csv")
            self._at_rest()
            self.show("the plan of a scheduled job" if is_later else "a plan")
            if is_later:
                page.get_by_text("Start it later").click()
                start = datetime.now().astimezone() + timedelta(hours=5)
                page.get_by_label("When it starts by itself").fill(f"{start:%Y-%m-%dT%H:%M}")
            number = page.locator("#number")
            number.fill(number.get_attribute("data-wanted") or "")
            page.get_by_role("button", name=re.compile("^Remove")).click()
            page.wait_for_url("**/jobs/*")
            self.show("a scheduled job" if is_later else "a job under way")
            if is_later:
                page.get_by_text("Cancel", exact=True).click()
                page.get_by_role("button", name="Cancel this job").click()
                self.show("a cancelled job")
        expect(page.get_by_role("heading", name="Downloads")).to_be_visible(timeout=60_000)
        self.show("a finished job")
        job = page.url.removeprefix(self._server.url)
        for path, name in (
            (f"{job}/rows", "rows of a job"),
            (f"{job}/put-back", "put people back"),
            ("/jobs", "jobs"),
            ("/people?q=alex", "was this person removed"),
            ("/nights", "nights"),
            ("/help", "help"),
            ("/settings", "settings"),
            ("/settings/accounts", "accounts at Zoho"),
            ("/settings/access", "people and programs"),
            ("/settings/protected", "protected learners"),
            ("/account", "own account"),
            ("/audit", "audit log"),
            ("/nowhere", "no page"),
            ("/", "start with drafts"),
        ):
            self.go(path, name)

    def _at_rest(self) -> None:
        """Wait until Zoho was asked who the learners are."""
        expect(self._page.get_by_text("batches read")).to_have_count(0, timeout=60_000)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sample_page(Path(folder)) as (chrome, server, link):
        if len(sys.argv) == 1:
            pictures(chrome, link)
            print("docs/page-*.png are new.")  # noqa: T201 - a script's answer
            return
        every_folder = Path(sys.argv[1])
        every_folder.mkdir(parents=True, exist_ok=True)
        every = EveryPage(chrome, server, link, every_folder)
        every.all()
        print(f"Every page is shown in {every_folder}.", *(f"Too wide for a phone: {name}." for name in every.too_wide))  # noqa: T201 - as above


if __name__ == "__main__":
    try:
        main()
    except NoBrowser as why:
        sys.exit(str(why))
