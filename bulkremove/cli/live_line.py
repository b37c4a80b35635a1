"""The live line on a terminal: redrawn in place, and erased at the end. Imported late: rich takes time to load."""

from __future__ import annotations

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

FRAMES_PER_SECOND = 8.0


class LiveLine:
    """A line on standard error that shows that the program is alive."""

    def __init__(self, *, color: bool) -> None:
        console = Console(stderr=True, no_color=not color, highlight=False)
        self._spinner = _OneLine("line")
        # What is written to standard error meanwhile is printed above the line; standard output may be a file.
        self._live = Live(
            self._spinner,
            console=console,
            refresh_per_second=FRAMES_PER_SECOND,
            transient=True,
            redirect_stdout=False,
        )

    def start(self) -> None:
        """Draw the line from now on."""
        self._live.start(refresh=True)  # what is written while a thread draws the first frame would stand behind it

    def update(self, text: str) -> None:
        """Draw this text from the next frame on."""
        self._spinner.update(text=Text(text))

    def stop(self) -> None:
        """Erase the line."""
        self._live.stop()


class _OneLine(Spinner):
    """A spinner whose text is cut where the terminal ends: only one line can be erased after the window was resized."""

    def render(self, time: float) -> RenderableType:
        frame = super().render(time)
        if isinstance(frame, Text):
            frame.no_wrap, frame.overflow = True, "ellipsis"
        return frame
