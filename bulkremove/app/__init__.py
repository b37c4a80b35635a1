"""The use cases: preview, submit, run, retry, cancel, report, log in, check. What the command line and a page share.

Every use case is given a ``Context``; ``App`` builds them. It
prints nothing and asks nobody anything.
"""

from bulkremove.app.application import App
from bulkremove.app.consent import Consent
from bulkremove.app.doctor import Check
from bulkremove.app.results import Allowance, Ended, Preview
from bulkremove.app.sandbox_run import SandboxOptions
from bulkremove.app.users import SessionUser, Users, this_person
from bulkremove.engine.progress import Progress, Stop

__all__ = [
    "Allowance",
    "App",
    "Check",
    "Consent",
    "Ended",
    "Preview",
    "Progress",
    "SandboxOptions",
    "SessionUser",
    "Stop",
    "Users",
    "this_person",
]
