"""The error tree: each error, where it is raised and what it means.

::

    BulkremoveError
    ├── FileRefused         reading, app, cli, web: the file is damaged or ambiguous; nothing was sent
    ├── SettingsError       config and above: an option, a variable or the settings file is wrong
    ├── LocalFileFailed     platform, zoho, app: a private file or folder can't be made, read or written
    ├── SandboxError        sandbox: a setting, its world file, its log or its port can't be used
    ├── ActionRefused       the action is not done, as one of these says; nothing was sent
    │   ├── ConsentMissing  app, cli, web: nobody who may has agreed to exactly this
    │   ├── PlanNotReady    app, web: a plan whose file was refused, or whose learners are still looked up
    │   ├── PlanOutdated    app: what a plan or an approval rests on has changed since, or it is too old
    │   ├── AlreadyConfirmed  app, web: the plan, its rows or its key are in a job already
    │   ├── CapExceeded     app: more removals than the cap of a day, or too many invalid rows
    │   ├── CanaryPending   app: the first row of the account was not confirmed
    │   ├── WordingRejected  app: an answer can't be accepted as the proof of a removal, or never was
    │   ├── JobUnsuitable   app, engine: the job's state, rows or kind do not allow the action
    │   └── LearnerNotFound  app: no job and no kept file knows the learner who is to be erased
    ├── JobNotFound         app, storage: there is no such job
    ├── NoteRejected        app: the note is empty, or its row is not unknown
    ├── UserError           app: a user or token does not exist, exists already, or is not valid
    ├── ReadFailed          engine, zoho, app: a read of Zoho People brought nothing that can be used
    │   ├── NotListed       engine: Zoho knows nothing by the ids of the call
    │   │   └── NotKnown    engine: it says so by a 404, and not by another refusal
    │   ├── ReadsStopped    engine: no read of the account brings anything now, whatever it asks for
    │   └── EmptyRoster     app: Zoho counts learners of a batch, or does not count, and lists none
    ├── SourceFailed        sources, app: the folder, command or address can't be read
    ├── NoticeFailed        app: a notice could not be delivered
    ├── JobBusy             app: the job is running already
    ├── OtherHomeSends      platform: another home folder sends to the same organisation right now
    ├── NotAuthorized       zoho: there are no credentials, or Zoho does not accept them
    ├── TokenDelayed        zoho: no access token is available right now; no row is affected
    ├── JournalFailed       storage, app: the journal or a backup of it can't be written or read
    │   └── JournalBusy     another process has been writing for as long as the caller would wait; nothing was written
    ├── ReportFailed        report, app: the report can't be written
    ├── OutputFailed        cli: standard output can't be written
    └── ExchangeFailed      zoho: one request brought no usable response
        ├── NeverSent       no byte of the request left this machine
        │   └── NoDescriptors  this machine lets the program open no more files and connections
        └── Unanswered      bytes may have left, and no usable response came

A message is for an HR admin: what happened, which row or file, what to do next. No message holds a secret.
"""

from __future__ import annotations

from bulkremove.domain.table import Choices

LOG_IN = "An admin must connect this account again, under Settings, Zoho accounts."
"""What to do on the page about an account that Zoho does not accept."""
ASK_ADMIN = "Ask an admin of this server."
"""What to do on the page where only a command helps."""


class BulkremoveError(Exception):
    """Base class of all errors that are reported to a user. cli/exit_codes.py maps them to exit codes."""

    def __init__(self, message: str, *, hint: str = "", page_hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        """What to do next, in a sentence; may be empty when the message says it."""
        self.page_hint = hint if page_hint is None else page_hint
        """The same on the page and in the API, where nobody can give a command or an option."""

    @property
    def page_text(self) -> str:
        """The message, and what to do next on the page or in the API."""
        return f"{self.message} {self.page_hint}".rstrip()

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class FileRefused(BulkremoveError):
    """The input file is damaged or ambiguous, and nothing was sent; correct the file or give the missing options."""

    def __init__(
        self, message: str, *, hint: str = "", page_hint: str | None = None, choices: Choices | None = None
    ) -> None:
        super().__init__(message, hint=hint, page_hint=page_hint)
        self.choices = choices
        """What the user can decide; None when the file itself must be corrected."""


class SettingsError(BulkremoveError):
    """An option, an environment variable or a line of the settings file is wrong."""


class LocalFileFailed(BulkremoveError):
    """A private file or folder of this program can't be made, read or written, or others can read it."""


class SandboxError(BulkremoveError):
    """A setting of the sandbox is wrong, or its world file, its log or its port can't be used."""


class ActionRefused(BulkremoveError):
    """An action is not done, for the reason that the subclass names. Nothing was sent because of it."""


class ConsentMissing(ActionRefused):
    """Nobody who may has agreed to exactly this: no yes, a wrong number, ids not compared, no second person."""


class PlanNotReady(ActionRefused):
    """A plan can't be confirmed: its file was refused, or it is not known yet who its learners are."""


class PlanOutdated(ActionRefused):
    """A plan is too old, or what it rests on has changed since it was shown; it must be previewed again."""


class AlreadyConfirmed(ActionRefused):
    """A plan, some of its rows or its idempotency key belong to a job already."""


class CapExceeded(ActionRefused):
    """A plan or job exceeds the cap of removals on a day, or a file that of its invalid rows."""


class CanaryPending(ActionRefused):
    """The first row of an account was sent alone and is not confirmed, or can't be confirmed as it is said."""


class WordingRejected(ActionRefused):
    """An answer of Zoho's can't be accepted as the proof of a removal, or was not accepted before."""


class JobUnsuitable(ActionRefused):
    """The state, the rows or the kind of a job do not allow the action."""


class LearnerNotFound(ActionRefused):
    """No job and no kept file knows the learner whose data are to be erased."""


class JobNotFound(BulkremoveError):
    """There is no such job in the journal; ``bulkremove jobs`` lists all."""

    @classmethod
    def of(cls, job_id: str) -> JobNotFound:
        """The error for an id, whether there is no such job or nobody may tell that there is one."""
        return cls(
            f"The journal knows no job {job_id!r}.", hint="`bulkremove jobs` lists those it knows.", page_hint=""
        )


class NoteRejected(BulkremoveError):
    """A note is empty, or is about a row that is not ``unknown``."""


class UserError(BulkremoveError):
    """A user or token does not exist or exists already, or its name or password is not acceptable."""


class ReadFailed(BulkremoveError):
    """A read of Zoho People brought nothing that can be used, and nothing follows from that."""


class NotListed(ReadFailed):
    """Zoho knows nothing by the ids of the call, or has no list of it."""


class NotKnown(NotListed):
    """Zoho says by a 404 of its own that it knows nothing by these ids."""


class ReadsStopped(ReadFailed):
    """Nothing can be read of the account now: a lock, no connection, no token, an error of Zoho's own."""


class EmptyRoster(ReadFailed):
    """Zoho lists no learner of a batch that may have some, so it is not known who is in it."""


class SourceFailed(BulkremoveError):
    """The source of a nightly run can't be read, so it is not known whether there was something to do."""


class NoticeFailed(BulkremoveError):
    """A notice could not be delivered; it stays in the outbox."""


class JobBusy(BulkremoveError):
    """The job is running already, in this process or another one."""


class OtherHomeSends(BulkremoveError):
    """Another home folder, with a ledger of its own, sends to the same organisation right now."""


class NotAuthorized(BulkremoveError):
    """There are no credentials, or Zoho does not accept them; a person must log in."""


class TokenDelayed(BulkremoveError):
    """No access token is available right now. ``retry_in``: seconds of the run's clock; None: not in this run."""

    def __init__(self, message: str, *, retry_in: float | None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_in = retry_in


class JournalFailed(BulkremoveError):
    """The journal can't be read or written (full disk, permissions, newer version). Nothing more is sent."""


class JournalBusy(JournalFailed):
    """Another process has held the journal's write lock for as long as the caller would wait. Nothing was written."""


class ReportFailed(BulkremoveError):
    """A report or a plan file can't be written at the requested place."""


class OutputFailed(BulkremoveError):
    """Standard output can't be written, so the result of a command is lost."""


class ExchangeFailed(BulkremoveError):
    """One request brought no usable response."""


class NeverSent(ExchangeFailed):
    """No byte of the request left this machine: name look-up, connection or TLS failed."""


class NoDescriptors(NeverSent):
    """The system lets this program open no more files and connections; it says nothing about Zoho or the network."""


class Unanswered(ExchangeFailed):
    """Bytes may have left, and no usable response came. Every failure counts as this unless NeverSent is proven."""
