"""Writes docs/messages.md, every message with what to type: `python -m tests.support.message_manual`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support.messages import FILLED_IN, Message, messages

COMMAND = "python -m tests.support.message_manual"
PAGE = Path(__file__).parents[2] / "docs" / "messages.md"

ROOMS = {
    "The command line": ("cli",),
    "The inventory": ("inventory", "toml"),
    "The way to a node: SSH, sudo, programs": ("hosts", "errors"),
    "Releases, locks and caches": ("releases", "local_files"),
    "containerd and its configuration": ("containerd",),
    "The node": ("node",),
    "Runs": ("engine", "plan", "templates"),
    "The runtime": ("runtimes",),
    "The cluster": ("kubernetes",),
    "doctor, status and verify": ("diagnosis",),
    "Nodes that the cluster installs": ("dispatch", "in_cluster", "on_node"),
    "Manifests": ("workloads",),
}
"""The parts of the page, and the packages whose messages each has."""

HEAD = f"""\
<!-- Made of the program's source: `{COMMAND}` writes it anew. -->

# Every message

Each message of nodeprov that says what to type, by its words. *NAME*, *PATH* and the like stand for what is filled
in, `…` for what a program has printed. On the screen a message has its place in front, and its hint below:

```text
worker1: a runtime handler runsc is there that nodeprov did not write
hint: nodeprov adopt takes it over
```

Search this page for words of the message that you have. Each message has an anchor, made of its first words. Exit
code 4 has a page of its own: [Runbook](runbook.md).
"""


def page() -> str:
    """Write the page."""
    anchors: dict[str, Message] = {}
    parts = [HEAD]
    for title, rooms in ROOMS.items():
        rows = "".join(_rows([each for each in messages() if each.room in rooms and each.hints], anchors))
        parts.append(f"## {title}\n\n| message | what to type |\n|---|---|\n{rows}")
    return "\n".join(parts)


def _rows(some: Sequence[Message], anchors: dict[str, Message]) -> Iterator[str]:
    unique = {each.text: each for each in reversed(some)}
    for each in sorted(unique.values(), key=lambda message: (_words(message.text), message.text)):
        hints = " *or* ".join(dict.fromkeys(map(_plain, each.hints)))
        why = f"<br>Why: {_plain(each.whys[0])}" if each.whys and each.whys[0] else ""
        yield f'| <a id="{_anchor(each, anchors)}"></a>{_plain(each.text)}{why} | {hints} |\n'


def _anchor(message: Message, taken: dict[str, Message]) -> str:
    """Make an anchor of a message's first words: of as many as it takes."""
    words = _words(message.text)
    first = ("-".join(words[:count]) for count in range(min(6, len(words)), len(words) + 1))
    numbered = (f"{'-'.join(words)}-{number}" for number in itertools.count(2))
    anchor = next(each for each in itertools.chain(first, numbered) if each not in taken)
    taken[anchor] = message
    return anchor


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", FILLED_IN.sub("", text).lower().replace("'", ""))


def _plain(text: str) -> str:
    """Write a text for a cell of a table, so that every sign of it is seen."""
    one_line = re.sub(r"\s+", " ", text).strip()
    shown = re.sub(r"([\\`*_\[\]<>|])", r"\\\1", one_line)
    return FILLED_IN.sub(lambda found: found[1] if found[1] == "…" else f"*{found[1]}*", shown)


if __name__ == "__main__":
    PAGE.write_text(page())
