"""Standard output and standard error when nothing can be written to them: a full disk, a reader that has gone.

Everything that speaks to a person goes through these two: click, rich, logging and the interpreter at its end. That
one would try what is left once more, say so in its own words, and end with 120.
"""

from __future__ import annotations

import errno
import sys
from io import TextIOWrapper


class Stream(TextIOWrapper):
    """A standard stream over the same file; from the first failure on it takes words and writes nothing.

    ``answers``: whether it is standard output, whose loss is told once by AnswerLost. A reader that has gone is none:
    a run goes on without one. Standard error has nobody left to tell.
    """

    def __init__(self, stream: TextIOWrapper, *, answers: bool) -> None:
        # no character of a file may end a run
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
        if not self._lost:
            try:
                return super().write(text)
            except OSError as error:
                self._lose(error)
        return len(text)

    def flush(self) -> None:
        if not self._lost:
            try:
                super().flush()
            except OSError as error:
                self._lose(error)

    def _lose(self, error: OSError) -> None:
        self._lost = True
        if self._answers and error.errno != errno.EPIPE:
            from bulkremove.domain.errors import AnswerLost  # late: `--help` needs nothing of it

            raise AnswerLost(
                f"The answer can't be written: {error.strerror}.", hint="`bulkremove jobs` says what was done."
            ) from None


def stand_in() -> None:
    """Put these in the place of the interpreter's own; a stream that a test has replaced is left."""
    if type(sys.stdout) is TextIOWrapper:
        sys.stdout = Stream(sys.stdout, answers=True)
    if type(sys.stderr) is TextIOWrapper:
        sys.stderr = Stream(sys.stderr, answers=False)
