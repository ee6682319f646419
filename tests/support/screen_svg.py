"""A screen as a picture: SVG that fetches nothing, light or dark as its reader has it, and read back."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from tests.support.terminal import Run, Screen

COLUMN, LINE, EDGE = 8.4, 18, 14
"""Sizes of a character of 14 pixels, and of the margin."""
LIGHT = {"default": "#1f2328", "red": "#b3261e", "green": "#1a6f37", "brown": "#7d5700", "cyan": "#0b6e83"}
DARK = {"default": "#d7dde4", "red": "#ff8078", "green": "#6bd08a", "brown": "#e3b341", "cyan": "#62cfe4"}
PAPER = ("#f6f8fa", "#161b22")
DIM = "brightblack"
"""What rich writes weakly; pyte calls yellow brown, as the first terminals of IBM's did."""
SPACE = "{http://www.w3.org/2000/svg}"


def _style() -> str:
    def colors(some: dict[str, str]) -> str:
        return "".join(f".{name}{{fill:{color}}}" for name, color in some.items())

    return (
        "text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono',monospace;white-space:pre}"
        f".b{{font-weight:bold}}.{DIM}{{opacity:.6}}.p{{fill:{PAPER[0]}}}{colors(LIGHT)}"
        f"@media(prefers-color-scheme:dark){{.p{{fill:{PAPER[1]}}}{colors(DARK)}}}"
    )


def to_svg(screen: Screen, title: str) -> str:
    """Draw a screen; each of its lines is a line of the text, so that a difference is read as one of a screen."""
    width, height = round(screen.columns * COLUMN) + 2 * EDGE, len(screen.lines) * LINE + 2 * EDGE
    lines = [_line(number, line) for number, line in enumerate(screen.lines)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            f"aria-label={quoteattr(title)}>",
            f"<title>{escape(title)}</title>",
            f"<style>{_style()}</style>",
            f'<rect class="p" width="{width}" height="{height}" rx="8"/>',
            *filter(None, lines),
            "</svg>\n",
        ]
    )


def _line(number: int, line: tuple[Run, ...]) -> str:
    """Draw a line: each of its runs has its place and its length, whatever font the reader has."""
    column, spans = 0, []
    for run in line:
        look = " ".join((_color(run.color), *(["b"] if run.is_bold else ())))
        spans.append(
            f'<tspan class="{look}" x="{EDGE + column * COLUMN:.1f}" textLength="{len(run.text) * COLUMN:.1f}">'
            f"{escape(run.text)}</tspan>"
        )
        column += len(run.text)
    y = EDGE + (number + 1) * LINE - 4
    return f'<text y="{y}" xml:space="preserve">{"".join(spans)}</text>' if line else ""


def _color(name: str) -> str:
    plain = name.removeprefix("bright") if name != DIM else name
    if plain not in LIGHT and plain != DIM:
        raise ValueError(f"the colour {name} has no light and dark one yet: screen_svg.py")
    return plain if plain in LIGHT else f"default {plain}"


def texts_of(svg: str) -> list[str]:
    """Read the lines of a picture back, as text."""
    found: dict[int, str] = {}
    for text in ElementTree.fromstring(svg).iter(f"{SPACE}text"):
        found[(int(text.get("y", "0")) + 4 - EDGE) // LINE - 1] = "".join(text.itertext()).rstrip()
    return [found.get(number, "") for number in range(max(found, default=-1) + 1)]
