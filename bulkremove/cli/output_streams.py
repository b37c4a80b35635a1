"""Standard output and standard error that survive write errors, such as a full disk or a closed pipe.

click, rich and logging write to these streams, and the interpreter flushes them at exit. If that failed, it would print
a message of its own and exit with 120.
"""

from __future__ import annotations

import errno
import sys
from io import TextIOWrapper


class Stream(TextIOWrapper):
    """Replacement of a standard stream over the same file; after the first failure it discards all text.

    ``answers``: whether it is standard output; its first failure raises AnswerLost, unless the reader closed the pipe,
    because a run continues without a reader. A failure of standard error is ignored: it could not be reported anywhere.
    """

    def __init__(self, stream: TextIOWrapper, *, answers: bool) -> None:
        # "backslashreplace": a character that the encoding lacks must not end a run.
        super().__init__(
            stream.buffer,
            stream.encoding,
            "backslashreplace",
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
        self._answers = answers
        self._lost = False

    def write(self, text: str) -> int:
        """Write the text, or discard it after a failure; return its length either way. Raises AnswerLost."""
        if not self._lost:
            try:
                return super().write(text)
            except OSError as error:
                self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Flush, or do nothing after a failure. Raises AnswerLost."""
        if not self._lost:
            try:
                super().flush()
            except OSError as error:
                self._lose(error)

    def _lose(self, error: OSError) -> None:
        self._lost = True
        if self._answers and error.errno != errno.EPIPE:
            from bulkremove.domain.errors import OutputFailed  # late: `--help` does without the domain

            raise OutputFailed(
                f"The answer can't be written: {error.strerror}.", hint="`bulkremove jobs` shows what was done."
            ) from None


def install_streams() -> None:
    """Replace sys.stdout and sys.stderr by such streams; one that a test has replaced already is left alone."""
    if type(sys.stdout) is TextIOWrapper:
        sys.stdout = Stream(sys.stdout, answers=True)
    if type(sys.stderr) is TextIOWrapper:
        sys.stderr = Stream(sys.stderr, answers=False)
