"""Makes docs/page-*.png: the page at work on the sample data, wide and light, and on a phone in the dark."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # the tests' browser, which is no part of the package

from bulkremove.zoho.accounts import SCOPE_VARIABLE  # noqa: E402 - needs the line above
from tests.browser_fixtures import NoBrowser, browser, served  # noqa: E402 - needs the line above
from tests.cli_fixtures import SAMPLES, sandbox  # noqa: E402 - needs the line above

SCOPES = "ZOHOPEOPLE.training.ALL"
"""Of the sample's client, so that the plan says who the learners are."""


def main() -> None:
    """Starts what is needed, and ends it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        browser() as chrome,
        sandbox(SAMPLES / "world.json", Path(folder) / "log", "--speed", "20") as told,
        served(Path(folder) / "home", {**told, SCOPE_VARIABLE: SCOPES, "BULKREMOVE_SPEED": "20"}) as (_, link),
    ):
        pictures(chrome, link)
    print("docs/page-*.png are new.")  # noqa: T201 - a script's answer


def pictures(chrome: Browser, link: str) -> None:
    """The way of one file: its plan, the job under way, its end; and the end on a phone in the dark."""
    page = chrome.new_context(viewport={"width": 1000, "height": 760}).new_page()
    page.goto(link)
    picture(page, "start")
    page.get_by_label("File").set_input_files(SAMPLES / "leavers.csv")
    page.get_by_role("button", name="Preview").click()
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


if __name__ == "__main__":
    try:
        main()
    except NoBrowser as why:
        sys.exit(str(why))
