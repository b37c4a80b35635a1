"""What a person or a program does about a plan or a job, for the page and the HTTP API alike."""

from __future__ import annotations

from aiohttp import web

from bulkremove.app import App, Consent, Preview
from bulkremove.app.job_supervisor import JobSupervisor
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import ActionRefused, ConsentMissing
from bulkremove.domain.ids import without_ids
from bulkremove.domain.job import FrontEnd, Job
from bulkremove.platform.secure_files import private_folder
from bulkremove.web.upload import Upload
from bulkremove.web.uploads import Uploads


async def confirm(
    app: App,
    supervisor: JobSupervisor,
    uploads: Uploads,
    upload: Upload,
    consent: Consent,
    *,
    by: str,
    idempotency_key: str = "",
    expect_missing: bool = False,
    start_at: Epoch | None = None,
    wants_mail: bool = False,
) -> tuple[str, bool]:
    """Store an upload's plan as a job and start it; return its id and whether it is new. Raises ActionRefused.

    ``expect_missing``: it goes on even if Zoho knows none of the first learners. ``start_at``: when it starts by
    itself; None for at once. ``wants_mail``: whoever confirms it is told when it has ended.
    """

    async def submit(preview: Preview) -> str:
        reports = private_folder(app.settings.home / "reports")
        job = await uploads.plans.app_of(upload).confirmations.submit(
            preview,
            consent=consent,
            folder=reports,
            prepared_by=upload.prepared_by,
            by=by,
            front_end=FrontEnd.PAGE,
            idempotency_key=idempotency_key,
            upload=upload.id,
            expect_missing=expect_missing,
            start_at=start_at,
        )
        return job.id

    try:
        job_id, is_new = await uploads.confirm(upload, submit, by=by)
    except ActionRefused as refused:
        why = without_ids(refused.message)
        await app.record(by, AuditAct.CONFIRMATION_REFUSED, name=upload.name, why=why, account=upload.account)
        raise
    if is_new and wants_mail:
        await app.people_mail.change(job_id, by, wanted=True)
    if is_new and start_at is None:
        supervisor.start(await app.jobs.find(job_id), by=by)
    return job_id, is_new


async def approve(
    app: App, supervisor: JobSupervisor, job: Job, *, plan_hash: str, removals: int, compared: int | None, by: str
) -> Job:
    """Approve and start a held job. ``removals``: how many calls it would make, as whoever approves it has seen.

    Raises ActionRefused, and then nothing was sent.
    """
    rows_left = (await app.jobs.tally(job)).open
    if removals != rows_left or plan_hash != job.plan_hash:
        nouns = job.words.nouns
        raise ConsentMissing(f"That is not the number of {nouns} of this plan ({rows_left:,}). Nothing was sent.")
    approved = await app.jobs.approve(job.id, by=by, compared=compared, rows_left=removals)
    supervisor.start(approved, by=by)
    return approved


async def plan_retry(app: App, uploads: Uploads, job: Job, *, unknown_checked: bool, by: str) -> Upload:
    """Make a plan of the rows that a job did not send; it is confirmed like that of a file.

    ``unknown_checked``: the unknown rows too, since all were looked up. Raises ConsentMissing if one has no note, and
    JobUnsuitable.
    """
    if unknown_checked and await app.jobs.unknown_without_note(job):
        raise ConsentMissing("Note first what you found in Zoho People about each of the unknown rows.")
    upload = uploads.add_retry(job.id, account=job.account, unknown_checked=unknown_checked, source=job.source, by=by)
    await uploads.preview_rows(upload, by=by)
    return upload


async def plan_put_back(uploads: Uploads, job: Job, numbers: frozenset[int] | None, *, by: str) -> Upload:
    """Make a plan that enrols people again whom a job removed. ``numbers``: of their rows; None for everybody.

    Raises HTTPBadRequest where nobody is chosen, and JobUnsuitable.
    """
    if numbers is not None and not numbers:
        raise web.HTTPBadRequest(text="Nobody was chosen. Go back and tick somebody.")
    upload = uploads.add_put_back(job, numbers, by=by)
    await uploads.preview_rows(upload, by=by)
    return upload
