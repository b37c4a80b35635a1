"""The statuses of rows in words for people; files and programs keep the values of ``Status``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bulkremove.domain.row import Status

STATUS_WORDS: Mapping[Status, tuple[str, str]] = MappingProxyType(
    {
        Status.REMOVED: ("Removed", "Zoho confirmed the removal."),
        Status.REMOVED_INFERRED: (
            "Removed (confirmed by a second check)",
            "The first attempt got no clear answer. After that, Zoho knew no such learner in the batch.",
        ),
        Status.NOT_FOUND: (
            "Not found",
            "Zoho knows no such learner in this batch: the learner was gone before, or an id is wrong.",
        ),
        Status.REFUSED: ("Refused", "Zoho refused for good, and nothing was changed. The row says why."),
        Status.UNKNOWN: (
            "Unknown",
            "An attempt may have had an effect, and nothing could settle it. Look the learner up in Zoho People.",
        ),
        Status.DUPLICATE: (
            "Duplicate",
            "The same three ids stand in an earlier row, or another job may still send them. Nothing was sent.",
        ),
        Status.INVALID: ("Invalid", "The row can't be read as three ids. It says which cell and why."),
        Status.NOT_SENT: (
            "Not sent",
            "The job ended before this row, or it was left out: the learner is protected, was put back since, or is in "
            "the batch under another learner id. It says why.",
        ),
        Status.DONE_BEFORE: ("Done before", "An earlier job, which the row names, settled it. Nothing was sent."),
        Status.NOT_ENROLLED: (
            "Not enrolled",
            "Zoho's list of the batch was whole and did not hold the learner. Nothing was sent.",
        ),
        Status.IDENTITY_MISMATCH: (
            "Another person",
            "File and Zoho have different e-mail addresses for the learner. Nothing was sent.",
        ),
        Status.ENROLLED: ("Enrolled", "Zoho confirmed that this person was put back."),
        Status.ALREADY_ENROLLED: (
            "Already enrolled",
            "Zoho's list of the batch held this person, who was to be put back. Nothing was sent.",
        ),
    }
)
"""The label of each status, and what it means."""


def label_of(status: Status) -> str:
    """A status in words."""
    return STATUS_WORDS[status][0]


def meaning_of(status: Status) -> str:
    """What a status means, and what to do, in a sentence."""
    return STATUS_WORDS[status][1]
