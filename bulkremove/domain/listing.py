"""Listings: the courses, batches and learners that Zoho lists in answer to reads. All ids are texts."""

from __future__ import annotations

from dataclasses import dataclass

from bulkremove.domain.clock import Epoch


@dataclass(frozen=True, slots=True)
class Course:
    """A course of the organisation."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of a course. ``learners``: how many learners Zoho counts in it; None where it does not say."""

    course: str
    id: str
    name: str
    learners: int | None = None


@dataclass(frozen=True, slots=True)
class Learner:
    """A learner of a batch. ``id``: the learner id, which a removal names; the others are empty where Zoho gives none.

    ``progress``: as Zoho writes it, in percent or as a word.
    """

    id: str
    name: str = ""
    email: str = ""
    employee_id: str = ""
    progress: str = ""
    record_number: str = ""
    """The employee's record number (erecno), by which Zoho enrols somebody."""
    other_email: str = ""
    """The addresses, quoted, by which a file names this learner, where Zoho has none of them."""


@dataclass(frozen=True, slots=True)
class Roster:
    """The learners of a batch, as Zoho lists their progress."""

    batch: Batch
    learners: tuple[Learner, ...]
    counted_at: Epoch = Epoch(0.0)
    """Just before Zoho was asked how many learners the batch has; 0 if an older version stored the roster."""

    @property
    def is_complete(self) -> bool:
        """Whether it holds as many learners as Zoho counts in the batch."""
        return self.batch.learners == len(self.learners)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A course of one learner, as Zoho lists their progress. ``batch``: empty in a course that has none.

    ``learner``: the learner id, where the answer holds a field of that name; else empty.
    """

    course: str
    batch: str = ""
    learner: str = ""
    course_name: str = ""
    batch_name: str = ""

    @property
    def id(self) -> str:
        """Its identity among the learner's enrolments; two can be in one batch, with two learner ids."""
        return f"{self.course}/{self.batch}/{self.learner}"
