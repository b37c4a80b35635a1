"""The use cases: preview, submit, run, retry, cancel, report, log in, check. What the command line and a page share.

It builds the stages, owns the clock and the dice, and lets every act gather, decide by a pure stage, and apply. It
prints nothing and asks nobody anything.
"""

from bulkremove.app.consent import Consent
from bulkremove.app.doctor import Check
from bulkremove.app.people import Known, People, this_person
from bulkremove.app.progress import Progress, Stop
from bulkremove.app.rehearsal import SandboxOptions
from bulkremove.app.results import Allowance, Ended, Preview
from bulkremove.app.usecases import App

__all__ = [
    "Allowance",
    "App",
    "Check",
    "Consent",
    "Ended",
    "Known",
    "People",
    "Preview",
    "Progress",
    "SandboxOptions",
    "Stop",
    "this_person",
]
