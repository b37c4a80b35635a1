"""Sends removals under the rate limit. Knows nothing of input files or web pages."""
