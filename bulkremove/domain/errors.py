"""What can go wrong, as one tree; each class says who raises it and what the user can do.

::

    BulkremoveError
    ├── FileRefused         reading: the file is damaged or doubtful; nothing was sent
    ├── SettingsError       config: an option or the settings file is wrong
    ├── LocalFileFailed     platform: a private file or folder can't be made, read or written
    ├── SandboxError        sandbox: its world, its figures or its port are wrong
    ├── ConsentMissing      app: nobody agreed to this very plan, or a cap forbids it
    ├── JobNotFound         store: no job of that name
    ├── NoteRejected        app: a note is about a row whose fate is known
    ├── UserError           app: a user or token that is not there, or there already
    ├── SourceFailed        sources: the folder, command or address gives nothing
    ├── NoticeFailed        notices: an address did not take a notice
    ├── JobBusy             store: another process drives the job
    ├── NotAuthorized       auth: Zoho does not accept the credentials
    ├── TokenDelayed        auth: the token can't be had right now; the rows are untouched
    ├── JournalFailed       store: the journal can't be written or read
    ├── ReportFailed        report: the report can't be written
    └── ExchangeFailed      client: one request brought no answer
        ├── NeverSent       no byte of the request left this machine
        └── Unanswered      bytes may have left, and no usable answer came

A message is for an HR admin: what happened, which row or file, what to do next. No message holds a secret.
"""

from __future__ import annotations

from bulkremove.domain.table import Choices


class BulkremoveError(Exception):
    """Base of all errors that are reported to a person. What a command exits with is decided in cli/exit_codes.py."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        """What to do next, in a sentence; may be empty when the message says it."""

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class FileRefused(BulkremoveError):
    """The input can't be trusted as it is. Nothing was sent. Mend the file, or say how it is meant, and start again."""

    def __init__(self, message: str, *, hint: str = "", choices: Choices | None = None) -> None:
        super().__init__(message, hint=hint)
        self.choices = choices
        """What a person can decide; None when the file itself must be mended."""


class SettingsError(BulkremoveError):
    """An option, an environment variable or a line of the settings file is wrong."""


class LocalFileFailed(BulkremoveError):
    """A private file or folder of this program can't be made, read or written, or others can read it."""


class SandboxError(BulkremoveError):
    """The sandbox can't be what it is asked to be: its world, its figures, its log or its port are wrong."""


class ConsentMissing(BulkremoveError):
    """Nobody agreed to this very plan, or a cap forbids it. Nothing was sent."""


class JobNotFound(BulkremoveError):
    """The journal knows no such job. ``bulkremove jobs`` lists those it knows."""


class NoteRejected(BulkremoveError):
    """What was found out is about no row whose fate is unknown, or it is empty."""


class UserError(BulkremoveError):
    """A user or a token that is not there, that is there already, or whose password won't do."""


class SourceFailed(BulkremoveError):
    """A nightly run's folder, command or address can't be read, so nobody knows whether there was something to do."""


class NoticeFailed(BulkremoveError):
    """An address did not take a notice; it stays in the outbox."""


class JobBusy(BulkremoveError):
    """Another process drives this job right now."""


class NotAuthorized(BulkremoveError):
    """Zoho does not accept the credentials, or there are none. A person must log in."""


class TokenDelayed(BulkremoveError):
    """Zoho gives no token right now. ``retry_in`` is in seconds; None means: not within this run."""

    def __init__(self, message: str, *, retry_in: float | None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_in = retry_in


class JournalFailed(BulkremoveError):
    """The journal can't be read or written (full disk, missing rights, newer version). Nothing more is sent."""


class ReportFailed(BulkremoveError):
    """The report can't be written where it was asked for."""


class AnswerLost(BulkremoveError):
    """Standard output can't be written."""


class ExchangeFailed(BulkremoveError):
    """One request brought no answer."""


class NeverSent(ExchangeFailed):
    """No byte of the request left this machine: name look-up, connection or TLS failed."""


class Unanswered(ExchangeFailed):
    """Bytes may have left, and no usable answer came. True unless proven otherwise."""
