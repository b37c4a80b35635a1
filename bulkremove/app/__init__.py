"""The use cases that the command line and the page share: preview, submit, run, retry, cancel, report, log in, check.

Every use case is given a ``Context``; ``App`` builds them. Nothing here prints or asks for input.
"""

from bulkremove.app.application import App
from bulkremove.app.consent import Consent
from bulkremove.app.results import Preview, QuotaUsage, RunResult
from bulkremove.app.sandbox_run import SandboxOptions
from bulkremove.app.users import SessionUser, Users, this_person
from bulkremove.engine.progress import Progress, Stop

__all__ = [
    "App",
    "Consent",
    "Preview",
    "Progress",
    "QuotaUsage",
    "RunResult",
    "SandboxOptions",
    "SessionUser",
    "Stop",
    "Users",
    "this_person",
]
