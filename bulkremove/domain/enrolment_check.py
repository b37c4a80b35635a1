"""The enrolment check: compares the rows of a plan with the rosters of its batches. Pure.

It names the person of each row, and finds rows whose learner is in no batch any more, or is somebody else than the file
says. In doubt a row is sent as always: a learner who is left out by mistake stays enrolled.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from bulkremove.domain.clock import Epoch
from bulkremove.domain.compared_names import is_other_name
from bulkremove.domain.doubts import Doubt
from bulkremove.domain.email_addresses import addresses_in, quoted
from bulkremove.domain.flags import Flag, flag_texts, urgency
from bulkremove.domain.leavers_list import is_leavers_list
from bulkremove.domain.listing import Learner, Roster
from bulkremove.domain.plan import Plan
from bulkremove.domain.roster_notes import compared_text, doubt_of_batch_names, doubt_of_unlisted, notes_of
from bulkremove.domain.row import Exclusion, Removal, Status

COMPLETE = re.compile(r"100(\.0+)?\s*%?|completed", re.IGNORECASE)
"""Zoho's progress of a learner who has completed the course, as a percentage or a word (observed)."""
NOT_ENROLLED = "Zoho's list of this batch did not hold this learner when the plan was made."
OTHER_LEARNER_ID = (
    "But it holds the person of this row under another learner id, so they are in the batch. To remove them, make the "
    "list anew from Zoho."
)
RECORD_NUMBER = (
    "This is the record number of an employee who is in the batch, and no learner id. Zoho removes by learner ids; "
    "make the list anew from Zoho."
)
LEAVERS_UNLISTED = "Zoho may not list people who have left, so who is missing from a list is sent as always."
ALREADY_ENROLLED = "Zoho's list of this batch held this person when the plan was made."

_Batch = tuple[str, str]
"""The ids of a course and of its batch."""


@dataclass(frozen=True, slots=True)
class EarlierRemoval:
    """That a job has removed a learner, in a sentence, and the person's record number; empty where it was not kept.

    ``is_confirmed``: Zoho said so to exactly these ids, which shows that they are those of a learner.
    """

    text: str
    record_number: str
    is_confirmed: bool = True


@dataclass(frozen=True, slots=True)
class ComparedColumns:
    """Columns (from 0) of a file that a check compares with Zoho's lists.

    ``email``, ``batch_name``: the only one of the learners' addresses, and of their batches' names; ``names``: theirs.
    """

    email: int | None = None
    names: tuple[int, ...] = ()
    batch_name: int | None = None


@dataclass(frozen=True, slots=True)
class EnrolmentCheck:
    """What a check found. Keys of the mappings are the indexes of the table's rows.

    ``exclusions``: rows that are not sent; ``included``: those that a person decided to send all the same; ``people``:
    who the learners are, by Zoho's lists; ``notes``: sentences about what was compared, and about batches that could
    not be checked. ``counts``: how many learners Zoho counted in each batch that was read, and when. ``numbers``: of
    the table's rows; ``unplanned``: rows that were not looked at, since the plan did not send them. ``doubts``: batches
    whose lists hold nobody of the plan, so that a person must compare its ids.
    """

    exclusions: Mapping[int, Exclusion] = field(default_factory=dict)
    included: Mapping[int, Exclusion] = field(default_factory=dict)
    people: Mapping[int, Learner] = field(default_factory=dict)
    flags: Mapping[int, tuple[Flag, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    counts: Mapping[_Batch, tuple[int, Epoch]] = field(default_factory=dict)
    numbers: Sequence[int] = ()
    unplanned: Collection[int] = frozenset()
    doubts: tuple[Doubt, ...] = ()
    batch_names: Mapping[_Batch, str] = field(default_factory=dict)

    def covers(self, plan: Plan) -> bool:
        """Whether a plan that is made again has the same rows, and sends none that was not looked at."""
        return [*self.numbers] == [*plan.table.numbers] and all(index in plan.excluded for index in self.unplanned)

    @property
    def mismatched(self) -> list[int]:
        """The rows that are not sent since the person in Zoho is another than in the file."""
        mismatch = Status.IDENTITY_MISMATCH
        return [index for index, exclusion in self.exclusions.items() if exclusion.status is mismatch]

    def urgency(self, row: int) -> int:
        """How soon a person should look at a row, from 0: at another person before a completed course."""
        return urgency(self.flags.get(row, ()))

    def flag_texts(self, plan: Plan) -> list[tuple[Flag, str]]:
        """How many of the rows that a plan sends have each flag, in sentences."""
        numbers, sent = plan.table.numbers, self.flags.keys() - plan.excluded.keys()
        return flag_texts({numbers[index]: self.flags[index] for index in sent})

    def including(self, rows: Collection[int]) -> EnrolmentCheck:
        """The same after a person decided to send some of the ``mismatched`` rows all the same."""
        wanted = [index for index in self.mismatched if index in rows]
        flags = {index: (*self.flags.get(index, ()), Flag.OTHER_EMAIL) for index in wanted}
        exclusions = dict(self.exclusions)
        included = {**self.included, **{index: exclusions.pop(index) for index in wanted}}
        return replace(self, exclusions=exclusions, included=included, flags={**self.flags, **flags})


def unlisted(plan: Plan, rosters: Mapping[_Batch, Roster | str]) -> list[Removal]:
    """The removals of a plan whose learner is not in the complete list of the batch."""
    if is_leavers_list(plan.table.header):
        return []
    ids = {batch: _learner_ids(roster) for batch, roster in rosters.items() if _is_complete(roster)}
    removals = (plan.removal(index) for index in range(len(plan.table)) if index not in plan.excluded)
    return [one for one in removals if (one.course, one.batch) in ids and one.learner not in ids[one.course, one.batch]]


def compare(
    plan: Plan,
    rosters: Mapping[_Batch, Roster | str],
    columns: ComparedColumns | None,
    not_read_anew: Mapping[_Batch, str] = MappingProxyType({}),
    removed: Mapping[Removal, EarlierRemoval] = MappingProxyType({}),
) -> EnrolmentCheck:
    """Compare the rows that a plan would send with rosters, each of which may be a sentence why there is none.

    ``columns``: None for people who were chosen from these rosters, so that there is no file to compare them with.
    Who is missing is not enrolled, but for a list of leavers: whether Zoho lists somebody who has left is not known.
    ``not_read_anew``: batches whose roster is of some minutes ago, with the reason; it proves nobody absent.
    ``removed``: what was removed before. If Zoho confirmed it, it shows, as well as a learner who is listed, that the
    file has learner ids. Without either nobody is left out, and there is a doubt. There is another doubt if the file
    and Zoho call the batch of an id by different names. Whoever is listed under another learner id, by e-mail address
    or record number, is ``not_sent``: a person must decide.
    """
    table, columns, is_file = plan.table, columns or ComparedColumns(), columns is not None
    by_id = {
        batch: {learner.id: learner for learner in roster.learners}
        for batch, roster in rosters.items()
        if isinstance(roster, Roster)
    }
    record_numbers = {batch: {one.record_number for one in by_id[batch].values()} - {""} for batch in by_id}
    known = {
        *_with_known_learners(plan, by_id),
        *((one.course, one.batch) for one in removed if removed[one].is_confirmed),
    }
    may_be_unlisted = is_leavers_list(table.header)
    exclusions, people, flags = dict[int, Exclusion](), dict[int, Learner](), dict[int, tuple[Flag, ...]]()
    compared, sent, repeated = 0, set[Removal](), _repeated(plan)
    looked_at = [index for index in range(len(table)) if index not in plan.excluded or index in repeated]
    addresses = _addresses(plan, columns, looked_at)
    for index in looked_at:
        removal = plan.removal(index)
        batch = removal.course, removal.batch
        if batch not in by_id:
            continue
        own, learner = addresses.get(removal, {}), by_id[batch].get(removal.learner)
        # A row without an address is who the other rows with its ids say.
        stated = own.get(index) or [address for others in own.values() for address in others]
        if learner is None and removal.learner in record_numbers[batch]:
            exclusions[index] = Exclusion(Status.INVALID, RECORD_NUMBER)
            continue
        if learner is None:
            roster, is_proof = rosters[batch], batch in known and batch not in not_read_anew and not may_be_unlisted
            if isinstance(roster, Roster) and roster.is_complete and is_proof and index not in repeated:
                earlier = removed.get(removal, EarlierRemoval("", ""))
                is_elsewhere = earlier.record_number in record_numbers[batch] or any(
                    not set(stated).isdisjoint(addresses_in(one.email)) for one in roster.learners
                )
                details = (NOT_ENROLLED, earlier.text, OTHER_LEARNER_ID if is_elsewhere else "")
                status = Status.NOT_SENT if is_elsewhere else Status.NOT_ENROLLED
                exclusions[index] = Exclusion(status, " ".join(filter(None, details)))
            continue
        listed = addresses_in(learner.email)
        is_compared = bool(stated and listed)
        is_mismatch = is_compared and set(stated).isdisjoint(listed)
        if removal in sent and not is_mismatch:
            continue
        compared += is_compared and index not in repeated
        people[index] = replace(learner, other_email=quoted(stated)) if is_mismatch else learner
        found = []
        if COMPLETE.fullmatch(learner.progress.strip()):
            found.append(Flag.COMPLETED)
        if columns.names and is_other_name([table.columns[column][index] for column in columns.names], learner.name):
            found.append(Flag.OTHER_NAME)
        if is_mismatch:
            detail = f"The file says {quoted(stated)} and Zoho {quoted(listed)} for this learner."
            exclusions[index] = Exclusion(Status.IDENTITY_MISMATCH, detail)
        else:
            sent.add(removal)
        if found:
            flags[index] = tuple(found)
    kept = (
        f"Batch {batch} of course {course}: its list is of some minutes ago and was not read anew, so who is not "
        f"listed is sent as always. {why}"
        for (course, batch), why in not_read_anew.items()
    )
    told = [compared_text(table.header, columns.email, columns.names, compared, plan.removals)] * is_file
    notes = (*told, *notes_of(plan, rosters), *kept, *[LEAVERS_UNLISTED] * may_be_unlisted)
    names = _names(rosters)
    unlisted_doubts = () if may_be_unlisted else doubt_of_unlisted(plan, rosters, known)
    instead = people.keys() & repeated
    doubts = (*unlisted_doubts, *doubt_of_batch_names(plan, names, columns.batch_name, instead))
    unplanned = frozenset(plan.excluded)
    return EnrolmentCheck(
        exclusions, {}, people, flags, notes, _counts(rosters), table.numbers, unplanned, doubts, names
    )


def leave_out_enrolled(plan: Plan, rosters: Mapping[_Batch, Roster | str]) -> EnrolmentCheck:
    """Leave out who is in the batch already, of a plan that enrols people; who is not listed is enrolled."""
    exclusions, notes = dict[int, Exclusion](), []
    for batch in plan.batches:
        roster, place = rosters.get(batch), f"Batch {batch[1]} of course {batch[0]}"
        if isinstance(roster, str):
            notes.append(f"{place} was not checked: {roster}")
        elif roster is not None and not all(learner.record_number for learner in roster.learners):
            notes.append(f"{place}: Zoho's list does not give each learner's record number: some may be in it already.")
    enrolled = {
        Removal(*batch, learner.record_number)
        for batch, roster in rosters.items()
        if isinstance(roster, Roster)
        for learner in roster.learners
    }
    for index in range(len(plan.table)):
        enrolment = plan.removal(index)
        if index not in plan.excluded and enrolment in enrolled:
            exclusions[index] = Exclusion(Status.ALREADY_ENROLLED, ALREADY_ENROLLED)
    numbers, unplanned = plan.table.numbers, frozenset(plan.excluded)
    counts, names = _counts(rosters), _names(rosters)
    return EnrolmentCheck(exclusions, {}, plan.people, {}, tuple(notes), counts, numbers, unplanned, (), names)


def _is_complete(roster: Roster | str) -> bool:
    return isinstance(roster, Roster) and roster.is_complete


def _learner_ids(roster: Roster | str) -> Collection[str]:
    return {learner.id for learner in roster.learners} if isinstance(roster, Roster) else ()


def _counts(rosters: Mapping[_Batch, Roster | str]) -> Mapping[_Batch, tuple[int, Epoch]]:
    """How many learners Zoho counts in each batch that was read, and when."""
    return {
        batch: (roster.batch.learners, roster.counted_at)
        for batch, roster in rosters.items()
        if isinstance(roster, Roster) and roster.batch.learners is not None
    }


def _names(rosters: Mapping[_Batch, Roster | str]) -> Mapping[_Batch, str]:
    """The names of the batches that were read, where Zoho gives one."""
    named = ((batch, one.batch.name) for batch, one in rosters.items() if isinstance(one, Roster))
    return {batch: name for batch, name in named if name}


def _repeated(plan: Plan) -> set[int]:
    """The rows that are not sent since an earlier row of the file has their ids; they may name somebody else."""
    earlier, repeated = set[tuple[str, ...]](), set[int]()
    for index, ids in enumerate(zip(*plan.ids, strict=True)):
        exclusion = plan.excluded.get(index)
        if exclusion and exclusion.status is Status.DUPLICATE and index not in plan.table.settled and ids in earlier:
            repeated.add(index)
        elif not _is_invalid(plan, index):
            earlier.add(ids)
    return repeated


def _addresses(plan: Plan, columns: ComparedColumns, rows: Iterable[int]) -> Mapping[Removal, Mapping[int, list[str]]]:
    """The e-mail addresses of some rows, by their ids and index; rows without one are left out."""
    found = dict[Removal, dict[int, list[str]]]()
    cells = () if columns.email is None else plan.table.columns[columns.email]
    for index in rows if cells else ():
        if own := addresses_in(cells[index]):
            found.setdefault(plan.removal(index), {})[index] = own
    return found


def _with_known_learners(plan: Plan, by_id: Mapping[_Batch, Mapping[str, Learner]]) -> Collection[_Batch]:
    """The batches of which some row's learner is in the roster: its ids are of the kind that the file has."""
    return {
        (course, batch)
        for index, (course, batch, learner) in enumerate(zip(*plan.ids, strict=True))
        if learner in by_id.get((course, batch), ()) and not _is_invalid(plan, index)
    }


def _is_invalid(plan: Plan, index: int) -> bool:
    exclusion = plan.excluded.get(index)
    return exclusion is not None and exclusion.status is Status.INVALID
