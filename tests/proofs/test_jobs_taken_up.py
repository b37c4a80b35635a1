"""A server that starts while `run` has stored its job, and not begun with it, takes the job up.

Found by the sequences of steps (seed 5): the rows are sent once and are told truly, but `run` ends as if nothing had
been sent.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.programs import Bulkremove, crowd, environment, sandbox
from tests.proofs.reconciled import Ends
from tests.proofs.serve_process import ServeProcess

ROWS, LIMIT = 5, "100000/60s"


@pytest.mark.xfail(reason="`run` ends with 4, which says that nothing was sent", strict=True)
def test_a_run_whose_job_a_server_has_done_does_not_say_that_nothing_was_sent(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, ROWS)
    ends = Ends(tmp_path, ROWS)
    with sandbox(world, tmp_path / "log.jsonl", "--limit", LIMIT) as variables:
        bulkremove = Bulkremove(tmp_path / "home", environment(**variables, BULKREMOVE_LIMIT=LIMIT))
        serve = ServeProcess(bulkremove)
        run = bulkremove.start("run", str(file), "--yes")
        try:
            while not ends.jobs:
                assert run.poll() is None
                time.sleep(0.002)
            run.send_signal(signal.SIGSTOP)
            assert [("ready",)] == ends.ask("SELECT state FROM job")
            assert "" == serve.start()
            while ends.ask("SELECT state FROM job") != [("finished",)]:
                time.sleep(0.05)
            serve.stop()
            assert ROWS == len(ends.removals)
        finally:
            run.send_signal(signal.SIGCONT)
            _, said = run.communicate(timeout=60)
            serve.kill()
    assert 0 == run.returncode, said
