"""Lines that are longer than a terminal is wide."""

from __future__ import annotations

import pytest

from nodeprov.reports.wrapping import wrapped

LONG = "  ! restart containerd.service: to serve the runtime handler runsc"


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        (LONG, None, [LONG]),
        (LONG, 80, [LONG]),
        (LONG, 40, ["  ! restart containerd.service: to serve", "        the runtime handler runsc"]),
        ("a\n" + LONG, 66, ["a", LONG]),
        ("/opt/nodeprov/releases/20260905.0", 20, ["/opt/nodeprov/releases/20260905.0"]),
        (
            "a link /opt/nodeprov/releases/20260905.0",
            20,
            ["a link /opt/nodeprov/releases/20260905.0"],
        ),
        (
            '      +[plugins."io.containerd.cri.v1.runtime"]',
            20,
            ['      +[plugins."io.containerd.cri.v1.runtime"]'],
        ),
        (
            "worker1: /a/path/of/thirty/characters/x has changed",
            20,
            ["worker1: /a/path/of/thirty/characters/x", "      has changed"],
        ),
        ("hint: nodeprov plan worker1 --out FILE", 20, ["hint: nodeprov plan worker1 --out FILE"]),
        ("", 20, [""]),
    ],
)
def test_lines_break_at_blanks_and_what_is_to_be_typed_stays_whole(
    text: str, width: int | None, lines: list[str]
) -> None:
    assert wrapped(text, width).split("\n") == lines
