"""A script for cron: it removes the learners in a file, and ends with the exit codes of `bulkremove run`.

Usage: cron_script.py FILE
"""

import sys

import bulkremove


def main(path: str) -> int:
    """Remove the learners in the file, and return the exit code."""
    try:
        with bulkremove.SyncClient() as client:
            plan = client.plan(path)
            print(f"{plan.removals} of {plan.rows} rows are to be removed, until {plan.ends_at:%H:%M} UTC.")
            job = client.submit(plan, confirm=plan.hash)
            for progress in client.run(job):
                if progress.message:
                    print(progress.message)
            result = client.result(job)
    except bulkremove.FileRefused as refused:
        print(refused, file=sys.stderr)
        return 2
    except bulkremove.ActionRefused as refused:
        print(refused, file=sys.stderr)
        return 4
    except bulkremove.BulkremoveError as error:
        print(error, file=sys.stderr)
        return 1
    print(result.warning or "", result.summary)
    if result.job.state is not bulkremove.JobState.FINISHED:
        return 5
    return 3 if result.needs_person else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
