"""Wordings: a success that Zoho reports in other words than the documented ones, and when it may be accepted. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_REMOVAL = re.compile(r"\b(removed|deleted|unenrol(led|ed))\b", re.I)
"""What a wording must say: that somebody was removed. "Done" may be said of anything, and a noun, as in "removal
postponed", says nothing of it."""
_SUCCESS = re.compile(rf"{_REMOVAL.pattern}|\bsuccess(ful|fully)?\b", re.I)
_DOUBT = re.compile(
    r"n't\b|\b(no|not|non|none|nobody|nothing|never|neither|nor|zero|without|cannot|cant|unable|un\w*success\w*|false|null|"
    r"undefined|unknown|fail\w*|err\w*|exception\w*|den(y|ied|ial)|refus\w*|reject\w*|forbid\w*|invalid|wrong|missing|"
    r"incomplete|partial\w*|skip\w*|ignor\w*|abort\w*|cancel\w*|expire\w*|unauthor\w*|permission\w*|scope\w*|token\w*|"
    r"block\w*|lock\w*|limit\w*|threshold\w*|throttl\w*|exceed\w*|quota\w*|try|retry|again|wait|later|soon|will|shall|may|"
    r"might|could\w*|would|should|must|can|to be|pending|queued?|scheduled?|request\w*|accepted|received|process\w*|"
    r"progress|start\w*|initiat\w*|submit\w*|background|already|earlier|previous\w*|still|remain\w*|but|however|except|"
    r"only|some|unless|if|when|add(ed)?|enrol(led|ed)?|assign\w*|creat\w*|updat\w*|invit\w*|restor\w*|revert\w*|undo\w*|undone|"
    r"postpon\w*|impossible|prohibit\w*|insufficient\w*|approv\w*|before|after|sent|rights?|allowed|"
    r"disallow\w*|on hold|dry[ -]?run|simulat\w*|preview\w*|partly|in part|half|one of|problems?|issues?|"
    r"roll(ed)?[ -]?back\w*|reinstat\w*|re-?enrol\w*|join\w*|register\w*|absent|\w*exist\w*|lacks?|hardly|unclear|"
    r"logged|validat\w*|maintenance|disabled?|deactivat\w*|suspend\w*|archiv\w*|moved|transfer\w*|unremov\w*|"
    r"wait(ing)?[ -]?list|favou?rites?|cache|"
    r"warn\w*|login|sign|nicht|kein\w*|nie|pas|aucune?|sin|ningun\w*|nao|niet|geen|inte)\b",
    re.I,
)
"""Whole words that name a failure, a limit, another time or another act. They only ever keep a wording from being
accepted, so the list may be longer than it need be."""


@dataclass(frozen=True, slots=True, order=True)
class Wording:
    """An answer of Zoho's as it is compared: HTTP status, code, and the whole message without blanks around it."""

    http_status: int
    api_code: str
    message: str

    def __str__(self) -> str:
        return f'HTTP {self.http_status}, code {self.api_code}, "{self.message}"'


def names_success(message: str) -> bool:
    """Whether a message says that somebody was removed or a call succeeded, and nothing that casts doubt on it."""
    return bool(_SUCCESS.search(message)) and not casts_doubt(message)


def casts_doubt(message: str) -> bool:
    """Whether a message names a failure, a limit, another time or another act."""
    return bool(_DOUBT.search(message))


def is_acceptable(message: str) -> bool:
    """Whether a message may ever be accepted: plain English that names a removal, and nothing else.

    A message in another language can't be searched for a failure. Ids, numbers, quotations and addresses differ from
    row to row, so they would never match again, and they may be about a person.
    """
    words = re.sub(r"\b1\b", "", message)
    is_plain = message.isascii() and message.isprintable() and not re.search(r"[\d\"'`<>{}\[\]@=:/\\]", words)
    return is_plain and bool(_REMOVAL.search(message)) and not casts_doubt(message)
