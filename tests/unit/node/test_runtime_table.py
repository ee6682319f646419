"""Our table in containerd's configuration, as a goal."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeprov.containerd import Refused
from nodeprov.node.runtime_table import config_goals, without_runtime
from nodeprov.node.state import Facts
from nodeprov.states import FileState
from tests.support.containerd_texts import RUNSC
from tests.support.samples import CONFIG, good_facts, settings, with_daemon


def with_runtime(current: FileState | None, facts: Facts | None = None) -> FileState:
    """What is wanted of the configuration."""
    (goal,) = config_goals((facts or good_facts()).running_daemon, settings(), RUNSC, ())
    target = goal.target(current)
    assert isinstance(target, FileState)
    return target


def test_a_configuration_keeps_its_owner_and_mode() -> None:
    before = FileState(CONFIG.encode(), 0o600, 5, 6)
    after = with_runtime(before)
    assert replace(after, content=b"") == replace(before, content=b"")
    assert after.content.startswith(before.content)


def test_a_reached_configuration_is_wanted_as_it_is() -> None:
    after = with_runtime(FileState(CONFIG.encode(), 0o644))
    assert with_runtime(after) == after


@pytest.mark.parametrize(("disk_version", "version"), [((2, 4, 2), 4), ((2, 2, 9), 3), ((1, 7, 27), 2)])
def test_a_missing_configuration_is_made_for_the_containerd_on_disk(
    disk_version: tuple[int, ...], version: int
) -> None:
    after = with_runtime(None, with_daemon(disk_version=disk_version))
    assert tomllib.loads(after.content.decode())["version"] == version
    assert (after.mode, after.uid, after.gid) == (0o644, 0, 0)


def test_a_missing_configuration_for_a_containerd_of_unknown_version_is_not_guessed() -> None:
    with pytest.raises(Refused, match="is not a version of containerd"):
        with_runtime(None, with_daemon(disk_version=()))


@given(st.sampled_from(["\n", "\r\n"]), st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])))
def test_without_is_the_inverse_of_with(newline: str, comment: str) -> None:
    content = newline.join([*CONFIG.splitlines(), f"# {comment}", ""]).encode()
    before = FileState(content, 0o640, 1, 2)
    after = with_runtime(before)
    assert after != before
    assert without_runtime(RUNSC)(after) == before


def test_without_leaves_what_others_wrote_since_and_what_is_absent_absent() -> None:
    installed = with_runtime(FileState(CONFIG.encode(), 0o644))
    edited = replace(installed, content=installed.content + b"\n[debug]\nlevel = 'info'\n")
    assert without_runtime(RUNSC)(edited) == FileState(f"{CONFIG}\n[debug]\nlevel = 'info'\n".encode(), 0o644)
    assert without_runtime(RUNSC)(None) is None
