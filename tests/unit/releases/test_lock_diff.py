from __future__ import annotations

from pathlib import Path

from nodeprov.releases.lock_diff import build_changes, changes_json, changes_text
from tests.support.locks import made
from tests.support.obtaining import OLD, VERSION
from tests.support.release_server import ReleaseServer, archived, tree

NEXT = "20261005.0"


def test_members_that_came_went_and_changed_are_told(server: ReleaseServer, cache: Path) -> None:
    files = {**tree(NEXT), "gvisor-bin/new": b"new", "containerd-shim-runsc-v1": tree(NEXT)["runsc"]}
    del files["gvisor-bin/licenses.txt"]
    server.publish(NEXT, archived(NEXT, files=files))
    before, after = made(server, cache, architectures=["x86_64"]), made(server, cache, NEXT, ["x86_64"])
    text = list(changes_text(build_changes(before, after)))
    assert text[0] == "x86_64:"
    assert "  ~ containerd-shim-runsc-v1 (+14 bytes, now 84)" in text
    assert "  - gvisor-bin/licenses.txt (28 bytes)" in text
    assert "  + gvisor-bin/new (3 bytes)" in text
    assert "  ~ runsc (as many bytes)" in text
    assert text[-1] == "  = 1 files stay as they are"
    [value] = changes_json(build_changes(before, after))
    assert value["same"] == 1
    assert {each["name"]: each["before"] is None for each in value["members"]}["gvisor-bin/new"]


def test_another_layout_is_told(server: ReleaseServer, cache: Path) -> None:
    before, after = made(server, cache, OLD, ["x86_64"]), made(server, cache)
    [change] = build_changes(before, after)
    assert change.layout == ("loose", "archive")
    assert "  layout: loose -> archive" in list(changes_text([change]))


def test_the_same_is_no_change(server: ReleaseServer, cache: Path) -> None:
    lock = made(server, cache, VERSION)
    changes = build_changes(lock, lock)
    assert [(each.architecture, each.artifacts, each.members, each.layout) for each in changes] == [
        ("aarch64", (), (), ()),
        ("x86_64", (), (), ()),
    ]
