"""Commands that messages name, such as `bulkremove resume JOB`: made to reach the same installation when copied."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping

_TO_A_SANDBOX = re.compile(r"`bulkremove ((?:nightly|preview|resume|retry|run|serve|worker)\b[^`]*)`")
"""Commands that take the options of a bundled sandbox."""
_PLAIN_ON_WINDOWS = re.compile(r"[\w.,:\\/=@+~-]+")
"""Words that neither cmd nor PowerShell reads as something else. In quotes, cmd still replaces ``%NAME%``."""


def joined(words: Iterable[str], *, system: str = sys.platform) -> str:
    """Words as a command to copy into a shell of this system. ``system``: as ``sys.platform``."""
    if system != "win32":
        return shlex.join(words)
    return " ".join(
        word if _PLAIN_ON_WINDOWS.fullmatch(word) else '"' + word.replace('"', r"\"") + '"' for word in words
    )


def arguments(options: Mapping[str, object]) -> Iterator[str]:
    """Options as command-line arguments; one that is None or False was not given, a tuple was given several times."""
    for name, given in options.items():
        for value in given if isinstance(given, tuple) else (given,):
            if value is not None and value is not False:
                yield f"--{name.replace('_', '-')}"
                if value is not True:
                    yield f"{value:g}" if isinstance(value, float) else str(value)


def located(text: str, location: Mapping[str, object], sandbox: Mapping[str, object] | None = None) -> str:
    """The text with these options in all commands that it names between backticks.

    ``location``: the options that lead to the installation; ``sandbox``: those of a bundled sandbox, for the commands
    that take them.
    """
    options = joined(arguments(sandbox or {}))
    if options:
        text = _TO_A_SANDBOX.sub(lambda match: f"`bulkremove {match[1]} {options}`", text)
    return text.replace("`bulkremove ", f"`{joined(['bulkremove', *arguments(location)])} ")
