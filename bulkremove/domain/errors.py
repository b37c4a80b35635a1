"""The error tree: each error, where it is raised and what it means.

::

    BulkremoveError
    ├── FileRefused         reading, app, cli, web: the file is damaged or ambiguous; nothing was sent
    ├── SettingsError       config and above: an option, a variable or the settings file is wrong
    ├── LocalFileFailed     platform, zoho, app: a private file or folder can't be made, read or written
    ├── SandboxError        sandbox: a setting, its world file, its log or its port can't be used
    ├── ConsentMissing      app, cli, web: the action was not confirmed, or a limit or the job's state forbids it
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


class BulkremoveError(Exception):
    """Base class of all errors that are reported to a user. cli/exit_codes.py maps them to exit codes."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        """What to do next, in a sentence; may be empty when the message says it."""

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class FileRefused(BulkremoveError):
    """The input file is damaged or ambiguous, and nothing was sent; correct the file or give the missing options."""

    def __init__(self, message: str, *, hint: str = "", choices: Choices | None = None) -> None:
        super().__init__(message, hint=hint)
        self.choices = choices
        """What the user can decide; None when the file itself must be corrected."""


class SettingsError(BulkremoveError):
    """An option, an environment variable or a line of the settings file is wrong."""


class LocalFileFailed(BulkremoveError):
    """A private file or folder of this program can't be made, read or written, or others can read it."""


class SandboxError(BulkremoveError):
    """A setting of the sandbox is wrong, or its world file, its log or its port can't be used."""


class ConsentMissing(BulkremoveError):
    """The action was not confirmed, or a limit or the job's state forbids it. Nothing was sent."""

    def __init__(self, message: str, *, hint: str = "", page_hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.page_hint = hint if page_hint is None else page_hint
        """What to do next on the page or in the API, where nobody can give an option of the command line."""

    @property
    def page_text(self) -> str:
        """The message, and what to do next on the page or in the API."""
        return f"{self.message} {self.page_hint}".rstrip()


class JobNotFound(BulkremoveError):
    """There is no such job in the journal; ``bulkremove jobs`` lists all."""

    @classmethod
    def of(cls, job_id: str) -> JobNotFound:
        """The error for an id, whether there is no such job or nobody may tell that there is one."""
        return cls(f"The journal knows no job {job_id!r}.", hint="`bulkremove jobs` lists those it knows.")


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
