"""What every command shares: how much is said, in what colours, and how the app is made from the options."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkremove.app import App

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Screen:
    """The options before the command."""

    flags: Mapping[str, object]
    quiet: bool
    verbose: bool
    color: bool

    @contextmanager
    def app(self, *, sandbox: str | None = None, speed: float | None = None, **flags: object) -> Iterator[App]:
        """The app for these options; closed afterwards. Raises SettingsError."""
        from bulkremove.app import App, SandboxOptions
        from bulkremove.config import load

        play = SandboxOptions(Path(sandbox), speed or 1.0) if sandbox else None
        said = {**self.flags, **flags}
        if play is not None:
            said |= {"api_url": play.url, "accounts_url": play.url, "account": play.account}
        app = App(load({**said, "speed": speed}, os.environ), environ=os.environ, sandbox=play)
        try:
            yield app
        finally:
            app.close()

    def say(self, text: str, *, bold: bool = False, fg: str | None = None) -> None:
        """To standard error, unless --quiet."""
        if not self.quiet:
            self.warn(text, bold=bold, fg=fg)

    def warn(self, text: str, *, bold: bool = False, fg: str | None = None) -> None:
        """To standard error, always."""
        click.secho(shown(text), err=True, bold=bold, fg=fg, color=None if self.color else False)

    def answer(self, text: str) -> None:
        """To standard output."""
        click.echo(text)


def shown(text: str) -> str:
    """Text from a file or from Zoho as a terminal may show it: nothing in it acts."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def options(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Several click options as one decorator, in the order given."""

    def apply(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


sandbox_options = options(
    click.option("--sandbox", metavar="WORLD", help="Rehearse: start the sandbox with this world file, and stop it."),
    click.option("--speed", type=float, metavar="N", help="The sandbox's clock runs N times faster."),
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object for machines.")
