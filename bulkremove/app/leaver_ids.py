"""The learner ids of leavers: each comes from a field of that name, and is never guessed from a record number.

Where the list of a leaver's courses has none, the roster of the batch must hold exactly one learner with the
employee's record number, or, if it names no record numbers and no employee is missing from
the list of them, with the e-mail address (docs/decisions/0022-leavers.md).
"""

from __future__ import annotations

from bulkremove.app.listings import OpenListings
from bulkremove.domain.errors import EmptyRoster, NotListed, ReadFailed, ReadsStopped
from bulkremove.domain.leavers import Employee, is_same_address
from bulkremove.domain.listing import Enrolment, Learner, Roster


class LearnerIds:
    """The learner ids of enrolments, from rosters of which each is read once.

    ``is_complete``: the list of employees is known to be complete, so nobody else has the e-mail address of a leaver.
    """

    def __init__(self, lists: OpenListings, *, is_complete: bool) -> None:
        self._lists, self._is_complete = lists, is_complete
        self._rosters: dict[tuple[str, str], Roster | str] = {}
        self.unread = set[tuple[str, str]]()
        """The batches (ids of course and batch) whose roster could not be read this time, and may be the next time."""

    async def of(self, employee: Employee, enrolment: Enrolment) -> tuple[str, str]:
        """The learner id of an enrolment, or an empty text and why there is none. Raises ReadsStopped."""
        if enrolment.learner not in ("", employee.id):  # else it may be an echo of what was asked for
            return enrolment.learner, ""
        key = (enrolment.course, enrolment.batch)
        if key not in self._rosters:
            try:
                self._rosters[key] = await self._lists.roster(*key)
            except ReadsStopped:
                raise
            except ReadFailed as failed:
                self._rosters[key] = failed.message
                if not isinstance(failed, EmptyRoster | NotListed):
                    self.unread.add(key)
        roster = self._rosters[key]
        return ("", roster) if isinstance(roster, str) else _in_roster(employee, roster, is_complete=self._is_complete)


def _in_roster(employee: Employee, roster: Roster, *, is_complete: bool) -> tuple[str, str]:
    if any(one.record_number for one in roster.learners):
        found = [one for one in roster.learners if one.record_number == employee.id]
        by = "this record number"
    elif not roster.is_complete:
        return "", "Zoho's list of the batch names no record numbers and may not be whole."
    elif not is_complete:
        return "", "Zoho's list of the batch names no record numbers, and its list of employees may not be whole."
    else:
        found = [one for one in roster.learners if is_same_address(one.email, employee.email)]
        by = "this e-mail address"
    if len(found) != 1:
        return "", f"Zoho's list of the batch has {'more than one learner' if found else 'no learner'} with {by}."
    return ("", _OTHER_ADDRESS) if _has_other_address(employee, found[0]) else (found[0].id, "")


_OTHER_ADDRESS = "Zoho's list of the batch and its list of employees name different e-mail addresses."


def _has_other_address(employee: Employee, learner: Learner) -> bool:
    return bool(employee.email and learner.email) and not is_same_address(employee.email, learner.email)
