"""The measures of docs/benchmarks.md: ratios within one run, never bare milliseconds of some machine."""
