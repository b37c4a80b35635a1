"""Dates in HTTP headers, which may be anything."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from bulkremove.domain.clock import Epoch


def parse_http_date(text: str) -> Epoch | None:
    """Parse a Date or Retry-After header; None for what is not a date, or is outside the years of datetime."""
    try:
        return Epoch(parsedate_to_datetime(text).timestamp())
    except (ValueError, OverflowError):
        return None
