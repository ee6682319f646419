"""What the documentation shows: its blocks, the commands in them, its links and headings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
DOCS = CHECKOUT / "docs"
DOCUMENTS = (CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md")))

_PROGRAM = re.compile(r"(?:^|[|;&(] *)(?:\w+=\S+ )*(?:\.venv/bin/)?nodeprov(?= )")
_ENDS = re.compile(r"[|;&<>()]+")
_LINK = re.compile(r"!?\[[^]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a document that is shown as it is typed or printed. `language` is empty where none is named."""

    document: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document.name}:{self.line}"


def blocks(document: Path) -> Iterator[Block]:
    """Find the fenced and the indented blocks of a document."""
    fence: str | None = None
    language, begins, held = "", 0, list[str]()
    previous = ""
    for number, line in enumerate([*document.read_text().splitlines(), ""], 1):
        if fence is not None:
            if line.strip() == fence:
                yield Block(document, begins, language, "\n".join(held))
                fence, held = None, []
            else:
                held.append(line)
        elif line.lstrip().startswith("```"):
            if held:
                yield Block(document, begins, "", "\n".join(held))
                held = []
            fence, language, begins = "```", line.strip().strip("`"), number + 1
        elif line.startswith("    ") and (held or not previous.strip()):
            begins = begins if held else number
            held.append(line[4:])
        elif held and line.strip():
            yield Block(document, begins, "", "\n".join(held))
            held = []
        previous = line
    if held:
        yield Block(document, begins, "", "\n".join(held))


def commands(block: Block) -> Iterator[list[str]]:
    """Find the command lines of nodeprov in a block, as words behind the program's name."""
    text = re.sub(r"\\\n\s*", " ", block.text)
    for line in text.splitlines():
        if block.language in ("text", "json", "python", "toml", "svg"):
            return
        if block.language == "console" and not line.startswith("$ "):
            continue
        line = re.sub(r">\(.*\)", "FILE", re.sub(r"^(?:\$|-) ", "", line.strip()))
        for found in _PROGRAM.finditer(line):
            if line[: found.start()].count("#") == 0:
                yield list(_words(line[found.end() :]))


def _words(line: str) -> Iterator[str]:
    """Split a line as a shell does, up to where the command ends."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = "#"
    for word in lexer:
        if _ENDS.fullmatch(word):
            return
        yield word


def links(document: Path) -> list[str]:
    """List the targets of a document's links, without those in blocks."""
    text = re.sub(r"```.*?```|`[^`\n]*`(?!\])", "", document.read_text(), flags=re.DOTALL)
    return _LINK.findall(text)


def anchors(document: Path) -> set[str]:
    """List the anchors of a document: of its headings, as code forges and site builders make them, and its own."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {_slug(each) for each in headings} | set(re.findall(r'<a id="([^"]+)"', text))


def _slug(heading: str) -> str:
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())
