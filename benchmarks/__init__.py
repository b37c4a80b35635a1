"""The benchmarks of docs/benchmarks.md. Only ratios within one run can be compared between machines."""
