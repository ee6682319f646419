"""Long lines of a text for a terminal: broken at blanks, and never within a word."""

import textwrap

DEEPER = 6
"""So many columns further in than its line the rest of it is: deeper than any line of a plan that has a sign."""
KEPT = "hint: "
"""What is to be typed is copied from a terminal as one line only if the terminal has broken it itself."""


def wrapped(text: str, width: int | None) -> str:
    """Break the lines that are longer than a terminal is wide; None leaves them as they are."""
    if width is None:
        return text
    return "\n".join(line if len(line) <= width else _wrapped(line, width) for line in text.split("\n"))


def _wrapped(line: str, width: int) -> str:
    said = line.lstrip()
    if said.startswith(KEPT):
        return line
    indent = " " * (len(line) - len(said) + DEEPER)
    lines = textwrap.wrap(
        line,
        max(width, len(indent) + 1),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
        expand_tabs=False,
    )
    return "\n".join(lines)
