"""The report: one line for each row of the file, the retry file, and the sentence that sums a job up.

It tells what the journal knows and reads nothing else; the same outcomes make the same bytes. It never overwrites
a file and never writes what a spreadsheet would run as a formula.
"""

from bulkremove.report.files import ReportFile, default_path, reserve, retry_path, write
from bulkremove.report.plan_file import write_plan
from bulkremove.report.summary import as_json, duration, first_line, summary
from bulkremove.report.tables import columns, retry_rows

__all__ = [
    "ReportFile",
    "as_json",
    "columns",
    "default_path",
    "duration",
    "first_line",
    "reserve",
    "retry_path",
    "retry_rows",
    "summary",
    "write",
    "write_plan",
]
