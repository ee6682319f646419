"""What the documentation shows: its blocks, the commands in them, its links and headings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
DOCS = CHECKOUT / "docs"
TYPED = ("", "console", "sh")
"""The languages of blocks in which commands are typed; the output of commands is `text`."""
PLACES = ("without a node", "on a node")
"""Where the tests run what is typed: tests/unit/test_documents.py, and tests/lab/test_documents.py."""
FATES = (*(f"<!-- run: {place} -->" for place in PLACES), "<!-- run by FILE OF TESTS -->", "<!-- not run: WHY -->")
SAME_EVERYWHERE = {"--all", "--yes", "--quiet", "--json", "--inventory", "--help", "--version"}
"""Options that a test of a command may leave to the tests of others."""
DOCUMENTS = (CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md")))

_PROGRAM = re.compile(r"(?:^|[|;&(] *)(?:\w+=\S+ )*(?:\.venv/bin/)?nodeprov(?= )")
_COMMENT = re.compile(r"<!-- (.+) -->")
_ENDS = re.compile(r"[|;&<>()]+")
_LINK = re.compile(r"!?\[[^]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a document that is shown as it is typed or printed. `language` is empty where none is named."""

    document: Path
    line: int
    language: str
    text: str
    fate: str = ""
    """Whether and how it is run: the comment `<!-- … -->` above it."""

    def __str__(self) -> str:
        return f"{self.document.name}:{self.line}"

    @property
    def lines(self) -> list[str]:
        """What is typed, each command in a line."""
        typed = re.sub(r"\\\n\s*", " ", self.text).splitlines()
        if self.language == "console":
            return [line.removeprefix("$ ") for line in typed if line.startswith("$ ")]
        return [line for line in typed if line.strip()]


def blocks(document: Path) -> Iterator[Block]:
    """Find the fenced and the indented blocks of a document."""
    fence = ""
    language, begins, fate, held = "", 0, "", list[str]()
    previous = ""
    for number, line in enumerate([*document.read_text().splitlines(), "", "."], 1):
        ends = bool(held) and not fence and bool(line.strip()) and not line.startswith("    ")
        if line.strip() == fence != "" or ends:
            yield Block(document, begins, language, "\n".join(held).rstrip(), fate)
            fence, language, fate, held = "", "", "", []
            if not ends:
                continue
        if fence:
            held.append(line)
        elif comment := _COMMENT.fullmatch(line):
            fate = comment[1]
        elif line.lstrip().startswith("```"):
            fence, language, begins = "```", line.strip().strip("`"), number + 1
        elif (line.startswith("    ") and (held or not previous.strip())) or held:
            begins = begins if held else number
            held.append(line[4:])
        elif line.strip():
            fate = ""
        previous = line


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


def is_typed(block: Block) -> bool:
    """Tell whether a block is what somebody types."""
    return block.language in TYPED or any(commands(block))


def unrun(block: Block) -> str:
    """Say what is missing for a block to be run by a test, or to say why not."""
    way, _, rest = block.fate.partition(": ")
    if (way == "run" and rest in PLACES) or (way == "not run" and rest.strip()):
        return ""
    if not block.fate.startswith("run by "):
        return f"a comment above it that is one of: {', '.join(FATES)}"
    files = [CHECKOUT / name for name in block.fate.split()[2:]]
    text = "".join(path.read_text() for path in files if path.exists())
    needed = {part for words in commands(block) for part in _parts(words)}
    absent = [part for part in needed if not re.search(rf"[\" ]{re.escape(part)}\b", text)]
    return ", ".join(
        f"no {each}" for each in sorted([*absent, *(str(path) for path in files if not path.exists())])
    )


def _parts(words: list[str]) -> Iterator[str]:
    """Name what a test that runs a command line has in its text: its first word, and long options."""
    options = (word.partition("=")[0] for word in words[1:] if word.startswith("--") and word != "--")
    yield from (word for word in (words[0], *options) if word not in SAME_EVERYWHERE)


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
