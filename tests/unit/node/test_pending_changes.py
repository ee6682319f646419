from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from nodeprov.containerd import add_runtime
from nodeprov.containerd.distributions.distribution import How, Source
from nodeprov.containerd.distributions.profiles import K3S
from nodeprov.errors import Problem
from nodeprov.inventory import ContainerdSettings
from nodeprov.node.daemon import Record
from nodeprov.node.dry_start import DryStart
from nodeprov.node.loaded_config import restart
from nodeprov.node.pending_changes import changed_since_start, lost_changes, pending_changes, pending_problems
from nodeprov.node.state import Facts
from nodeprov.states import FileState
from tests.support.runtimes import runtime_of
from tests.support.samples import CONFIG, settings, with_daemon

RUNTIME = runtime_of(settings())
WITH = add_runtime(CONFIG, RUNTIME)
EDITED = "/etc/containerd/config.toml was changed after containerd started: any edit in it"
TEMPLATE = Source("/x/config.toml.tmpl", How.GO_TEMPLATE, 2, FileState(b"", 0o644), 1001.0, "")


def facts_with(*, dump: str = CONFIG, changed_at: float | None = 500.0) -> Facts:
    """A daemon that began at 1000.0 s."""
    return with_daemon(dump=dump, config=FileState(dump.encode(), 0o644), config_changed_at=changed_at)


def activated_by(facts: Facts, dump_read: str | None = None) -> tuple[str, ...]:
    """What a restart would bring into force; `dump_read` is what was written down that the process has read."""
    daemon = facts.running_daemon
    record = Record(daemon.identity, dump_read) if dump_read is not None else None
    return pending_changes(daemon, record, RUNTIME, {})


def test_a_restart_brings_nothing_else_into_force_if_nobody_changed_anything() -> None:
    assert activated_by(facts_with()) == ()
    assert activated_by(facts_with(dump=WITH, changed_at=5000.0), CONFIG) == ()


def test_others_edits_since_the_start_are_named_key_by_key_if_the_process_is_known() -> None:
    now = WITH.replace("SystemdCgroup = true", "SystemdCgroup = false") + "[debug]\nlevel = 'info'\n"
    named = activated_by(facts_with(dump=now, changed_at=5000.0), WITH)
    assert len(named) == 2
    assert any("SystemdCgroup" in each for each in named)
    assert "debug.level" in named


def test_others_edits_are_only_suspected_if_the_process_is_not_known() -> None:
    assert activated_by(facts_with(changed_at=5000.0)) == (
        "/etc/containerd/config.toml was changed after containerd started: any edit in it",
    )


def test_a_file_that_a_distribution_made_a_moment_before_the_start_has_not_changed_since() -> None:
    facts = with_daemon(started_at=1000.0, config_changed_at=1000.005)
    assert changed_since_start(facts.running_daemon, {}) == ("/etc/containerd/config.toml",)
    source = Source("/etc/containerd/config-v3.toml.tmpl", How.GO_TEMPLATE, 3, None, None, "")
    assert changed_since_start(with_daemon(facts, source=source).running_daemon, {}) == ()
    later = with_daemon(facts, source=source, config_changed_at=1001.0)
    assert changed_since_start(later.running_daemon, {}) == ("/etc/containerd/config.toml",)


def test_a_template_that_others_changed_since_the_start_is_named_as_what_a_restart_brings_into_force() -> None:
    source = Source("/x/config.toml.tmpl", How.GO_TEMPLATE, 2, FileState(b"", 0o644), 1001.0, "")
    found = activated_by(with_daemon(source=source))
    assert "/x/config.toml.tmpl was changed after containerd started: any edit in it" in found


RENDERED = with_daemon(distribution=K3S, source=replace(TEMPLATE, changed_at=900.0), config_changed_at=1001.0)
LOST = "an edit of /etc/containerd/config.toml, which k3s makes anew at each start"


@pytest.mark.parametrize("read", [None, CONFIG.replace("SystemdCgroup = true", "SystemdCgroup = false")])
def test_an_edit_of_what_a_distribution_makes_is_lost_and_not_brought_into_force(read: str | None) -> None:
    assert activated_by(RENDERED, read) == ()
    assert lost_changes(RENDERED.running_daemon) == (LOST,)
    found = restart(RENDERED.running_daemon, None, RUNTIME, (), {}, served=True)
    assert found is not None
    assert (found.activates, found.loses) == ((), (LOST,))


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(facts_with(changed_at=5000.0), id="containerd's own file"),
        pytest.param(with_daemon(RENDERED, config_changed_at=1000.05), id="made at the start"),
        pytest.param(with_daemon(RENDERED, config_changed_at=None), id="none is there"),
    ],
)
def test_no_other_edit_is_lost(facts: Facts) -> None:
    assert lost_changes(facts.running_daemon) == ()


def test_what_is_to_be_made_anew_cannot_be_tried_as_it_is() -> None:
    """A fault of the edit would be none of the next start, and other edits must be wanted."""
    newer = with_daemon(RENDERED, disk_version=(2, 4, 3))
    (found,) = problems(newer, REFUSED)
    assert found.hint.endswith("--activate-pending")
    assert "made anew" in found.why
    assert "config.toml was changed" not in found.message


class Reader:
    """A node on which a dry start ends in one way."""

    name = "worker1"

    def __init__(self, tried: DryStart) -> None:
        self.tried, self.asked = tried, 0

    def ask(self, queries: Sequence[Any]) -> list[Any]:
        self.asked += 1
        return [DryStart("") if query.by_default else self.tried for query in queries]


def problems(facts: Facts, tried: DryStart, *, wanted: bool = False) -> list[Problem]:
    chosen = settings(containerd=ContainerdSettings(pending_changes="activate" if wanted else "refuse"))
    return list(pending_problems(Reader(tried), None, facts.running_daemon, chosen, activated_by(facts), {}))


NEWER = with_daemon(disk_version=(2, 4, 3))
UNTRIED = DryStart("there is no unshare", was_tried=False)
REFUSED = DryStart("`mirrors` cannot be set when `config_path` is provided")


def test_where_nothing_is_pending_nothing_is_tried() -> None:
    reader = Reader(REFUSED)
    assert list(pending_problems(reader, None, facts_with().running_daemon, settings(), (), {})) == []
    assert reader.asked == 0


@pytest.mark.parametrize("wanted", [False, True])
def test_an_edit_with_which_it_does_not_start_is_refused_in_its_words_whatever_is_wanted(
    wanted: bool,
) -> None:
    (found,) = problems(facts_with(changed_at=5000.0), REFUSED, wanted=wanted)
    assert found.message == (
        "the next restart of containerd.service fails, with or without nodeprov: "
        "`mirrors` cannot be set when `config_path` is provided"
    )
    assert EDITED in found.hint


@pytest.mark.parametrize(
    ("facts", "tried", "is_refused"),
    [
        pytest.param(facts_with(changed_at=5000.0), DryStart(""), False, id="an edit with which it starts"),
        pytest.param(facts_with(changed_at=5000.0), UNTRIED, True, id="an edit that cannot be tried"),
        pytest.param(NEWER, DryStart(""), True, id="another containerd"),
        pytest.param(with_daemon(source=TEMPLATE), DryStart(""), True, id="an edited template"),
        pytest.param(with_daemon(needs_reload=True), DryStart(""), False, id="an edited unit"),
    ],
)
def test_what_a_dry_start_does_not_show_must_be_wanted(facts: Facts, tried: DryStart, is_refused: bool) -> None:
    found = problems(facts, tried)
    assert [each.hint.rpartition(": ")[2] for each in found] == ["--activate-pending"] * is_refused
    assert problems(facts, tried, wanted=True) == []
