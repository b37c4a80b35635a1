"""What an account's answers must have been seen to have before a use case relies on it.

Hardly any of Zoho's answers is documented. So whoever needs more of them than finding a batch does, is refused until
`bulkremove doctor --read` has seen the fields on this account; it keeps their names and types, and no value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bulkremove.app.context import Context
from bulkremove.domain.errors import ReadFailed
from bulkremove.domain.hosts import SANDBOX_HOST
from bulkremove.domain.operation import Operation
from bulkremove.zoho.contradictions import normalized

COMMAND = "bulkremove doctor --read COURSE BATCH"


async def require_fields(
    context: Context, client: str, operation: Operation, *fields: tuple[str, ...], purpose: str, command: str = COMMAND
) -> None:
    """Check that ``doctor --read`` has seen these fields in answers to a read. Raises ReadFailed, with its command.

    ``client``: the hash of the account's client. ``fields``: for each field the names that it may have, of which one is
    enough; letters' case and punctuation aside. ``purpose``: what needs them, as the subject of a sentence;
    ``command``: that which looks for them.

    The bundled sandbox has nothing to find out: its answers are this program's own.
    """
    host, reads = context.settings.host, context.storage.reads
    if host == SANDBOX_HOST:
        return
    seen = await reads.fields(client, host, operation.name) if context.storage.exists else []
    missing = [
        names[0] for names in fields if not any(_is_at_end(name, field.path) for name in names for field in seen)
    ]
    if missing:
        account = f"account {context.settings.account!r}"
        known = (
            f"Its answers were seen without {', '.join(map(repr, missing))}."
            if seen
            else "None that can be used was seen yet."
        )
        raise ReadFailed(
            f"{purpose} needs fields of Zoho's answer to {operation.name!r} that were not seen on {account}. {known}",
            hint=f"Run `{command}` with a batch that has learners. If it finds none, send its output to support.",
        )


async def lost_fields(
    context: Context, client: str, operation: Operation, names: Iterable[str], paths: Collection[str]
) -> list[str]:
    """Those of these names that ``doctor --read`` saw when it looked last, and that none of the paths ends with."""
    host = context.settings.host
    seen = await context.storage.reads.fields(client, host, operation.name) if context.storage.exists else []
    last = max((one.seen_at for one in seen), default=None)
    return [
        name
        for name in names
        if any(one.seen_at == last and _is_at_end(name, one.path) for one in seen)
        and not any(_is_at_end(name, path) for path in paths)
    ]


def _is_at_end(name: str, path: str) -> bool:
    """Whether a path ends with this name, of which a dot may be part."""
    parts, wanted = ([normalized(part) for part in text.split(".")] for text in (path, name))
    return parts[-len(wanted) :] == wanted
