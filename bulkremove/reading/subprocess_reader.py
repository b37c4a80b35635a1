"""Reading a file that a stranger may have made, in a process of its own: a bomb takes that one down and no other.

The child gets the file's path and gives the table back as JSON, a line for each piece of a column; nothing that it
says is run. Pieces, because one call that parses everything would stop all threads of the server meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.row import Exclusion, Roles, Status
from bulkremove.domain.table import Choices, Table
from bulkremove.reading.options import Hidden, ReadOptions

MEMORY = 1 << 30
"""Bytes of address space that the child may take."""
CPU = 60
"""Seconds of computing."""
PIECE = 2000
"""Cells in one line of the answer: a few milliseconds to parse."""
TIMEOUT_SECONDS = 90.0
"""Seconds until it is killed, whatever it does."""


async def read_apart(path: Path, *, name: str, options: ReadOptions) -> Table:
    """What ``reading.read`` gives, from a child with limits on memory and time. Raises FileRefused."""
    asked = json.dumps({"path": str(path), "name": name, "options": asdict(options)})
    child = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-P",
            "-m",
            "bulkremove.reading.subprocess_reader",
        ),  # -P: no module of the folder it was started in
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        said, _ = await asyncio.wait_for(child.communicate(asked.encode()), TIMEOUT_SECONDS)
    except TimeoutError:
        said = b""
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    try:
        return await asyncio.to_thread(_answer, said)
    except ValueError:
        if child.returncode == 1:  # an error of ours, not a limit
            raise FileRefused(
                f"{name} can't be read: something unexpected is in it.", hint="Copy the rows into a new file."
            ) from None
        raise FileRefused(
            f"{name} took more memory or time than a list of people needs, and was given up.",
            hint="Copy the rows into a new file.",
        ) from None


def _answer(said: bytes) -> Table:
    """The table that the child has read. Raises FileRefused, or ValueError for an answer that is not whole."""
    lines = iter(said.splitlines())
    facts = json.loads(next(lines, b""))
    if "refused" in facts:
        raise FileRefused(facts["refused"], hint=facts["hint"], choices=_choices(facts["choices"]))
    columns: list[list[str]] = [[] for _ in facts["header"]]
    known: list[dict[str, str]] = [{} for _ in columns]
    for line in lines:
        number, piece = json.loads(line)
        if number is None:
            return _table({**facts, "columns": columns})
        # Of equal texts one is kept in memory.
        columns[number] += [known[number].setdefault(text, text) for text in piece]
    raise ValueError("the end is missing")


def _choices(facts: dict[str, Any] | None) -> Choices | None:
    if facts is None:
        return None
    rows = tuple(map(tuple, facts["rows"]))
    return Choices(tuple(facts["sheets"]), tuple(facts["header"]), rows, facts["guesses"], facts["hidden"])


def _table(facts: dict[str, Any]) -> Table:
    settled = {int(i): Exclusion(Status(status), detail) for i, status, detail in facts.pop("settled")}
    roles, numbers = Roles(*facts.pop("roles")), facts.pop("numbers")
    if facts.pop("counted"):
        numbers = range(*numbers)
    return Table(
        **{
            **facts,
            "header": tuple(facts["header"]),
            "columns": tuple(facts["columns"]),
            "notes": tuple(facts["notes"]),
        },
        roles=roles,
        numbers=numbers,
        settled=settled,
    )


def _facts(table: Table) -> Mapping[str, object]:
    numbers = table.numbers
    return {
        "source": table.source,
        "kind": table.kind,
        "header": table.header,
        "roles": list(table.roles),
        "numbers": [numbers.start, numbers.stop] if isinstance(numbers, range) else list(numbers),
        "counted": isinstance(numbers, range),
        "sheet": table.sheet,
        "notes": table.notes,
        "empty_rows": table.empty_rows,
        "hidden_rows": table.hidden_rows,
        "settled": [[i, one.status, one.detail] for i, one in table.settled.items()],
    }


def _child() -> None:
    from bulkremove.reading.reader import read  # the parent does without

    try:
        import resource
    except ImportError:  # Windows has no such limits
        pass
    else:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU, CPU))
    asked = json.load(sys.stdin)
    said = asked["options"]
    options = ReadOptions(said["sheet"], said["columns"], Hidden(said["hidden"]))
    try:
        table = read(Path(asked["path"]), name=asked["name"], options=options)
    except FileRefused as refused:
        choices = asdict(refused.choices) if refused.choices else None
        print(json.dumps({"refused": refused.message, "hint": refused.hint, "choices": choices}))  # noqa: T201 - to the parent
        return
    _print_table(table)


def _print_table(table: Table) -> None:
    print(json.dumps(_facts(table)))  # noqa: T201 - to the parent
    for number, column in enumerate(table.columns):
        for start in range(0, len(column), PIECE):
            print(json.dumps([number, list(column[start : start + PIECE])]))  # noqa: T201 - to the parent
    print(json.dumps([None, []]))  # noqa: T201 - to the parent, who knows by it that nothing is missing


if __name__ == "__main__":
    _child()
