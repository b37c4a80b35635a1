"""The JSON objects of the HTTP API: bodies of requests, and answers. The OpenAPI document has a schema of each."""

from __future__ import annotations

from typing import TypedDict

import msgspec

from bulkremove.domain.standing import Standing
from bulkremove.report.json_types import EventJson, JobJson, PlanJson, RowJson


class UploadedPlan(PlanJson):
    """A plan that waits for its confirmation; ``id``: in its address."""

    id: str
    prepared_by: str


class RowsPage(TypedDict):
    """A page of a plan's rows; ``more``: there is another page."""

    rows: list[RowJson]
    more: bool


class SupervisedJob(JobJson):
    """A job; ``standing``: how it stands, as the page tells it; one whose rows wait is told as ``running``.

    ``needs_review``: it has not run for an hour; ``failure``: why this server could not run it.
    """

    standing: Standing
    needs_review: bool
    running: bool
    failure: str | None


class JobsPage(TypedDict):
    """A page of jobs; ``more``: there is another page."""

    jobs: list[SupervisedJob]
    more: bool


class JobEvents(TypedDict):
    """The events of a job, the oldest first."""

    events: list[EventJson]


class Confirmation(msgspec.Struct, forbid_unknown_fields=True):
    """The consent to exactly one plan, by its hash.

    ``removals``: its number of calls, needed to confirm once more what was confirmed before. ``compared``: the plan's
    ``doubtful_ids``, once a person has compared them with Zoho People.
    """

    plan_hash: str
    removals: int | None = None
    compared: int | None = None
