"""Sending removals under the rate limit; it knows no file and no page."""
