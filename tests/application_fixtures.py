"""An application on a sandbox process of its own, whose limit is lifted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bulkremove.app import App
from bulkremove.config import load
from tests.cli_fixtures import crowd, sandbox

ROWS, JOBS = 40, 3


@contextmanager
def account(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of an account with a sandbox of its own, whose limit is lifted."""
    world, _ = crowd(folder, ROWS * JOBS)
    with sandbox(world, folder / "log.jsonl", "--limit", "100000/60s") as variables:
        yield {**variables, "BULKREMOVE_HOME": str(folder / "home"), "BULKREMOVE_LIMIT": "100000/60s"}


def application(environ: Mapping[str, str]) -> App:
    return App(load({}, environ), environ=environ)
