"""Makes docs/commands.md, and the tables of docs/http-api.md and docs/metrics.md, from the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import click
from prometheus_client.parser import text_string_to_metric_families

from bulkremove.cli.program import cli
from bulkremove.report.metrics import AccountFigures, Figures, NightFigures, prometheus_text
from bulkremove.web.openapi import PREFIX, document
from bulkremove.web.problems import MEANINGS

HERE = Path(__file__).parent
GENERATED = re.compile(r"(<!-- made by make_reference\.py -->\n).*?(<!-- end -->)", re.DOTALL)


def texts() -> dict[Path, str]:
    """The documents as they should be, by path."""
    root = click.Context(cli, info_name="bulkremove")
    made = {HERE / "commands.md": "\n".join(_commands(cli, root)) + "\n"}
    for name, tables in (("http-api.md", (_operations(), _problems())), ("metrics.md", (_metrics(),))):
        text = (HERE / name).read_text(encoding="utf-8")
        made[HERE / name] = _with_tables(text, iter(tables))
    return made


def _with_tables(text: str, tables: Iterator[Iterator[str]]) -> str:
    """The text with these tables, one after the other, in the places for them."""
    return GENERATED.sub(lambda found: "\n".join((found[1].rstrip(), *next(tables), found[2])), text)


def _commands(group: click.Group, root: click.Context) -> Iterator[str]:
    yield from (
        "# Commands",
        "",
        "The help of each command. What the exit codes mean: [outcomes](outcomes.md#exit-codes).",
    )
    yield from ("The settings behind the flags: [settings](settings.md).", "")
    yield from ("## Options of all commands", "", *_options(group, root))
    yield from _below(group, root, "##")


def _below(group: click.Group, context: click.Context, level: str) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.commands[name]
        own = click.Context(command, info_name=name, parent=context)
        yield from (f"{level} {own.command_path}", "")
        yield from ("```", f"{own.command_path} {' '.join(filter(None, command.collect_usage_pieces(own)))}", "```", "")
        for paragraph in (command.help or "").split("\n\n"):
            text = " ".join(paragraph.replace("\b", "").split())
            yield from (re.sub(r"^Example: (.*)$", r"Example: `\1`", _plain(text)), "")
        yield from _options(command, own)
        if isinstance(command, click.Group):
            yield from _below(command, own, f"{level}#")


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    records = [record for param in command.get_params(context) if (record := param.get_help_record(context))]
    shown = [(option, meaning) for option, meaning in records if meaning and "--help" not in option]
    if shown:
        yield from ("| option | meaning |", "|---|---|")
        yield from (f"| `{_cell(option)}` | {_cell(_plain(meaning))} |" for option, meaning in shown)
        yield ""


def _operations() -> Iterator[str]:
    yield from ("| method and path | what it does | `operationId` |", "|---|---|---|")
    for path, methods in cast(dict[str, Any], document()["paths"]).items():
        for method, operation in methods.items():
            place, name = f"{method.upper()} {path.removeprefix(PREFIX)}", operation["operationId"]
            yield f"| `{place}` | {_cell(operation['summary'])} | `{name}` |"


def _problems() -> Iterator[str]:
    yield from ("| `code` | what it means |", "|---|---|")
    yield from (f"| `{code}` | {_cell(meaning)} |" for code, meaning in MEANINGS.items())


def _metrics() -> Iterator[str]:
    yield from ("| name | labels | value |", "|---|---|---|")
    figures = Figures({}, {}, 0, {"a": AccountFigures(0, 0, 0, 0.0)}, 0, None, {"n": NightFigures(end_code="ok")})
    for family in text_string_to_metric_families(prometheus_text(figures).decode()):
        labels = sorted({label for sample in family.samples for label in sample.labels})
        yield f"| `{family.name}` | {', '.join(f'`{label}`' for label in labels)} | {_cell(family.documentation)} |"


def _plain(text: str) -> str:
    """A help text as Markdown, in which ``<`` would begin a tag."""
    return text.replace("<", "&lt;")


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    for path, text in texts().items():
        path.write_text(text, encoding="utf-8")
