"""Makes docs/at-work.svg: the sample run as it stands on a terminal of 120 columns. Needs tmux."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
COMMAND = "bulkremove run leavers.csv --sandbox world.json --speed 20"
PAGE = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>{lines}</defs>{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g></svg>
"""
"""rich's own frame without the fonts that it would load from elsewhere."""


def tmux(*words: str) -> str:
    return subprocess.run(["tmux", "-L", "picture", *words], capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Types the command and the number, and takes the screen once while it runs and once at the end."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("leavers.csv", "world.json"):
            shutil.copy(HERE.parent / "sample_data" / name, folder)
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        shell = ["env", "-i", f"PATH={path}", f"HOME={folder}", "TERM=xterm-256color", "PS1=$ ", "bash", "--norc"]
        tmux("new-session", "-d", "-x", "120", "-y", "24", "-c", folder, *shell)
        try:
            tmux("send-keys", COMMAND, "Enter")
            time.sleep(2.5)
            tmux("send-keys", "58", "Enter")
            time.sleep(2.0)
            running = tmux("capture-pane", "-p", "-e", "-J").rstrip()
            time.sleep(7.0)
            ended = tmux("capture-pane", "-p", "-e", "-J").rstrip()
        finally:
            tmux("kill-session")
    live = running.splitlines()[-1]
    before, _, after = ended.partition("SANDBOX: Removed")
    screen = f"{before.rstrip()}\n{live}\n{'SANDBOX: Removed' if after else ''}{after}".replace(f"{folder}/", "")
    console = Console(record=True, width=120, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115 - rich only records
    console.print(Text.from_ansi(screen.removesuffix("$")))
    console.save_svg(str(HERE / "at-work.svg"), title="bulkremove", code_format=PAGE, unique_id="picture")


main()
