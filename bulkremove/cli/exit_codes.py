"""The exit codes, once: for `--help`, and for the README, which a test compares."""

EXIT_CODES = {
    0: "all removed, or known to be gone",
    1: "an unexpected error, or the journal can't be used",
    2: "usage, or the file is refused; nothing was sent",
    3: "finished, but some rows are refused, unknown or invalid",
    4: "refused by a cap or for want of consent; nothing was sent",
    5: "stopped early; it can be resumed",
    6: "the job is driven by another process",
    7: "not authorised",
    130: "stopped by Ctrl-C",
}


def epilog() -> str:
    """The list for the end of `--help`."""
    return "\b\nExit codes:\n" + "\n".join(f"  {code:>3}  {words}" for code, words in EXIT_CODES.items())
