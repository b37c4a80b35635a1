"""The report: one line for each row of the file, the retry file, and the summary of a job.

It is made from outcomes in the journal alone; the same outcomes make the same bytes. It never overwrites a file and
never writes a cell that a spreadsheet would run as a formula.
"""

from bulkremove.report.files import ReportFile, default_path, reserve, reserve_both, retry_path, write
from bulkremove.report.plan_file import write_plan
from bulkremove.report.summary import as_json, counts_without_zeros, duration, summary, warning_text
from bulkremove.report.tables import RowSelection, columns, utc
from bulkremove.report.timeline import SilentPeriod, Timeline, timeline

__all__ = [
    "ReportFile",
    "RowSelection",
    "SilentPeriod",
    "Timeline",
    "as_json",
    "columns",
    "counts_without_zeros",
    "default_path",
    "duration",
    "reserve",
    "reserve_both",
    "retry_path",
    "summary",
    "timeline",
    "utc",
    "warning_text",
    "write",
    "write_plan",
]
