"""Template filters that format numbers, times and states; ids are shown as they are, never grouped or rounded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from markupsafe import Markup

from bulkremove.domain.clock import Epoch
from bulkremove.domain.standing import Standing
from bulkremove.platform import local_time
from bulkremove.web.icons import icon

SAMPLES = 3
"""Values of a column that are shown where somebody chooses one."""


def sample_values(rows: Sequence[Sequence[str]], column: int) -> str:
    """The first different values of a column that are not blank, as text."""
    values = dict.fromkeys(row[column] for row in rows if column < len(row) and row[column].strip())
    return ", ".join([*values][:SAMPLES]) or "blank in the first rows"


def grouped(number: int) -> str:
    """Format a whole number with thousands separators: ``12,345``."""
    return f"{number:,}"


def local(at: Epoch | None) -> Markup:
    """Format a time as the server's local time with its zone; empty for None. The browser shows it in its own zone."""
    if at is None:
        return Markup("")
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
    return Markup('<time datetime="{}">{:%Y-%m-%d %H:%M:%S %Z}</time>').format(moment, local_time.local(at))


def about(seconds: float) -> str:
    """Format a duration that is not known exactly: ``less than a minute``, ``about 3 min``, ``about 2 h 10 min``."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"about {minutes} min"
    minutes = round(minutes / 10) * 10
    if minutes == 60:
        hours, minutes = hours + 1, 0
    return f"about {hours} h {minutes} min" if minutes else f"about {hours} h"


def name(value: str) -> str:
    """Format the value of a status or state as text: ``not_found`` becomes ``not found``."""
    return value.replace("_", " ")


def pill(shown: Standing | tuple[str, str, str]) -> Markup:
    """Show a standing, or words with tone and icon, as a word with its color and icon."""
    words, tone, picture = (shown.label, shown.tone, shown.icon) if isinstance(shown, Standing) else shown
    return Markup('<span class="state {}">{}{}</span>').format(tone, icon(picture), words)


def tab_icon(standing: Standing) -> str:
    """The name of the icon that a tab shows for a job that stands so."""
    return {"busy": "icon-running", "wait": "icon-waiting", "good": "icon-done", "bad": "icon-attention"}.get(
        standing.tone, "icon"
    )
