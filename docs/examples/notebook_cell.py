"""What stands in a cell of a notebook: it has an event loop of its own, and a SyncClient does not mind."""

# %%
import pandas as pd

import bulkremove

with bulkremove.SyncClient.demo() as client:  # or bulkremove.SyncClient(), for the account that you are logged in with
    people = pd.read_csv(client.samples / "leavers.csv", dtype="string")
    plan = client.plan(people)
    job = client.submit(plan, confirm=plan.hash)
    for progress in client.run(job):
        print(f"{progress.done} of {progress.total}", end="\r")
    outcomes = client.result(job).to_frame()

people.merge(outcomes, on=["Course ID", "Batch ID", "Learner ID"])["status"].value_counts()
