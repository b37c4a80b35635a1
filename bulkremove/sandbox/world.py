"""The sandbox's world: an organisation, one OAuth client, courses, batches, learners, employees and faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bulkremove.domain.row import Removal
from bulkremove.sandbox.employees import Employee
from bulkremove.sandbox.faults import Faults


@dataclass(frozen=True, slots=True)
class Client:
    """The one OAuth client that the sandbox knows."""

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    grant_codes: tuple[str, ...] = field(default=(), repr=False)
    """Codes to paste into ``login``; each can be exchanged once."""
    scope: str = "ZOHOPEOPLE.training.ALL"
    """Comma-separated, as in Zoho's console."""
    expires_in: int = 3600
    """Lifetime of an access token in seconds."""
    throttled_with: int = 200
    """HTTP status of the token endpoint's throttle: 200 is documented, 400 was seen."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of a course, with the ids of its learners."""

    course: str
    batch: str
    name: str
    learners: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """The person behind a learner id. ``erecno``: the employee's record number; ``progress``: in percent."""

    name: str
    email: str
    employee_id: str
    erecno: str
    progress: int = 0


@dataclass(frozen=True, slots=True)
class World:
    """The state that the sandbox starts with; changes are kept in ``zoho``."""

    organization: str
    client: Client
    batches: tuple[Batch, ...]
    faults: Faults = field(default_factory=Faults)
    courses: Mapping[str, str] = field(default_factory=dict)
    """Names of courses, by id."""
    people: Mapping[str, Person] = field(default_factory=dict)
    """Who is behind learner ids; for the others ``person`` makes somebody up."""

    employees: Sequence[Employee] = ()
    """Records of the employee form beside, or in place of, those of the learners."""

    def staff(self) -> dict[str, Employee]:
        """The employees by record number: an active one for each learner, unless ``employees`` says otherwise."""
        people = [self.person(learner) for batch in self.batches for learner in batch.learners]
        active = {one.erecno: Employee(one.erecno, one.name, one.email, one.employee_id) for one in people}
        return active | {one.erecno: one for one in self.employees}

    def person(self, learner: str) -> Person:
        """The person behind a learner id."""
        number = learner[-5:]
        made_up = Person(f"Learner {number}", f"learner{number}@example.com", f"E{number}", f"4783460000002{number}")
        return self.people.get(learner, made_up)

    def learner_of(self, erecno: str) -> str | None:
        """A learner id of the employee with this record number; None if there is none."""
        learners = (learner for batch in self.batches for learner in batch.learners)
        return next((learner for learner in learners if self.person(learner).erecno == erecno), None)

    def with_learner(self, course: str, batch: str, learner: str, person: Person) -> World:
        """The world with one more learner in a batch."""
        batches = tuple(
            replace(one, learners=(*one.learners, learner)) if (one.course, one.batch) == (course, batch) else one
            for one in self.batches
        )
        return replace(self, batches=batches, people={**self.people, learner: person})

    def enrolled(self) -> set[Removal]:
        """Every possible removal: one for each learner of each batch."""
        return {Removal(b.course, b.batch, learner) for b in self.batches for learner in b.learners}
