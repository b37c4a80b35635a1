"""Checks of a job before it is cancelled."""

from __future__ import annotations

from bulkremove.domain.errors import JobUnsuitable
from bulkremove.domain.job import Job, JobState


def check_held(job: Job) -> None:
    """Check that a job waits for an approval. Raises JobUnsuitable."""
    if job.state is not JobState.HELD:
        raise JobUnsuitable(f"Job {job.id} is {job.state.value}.")


def check_never_run(job: Job) -> None:
    """Check that a job was never run. Raises JobUnsuitable."""
    if job.state is not JobState.READY:
        raise JobUnsuitable(f"Job {job.id} is {job.state.value}.")


def check_open(job: Job) -> None:
    """Check that a job may still send rows. Raises JobUnsuitable."""
    if job.state.is_over:
        raise JobUnsuitable(f"Job {job.id} is {job.state.value} already.")
