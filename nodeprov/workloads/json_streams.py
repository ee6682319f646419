"""JSON objects, also one after another as `jq -c` prints them, for a reader of YAML: each in its lines."""

from __future__ import annotations

import json
import re

_BLANK = re.compile(r"[ \t\r\n]*")
_SEAM = "\u2028"
"""The end of a line for readers of YAML, and for nobody else: between objects that meet on one line."""
_ENDS_OF_LINES = {each: f"\\u{each:04x}" for each in (0x85, 0x2028, 0x2029)}
_SURROGATES = re.compile(r"\\[^u]|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u[dD][89a-fA-F]..")
"""JSON's escapes for what UTF-16 writes as two numbers, which YAML does not know; other escapes, to step over."""


def as_yaml(text: str) -> str:
    """Return a stream of JSON objects as YAML; any other text as it is, but for marks of the byte order."""
    text = re.sub(r"(?m)^\ufeff", "", text)  # `cat` leaves them between files that have one each
    if not text.lstrip().startswith("{"):
        return text
    try:
        return "".join(_documents(text))
    except (ValueError, RecursionError):  # YAML may begin with a brace too
        return text


def _documents(text: str) -> list[str]:
    found: list[str] = []
    decode = json.JSONDecoder().raw_decode
    end = 0
    while (start := _end_of_blank(text, end)) < len(text):
        lines = text.count("\n", end, start)
        end = decode(text, start)[1]
        between = "\n" * lines or (_SEAM if found else "")
        found += [between, "--- ", _SURROGATES.sub(_one_sign, text[start:end]).translate(_ENDS_OF_LINES)]
    return found


def _end_of_blank(text: str, start: int) -> int:
    blank = _BLANK.match(text, start)
    return blank.end() if blank else start


def _one_sign(escape: re.Match[str]) -> str:
    if not escape[0].startswith("\\u"):
        return escape[0]
    sign: str = json.loads(f'"{escape[0]}"')
    return sign.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
