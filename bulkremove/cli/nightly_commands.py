"""The commands nightly and worker: unattended runs over the files of a source."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from bulkremove.cli import preview_text, systemd_units
from bulkremove.cli.console import Screen, printable, sandbox_options
from bulkremove.cli.error_line import report_error
from bulkremove.cli.exit_codes import of_error, of_nightly_error, of_nightly_run, worst_code
from bulkremove.domain.errors import BulkremoveError, SettingsError
from bulkremove.domain.job import EndReason
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.domain.plural import pluralize

if TYPE_CHECKING:
    from bulkremove.app import App, Stop
    from bulkremove.app.nightly import NightlyResult
    from bulkremove.config import Night

NO_TIME = 'Write at = "02:30" into its block [[nights]] of bulkremove.toml.'
"""What to do when a night has no time."""


def add_to(group: click.Group) -> None:
    """Add these commands to the group."""
    for command in (nightly, worker):
        group.add_command(command)


@click.command()
@click.option("--night", metavar="NAME", help="Only the night of this name.  [default: all, by their times]")
@click.option("--dry-run", is_flag=True, help="Show tonight's plans; take and remove nothing.")
@click.option("--again", metavar="FILE", help="Run this held file although its content was taken before.")
@click.option("--test-notice", is_flag=True, help="Only send a notice, to see that notices arrive.")
@click.option(
    "--failed", is_flag=True, help="Only send a notice that systemd saw a run fail; for OnFailure= of its unit."
)
@sandbox_options
@click.pass_obj
def nightly(
    screen: Screen,
    night: str | None,
    dry_run: bool,
    again: str | None,
    test_notice: bool,
    failed: bool,
    sandbox: str | None,
    speed: float | None,
) -> int:
    """Make one run of each night, or of NAME: take the files that are whole, run what may run, hold the rest.

    Nights are run one after the other, so a long one may use up the time window of the next. What keeps one from
    running does not keep the others, and the exit code is the worst. Against a sandbox it takes copies, and nothing
    that a real nightly run reads is changed.

    Example: bulkremove nightly --dry-run
    """
    options = {"sandbox": sandbox, "speed": speed}

    async def run_all(app: App) -> int:
        from bulkremove.app import Stop
        from bulkremove.app.nightly import Planned
        from bulkremove.app.notices import Outbox

        planned = Planned()
        nights, sends = chosen_nights(app, night), not (dry_run or test_notice or failed)
        stop = _stop_on_signals(screen) if sends else Stop()
        if again is not None and len(nights) > 1:
            raise SettingsError(f"Which night has held {again}?", hint=f"Add --night: {_names(nights)}.")
        codes = []
        async with app.connections.in_sandbox() if sends else nullcontext():
            for number, one in enumerate(nights):
                if stop.requested:
                    screen.warn(f"Not begun: {_names(nights[number:])}.")
                    codes.append(130 if stop.code is EndReason.INTERRUPTED else 5)
                    break
                prefix = f"{one.name}: " if len(app.settings.nights) > 1 else ""
                try:
                    own = app.for_night(one)
                    if test_notice:
                        codes.append(await _send_notice(screen, own, prefix, *Outbox.TEST))
                    elif failed and (
                        systemd_units.is_failed_night(os.environ)
                        and await own.nightly_runs(own.supervisor()).has_told()
                    ):
                        screen.print_result(f"{prefix}The run has sent its notices itself.", night=one.name)
                        codes.append(0)
                    elif failed:
                        codes.append(await _send_notice(screen, own, prefix, *systemd_units.failure(os.environ)))
                    elif dry_run:
                        result = await own.nightly_runs(own.supervisor()).dry_run(planned)
                        codes.append(_show(screen, result, prefix, options, is_dry=True))
                    else:
                        part = stop.part()
                        code = _show(screen, await _run_once(screen, own, again, part), prefix, options)
                        codes.append(130 if part.requested and part.code is EndReason.INTERRUPTED else code)
                        if part.code is EndReason.PAUSED and part.requested:  # `bulkremove stop` means the others too
                            stop.request(part.reason, part.code)
                except BulkremoveError as error:
                    screen.add_global_options(error, options)
                    report_error(error, prefix)
                    codes.append(of_nightly_error(error) if dry_run or sends else of_error(error))
                except Exception as error:  # a fault that one night meets keeps no other from running
                    codes.append(report_error(error, prefix))
        return worst_code(codes)

    return screen.call(run_all, **options)


def chosen_nights(app: App, name: str | None) -> list[Night]:
    """The night of this name, or all of them in the order of their times. Raises SettingsError for an unknown one."""
    from bulkremove.app.context import NO_NIGHTS
    from bulkremove.app.nightly import by_time
    from bulkremove.platform.local_time import local

    nights = app.settings.nights
    if not nights:
        raise SettingsError("There are no nights.", hint=NO_NIGHTS)
    if name is None:
        return by_time(nights, local(app.clock.wall()).date())
    chosen = [night for night in nights if night.name == name]
    if not chosen:
        raise SettingsError(f"There is no night {name!r}.", hint=f"There are: {_names(nights)}.")
    return chosen


def _names(nights: Iterable[Night]) -> str:
    return ", ".join(night.name for night in nights)


def _show(
    screen: Screen, result: NightlyResult, prefix: str, options: Mapping[str, object], *, is_dry: bool = False
) -> int:
    """Print what a run of a night did, or would do; its exit code. ``options``: those of the command."""
    mark = f"{prefix}{'SANDBOX ' if result.sandbox else ''}"

    def answer(text: str, **facts: str) -> None:
        screen.print_result(
            screen.with_global_options(text, options), bold=False, fg=None, **{"night": result.night, **facts}
        )

    if result.killed:
        answer(f"{mark}{result.killed}", kind="killed")
    for preview in result.plans:
        if prefix:
            answer(f"{prefix}{printable(preview.plan.table.source)}")
        for line in preview_text.lines(preview, None):
            answer(line)
    for job, rows in result.would_run:
        answer(f"{job.id}  {job.state.value:<9}  {mark}{printable(job.source)}  would go on with {rows:,} rows")
    for job in result.ran:
        text = f"{job.id}  {job.state.value:<9}  {mark}{job.source}  {job.reason}".rstrip()
        answer(text, kind="job", job=job.id, state=job.state.value, reason=job.reason)
    groups = {
        "held": result.held,
        "waits for a person": result.waiting,
        "put off": result.put_off,
        "expired": result.expired,
        "scheduled": result.scheduled,
        "unfinished": result.unfinished,
        "left": result.obstacles,
        "unchanged": result.unchanged,
        "note": result.notes,
        "failed": result.failures,
    }
    for label, texts in groups.items():
        for text in texts:
            answer(f"{mark}{label}: {text}", kind=label)
    for label, text in (("not sent: ", result.unsent), ("deleted: ", result.deleted), ("", result.remaining_text)):
        if text:
            answer(f"{prefix}{label}{text}")
    if result.stopped:
        answer(f"{mark}stopped: {result.stopped} The next run takes the files that are left.", kind="stopped")
    if not (result.ran or result.plans or result.would_run or result.stopped or any(groups.values())):
        where = "SANDBOX: " if result.sandbox else ""
        answer(f"{prefix}{where}There {'would be' if is_dry else 'was'} nothing to do.")
    if result.evidence:
        answer(result.evidence)
    if is_dry:
        answer(f"To do it: {screen.command('nightly', '--night', result.night, values=options)}")
        answer(f"{preview_text.dry_run(REMOVE_LEARNER.words)}, and no file was taken")
    return of_nightly_run(result)


@click.command()
@sandbox_options
@click.pass_obj
def worker(screen: Screen, sandbox: str | None, speed: float | None) -> None:
    """Make nightly runs by the schedule in the settings, until it is stopped. `serve` does so beside the page.

    Example: bulkremove worker
    """
    screen.call(lambda app: _run_schedulers(screen, app), sandbox=sandbox, speed=speed)


async def _run_once(screen: Screen, app: App, rerun_name: str | None, stop: Stop) -> NightlyResult:
    import asyncio

    from bulkremove.cli.progress_line import ProgressDisplay

    live = ProgressDisplay(screen, clock=app.clock, names_jobs=True)
    ticking = asyncio.create_task(live.tick())
    try:
        with live:
            return await app.nightly_runs(app.supervisor(live.show)).run(stop=stop, rerun_name=rerun_name)
    finally:
        ticking.cancel()


async def _send_notice(screen: Screen, own: App, prefix: str, subject: str, body: str) -> int:
    outbox = own.nightly_runs(own.supervisor()).outbox
    addresses = await outbox.send_now(subject, body)
    if not addresses:
        raise SettingsError(outbox.why_silent())
    screen.print_result(
        f"{prefix}A notice was sent to {pluralize(addresses, 'address', 'addresses')}: {subject}.",
        night=own.context.night.name,
    )
    return 0


async def _run_schedulers(screen: Screen, app: App) -> None:
    import asyncio

    stop = _stop_on_signals(screen)
    async with app.connections.in_sandbox():
        nights = app.schedulers(app.supervisor(), stop)
        if not nights:
            raise SettingsError("No night has a time, so none ever starts.", hint=NO_TIME)
        mark = "SANDBOX: on copies of the files. " if app.settings.is_sandbox else ""
        screen.info(f"{mark}Waiting for the nightly runs; Ctrl-C ends.")
        await asyncio.gather(*(scheduler.run() for scheduler in nights))


def _stop_on_signals(screen: Screen) -> Stop:
    """Return a stop that SIGINT and SIGTERM ask for."""
    from functools import partial

    from bulkremove.app import Stop
    from bulkremove.platform.stop_signals import INTERRUPT, TERMINATE, on_stop_signals

    stop = Stop()

    def request_stop(reason: str, code: EndReason) -> None:
        stop.request(reason, code, auto_resumable=code is EndReason.TERMINATED)  # who pressed Ctrl-C may have seen why
        screen.info("Stopping; the rows in flight are finished first.")

    on_stop_signals(
        {
            INTERRUPT: partial(request_stop, "Stopped by Ctrl-C.", EndReason.INTERRUPTED),
            TERMINATE: partial(request_stop, "The system asked the nightly run to stop.", EndReason.TERMINATED),
        }
    )
    return stop
