"""The program in processes that are forked from one which has imported all of it, so that a start takes no second.

Each is a process like any other: its own environment, folder, streams, exit code and death. Only its imports are those
of the process that it comes from, so what a start itself does is tried with ``python -m bulkremove``.
"""

from __future__ import annotations

import multiprocessing
import os
import pkgutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

import pytest

import bulkremove.cli

AT_START = ("PYTHON", "LC_", "LANG", "LD_", "SSL_")
"""Variables that Python and its libraries read once, at their start."""


def same_start(env: Mapping[str, str]) -> bool:
    """Whether a process with this environment would have started as the one that it is forked from."""
    return _of_start(env) == _of_start(os.environ)


def run_forked(
    words: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    stdin: str,
    timeout: float,
    main: Callable[[], object] = bulkremove.cli.main,
) -> subprocess.CompletedProcess[str]:
    """As ``subprocess.run`` of the program, or of ``main``, with these words. Raises TimeoutExpired."""
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in range(3)]
        files[0].write(stdin)
        files[0].seek(0)
        with started(words, env=env, cwd=cwd, streams=[file.fileno() for file in files], main=main) as process:
            process.join(timeout)
            if process.exitcode is None:
                raise subprocess.TimeoutExpired(list(words), timeout)
            code = process.exitcode
        for file in files[1:]:
            file.seek(0)
        return subprocess.CompletedProcess(list(words), code, files[1].read(), files[2].read())


@contextmanager
def started(
    words: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    streams: Sequence[int],
    main: Callable[[], object] = bulkremove.cli.main,
) -> Iterator[ForkServerProcess]:
    """The program with these words; ``streams``: descriptors of its standard streams. It is killed at the end."""
    context = _context()
    process = context.Process(target=_program, args=(main, list(words), dict(env), str(cwd), _Streams(streams)))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()


class _Streams:
    """Three descriptors on their way to another process."""

    def __init__(self, descriptors: Sequence[int]) -> None:
        self.descriptors = descriptors

    def __reduce__(self) -> Any:
        return _attach, tuple(DupFd(one) for one in self.descriptors)


def _attach(*passed: Any) -> Sequence[int]:
    return [one.detach() for one in passed]


def _of_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(AT_START) and name != "PYTHONUNBUFFERED"}


@cache
def _context() -> ForkServerContext:
    modules = [one.name for one in pkgutil.walk_packages(bulkremove.__path__, "bulkremove.")]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "pandas", "xlsxwriter", "python_calamine", *modules])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENBLAS_NUM_THREADS", "1")  # numpy would start threads, beside which nothing is forked safely
        forkserver.ensure_running()
    return context


def _program(
    main: Callable[[], object], words: Sequence[str], env: Mapping[str, str], cwd: str, streams: Sequence[int]
) -> None:
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(cwd)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = os.fdopen(0, closefd=False)
    buffering = 1 if env.get("PYTHONUNBUFFERED") else -1
    for number, name, line in ((1, "stdout", buffering), (2, "stderr", 1)):
        stream = os.fdopen(number, "w", line, encoding=getattr(sys, name).encoding, closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)  # Python keeps its first streams, whatever replaces them
    sys.argv = [str(Path(bulkremove.__path__[0]) / "__main__.py"), *words]
    main()
