"""The command install-shell-help: completion for the shell and the manual page, both generated from the commands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

from bulkremove.cli.console import Screen
from bulkremove.cli.exit_codes import EXIT_CODES
from bulkremove.domain.errors import LocalFileFailed
from bulkremove.domain.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME, VARIABLE = "bulkremove", "_BULKREMOVE_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


def add_to(group: click.Group) -> None:
    """Add this command to the group."""
    group.add_command(install_shell_help)


@click.command("install-shell-help")
@click.pass_context
def install_shell_help(context: click.Context) -> None:
    """Install completion for bash, zsh and fish, and the manual page, for this user.

    Example: bulkremove install-shell-help
    """
    screen: Screen = context.obj
    root = context.find_root()
    assert isinstance(root.command, click.Group)  # noqa: S101 - the program is a group
    folders = _folders(os.environ)
    texts = {path: completion(root.command, shell) for shell, path in folders.items() if shell in SHELLS}
    texts[folders["man"]] = "\n".join(manual(root.command, root)) + "\n"
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise LocalFileFailed(f"The file {path} can't be written: {error.strerror}.") from None
        screen.print_result(f"Written: {path}", file=str(path))
    screen.info(f"Open a new terminal. For zsh, {folders['zsh'].parent} must be in fpath. Then: man {NAME}")


def completion(group: click.Group, shell: str) -> str:
    """Return the script that lets a shell complete the program's commands and options."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - SHELLS are those that click knows
    return kind(group, {}, NAME, VARIABLE).source()


def manual(group: click.Group, context: click.Context) -> Iterator[str]:
    """Yield the lines of the manual page, in roff."""
    yield f'.TH BULKREMOVE 1 "" "bulkremove {__version__}" "User Commands"'
    yield from (".SH NAME", f"{NAME} \\- {_escaped(group.get_short_help_str(200))}")
    yield from (".SH SYNOPSIS", f".B {NAME}", "[options] command [arguments]", ".SH DESCRIPTION")
    yield from _paragraphs(group)
    yield ".SH OPTIONS"
    yield from _options(group, context)
    yield ".SH COMMANDS"
    yield from _commands(group, context)
    yield ".SH EXIT STATUS"
    for code, meaning in EXIT_CODES.items():
        yield from (".TP", str(code), _escaped(meaning))


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.commands[name]
        inner = click.Context(command, info_name=name, parent=context)
        yield f".SS {_escaped(inner.command_path.partition(' ')[2])} {_escaped(' '.join(_usage(command, inner)))}"
        yield from _paragraphs(command)
        yield from _options(command, inner)
        if isinstance(command, click.Group):
            yield from _commands(command, inner)


def _usage(command: click.Command, context: click.Context) -> list[str]:
    return [piece for piece in command.collect_usage_pieces(context) if piece]


def _paragraphs(command: click.Command) -> Iterator[str]:
    for number, paragraph in enumerate((command.help or "").split("\n\n")):
        if number:
            yield ".PP"
        yield _escaped(" ".join(paragraph.split()))


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for param in command.get_params(context):
        if record := param.get_help_record(context):
            yield from (".TP", f".B {_escaped(record[0])}", _escaped(record[1]))


def _escaped(text: str) -> str:
    """The text as roff: neither a backslash nor a dot at its beginning is a command."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("\b", "")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _folders(environ: Mapping[str, str]) -> dict[str, Path]:
    """Where a user's shells and man look for files, by shell, by the XDG base directories."""
    data = Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    config = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return {
        "bash": data / "bash-completion" / "completions" / NAME,
        "zsh": data / "zsh" / "site-functions" / f"_{NAME}",
        "fish": config / "fish" / "completions" / f"{NAME}.fish",
        "man": data / "man" / "man1" / f"{NAME}.1",
    }
