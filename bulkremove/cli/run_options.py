"""The options that preview, run, resume and retry share, and what their values are for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bulkremove.cli.console import options

if TYPE_CHECKING:
    from bulkremove.reading.options import ReadOptions

reading_options = options(
    click.option("--sheet", metavar="NAME", help="The sheet to read."),
    click.option("--columns", metavar="MAP", help="course=A,batch=B,learner=C by heading or letter."),
    click.option(
        "--match",
        type=click.Choice(["email", "employee-id", "learner-id"]),
        help="The learners are named by these, and courses and batches may be names: ask Zoho for the ids.",
    ),
    click.option(
        "--only",
        multiple=True,
        metavar="COLUMN=VALUE",
        help="Which rows are meant, if a column says who stays, or leaves later; or: all. It may be repeated.",
    ),
    click.option("--header-row", type=click.IntRange(1), metavar="N", help="The row with the headings."),
    click.option("--no-header", is_flag=True, help="The file has no headings; name the columns by letter."),
    click.option(
        "--visible-only", is_flag=True, help="Leave out hidden, filtered, struck-through and commented rows and sheets."
    ),
    click.option(
        "--include-hidden",
        is_flag=True,
        help="Read hidden, filtered, struck-through and commented rows and sheets too.",
    ),
    click.option("--include-open", is_flag=True, help="Send rows too that another job may still send."),
)
check_options = options(
    click.option("--check", is_flag=True, help="Ask Zoho who these learners are, and refuse the file if it can't say."),
    click.option("--no-check", is_flag=True, help="Don't ask Zoho who these learners are."),
    click.option(
        "--include-mismatched", is_flag=True, help="Send rows too whose e-mail address is another one in Zoho."
    ),
)
limit_options = options(
    click.option("--limit", metavar="30/60s", help="Calls per time; never more than Zoho's own."),
    click.option("--lock", metavar="300s", help="How long a lock lasts."),
    click.option("--daily-limit", type=int, metavar="N", help="Calls in 24 hours."),
    click.option("--concurrency", type=int, metavar="N", help="Calls under way at once.  [default: 4]"),
)
cap_options = options(
    click.option("--max-removals", type=int, metavar="N", help="Refuse a plan with more removals.  [default: 500]"),
    click.option("--max-invalid", metavar="PERCENT", help="Refuse a file with more invalid rows.  [default: 10]"),
)
consent_options = options(
    click.option("--plan", "plan_hash", metavar="HASH", help="Run exactly the plan that was previewed; asks nothing."),
    click.option("--yes", is_flag=True, help="Ask nothing."),
    click.option("--compared", type=int, metavar="N", help="The number of doubtful ids, compared with Zoho People."),
)
run_options = options(
    click.option("--report", metavar="FILE", help="Where the report goes: .csv, .xlsx or .jsonl."),
    click.option("--expect-missing", is_flag=True, help="Continue although Zoho knows none of the first 10 learners."),
)


def split_params(params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Split a command's parameters into those for reading, for the settings and for the sandbox."""
    reading, settings, sandbox = (
        (
            "sheet",
            "columns",
            "match",
            "only",
            "header_row",
            "no_header",
            "visible_only",
            "include_hidden",
            "include_open",
        ),
        ("limit", "lock", "daily_limit", "concurrency", "max_removals", "max_invalid"),
        ("sandbox", "speed"),
    )
    of_reading, of_settings = ({name: params.get(name) for name in names} for names in (reading, settings))
    if params.get("check") and params.get("no_check"):
        raise click.UsageError("--check and --no-check exclude each other.")
    of_settings["enrolment_check"] = "always" if params.get("check") else "never" if params.get("no_check") else None
    return of_reading, of_settings, {name: params[name] for name in sandbox}


def read_options_of(reading: dict[str, Any]) -> ReadOptions:
    """How a file is read, from the parameters for reading. Raises UsageError for two that exclude each other."""
    from bulkremove.reading.options import Hidden, Match, ReadOptions, parse_columns

    visible_only, include_hidden = reading["visible_only"], reading["include_hidden"]
    if visible_only and include_hidden:
        raise click.UsageError("--visible-only and --include-hidden exclude each other.")
    hidden = Hidden.LEAVE_OUT if visible_only else Hidden.INCLUDE if include_hidden else Hidden.REFUSE
    columns = parse_columns(reading["columns"]) if reading["columns"] else {}
    if reading["no_header"] and reading["header_row"]:
        raise click.UsageError("--no-header and --header-row exclude each other.")
    header_row = 0 if reading["no_header"] else reading["header_row"]
    match = Match(reading["match"]) if reading["match"] else None
    return ReadOptions(reading["sheet"], columns, hidden, reading["only"], header_row, match=match)
