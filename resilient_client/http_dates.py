"""Dates as HTTP writes them (RFC 9110, section 5.6.7)."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime


def timestamp(date: str) -> float | None:
    """Return the seconds since 1970 that `date` stands for; None when it is no date."""
    if not date:
        return None
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()  # asctime's form is GMT as well
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
