"""libFuzzer's search over one reader, as a process: ``python -m tests.proofs.fuzz_readers KIND --seconds N``.

Each input is read, or refused with a sentence; each removal's ids are ASCII digits. Anything else (another exception,
an abort, more than 10 s or the memory limit for one input) ends the process with an error and leaves the input in
``--folder``. What is zipped is mutated inside: the input stands for the member that holds the cells.
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore] # no wheels everywhere

with atheris.instrument_imports(include=["bulkremove.reading", "xlrd"]):  # all of pandas takes minutes
    from bulkremove.domain.errors import FileRefused
    from bulkremove.domain.planner import plan
    from bulkremove.reading.options import Hidden, ReadOptions
    from bulkremove.reading.reader import read
from tests.workbooks import Book, Sheet, archive

MEGABYTES = 1_000
"""Of the whole process: pandas, the instrumentation and libFuzzer's own corpus among them."""
MARKER = b"!"
"""With ``--planted`` a reader fails at a file that holds this, as no seed does: the control of this harness."""
MEMBERS = {"xlsx": "xl/worksheets/sheet1.xml", "ods": "content.xml"}
BOOK = Book([Sheet([["course", "batch", "learner", "note"], ["1", "2", "478346000019558209", "x"], ["4", "5", 6.0]])])
TEXTS = (
    b'course,batch,learner\n1,2,3\n"4","5","6"\n',
    "sep=;\r\ncourse;batch;learner\r\n1;2;ä\r\n".encode("cp1252"),
    "course\tbatch\tlearner\r1\t2\t3\r".encode("utf-16"),
    b'\xef\xbb\xbf\n\ncourse,batch,learner,note\n1,2,3,"a\n""b"""\n',
)


def wrapped(kind: str) -> tuple[list[bytes], Callable[[bytes], bytes]]:
    """Where the search begins, and how an input becomes a file."""
    if kind == "csv":
        return list(TEXTS), bytes
    whole = BOOK.as_bytes(kind)
    if kind not in MEMBERS:
        return [whole], bytes
    with zipfile.ZipFile(io.BytesIO(whole)) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    return [parts[MEMBERS[kind]]], lambda data: archive({**parts, MEMBERS[kind]: data})


def judge(file: bytes) -> None:
    """The property."""
    try:
        table = read(io.BytesIO(file), name="list", options=ReadOptions(hidden=Hidden.INCLUDE))
    except FileRefused:
        return
    made = plan(table, account="a", host="h")
    for row in made.rows():
        for one in (row.removal.course, row.removal.batch, row.removal.learner) if row.removal else ():
            assert one.isascii()
            assert one.isdigit()


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("kind", choices=["csv", "xlsx", "xls", "ods"])
    words.add_argument("--seconds", type=int, required=True)
    words.add_argument("--folder", type=Path, required=True)
    words.add_argument("--planted", action="store_true")
    told = words.parse_args()
    seeds, file_of = wrapped(told.kind)
    corpus = told.folder / "corpus"
    corpus.mkdir(parents=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed{number}").write_bytes(seed)

    def one_input(data: bytes) -> None:
        if told.planted and MARKER in data:
            raise KeyError("the planted fault")
        judge(file_of(data))

    options = ["-timeout=10", f"-rss_limit_mb={MEGABYTES}", f"-artifact_prefix={told.folder}/", "-max_len=65536"]
    judge(file_of(seeds[0]))  # the libraries are loaded before the clock of an input runs
    atheris.Setup([sys.argv[0], f"-max_total_time={told.seconds}", "-seed=1", *options, str(corpus)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
