"""What the shell completes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import nodeprov


def completed(folder: Path, line: str) -> list[str]:
    """Ask as bash does."""
    words = line.split(" ")
    output = nodeprov(
        folder=folder,
        _NODEPROV_COMPLETE="complete_bash",
        COMP_WORDS=line,
        COMP_CWORD=str(len(words) - 1),
    )
    assert output.returncode == 0
    return output.text.split()


def test_nodes_and_groups_are_completed_from_the_inventory_that_would_be_used(folder: Path) -> None:
    with (folder / "nodeprov.toml").open("a") as file:
        file.write('[groups.workshop]\nnodes = ["worker1"]\n')
    assert completed(folder, "nodeprov plan ") == ["worker1", "worker2", "@workshop"]
    assert completed(folder, "nodeprov verify worker1 @w") == ["@workshop"]
    assert completed(folder, "nodeprov plan !worker") == ["!worker1", "!worker2"]
    other = folder / "other.toml"
    other.write_text("[nodes.another]\n[nodes.faulty]\nport = 'x'\n")
    assert completed(folder, f"nodeprov plan -i {other} ") == ["another", "faulty"]


@pytest.mark.parametrize("text", [None, "no toml [", "nodes = 3"])
def test_a_completion_without_a_good_inventory_is_empty_and_no_error(folder: Path, text: str | None) -> None:
    (folder / "nodeprov.toml").unlink() if text is None else (folder / "nodeprov.toml").write_text(text)
    assert completed(folder, "nodeprov plan ") == []
