"""What proves an enrolment: the documented success of Zoho's other calls, and nothing else in the answer. Pure.

The answer to an enrolment is not documented. A list of people in it, or words such as "waiting list", may tell that
nobody was enrolled beside a code 200. So any member that is not known to be harmless makes it no proof.
"""

from __future__ import annotations

import json

from bulkremove.zoho.contradictions import normalized

_HARMLESS = frozenset({"code", "message", "learnerid", "courseid", "batchid", "uri"})
"""Members of documented successes that say nothing about whether somebody was enrolled."""


def proves_enrolment(body: bytes) -> bool:
    """Whether the body of an answer, whose code and message tell of a success, has no member that may say otherwise."""
    try:
        members = json.loads(body)
    except ValueError:
        return False
    return isinstance(members, dict) and all(
        normalized(name) in _HARMLESS and not isinstance(value, dict | list) for name, value in members.items()
    )
