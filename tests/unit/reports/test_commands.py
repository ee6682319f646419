"""Commands as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from nodeprov.reports.commands import Command, Commands, comparable, to_text


def test_a_script_is_shown_once_and_named_afterwards() -> None:
    first, again = Command("n", "look", "echo 1\n"), Command("n", "a file", "echo 1\n", "3 bytes")
    lines = to_text(Commands(doing=(first, again), reading=(Command("n", "look", "id"),))).splitlines()
    assert lines == [
        "#### to make this plan; nothing is changed",
        "#### 1. n: look",
        "id",
        "#### to carry it out",
        "#### 2. n: look",
        "echo 1",
        "#### 3. n: a file: command 2 again; standard input: 3 bytes",
    ]
    assert json.loads(json.dumps(asdict(Commands(doing=(again,)))))["doing"] == [
        {"host": "n", "what": "a file", "script": "echo 1\n", "stdin": "3 bytes"}
    ]


def test_what_is_random_or_of_the_moment_is_written_as_x() -> None:
    script = (
        "ticket=0123456789abcdef\nby='ann@desk since 2026-09-05T10:00:00+00:00'\nmv /x/.a.nodeprov-0123abcd /x/a\n"
        "ctr run nodeprov-proof-0123456789\n"
    )
    assert comparable(script, "/s") == (
        "ticket=X\nby='ann@desk since X'\nmv /x/.a.nodeprov-XXXXXXXX /x/a\nctr run nodeprov-proof-XXXXXXXX\n"
    )


def test_a_receipts_digest_is_written_as_x_and_that_of_a_file_is_not() -> None:
    digest = f'echo "{"ab" * 32}  $beside" | sha256sum -c\n'
    assert comparable(f"path=/etc/x\n{digest}", "/s") == f"path=/etc/x\n{digest}"
    assert comparable(f"path=/s/receipts/1.json\n{digest}", "/s").endswith(
        f'echo "{"X" * 64}  $beside" | sha256sum -c\n'
    )
