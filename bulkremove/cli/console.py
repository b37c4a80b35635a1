"""Shared parts of the commands: output, the global options, and the application built from them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bulkremove.cli.logs import Logs
from bulkremove.domain import command_text
from bulkremove.domain.errors import BulkremoveError, ConsentMissing, OutputFailed
from bulkremove.domain.hosts import SANDBOX_HOST
from bulkremove.platform.service_credentials import with_credentials

if TYPE_CHECKING:
    from bulkremove.app import App
    from bulkremove.domain.job import Job

JSON_HELP = "Print JSON for programs."

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Screen:
    """The global options and the output of a command. ``flags``: their values by name, such as ``home``."""

    flags: Mapping[str, object]
    quiet: bool
    verbose: bool
    color: bool
    as_json: bool = False
    """Whether each answer is printed as a JSON object; commands with a document of their own print that instead."""
    logs: Logs | None = None

    @contextmanager
    def app(self, *, sandbox: str | None = None, speed: float | None = None, **flags: object) -> Iterator[App]:
        """Build the application for the global options and ``flags``, and close it afterwards. Raises SettingsError.

        ``sandbox``: path of a world file; calls go to the bundled sandbox then. ``speed``: factor of its clock.
        """
        from bulkremove.app import App, SandboxOptions
        from bulkremove.config import load

        sandbox_settings = SandboxOptions(Path(sandbox), speed or 1.0) if sandbox else None
        values = {**self.flags, **flags}
        if sandbox_settings is not None:
            values |= sandbox_settings.flags
        environ = with_credentials(os.environ)
        app = App(load({**values, "speed": speed}, environ), environ=environ, sandbox=sandbox_settings)
        try:
            yield app
        except BulkremoveError as error:
            self.add_global_options(error, {"sandbox": sandbox, "speed": speed})
            raise
        finally:
            app.close()

    def call(self, use_case: Callable[[App], Awaitable[T]], **flags: Any) -> T:
        """Run a use case to its end and return its result. ``flags``: as for ``app``. Raises SettingsError too."""
        import asyncio

        async def main() -> T:
            return await use_case(app)

        with self.app(**flags) as app:
            return asyncio.run(main())

    def look(self, use_case: Callable[[App], Awaitable[T]]) -> T:
        """The same for what only reads the journal, which works with a replaced one; that this is one is said."""

        async def main(app: App) -> tuple[T, bool]:
            return await use_case(app), await app.backups.is_replaced()

        result, is_replaced = self.call(main)
        if is_replaced:
            from bulkremove.app.backup import REPLACED

            self.warn(
                f"WARNING: {REPLACED} `bulkremove journal accept-restore` shows what can't be known any more, and "
                "continues with it."
            )
        return result

    def with_global_options(self, text: str, sandbox: Mapping[str, object] | None = None) -> str:
        """The text with the same --home, --config and --account in the commands that it names.

        ``sandbox``: the options of the bundled sandbox, for those that take them.
        """
        return command_text.located(text, self._location(), sandbox)

    def add_global_options(self, error: BaseException, sandbox: Mapping[str, object] | None = None) -> None:
        """Do the same in an error's hint, before it is printed."""
        if isinstance(error, BulkremoveError):
            error.hint = self.with_global_options(error.hint, sandbox)

    def command(self, *arguments: str, values: Mapping[str, object] | None = None) -> str:
        """Build a command for a person to type, with the same --home, --config and --account. ``values``: its options.

        The home folder is named too where the environment gives it, which another terminal does not have.
        """
        options = command_text.arguments
        return command_text.joined(["bulkremove", *options(self._location()), *arguments, *options(values or {})])

    def _location(self) -> Mapping[str, object]:
        location = {name: self.flags.get(name) for name in ("home", "config", "account")}
        return {**location, "home": location["home"] or os.environ.get("BULKREMOVE_HOME") or None}

    def info(self, text: str, *, bold: bool = False, fg: str | None = None) -> None:
        """Print a message to standard error, unless --quiet."""
        if not self.quiet:
            self.warn(text, bold=bold, fg=fg)

    def warn(self, text: str, *, bold: bool = False, fg: str | None = None) -> None:
        """Print a message to standard error, also with --quiet. It may have several lines."""
        for line in self.with_global_options(text).split("\n"):
            styled = click.style(printable(line), bold=bold or None, fg=fg)
            # Named, since click's own standard error would go past a live line, which replaces the stream.
            click.echo(styled, file=sys.stderr, color=None if self.color else False)

    def print_result(self, text: str, *, bold: bool = False, fg: str | None = None, **facts: object) -> None:
        """Print one line of the result to standard output; as JSON with ``facts``, values that programs look for."""
        if self.as_json:
            click.echo(json.dumps({"text": text, **facts}))
            return
        styled = click.style(printable(text), bold=bold or None, fg=fg) if bold or fg else printable(text)
        click.echo(styled, color=None if self.color else False)

    def copy(self, path: Path) -> None:
        """Print a file's bytes to standard output, unchanged, as far as they are read. Raises AnswerLost."""
        sys.stdout.flush()
        try:
            with path.open("rb") as file:
                for part in iter(lambda: file.read(1 << 16), b""):
                    sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            return  # whoever reads has seen enough
        except OSError as error:
            raise OutputFailed(f"The report can't be written: {error.strerror}.") from None


def sandbox_of(job: Job) -> Mapping[str, object]:
    """The option that a command for the job needs if it ran against a bundled sandbox, whose world file is not kept."""
    return {"sandbox": "WORLD"} if job.host == SANDBOX_HOST else {}


def printable(text: str) -> str:
    """Replace unprintable characters, so that a cell can neither control the terminal nor imitate a line of output."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def ask_number(prompt: str) -> int:
    """Ask a person to type a number. Raises ConsentMissing without a terminal or a number."""
    if not sys.stdin.isatty():
        raise ConsentMissing(
            "There is no terminal to ask on. Nothing was sent.",
            hint="Look at the preview, then give --plan HASH, or --yes.",
        )
    number = click.prompt(prompt, default="", show_default=False, err=True).strip().replace(",", "")
    if not number.isdecimal():
        raise ConsentMissing("That is not a number, so nothing was sent.")
    return int(number)


def accept_global_options(group: click.Group, shared: Sequence[click.Option]) -> None:
    """Let every command of the group accept the group's own options too: people also type them after the command."""
    for command in group.commands.values():
        for option in shared:
            hidden_option = copy(option)
            hidden_option.hidden, hidden_option.expose_value = True, False
            hidden_option.callback = _apply_global_option
            command.params.append(hidden_option)
        if isinstance(command, click.Group):
            accept_global_options(command, shared)


def _apply_global_option(context: click.Context, option: click.Parameter, value: object) -> None:
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
        case "events" | "log_file" | "log_level" | "debug":
            if screen.logs is not None:
                _configure(screen.logs, option.name, str(value))
        case name:
            context.obj = replace(screen, flags={**screen.flags, str(name): value})


def _configure(logs: Logs, name: str, value: str) -> None:
    match name:
        case "events":
            logs.configure(form=value)
        case "log_file":
            logs.configure(file=value)
        case _:
            logs.configure(level="debug" if name == "debug" else value)


def accept_json(group: click.Group) -> None:
    """Let every command that prints something and has no document of its own take --json: an object for each line."""
    for command in group.commands.values():
        if isinstance(command, click.Group):
            accept_json(command)
        if (not isinstance(command, click.Group) or command.invoke_without_command) and not any(
            "--json" in param.opts for param in command.params
        ):
            flag = click.Option(["--json"], is_flag=True, expose_value=False, callback=_set_json, help=JSON_HELP)
            command.params.append(flag)


def _set_json(context: click.Context, option: click.Parameter, value: bool) -> None:
    if value and (screen := context.find_object(Screen)) is not None:
        context.obj = replace(screen, as_json=True)


def options(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Combine click options into one decorator; `--help` shows them in the order given."""

    def apply(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


sandbox_options = options(
    click.option("--sandbox", metavar="WORLD", help="Run against the sandbox, started with this world file."),
    click.option("--speed", type=float, metavar="N", help="The sandbox's clock runs N times faster."),
)
json_option = click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
