"""What every command shares: how much is said, in what colours, and how the app is made from the options."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from bulkremove.app import App

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


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
            # Any address of this machine passes the checks of the settings; the app puts the sandbox's in its place.
            said |= {"api_url": "http://127.0.0.1", "accounts_url": "http://127.0.0.1", "account": play.account}
        app = App(load({**said, "speed": speed}, os.environ), environ=os.environ, sandbox=play)
        try:
            yield app
        finally:
            app.close()

    def call(self, act: Callable[[App], Awaitable[T]], **flags: Any) -> T:
        """What ``act`` gives, run to its end with the app for these options. Raises SettingsError too."""
        import asyncio

        async def main() -> T:
            return await act(app)

        with self.app(**flags) as app:
            return asyncio.run(main())

    def command(self, *words: str, said: Mapping[str, object] | None = None) -> str:
        """A command to type: these words, with the options that lead to the same place, and with ``said`` again."""
        place = {name: self.flags.get(name) for name in ("home", "config", "account")}
        return shlex.join(["bulkremove", *_flags(place), *words, *_flags(said or {})])

    def say(self, text: str, *, bold: bool = False, fg: str | None = None) -> None:
        """To standard error, unless --quiet."""
        if not self.quiet:
            self.warn(text, bold=bold, fg=fg)

    def warn(self, text: str, *, bold: bool = False, fg: str | None = None) -> None:
        """To standard error, always."""
        for line in text.split("\n"):
            styled = click.style(shown(line), bold=bold or None, fg=fg)
            click.echo(styled, err=True, color=None if self.color else False)

    def answer(self, text: str, *, bold: bool = False, fg: str | None = None) -> None:
        """To standard output."""
        styled = click.style(shown(text), bold=bold or None, fg=fg) if bold or fg else shown(text)
        click.echo(styled, color=None if self.color else False)


def _flags(said: Mapping[str, object]) -> Iterator[str]:
    """Options as they are typed; what is None or False was not given."""
    for name, value in said.items():
        if value is not None and value is not False:
            yield f"--{name.replace('_', '-')}"
            if value is not True:
                yield str(value)


def shown(text: str) -> str:
    """Text as one line of a terminal: nothing in it acts, and a cell can't pretend to be a line of ours."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def also_after_the_command(group: click.Group, shared: Sequence[click.Option]) -> None:
    """Let every command of the group take the group's own options too, since that is where people put them."""
    for command in group.commands.values():
        for option in shared:
            again = copy(option)
            again.hidden, again.expose_value, again.callback = True, False, _set_afterwards
            command.params.append(again)
        if isinstance(command, click.Group):
            also_after_the_command(command, shared)


def _set_afterwards(context: click.Context, option: click.Parameter, value: object) -> None:
    screen = context.find_object(Screen)
    if screen is None or value in (None, False):
        return
    match option.name:
        case "quiet":
            context.obj = replace(screen, quiet=True)
        case "verbose":
            context.obj = replace(screen, verbose=True)
        case "no_color":
            context.obj = replace(screen, color=False)
        case "events":
            from bulkremove.cli.logs import start

            start(str(value))
        case "debug":
            logging.getLogger("bulkremove").setLevel(logging.DEBUG)
        case name:
            context.obj = replace(screen, flags={**screen.flags, str(name): value})


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
