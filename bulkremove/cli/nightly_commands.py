"""The commands nightly and worker: unattended runs over the files of a source."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import click

from bulkremove.cli import preview_text, report_error
from bulkremove.cli.console import Screen, sandbox_options, shown
from bulkremove.cli.exit_codes import of_nightly_error, of_nightly_run
from bulkremove.domain.errors import BulkremoveError, SettingsError
from bulkremove.domain.job import EndReason

if TYPE_CHECKING:
    from bulkremove.app import App, Stop
    from bulkremove.app.nightly import NightlyResult


def add_to(group: click.Group) -> None:
    """Add these commands to the group."""
    for command in (nightly, worker):
        group.add_command(command)


@click.command()
@click.option("--dry-run", is_flag=True, help="Show tonight's plans; take and remove nothing.")
@click.option("--again", metavar="NAME", help="Run this held file although its content was taken before.")
@click.option("--test-notice", is_flag=True, help="Only send a notice, to see that notices arrive.")
@sandbox_options
@click.pass_obj
def nightly(
    screen: Screen, dry_run: bool, again: str | None, test_notice: bool, sandbox: str | None, speed: float | None
) -> int:
    """Make one nightly run: take the source's files that are whole, run what may run, hold the rest.

    Against a sandbox it takes copies, and nothing that a real nightly run reads is changed.

    Example: bulkremove nightly --dry-run
    """
    if test_notice:
        return screen.call(lambda app: _test_notice(screen, app), sandbox=sandbox, speed=speed)
    use_case = _dry_run if dry_run else lambda app: _run_once(screen, app, again)
    try:
        result = screen.call(use_case, sandbox=sandbox, speed=speed)
    except SettingsError:
        raise
    except BulkremoveError as error:
        report_error(error)
        return of_nightly_error(error)
    mark = "SANDBOX " if result.sandbox else ""
    if dry_run:
        for preview in result.plans:
            for line in preview_text.lines(preview, None):
                screen.answer(line)
        for job, rows in result.would_run:
            screen.answer(f"{job.id}  {job.state.value:<9}  {mark}{shown(job.source)}  would go on with {rows:,} rows")
    for job in result.ran:
        text = f"{job.id}  {job.state.value:<9}  {mark}{job.source}  {job.reason}".rstrip()
        screen.answer(text, kind="job", job=job.id, state=job.state.value, reason=job.reason)
    groups = {
        "held": result.held,
        "waits for a person": result.waiting,
        "scheduled": result.scheduled,
        "unfinished": result.unfinished,
        "left": result.left,
        "unchanged": result.unchanged,
        "failed": result.failures,
    }
    for label, texts in groups.items():
        for text in texts:
            screen.answer(f"{mark}{label}: {text}", kind=label)
    if result.unsent:
        screen.answer(f"not sent: {result.unsent}")
    if result.deleted:
        screen.answer(f"deleted: {result.deleted}")
    if result.rest:
        screen.answer(result.rest)
    if not (result.ran or result.plans or result.would_run or any(groups.values())):
        screen.answer(f"{mark and 'SANDBOX: '}There {'would be' if dry_run else 'was'} nothing to do.")
    if result.evidence:
        screen.answer(result.evidence)
    if dry_run:
        options = {"sandbox": sandbox, "speed": speed}
        screen.answer(f"To do it: {screen.command('nightly', said=options)}")
        screen.answer(f"{preview_text.DRY_RUN}, and no file was taken")
    return of_nightly_run(result)


@click.command()
@sandbox_options
@click.pass_obj
def worker(screen: Screen, sandbox: str | None, speed: float | None) -> None:
    """Make nightly runs by the schedule in the settings, until it is stopped. `serve` does so beside the page.

    Example: bulkremove worker
    """
    screen.call(lambda app: _run_scheduler(screen, app), sandbox=sandbox, speed=speed)


async def _dry_run(app: App) -> NightlyResult:
    return await app.nightly_runs(app.supervisor()).dry_run()


async def _run_once(screen: Screen, app: App, again: str | None) -> NightlyResult:
    import asyncio

    from bulkremove.cli.progress_line import ProgressDisplay

    stop, live = _stop_on_signals(screen), ProgressDisplay(screen, clock=app.clock, names_jobs=True)
    ticking = asyncio.create_task(live.tick())
    try:
        with live:
            async with app.runs.in_sandbox():
                return await app.nightly_runs(app.supervisor(live.show)).run(stop=stop, again=again)
    finally:
        ticking.cancel()


async def _test_notice(screen: Screen, app: App) -> int:
    outbox = app.nightly_runs(app.supervisor()).outbox
    addresses = await outbox.send_test()
    if not addresses:
        raise SettingsError(outbox.why_nobody())
    screen.answer(f"A test notice was sent to {addresses} address(es).")
    return 0


async def _run_scheduler(screen: Screen, app: App) -> None:
    from bulkremove.app.nightly import Scheduler

    if app.settings.nightly_at is None:
        raise SettingsError("There is no nightly_at, so no nightly run ever starts.", hint='Set nightly_at = "02:30".')
    stop = _stop_on_signals(screen)
    async with app.runs.in_sandbox():
        mark = "SANDBOX: on copies of the files. " if app.settings.sandbox else ""
        screen.say(f"{mark}Waiting for the nightly runs; Ctrl-C ends.")
        await Scheduler(app.context, app.nightly_runs(app.supervisor()), stop).run()


def _stop_on_signals(screen: Screen) -> Stop:
    """Return a stop that SIGINT and SIGTERM ask for."""
    import asyncio

    from bulkremove.app import Stop

    stop = Stop()

    def request_stop(reason: str, code: EndReason) -> None:
        stop.ask(reason, code, auto_resumable=True)
        screen.say("Stopping; the rows in flight are finished first.")

    loop = asyncio.get_running_loop()
    for number, reason, code in (
        (signal.SIGINT, "Stopped by Ctrl-C.", EndReason.INTERRUPTED),
        (signal.SIGTERM, "The system asked the nightly run to stop.", EndReason.TERMINATED),
    ):
        loop.add_signal_handler(number, request_stop, reason, code)
    return stop
