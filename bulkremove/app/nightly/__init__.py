"""Unattended runs: which files a night takes, what it holds, and when it starts."""
