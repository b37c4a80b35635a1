"""Secrets that can be recognised, and a search that finds them in whatever they were packed into."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus


def forms(secret: str) -> Iterator[bytes]:
    """The ways in which a secret may stand in a file, a log or an address."""
    raw = secret.encode()
    for text in {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        html.escape(secret),
        json.dumps(secret)[1:-1],
    }:
        yield text.encode()
    yield secret.encode("utf-16-le")
    yield raw.hex().encode()
    for shift in range(3):  # within a longer text, base64 has one of three shapes; its edges belong to the neighbours
        packed = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")
        inner = packed[(shift * 8 + 5) // 6 : -1]
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")


def found(secrets: Mapping[str, str], places: Iterable[tuple[str, bytes]]) -> list[str]:
    """Where which secret stands, in words. ``places``: a name and what is there."""
    searched = {name: re.compile(b"|".join(map(re.escape, forms(secret)))) for name, secret in secrets.items()}
    return [
        f"{name} in {where}"
        for where, data in places
        for inner in _unpacked(data)
        for name, search in searched.items()
        if search.search(inner)
    ]


def files(*folders: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below the folders."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield str(path.relative_to(folder)), path.read_bytes()


def _unpacked(data: bytes) -> Iterator[bytes]:
    yield data
    if data.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(data)) as book:
            for member in book.namelist():
                yield from _unpacked(book.read(member))
    elif data.startswith(b"\x1f\x8b"):
        yield from _unpacked(gzip.decompress(data))
