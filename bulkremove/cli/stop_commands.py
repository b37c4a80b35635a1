"""The commands pause, cancel and stop, which act on everything that runs in this home folder, in any process."""

from __future__ import annotations

import json

import click

from bulkremove.cli.console import Screen, json_option


def add_to(group: click.Group) -> None:
    """Add these commands to the group."""
    for command in (pause, cancel, stop):
        group.add_command(command)


@click.command()
@click.argument("job")
@json_option
@click.pass_obj
def pause(screen: Screen, job: str, as_json: bool) -> None:
    """Pause JOB, whichever process runs it; `bulkremove resume JOB` continues it.

    The rows in flight are finished first. The job is not resumed automatically, by a nightly run or by the server.

    Example: bulkremove pause 20261123-k3f9
    """
    from bulkremove.app import App, this_person
    from bulkremove.app.review import required_row_count
    from bulkremove.domain.job import Job

    async def end(app: App) -> tuple[Job, int | None]:
        stopped = await app.stopping.pause(job, by=this_person(), notify=screen.info)
        return stopped, required_row_count(stopped, (await app.jobs.tally(stopped)).open, app.clock.wall())

    stopped, rows = screen.call(end)
    if as_json:
        screen.print_result(json.dumps({"job": stopped.id, "state": stopped.state.value, "reason": stopped.reason}))
        return
    screen.print_result(f"Job {stopped.id}: {stopped.state.value}. {stopped.reason}".rstrip())
    if stopped.state.is_resumable:
        screen.info(f"To resume: {screen.command('resume', stopped.id, values={'rows': rows})}")


@click.command()
@click.argument("job")
@json_option
@click.pass_obj
def cancel(screen: Screen, job: str, as_json: bool) -> None:
    """End JOB for good, whichever process runs it; learners whose rows were not sent are left unchanged.

    Example: bulkremove cancel 20261123-k3f9
    """
    from bulkremove.app import App, this_person
    from bulkremove.report import as_json as report_json

    async def end(app: App) -> str:
        ended = await app.stopping.cancel(job, by=this_person(), notify=screen.info)
        tally = await app.jobs.tally(ended)
        return json.dumps(report_json(ended, tally)) if as_json else await app.reports.summary(ended)

    screen.print_result(screen.call(end))


@click.command()
@json_option
@click.pass_obj
def stop(screen: Screen, as_json: bool) -> None:
    """End the nightly runs under way and pause every job under way, in all processes of this home folder.

    `serve` and `worker` keep running. The next nightly run starts at its usual time and takes the remaining files.

    Example: bulkremove stop
    """
    from bulkremove.app import this_person

    nights, jobs = screen.call(lambda app: app.stopping.stop_all(by=this_person(), notify=screen.info))
    if as_json:
        states = [{"job": job.id, "state": job.state.value, "reason": job.reason} for job in jobs]
        screen.print_result(json.dumps({"nightly_runs": len(nights), "nights": nights, "jobs": states}))
        return
    for night in nights:
        screen.print_result(f"The run of night {night} has ended.")
    for job in jobs:
        screen.print_result(f"Job {job.id}: {job.state.value}. {job.reason}".rstrip())
    if not nights and not jobs:
        screen.print_result("Nothing is running.")
