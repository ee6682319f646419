"""Times for a person: on which day at which hour, and how long ago that was."""

import re
from datetime import UTC, datetime

_ISO = re.compile(r"\b(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d\+00:00")
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def when_text(at: str, now: str) -> str:
    """Write a time in ISO 8601 as one reads it, in UTC: `2026-11-28 04:39 UTC, 8 minutes ago`.

    What is no time stays as it is; of one in the future, by another clock, it is not said how far away it is.
    """
    try:
        then = datetime.fromisoformat(at).astimezone(UTC)
        seconds = int((datetime.fromisoformat(now) - then).total_seconds())
    except (ValueError, TypeError):
        return at
    ago = ago_text(seconds)
    return f"{then:%Y-%m-%d %H:%M} UTC{f', {ago}' if ago else ''}"


def with_times(text: str) -> str:
    """Write the times in ISO 8601 that a text has as one reads them: `2026-11-28 04:39 UTC`."""
    return _ISO.sub(r"\1 \2 UTC", text)


def ago_text(seconds: int) -> str:
    """Write how long ago something was, by its largest unit; "" for what is yet to come."""
    if seconds < 0:
        return ""
    for size, unit in _UNITS:
        if count := seconds // size:
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"
