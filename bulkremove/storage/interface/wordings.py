"""Accepted wordings: what a client's host answers instead of "success", as a person has accepted it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bulkremove.domain.clock import Epoch
from bulkremove.domain.wording import Wording
from bulkremove.storage.interface.records import Act, Record


@dataclass(frozen=True, slots=True)
class AcceptedWording:
    """A wording that counts as a proven removal for one client on one host.

    ``by``: who accepted it; ``job``: that of the row that a person had looked up. ``number``: what it is withdrawn by;
    0 until it is stored.
    """

    client: str
    host: str
    wording: Wording
    accepted_at: Epoch
    by: str
    job: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class WordingEvidence:
    """What is known about the wording that the row with this ``number`` was answered with."""

    client: str
    host: str
    wording: Wording
    number: int
    gone_by: str
    """Who has looked the row up since and found the learner gone; empty if nobody has."""
    is_only: bool
    """All attempts to remove the row's learner from the batch, in all jobs on the host, were answered with this
    wording, so that no other one can have removed the learner."""
    learners: int
    """For how many learners of the client this wording came."""
    still_there: str
    """A row with this wording whose learner a person ever found still in the batch; empty if there is none."""


class WordingStore(Protocol):
    """The store of accepted wordings. A note that a learner is still there withdraws those that the row came with.

    With a wording that is withdrawn, the rows that nothing else proves to be removed become unknown; so does
    a row whose answer is written after that.
    """

    async def all(self) -> list[AcceptedWording]:
        """All accepted wordings, the oldest first."""
        ...

    async def accepted(self, client: str, host: str) -> list[AcceptedWording]:
        """The wordings that are accepted for this client on this host, the oldest first."""
        ...

    async def evidence_of_job(self, job_id: str) -> list[WordingEvidence]:
        """The wordings of a job's rows that a person found to be gone: one piece of evidence for each."""
        ...

    async def accept(
        self,
        job_id: str,
        number: int,
        decide: Callable[[WordingEvidence | None], tuple[AcceptedWording, Sequence[Record]]],
    ) -> AcceptedWording:
        """Accept the wording of a job's row, in the transaction that reads its evidence.

        ``decide`` (pure) is given None for a row without such a wording. Raises what it raises, and then nothing has
        changed. An earlier acceptance stays.
        """
        ...

    async def withdraw(self, number: int, why: str, act: Act) -> bool:
        """Withdraw an accepted wording; False if there is none with this number. ``why``: for the jobs' events."""
        ...
