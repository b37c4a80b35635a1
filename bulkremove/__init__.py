"""Takes learners off Zoho People training batches in bulk, under the limit, with every row accounted for.

The names below are the Python API (docs/api.md). They are imported when they are first used: the command line starts
without them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from bulkremove.domain.version import __version__

if TYPE_CHECKING:
    from bulkremove.domain.errors import (
        ActionRefused,
        AlreadyConfirmed,
        BulkremoveError,
        CanaryPending,
        CapExceeded,
        ConsentMissing,
        FileRefused,
        JobBusy,
        JobNotFound,
        JobUnsuitable,
        JournalBusy,
        JournalFailed,
        LearnerNotFound,
        LocalFileFailed,
        NotAuthorized,
        OtherHomeSends,
        PlanNotReady,
        PlanOutdated,
        ReadFailed,
        ReportFailed,
        SandboxError,
        SettingsError,
        TokenDelayed,
        WordingRejected,
    )
    from bulkremove.domain.job import JobState
    from bulkremove.domain.row import Status
    from bulkremove.python_api.client import Client
    from bulkremove.python_api.sync_client import SyncClient
    from bulkremove.python_api.values import Job, Plan, Progress, Result

__all__ = [
    "ActionRefused",
    "AlreadyConfirmed",
    "BulkremoveError",
    "CanaryPending",
    "CapExceeded",
    "Client",
    "ConsentMissing",
    "FileRefused",
    "Job",
    "JobBusy",
    "JobNotFound",
    "JobState",
    "JobUnsuitable",
    "JournalBusy",
    "JournalFailed",
    "LearnerNotFound",
    "LocalFileFailed",
    "NotAuthorized",
    "OtherHomeSends",
    "Plan",
    "PlanNotReady",
    "PlanOutdated",
    "Progress",
    "ReadFailed",
    "ReportFailed",
    "Result",
    "SandboxError",
    "SettingsError",
    "Status",
    "SyncClient",
    "TokenDelayed",
    "WordingRejected",
    "__version__",
]

_MODULES = {
    "Client": "python_api.client",
    "Job": "python_api.values",
    "JobState": "domain.job",
    "Plan": "python_api.values",
    "Progress": "python_api.values",
    "Result": "python_api.values",
    "Status": "domain.row",
    "SyncClient": "python_api.sync_client",
}
"""The modules of the names that are not errors."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES.get(name, 'domain.errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
