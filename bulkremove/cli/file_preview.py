"""From the FILE of a command to the preview of its plan: read, ask Zoho who the learners are, keep it as shown."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bulkremove.cli.console import Screen
from bulkremove.cli.listing_commands import report_waits, resolver
from bulkremove.cli.run_options import read_options_of
from bulkremove.domain.errors import FileRefused, JournalFailed
from bulkremove.domain.plural import pluralize

if TYPE_CHECKING:
    from bulkremove.app import App, Preview
    from bulkremove.app.enrolment_checks import CheckCost


def read(screen: Screen, app: App, file: str, reading: dict[str, Any]) -> tuple[Preview, Path]:
    """Preview the only file that the source has now; also the folder for its report. Raises FileRefused."""
    import asyncio

    from bulkremove.sources import source_of

    read_options = read_options_of(reading)
    resolve = resolver(screen, app, read_options.match) if read_options.match else None
    plan = partial(app.plans.preview, include_open=bool(reading["include_open"]), resolve=resolve)
    if file == "-":
        return asyncio.run(plan(sys.stdin.buffer, name="standard input", options=read_options)), Path.cwd()
    source = source_of(file, os.environ)
    with TemporaryDirectory(prefix="bulkremove-") as scratch:
        files = asyncio.run(source.fetch(Path(scratch)))
        if len(files) != 1:
            raise FileRefused(
                f"{file} holds {len(files)} files that can be read now.",
                hint="Name one of them; `bulkremove nightly --dry-run` shows those of the source for nightly runs.",
            )
        preview = asyncio.run(plan(files[0].path, name=files[0].name, options=read_options))
        return preview, Path.cwd() if source.is_export else files[0].path.absolute().parent


def check(screen: Screen, app: App, preview: Preview, params: dict[str, Any]) -> Preview:
    """The plan after its enrolment check, if there is to be one; how many calls it takes is printed first."""
    import asyncio

    from bulkremove.reading.options import Match

    def print_cost(cost: CheckCost) -> None:
        from bulkremove.report import duration

        question = "who is in these batches" if preview.is_enrolment else "who these learners are"
        screen.info(
            f"Zoho is asked {question}: {pluralize(cost.batches, 'batch', 'batches')}, {cost.reads:,} "
            f"calls or more, {duration(60 * cost.minutes)} at the limit. --no-check leaves it out."
        )

    own, match = app.for_account(preview.plan.account), params.get("match")
    has_rosters = match is not None and Match(match).reads_rosters
    check = own.enrolment_checks.check(
        preview,
        include_mismatched=bool(params["include_mismatched"]),
        is_asked=has_rosters and own.settings.enrolment_check != "never",
        on_start=print_cost,
        on_wait=report_waits(screen),
    )
    return asyncio.run(check)


def record_shown(app: App, preview: Preview) -> None:
    """Record that the plan is shown, so that its hash counts as consent. Without an account it can't be run."""
    import asyncio

    if not preview.plan.client:
        return
    with suppress(JournalFailed):  # the plan can be shown all the same
        asyncio.run(app.plans.record_shown(preview))
