"""Long lines of a text for a terminal: broken at blanks, and never within a word."""

import re

DEEPER = 6
"""So many columns further in than its line the rest of it is: deeper than any line of a plan that has a sign."""
KEPT = "hint: "
"""What is to be typed is copied from a terminal as one line only if the terminal has broken it itself."""
_WORD = re.compile(r"(\s*)(\S+)")


def wrapped(text: str, width: int | None) -> str:
    """Break the lines that are longer than a terminal is wide; None leaves them as they are."""
    if width is None:
        return text
    return "\n".join(line if len(line) <= width else _wrapped(line, width) for line in text.split("\n"))


def _wrapped(line: str, width: int) -> str:
    """Begin a new line before a word that would not fit; the terminal breaks one that fits no line at all."""
    said = line.lstrip()
    if said.startswith(KEPT):
        return line
    indent = len(line) - len(said) + DEEPER
    parts: list[str] = []
    column = 0
    for blanks, word in _WORD.findall(line):
        needed = len(blanks) + len(word)
        if parts and column + needed > width >= indent + len(word):
            parts.append("\n" + " " * indent + word)
            column = indent + len(word)
        else:
            parts.append(blanks + word)
            column = column + needed if column + needed <= width else (column + needed) % width
    return "".join(parts)
