"""The acts of the audit log: their names, which never change, and what each means for people."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class AuditAct(StrEnum):
    """What somebody did. The values are part of the chain of hashes."""

    UPLOADED = "uploaded"
    READ = "read"
    INCLUDED_MISMATCHED = "included_mismatched"
    CHOSE = "chose"
    CHECK = "check"
    PLAN_TAKEN = "plan_taken"
    DISCARDED = "discarded"
    APPROVAL_ASKED = "approval_asked"
    PLAN_RETURNED = "plan_returned"
    CONFIRMATION_REFUSED = "confirmation_refused"
    CONFIRMED = "confirmed"
    CONFIRMED_OVER_CAP = "confirmed_over_cap"
    HELD = "held"
    ANNOUNCED = "announced"
    APPROVED = "approved"
    RUN = "run"
    PAUSED = "paused"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    NOTED = "noted"
    REPORTED = "reported"
    CANARY_CONFIRMED = "canary_confirmed"
    CANARY_GIVEN_UP = "canary_given_up"
    WORDING_ACCEPTED = "wording_accepted"
    WORDING_WITHDRAWN = "wording_withdrawn"
    ROSTER = "roster"
    LEAVERS = "leavers"
    USER_ADDED = "user_added"
    PASSWORD_SET = "password_set"  # noqa: S105 - an act, not a secret
    ROLE_CHANGED = "role_changed"
    USER_REMOVED = "user_removed"
    ROLES_WITHDRAWN = "roles_withdrawn"
    TOKEN_ADDED = "token_added"  # noqa: S105 - an act, not a secret
    TOKEN_REVOKED = "token_revoked"  # noqa: S105 - an act, not a secret
    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT = "signed_out"
    SESSION_ENDED = "session_ended"
    ACCOUNT_CONNECTED = "account_connected"
    ACCOUNT_DISCONNECTED = "account_disconnected"
    PROTECTED_CHANGED = "protected_changed"
    NOTICE_TESTED = "notice_tested"
    BACKED_UP = "backed_up"
    RESTORED = "restored"
    RESTORE_ACCEPTED = "restore_accepted"
    DELETED = "deleted"
    FORGOT = "forgot"
    FORGOT_FILES = "forgot_files"


_WORDS: Mapping[str, str] = MappingProxyType(
    {
        AuditAct.UPLOADED: "uploaded a file",
        AuditAct.READ: "chose how a file is read",
        AuditAct.INCLUDED_MISMATCHED: "chose rows of another person",
        AuditAct.CHOSE: "chose people in Zoho's lists",
        AuditAct.CHECK: "had Zoho asked who the learners are",
        AuditAct.PLAN_TAKEN: "downloaded a plan",
        AuditAct.DISCARDED: "discarded a draft",
        AuditAct.APPROVAL_ASKED: "asked for the approval of a plan",
        AuditAct.PLAN_RETURNED: "returned a plan",
        AuditAct.CONFIRMATION_REFUSED: "tried to confirm a plan, which was refused",
        AuditAct.CONFIRMED: "confirmed a plan",
        AuditAct.CONFIRMED_OVER_CAP: "confirmed a plan over the cap",
        AuditAct.HELD: "held a plan for approval",
        AuditAct.ANNOUNCED: "announced a plan",
        AuditAct.APPROVED: "approved a job",
        AuditAct.RUN: "started a job",
        AuditAct.PAUSED: "paused a job",
        AuditAct.STOPPED: "stopped a nightly run",
        AuditAct.CANCELLED: "cancelled a job",
        AuditAct.NOTED: "noted what became of a row",
        AuditAct.REPORTED: "took a report",
        AuditAct.CANARY_CONFIRMED: "confirmed the first removal",
        AuditAct.CANARY_GIVEN_UP: "gave up the first removal",
        AuditAct.WORDING_ACCEPTED: "accepted an answer as proof",
        AuditAct.WORDING_WITHDRAWN: "withdrew an answer as proof",
        AuditAct.ROSTER: "read the learners of a batch",
        AuditAct.LEAVERS: "made a list of leavers",
        AuditAct.USER_ADDED: "added a user",
        AuditAct.PASSWORD_SET: "set a password",
        AuditAct.ROLE_CHANGED: "changed a role",
        AuditAct.USER_REMOVED: "removed a user",
        AuditAct.ROLES_WITHDRAWN: "withdrew the roles for an account",
        AuditAct.TOKEN_ADDED: "added a token",
        AuditAct.TOKEN_REVOKED: "revoked a token",
        AuditAct.SIGNED_IN: "signed in",
        AuditAct.SIGN_IN_FAILED: "failed to sign in",
        AuditAct.SIGNED_OUT: "signed out",
        AuditAct.SESSION_ENDED: "ended a session",
        AuditAct.ACCOUNT_CONNECTED: "connected an account",
        AuditAct.ACCOUNT_DISCONNECTED: "disconnected an account",
        AuditAct.PROTECTED_CHANGED: "changed the protected learners",
        AuditAct.NOTICE_TESTED: "sent a test notice",
        AuditAct.BACKED_UP: "made a backup",
        AuditAct.RESTORED: "put a backup back",
        AuditAct.RESTORE_ACCEPTED: "accepted a restored journal",
        AuditAct.DELETED: "deleted old jobs and files",
        AuditAct.FORGOT: "erased a person's data",
        AuditAct.FORGOT_FILES: "erased a person's data in files",
    }
)


def act_in_words(act: str) -> str:
    """What somebody did, in words that follow a name; the name of an act that this version does not know."""
    return _WORDS.get(act, act.replace("_", " "))
