"""A plain function, as a scheduler or a web framework calls it: who is to go in, what became of each of them out."""

import pandas as pd

import bulkremove


def remove_leavers(leavers: pd.DataFrame, *, run_id: str, max_removals: int = 50) -> pd.DataFrame:
    """Remove the learners, at most ``max_removals`` of them; with the same ``run_id`` it removes nobody twice.

    Called again after it was interrupted, it goes on with the job that is there.
    """
    with bulkremove.SyncClient(settings={"max_removals": max_removals}) as client:
        job = client.find(run_id)
        if job is None:
            plan = client.plan(leavers, name=run_id)
            job = client.submit(plan, confirm=plan.hash, key=run_id)
        if job.open:
            for progress in client.run(job):
                print(f"{progress.done} of {progress.total} {progress.message}")
        result = client.result(job)
        if result.job.state is not bulkremove.JobState.FINISHED:
            raise RuntimeError(f"Job {job.id} is {result.job.state}. {result.job.reason}")
        return result.to_frame()
