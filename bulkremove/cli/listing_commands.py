"""What Zoho lists: helpers of the commands that read courses, batches and learners."""

from __future__ import annotations

import click

from bulkremove.domain.ids import is_id


def check_ids(**ids: str) -> None:
    """Check that these are ids, by what they are ids of. Raises click.UsageError."""
    for name, value in ids.items():
        if not is_id(value):
            raise click.UsageError(f"{value!r} is no {name} id.")
