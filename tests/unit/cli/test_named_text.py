"""Texts that are named on the command line: as standard input in every state that it can be in."""

from __future__ import annotations

import pytest

from nodeprov.hosts.local import run_program
from nodeprov.local_files import LARGEST_BYTES
from tests.support.command_line import NODEPROV


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("printf 'a: \\351' | {check}", "standard input: it is no UTF-8 text"),
        (f"head --bytes={LARGEST_BYTES + 1} /dev/zero | {{check}}", "standard input: it is larger than 16 MiB"),
        (f"head --bytes={LARGEST_BYTES + 1} /dev/zero | {{explain}}", "standard input: it is larger than 16 MiB"),
        ("{check} <&-", "standard input: it is closed"),
        ("{explain} <&-", "standard input: it is closed"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(command: str, words: str) -> None:
    check, explain = (" ".join([*NODEPROV, each, "-"]) for each in ("check", "explain"))
    output = run_program(["sh", "-c", command.format(check=check, explain=explain)])
    lines = output.stderr.decode().splitlines()
    assert (output.returncode, len(lines)) == (2, 2), lines
    assert words in lines[0]
    assert lines[1].startswith("hint: ")
