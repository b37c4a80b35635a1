"""From the preview of a plan to its run: show it, ask for consent where there is none yet, store it, run it."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkremove.cli import file_preview, preview_text
from bulkremove.cli.console import Screen, ask_number
from bulkremove.cli.run_display import run_job
from bulkremove.domain.job import FrontEnd, JobState

if TYPE_CHECKING:
    from bulkremove.app import App, Consent, Preview


def confirm_and_run(
    screen: Screen,
    app: App,
    preview: Preview,
    folder: Path,
    consent: Consent,
    report: str | None,
    expect_missing: bool,
    as_json: bool,
    params: dict[str, Any],
) -> int:
    """Show the plan, ask for consent where ``consent`` has none yet, store the plan as a job, and run it."""
    import asyncio

    from bulkremove.app import this_person

    needs_prompt = consent.plan_hash is None and not consent.yes and preview.plan.removals > 0
    if needs_prompt:
        file_preview.record_shown(app, preview)
    for line in preview_text.lines(preview, None):
        (screen.warn if needs_prompt else screen.info)(line)
    if needs_prompt:
        if preview.refusal:
            raise preview.refusal
        if preview.plan.doubts and consent.compared is None:
            prompt = (
                f"If you compared the doubtful ids with Zoho People, type their number ({preview.plan.doubtful_ids:,})"
            )
            consent = replace(consent, compared=ask_number(prompt))
        words = preview.plan.operation.words
        prompt = f"Type the number of {words.nouns} ({preview.plan.removals:,}) to {words.act} these learners"
        consent = replace(consent, removals=ask_number(prompt))
    by, claim = this_person(), AsyncExitStack()
    submission = app.confirmations.submit(
        preview,
        consent=consent,
        folder=folder,
        prepared_by=(by,),
        by=by,
        front_end=FrontEnd.COMMAND,
        report=Path(report).absolute() if report else None,
        claim=claim,
    )
    try:
        job = asyncio.run(submission)
        if job.state is JobState.HELD:
            if as_json:
                from bulkremove.report import as_json as report_json

                tally = asyncio.run(app.jobs.tally(job))
                screen.print_result(
                    json.dumps({**report_json(job, tally), "report": None, "retry": None, "exit_code": 4})
                )
            screen.warn(f"Job {job.id} is held, and nothing was sent. {job.reason}")
            screen.warn(f"Another person of this system: {screen.command('approve', job.id)}; or a user of the page.")
            return 4
        return run_job(screen, app, job.id, report, expect_missing, as_json, params, claimed=True)
    finally:
        asyncio.run(claim.aclose())
