from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from nodeprov.containerd import Config, Runtime, add_runtime
from nodeprov.errors import NodeprovError
from nodeprov.node.daemon import Record
from nodeprov.node.facts import parse_facts
from nodeprov.node.imported_files import Imported
from nodeprov.node.loaded_config import (
    NotKnown,
    is_what_was_read,
    loaded_runtime,
    logged_runtime,
    restart,
    same_table,
)
from nodeprov.node.pending_changes import changed_since_start, pending_changes
from nodeprov.node.runtime_table import config_resource
from nodeprov.node.state import Facts
from nodeprov.plan.files import Link
from nodeprov.plan.goal import Change
from nodeprov.plan.steps import Restart
from nodeprov.states import FileState, LinkState
from tests.support.runtimes import config_path, layout_of, runsc, runtime_of
from tests.support.samples import CONFIG, changed, good_facts, recorded, settings, with_daemon

RUNTIME = runtime_of(settings())
WITH = add_runtime(CONFIG, RUNTIME)
OURS = RUNTIME.table()
OTHER = runsc("runsc", RUNTIME.runtime_path, "/elsewhere/runsc.toml")
LOG_OF_1X = (
    'time="2026-09-05T08:00:00Z" level=info msg="Start cri plugin with config {PluginConfig:{ContainerdConfig:'
    '{Snapshotter:overlayfs DefaultRuntimeName:runc Runtimes:map[runc:{Type:io.containerd.runc.v2}]}}}"'
)


def log(runtimes: str) -> str:
    """A line of containerd 2.x's, shortened to what is read of it."""
    quoted = f'{{"containerd":{{"runtimes":{runtimes}}}}}'.replace("\\", "\\\\").replace('"', '\\"')
    return f'time="2026-09-05T08:00:00Z" level=info msg="starting cri plugin" config="{quoted}"'


LOGGED = (
    '{"runsc":{"runtimeType":"io.containerd.runsc.v1","runtimePath":"'
    + RUNTIME.runtime_path
    + '","PodAnnotations":null,"options":{"ConfigPath":"'
    + config_path(RUNTIME)
    + '","TypeUrl":"io.containerd.runsc.v1.options"},"sandboxer":""}}'
)


def facts_with(
    *, loaded_log: str = "", dump: str = CONFIG, changed_at: float | None = 500.0, record: Record | None = None
) -> Facts:
    """A daemon that began at 1000.0 s."""
    facts = with_daemon(
        loaded_log=loaded_log,
        dump=dump,
        config=FileState(dump.encode(), 0o644),
        config_changed_at=changed_at,
    )
    return changed(facts, record=record)


def recorded_by(facts: Facts, dump: str, **other: Any) -> Facts:
    """The same facts, and a record of the daemon, of this process unless it is another."""
    assert facts.daemon is not None
    return changed(facts, record=Record(replace(facts.daemon.identity, **other), dump))


def loaded_by(facts: Facts, handler: str, imported: Mapping[str, Imported]) -> Mapping[str, Any] | NotKnown | None:
    return loaded_runtime(facts.running_daemon, facts.footprint.record, handler, imported)


def restart_of(
    facts: Facts,
    runtime: Runtime,
    changes: tuple[Change, ...],
    imported: Mapping[str, Imported],
    *,
    served: bool,
) -> Restart | None:
    return restart(facts.running_daemon, facts.footprint.record, runtime, changes, imported, served=served)


def activated_by(facts: Facts, runtime: Runtime, imported: Mapping[str, Imported]) -> tuple[str, ...]:
    return pending_changes(facts.running_daemon, facts.footprint.record, runtime, imported)


def edit(facts: Facts) -> Change:
    assert facts.daemon is not None
    after = FileState(WITH.encode(), 0o644)
    return Change(config_resource(facts.daemon, RUNTIME), facts.daemon.config, after)


def reasons(found: Restart | None) -> str:
    assert found is not None
    return "; ".join(found.reasons)


def test_a_real_log_shows_what_containerd_has_loaded() -> None:
    daemon = parse_facts("worker1", recorded("sandboxed")).daemon
    assert daemon is not None
    table = logged_runtime(daemon.loaded_log, "runsc")
    assert not isinstance(table, NotKnown)
    assert same_table(table, RUNTIME.table())
    assert logged_runtime(daemon.loaded_log, "runsc-kvm") is None
    assert not isinstance(logged_runtime(daemon.loaded_log, "runc"), NotKnown | None)


def test_a_real_daemon_that_was_not_restarted_after_the_edit_must_be() -> None:
    facts = parse_facts("worker1", recorded("not-loaded"))
    assert facts.daemon is not None
    assert "handlers.runsc" in facts.daemon.dump.replace("/", ".")
    assert loaded_by(facts, "runsc", {}) is None
    found = restart_of(facts, RUNTIME, (), {}, served=True)
    assert reasons(found) == ("/etc/containerd/config.toml is right, but the running containerd has not loaded it")


@pytest.mark.parametrize("name", ["fresh", "sandboxed"])
def test_a_real_node_whose_daemon_has_loaded_what_its_file_says_needs_no_restart(name: str) -> None:
    facts = parse_facts("worker1", recorded(name))
    is_served = name == "sandboxed"
    assert restart_of(facts, RUNTIME, (), {}, served=is_served) is None
    without_record = changed(facts, record=None)
    assert restart_of(without_record, RUNTIME, (), {}, served=is_served) is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        LOG_OF_1X,
        'level=info msg="starting cri plugin"',
        'msg="starting cri plugin" config="{"',
        'msg="starting cri plugin" config="{}"',
        'msg="starting cri plugin" config="null"',
        'msg="starting cri plugin" config="{\\"containerd\\":{}}"',
        log("null"),
        log("[]"),
    ],
)
def test_a_line_that_is_not_understood_is_no_evidence(line: str) -> None:
    assert isinstance(logged_runtime(line, "runsc"), NotKnown)


def test_a_handler_that_the_log_does_not_name_is_not_loaded() -> None:
    assert logged_runtime(log('{"runc":{"runtimeType":"io.containerd.runc.v2"}}'), "runsc") is None
    assert logged_runtime(log("{}"), "runsc") is None


def test_a_runtime_without_options_is_logged_with_null_and_is_another_than_ours() -> None:
    """What containerd 2.4 logs of the table in gVisor's own quick start."""
    table = logged_runtime(log('{"runsc":{"runtimeType":"io.containerd.runsc.v1","options":null}}'), "runsc")
    assert not isinstance(table, NotKnown)
    assert same_table(table, OURS) is False


def test_quotes_and_backslashes_in_the_log_are_undone() -> None:
    table = logged_runtime(log('{"runsc":{"runtimePath":"/a \\"b\\" \\\\c"}}'), "runsc")
    assert table == {"runtime_path": '/a "b" \\c'}


@pytest.mark.parametrize(
    ("loaded", "wanted", "is_same"),
    [
        (OURS, OURS, True),
        (None, None, True),
        (None, OURS, False),
        (OURS, None, False),
        ({**OURS, "sandboxer": "", "snapshotter": "", "io_type": "file"}, OURS, True),
        ({**OURS, "options": {**OURS["options"], "ConfigBody": ""}}, OURS, True),
        ({**OURS, "runtime_path": "/usr/bin/containerd-shim-runsc-v1"}, OURS, False),
        ({**OURS, "runtime_type": "io.containerd.runc.v2"}, OURS, False),
        ({**OURS, "options": {}}, OURS, False),
        ({**OURS, "options": {**OURS["options"], "ConfigPath": "/old/runsc.toml"}}, OURS, False),
        ({key: value for key, value in OURS.items() if key != "options"}, OURS, False),
        ({**OURS, "options": None}, OURS, False),
        ({}, OURS, False),
    ],
)
def test_a_loaded_table_is_ours_if_it_says_what_we_do_and_more(
    loaded: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None, is_same: bool
) -> None:
    assert same_table(loaded, wanted) is is_same


def test_what_was_written_down_of_this_very_process_counts_first() -> None:
    facts = recorded_by(facts_with(loaded_log=log("{}"), dump=CONFIG), WITH)
    assert same_table(loaded_by(facts, "runsc", {}), OURS)  # type: ignore[arg-type]


@pytest.mark.parametrize("other", [{"pid": 401}, {"start_ticks": 901}, {"boot_id": "boot-2"}])
def test_what_was_written_down_of_another_process_counts_nothing(other: dict[str, Any]) -> None:
    facts = recorded_by(facts_with(loaded_log=log("{}")), WITH, **other)
    assert loaded_by(facts, "runsc", {}) is None


def test_the_daemons_own_log_counts_more_than_the_file() -> None:
    facts = facts_with(loaded_log=log(LOGGED), dump=CONFIG)
    assert same_table(loaded_by(facts, "runsc", {}), OURS)  # type: ignore[arg-type]


def test_a_file_that_is_older_than_the_process_is_what_it_has_loaded() -> None:
    assert same_table(loaded_by(facts_with(dump=WITH), "runsc", {}), OURS)  # type: ignore[arg-type]
    assert loaded_by(facts_with(dump=CONFIG), "runsc", {}) is None
    assert same_table(loaded_by(facts_with(dump=WITH, changed_at=None), "runsc", {}), OURS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed_at", "is_known"), [(999.89, True), (999.91, False), (1000.0, False), (2000.0, False)]
)
def test_a_file_that_may_be_newer_than_the_process_shows_nothing(changed_at: float, is_known: bool) -> None:
    loaded = loaded_by(facts_with(dump=WITH, changed_at=changed_at, loaded_log=LOG_OF_1X), "runsc", {})
    assert isinstance(loaded, NotKnown) is not is_known


def test_an_edit_restarts_because_containerd_cannot_reload() -> None:
    facts = facts_with(loaded_log=log("{}"))
    found = restart_of(facts, RUNTIME, (edit(facts),), {}, served=True)
    assert found == Restart(
        "containerd.service", ("to serve the runtime handler runsc; containerd cannot reload its configuration",)
    )


def test_taking_the_table_out_restarts_to_forget_it() -> None:
    facts = facts_with(loaded_log=log(LOGGED), dump=WITH)
    found = restart_of(facts, RUNTIME, (edit(facts),), {}, served=False)
    assert reasons(found).startswith("to forget the runtime handler runsc")


def test_an_upgrade_restarts_nothing() -> None:
    facts = facts_with(loaded_log=log(LOGGED), dump=WITH)
    rename = Change(Link(layout_of(settings()).current), LinkState("old"), LinkState("new"))
    assert restart_of(facts, RUNTIME, (rename,), {}, served=True) is None


def test_a_file_that_was_only_touched_restarts_nothing_if_the_process_is_known() -> None:
    facts = recorded_by(facts_with(dump=WITH, changed_at=5000.0), WITH)
    assert restart_of(facts, RUNTIME, (), {}, served=True) is None
    by_log = facts_with(dump=WITH, changed_at=5000.0, loaded_log=log(LOGGED))
    assert restart_of(by_log, RUNTIME, (), {}, served=True) is None


def test_a_file_that_was_touched_restarts_if_nothing_shows_what_is_loaded() -> None:
    found = restart_of(
        facts_with(dump=WITH, changed_at=5000.0, loaded_log=LOG_OF_1X), RUNTIME, (), {}, served=True
    )
    assert "nothing shows what it has loaded" in reasons(found)


def test_a_run_that_broke_between_edit_and_restart_is_healed_by_the_next() -> None:
    facts = recorded_by(facts_with(dump=WITH, changed_at=5000.0), CONFIG)
    assert reasons(restart_of(facts, RUNTIME, (), {}, served=True)).endswith("has not loaded it")


def test_another_config_path_than_ours_restarts() -> None:
    loaded = recorded_by(facts_with(dump=WITH), add_runtime(CONFIG, OTHER))
    assert restart_of(loaded, RUNTIME, (), {}, served=True) is not None


def test_without_a_daemon_nothing_is_derived() -> None:
    with pytest.raises(NodeprovError, match="containerd does not run"):
        restart_of(good_facts(daemon=None), RUNTIME, (), {}, served=True)


def test_an_imported_file_that_may_be_newer_than_the_process_shows_nothing_and_is_named() -> None:
    imported = {
        "/etc/containerd/conf.d/a.toml": Imported(Config(""), 999.0),
        "/x.toml": Imported(Config(""), 1001.0),
    }
    facts = facts_with(dump=WITH, loaded_log=LOG_OF_1X)
    assert changed_since_start(facts.running_daemon, imported) == ("/x.toml",)
    assert isinstance(loaded_by(facts, "runsc", imported), NotKnown)
    assert activated_by(facts, RUNTIME, imported) == (
        "/x.toml was changed after containerd started: any edit in it",
    )
    assert restart_of(recorded_by(facts, WITH), RUNTIME, (), imported, served=True) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"disk_version": (2, 4, 3)}, "containerd 2.4.3 on disk, 2.4.2 is running"),
        ({"disk_version": ()}, "containerd of unknown version on disk, 2.4.2 is running"),
        ({"needs_reload": True}, "containerd.service was changed on disk (systemctl daemon-reload is due)"),
    ],
)
def test_another_containerd_or_unit_would_come_into_force_too(changes: dict[str, Any], said: str) -> None:
    facts = with_daemon(facts_with(), **changes)
    assert activated_by(facts, RUNTIME, {}) == (said,)
    found = restart_of(with_daemon(facts, loaded_log=log("{}")), RUNTIME, (), {}, served=True)
    assert found is not None
    assert found.activates == (said,)


def test_a_runtime_is_another_by_its_handler() -> None:
    facts = facts_with(loaded_log=log(LOGGED), dump=WITH)
    second = runsc("runsc-kvm", "/opt/nodeprov/handlers/runsc-kvm/current/containerd-shim-runsc-v1", "/x")
    assert restart_of(facts, second, (), {}, served=True) is not None


@pytest.mark.parametrize(("changed_at", "is_read"), [(999.0, True), (1000.5, False), (4600.0, False)])
def test_what_was_changed_after_the_start_is_not_what_was_read(changed_at: float, is_read: bool) -> None:
    daemon = facts_with(changed_at=changed_at).running_daemon
    assert is_what_was_read(daemon, ()) is is_read


def test_what_a_swap_put_in_place_was_read_though_the_clock_was_set_back_before_the_start() -> None:
    before, after = facts_with(), facts_with(dump=WITH, changed_at=4600.0)
    assert is_what_was_read(after.running_daemon, [edit(before)])
    somebody_elses = facts_with(dump=f"{WITH}# edited\n", changed_at=4600.0)
    assert not is_what_was_read(somebody_elses.running_daemon, [edit(before)])
