"""Read untrusted files in a subprocess with memory and CPU limits, so that a zip bomb can't take the server down.

The child gets the open file as its standard input and returns the table as JSON lines, one for each piece of a column;
nothing of its output is executed. Pieces, because parsing everything in one call would block all threads of the server.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, astuple
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.row import Exclusion, Roles, Status
from bulkremove.domain.table import Choices, SheetChoice, Table
from bulkremove.platform.child_process import child_environment, limit_process
from bulkremove.platform.open_folder import open_folder
from bulkremove.reading.options import Hidden, Match, ReadOptions

MAX_MEMORY_BYTES = 1 << 30
"""Bytes of address space that the child may use."""
MAX_CPU_SECONDS = 60
"""Seconds of CPU time that the child may use."""
PIECE = 2000
"""Cells in one line of the output; parsing it takes a few milliseconds."""
MAX_LINE_BYTES = 1 << 26
"""Bytes of one line of the output."""
TIMEOUT_SECONDS = 90.0
"""Seconds of real time until the child is killed."""
_REQUEST = "READ_REQUEST"
"""The variable that tells the child the file's name and how to read it."""


class ReadUntrusted(Protocol):
    """Reads a file that a stranger may have made, as ``read_in_subprocess`` does."""

    async def __call__(self, source: Path | BinaryIO, /, *, name: str, options: ReadOptions) -> Table:
        """Read ``source`` to its end. Raises FileRefused."""


async def read_in_subprocess(source: Path | BinaryIO, *, name: str, options: ReadOptions) -> Table:
    """Call ``reader.read`` in a child process with limits on memory and time. Raises FileRefused.

    ``source``: the path of a file, which is no link, or an open file with a descriptor.
    """
    try:
        with ExitStack() as stack:
            if isinstance(source, Path):
                source = stack.enter_context(stack.enter_context(open_folder(source.parent)).open(source.name))
            return await _read(source, name, options)
    except OSError as error:
        raise FileRefused(f"{name} can't be read: {error.strerror}.") from None


async def _read(file: BinaryIO, name: str, options: ReadOptions) -> Table:
    request = json.dumps({"name": name, "options": {**asdict(options), "today": options.today.isoformat()}})
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # import nothing from the working directory
        "-m",
        "bulkremove.reading.subprocess_reader",
        stdin=file,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**child_environment(), _REQUEST: request},  # not as an argument, which all users of the machine can read
        limit=MAX_LINE_BYTES,
    )
    assert child.stdout is not None  # noqa: S101 - narrows the type; it is a pipe
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await _parse_output(child.stdout)
    except (TimeoutError, ValueError):
        pass
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()
    if child.returncode == 1:  # an uncaught exception, not a limit
        raise FileRefused(f"{name} can't be read: it has unexpected content.", hint="Copy the rows into a new file.")
    raise FileRefused(
        f"{name} took more memory or time than a list of people needs, so reading was stopped.",
        hint="Copy the rows into a new file.",
    )


async def _parse_output(lines: asyncio.StreamReader) -> Table:
    """Parse the child's output as it comes, so that its text is never in memory as a whole.

    Raises FileRefused as the child did, or ValueError when the output is incomplete.
    """
    head = json.loads(await lines.readline())
    if "refused" in head:
        raise FileRefused(
            head["refused"], hint=head["hint"], page_hint=head["page_hint"], choices=_choices(head["choices"])
        )
    columns: list[list[str]] = [[] for _ in head["header"]]
    interned: list[dict[str, str]] = [{} for _ in columns]
    async for line in lines:
        number, piece = json.loads(line)
        if number is None:
            return _table({**head, "columns": columns})
        # Equal texts of a column share one object in memory.
        columns[number] += [interned[number].setdefault(text, text) for text in piece]
    raise ValueError("the last line is missing")


def _choices(fields: dict[str, Any] | None) -> Choices | None:
    if fields is None:
        return None
    rows = tuple(map(tuple, fields["rows"]))
    return Choices(
        tuple(SheetChoice(name, count, tuple(first)) for name, count, first in fields["sheets"]),
        tuple(fields["header"]),
        rows,
        fields["guesses"],
        tuple((label, tuple((value, count) for value, count in values)) for label, values in fields["only"]),
        fields["header_row"],
        fields["hidden"],
    )


def _table(fields: dict[str, Any]) -> Table:
    settled = {int(i): Exclusion(Status(status), *rest) for i, status, *rest in fields.pop("settled")}
    report_rows = {int(i): (str(job), int(number)) for i, job, number in fields.pop("report_rows")}
    roles, numbers = Roles(*fields.pop("roles")), fields.pop("numbers")
    if fields.pop("counted"):
        numbers = range(*numbers)
    return Table(
        **{
            **fields,
            "header": tuple(fields["header"]),
            "columns": tuple(fields["columns"]),
            "reading_notes": tuple(fields["reading_notes"]),
        },
        roles=roles,
        numbers=numbers,
        settled=settled,
        report_rows=report_rows,
    )


def _head(table: Table) -> Mapping[str, object]:
    """The first line of the output: the table without its columns. ``counted``: the row numbers are a range."""
    numbers = table.numbers
    return {
        "source": table.source,
        "kind": table.kind,
        "header": table.header,
        "roles": list(table.roles),
        "numbers": [numbers.start, numbers.stop] if isinstance(numbers, range) else list(numbers),
        "counted": isinstance(numbers, range),
        "sheet": table.sheet,
        "reading_notes": table.reading_notes,
        "empty_rows": table.empty_rows,
        "hidden_rows": table.hidden_rows,
        "unchosen_rows": table.unchosen_rows,
        "settled": [[i, *astuple(exclusion)] for i, exclusion in table.settled.items()],
        "report_rows": [[i, *job_row] for i, job_row in table.report_rows.items()],
    }


def _main() -> None:
    from bulkremove.reading.reader import read  # late: the parent does not need it

    limit_process(memory_bytes=MAX_MEMORY_BYTES, cpu_seconds=MAX_CPU_SECONDS)
    request = json.loads(os.environ[_REQUEST])
    options = request["options"]
    match = Match(options["match"]) if options["match"] else None
    options |= {"hidden": Hidden(options["hidden"]), "only": tuple(options["only"]), "match": match}
    options["today"] = date.fromisoformat(options["today"])
    options = ReadOptions(**options)
    try:
        sys.stdin.buffer.seek(0)  # the parent may have read it
        table = read(sys.stdin.buffer, name=request["name"], options=options)
    except FileRefused as refused:
        choices = asdict(refused.choices) if refused.choices else None
        answer = {"refused": refused.message, "hint": refused.hint, "page_hint": refused.page_hint, "choices": choices}
        print(json.dumps(answer))  # noqa: T201 - to the parent
        return
    _print_table(table)


def _print_table(table: Table) -> None:
    print(json.dumps(_head(table)))  # noqa: T201 - to the parent
    for number, column in enumerate(table.columns):
        for start in range(0, len(column), PIECE):
            print(json.dumps([number, list(column[start : start + PIECE])]))  # noqa: T201 - to the parent
    print(json.dumps([None, []]))  # noqa: T201 - to the parent: the output is complete


if __name__ == "__main__":
    _main()
