"""Take one guard out, and some test must fail: the table says which test catches which.

`python -m tests.laws.test_deletions` prints the table for docs/reliability.md. CI takes out the one that the day
picks; `pytest tests/laws/test_deletions.py --profile=full` takes out each. What only a node of the lab can miss is
in `tests/lab/faults`; each single sync of a write is in test_power_cut.py.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from nodeprov.hosts.local import run_program
from tests.support.sampling import some

CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "docs" / "reliability.md"
_SECONDS = 600.0
_FAILED = 1
"""What pytest ends with when tests have failed: not with an error of its own, and not for want of tests."""


@dataclass(frozen=True)
class Deletion:
    """A guard, how it is taken out, and the test that notices."""

    guard: str
    path: str
    line: str
    less: str
    caught_by: str

    def take_out(self, copy: Path) -> None:
        """Take the guard out of a copy of the project."""
        path = copy / self.path
        text = path.read_text()
        assert text.count(self.line) == 1, f"{self.path}: {self.line!r} is there {text.count(self.line)} times"
        path.write_text(text.replace(self.line, self.less))


_SWITCH, _ARM = "templates/switch/switch.sh.j2", "templates/switch/arm.sh.j2"
_READ_ONLY = (CHECKOUT / "templates/node/dry-start.sh.j2").read_text().partition("\nmount -o remount,bind,ro=")[2]
_READ_ONLY = "mount -o remount,bind,ro=" + _READ_ONLY.partition("run mount -o remount,bind,rw /proc")[0]
_SWITCH_TESTS = "tests/unit/node/test_switch.py"
DELETIONS = (
    Deletion(
        "a file's bytes are on disk before it gets its name",
        "templates/hosts/write-file.sh.j2",
        'sync -- "$beside"\n',
        "",
        "tests/adversaries/test_power_cut.py::test_a_power_cut_leaves_what_was_or_what_was_wanted",
    ),
    Deletion(
        "a tree's bytes are on disk before it gets its name",
        "templates/hosts/write-tree.sh.j2",
        "find . -exec sync {} +\n",
        "",
        "tests/adversaries/test_power_cut.py::test_a_power_cut_leaves_what_was_or_what_was_wanted",
    ),
    Deletion(
        "the old and the new file are on disk before anything is swapped",
        _ARM,
        'sync -- "$beside-old"; ',
        "",
        f"{_SWITCH_TESTS}::test_a_power_cut_at_any_moment_leaves_what_was_or_what_was_proven",
    ),
    Deletion(
        "the recovery unit is on disk before the node takes over",
        _ARM,
        "sync -- {{ recovery | sh }} {{ wants_folder | sh }} {{ units | sh }}\n",
        "",
        f"{_SWITCH_TESTS}::test_a_power_cut_at_any_moment_leaves_what_was_or_what_was_proven",
    ),
    Deletion(
        "that the swap has begun is on disk before the swap",
        _SWITCH,
        ": > began && sync -- began .",
        ": > began",
        f"{_SWITCH_TESTS}::test_a_power_cut_at_any_moment_leaves_what_was_or_what_was_proven",
    ),
    Deletion(
        "a decision counts when it is on disk",
        _SWITCH,
        "    sync -- . && [ ",
        "    [ ",
        f"{_SWITCH_TESTS}::test_a_power_cut_at_any_moment_leaves_what_was_or_what_was_proven",
    ),
    Deletion(
        "how it ended is written down",
        _SWITCH,
        " && mv -f outcome.next outcome && sync -- . || return",
        "",
        f"{_SWITCH_TESTS}::test_killed_at_any_moment_the_node_goes_back_or_has_decided",
    ),
    Deletion(
        "the node looks once more whether the file is the one that was read",
        _SWITCH,
        "    each is_old || {",
        "    true || {",
        f"{_SWITCH_TESTS}::TestOthers::test_an_edit_between_hand_over_and_swap_is_not_touched",
    ),
    Deletion(
        "containerd is started on the new files before it is restarted",
        "nodeprov/engine/apply.py",
        "            actions.try_start(step)\n",
        "",
        "tests/laws/test_laws.py::test_a_swap_is_not_begun_with_files_with_which_the_daemon_does_not_start",
    ),
    Deletion(
        "a dry start can write nothing on the node",
        "templates/node/dry-start.sh.j2",
        _READ_ONLY,
        "",
        "tests/unit/node/test_dry_start.py::TestOnAPlayedNode::test_nothing_of_the_node_can_be_written",
    ),
    Deletion(
        "what is pending is tried before our restart brings it into force",
        "nodeprov/node/pending_changes.py",
        "    if tried.fails:\n",
        "    if False:\n",
        "tests/unit/node/test_pending_changes.py::"
        "test_an_edit_with_which_it_does_not_start_is_refused_in_its_words_whatever_is_wanted",
    ),
    Deletion(
        "what does not serve is taken back",
        _SWITCH,
        "    each put_old >> why 2>&1 || return\n",
        "",
        f"{_SWITCH_TESTS}::test_what_does_not_serve_is_taken_back_and_why_is_written_down",
    ),
    Deletion(
        "where no file could be replaced nothing is restarted",
        _SWITCH,
        "    if [ ! -e restarting ] && each is_old; then echo restored; return; fi\n",
        "",
        f"{_SWITCH_TESTS}::test_a_swap_that_could_change_nothing_ends_at_once_as_taken_back",
    ),
    Deletion(
        "the receipt says what is about to change before it does",
        "nodeprov/engine/transaction.py",
        "_write_receipt(host, planned.settings, record.begun)\n        cordoned",
        "pass\n        cordoned",
        "tests/unit/engine/test_rehearsal.py::test_the_receipt_is_there_before_the_first_change_and_closed_after_the_last",
    ),
    Deletion(
        "a run that fails takes back what it has begun",
        "nodeprov/engine/apply.py",
        "undone = undo(begun, hosts, actions, partial(",
        "undone = undo((), hosts, actions, partial(",
        "tests/laws/test_laws.py::test_a_failure_at_any_write_leaves_the_node_as_it_was",
    ),
    Deletion(
        "what is written is read back",
        "nodeprov/engine/apply.py",
        "    if now != change.after:\n        raise",
        "    if False:\n        raise",
        "tests/laws/test_laws.py::test_what_reads_back_otherwise_than_it_was_written_is_an_error_and_nobody_else_is_overwritten",
    ),
    Deletion(
        "a state that somebody else has changed since the plan is not overwritten",
        "nodeprov/engine/apply.py",
        """        if now not in (change.before, change.after):
            raise NodeprovError(
                f"{change.resource.key} has changed""",
        """        if False:
            raise NodeprovError(
                f"{change.resource.key} has changed""",
        "tests/laws/test_laws.py::test_a_resource_that_changed_since_the_plan_is_not_overwritten",
    ),
    Deletion(
        "a run that has lost the lock is refused by the node itself",
        "templates/node/fence.sh.j2",
        "; exit 75; }",
        "; }",
        "tests/unit/engine/test_lock.py::test_the_node_itself_refuses_a_command_that_was_on_its_way_when_the_lock_was_lost",
    ),
    Deletion(
        "one run at a time",
        "templates/node/lock.sh.j2",
        "flock -w 1 9\n",
        "true\n",
        "tests/unit/engine/test_lock.py::test_a_second_run_is_refused_and_told_who_holds_the_node_and_since_when",
    ),
    Deletion(
        "a release has the digest that is expected",
        "nodeprov/releases/download.py",
        "if (found := _sha512(part)) != sha512:",
        "if (found := sha512) != sha512:",
        "tests/adversaries/test_lying_origins.py::test_a_lie_is_refused_with_the_place_what_was_expected_and_what_to_do",
    ),
    Deletion(
        "what arrived on the node has the digests of the plan",
        "templates/hosts/write-tree.sh.j2",
        "sha256sum -c --quiet - >&2",
        "cat > /dev/null",
        "tests/unit/hosts/test_shell.py::test_a_tree_whose_bytes_changed_on_the_way_is_not_shown",
    ),
    Deletion(
        "an archive's members stay in their folder",
        "nodeprov/releases/archive.py",
        'if path.is_absolute() or ".." in path.parts:',
        "if False:",
        "tests/adversaries/test_lying_origins.py::test_a_lie_is_refused_with_the_place_what_was_expected_and_what_to_do",
    ),
    Deletion(
        "what is remembered of a node holds only if it looks as it did",
        "nodeprov/kubernetes/settled.py",
        "return seen.digest == found.seen and ",
        "return ",
        "tests/unit/kubernetes/test_settled.py::test_what_is_as_it_was_is_recalled_for_each_node_on_its_own",
    ),
    Deletion(
        "what is remembered of a node holds only if its cluster knows the same of it",
        "nodeprov/kubernetes/settled.py",
        " and cluster(node) == found.cluster",
        "",
        "tests/unit/kubernetes/test_settled.py::test_what_is_as_it_was_is_recalled_for_each_node_on_its_own",
    ),
    Deletion(
        "what changes while a node is looked at is not remembered",
        "nodeprov/engine/remembering.py",
        " and seen.latest < min(each.read_at for each in planned.as_read)",
        "",
        "tests/unit/engine/test_remembering.py::test_what_changes_while_it_is_looked_at_is_not_remembered",
    ),
    Deletion(
        "a file of the memory that others may have written is not believed",
        "nodeprov/local_files.py",
        " if is_own else None",
        "",
        "tests/unit/node/test_memory.py::test_what_others_may_have_written_is_not_believed",
    ),
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project, to be broken."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for each in CHECKOUT.iterdir():
        if each.name in ("nodeprov", "templates", "tests"):
            shutil.copytree(each, folder / each.name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        elif not each.name.startswith("."):
            (folder / each.name).symlink_to(each)
    return folder


def outcome_of(copy: Path, tests: str) -> tuple[int, str]:
    """Run some of a copy's tests; return pytest's exit code and what it said."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "NODEPROV_TEST"))}
    script = f"cd {copy} && exec {sys.executable} -B -m pytest -q -x -m 'not lab' -p no:cacheprovider {tests}"
    environment = [*(f"{name}={value}" for name, value in kept.items()), f"PYTHONPATH={copy}"]
    ended = run_program(["env", "-i", *environment, "sh", "-c", script], timeout_seconds=_SECONDS)
    return ended.returncode, ended.text[-2000:]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Take out every guard, or the one that the day picks."""
    if "taken_out" in metafunc.fixturenames:
        metafunc.parametrize("taken_out", some(metafunc.config, DELETIONS), ids=lambda deletion: deletion.guard)


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given to root")
def test_without_a_guard_a_test_fails(taken_out: Deletion, copy: Path) -> None:
    code, said = outcome_of(copy, taken_out.caught_by)
    assert code == 0, f"it fails with the guard, too: {said}"
    taken_out.take_out(copy)
    code, said = outcome_of(copy, taken_out.caught_by)
    assert code == _FAILED, said


@pytest.mark.parametrize("deletion", DELETIONS, ids=lambda deletion: deletion.guard)
def test_what_would_be_taken_out_is_there(deletion: Deletion, copy: Path) -> None:
    deletion.take_out(copy)
    assert (CHECKOUT / deletion.caught_by.partition("::")[0]).exists()


def table() -> str:
    """Write the table for the page."""
    rows = [f"| {each.guard} | `{each.path}` | `{each.caught_by}` |" for each in DELETIONS]
    return "\n".join(["| guard | where | caught by |", "|---|---|---|", *rows]) + "\n"


def test_the_page_has_the_table() -> None:
    assert table() in PAGE.read_text()


if __name__ == "__main__":
    sys.stdout.write(table())
