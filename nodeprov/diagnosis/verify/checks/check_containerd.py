"""containerd serves the handler, and a sandbox runs."""

from __future__ import annotations

from nodeprov import containerd
from nodeprov.containerd import Config, drop_in_path
from nodeprov.containerd.distributions.distribution import How
from nodeprov.diagnosis.verify.subject import Subject, because, needs
from nodeprov.engine.actions import Containerd
from nodeprov.hosts.base import Place
from nodeprov.node import loaded_config
from nodeprov.node.imported_files import import_problems


def check_cri(subject: Subject) -> None:
    """containerd's CRI plugin works."""
    daemon = subject.state.daemon
    errors = daemon.cri_errors
    assert not errors, because("; ".join(errors), f"journalctl -u {daemon.unit} on the node tells why")


def check_config_table(subject: Subject) -> None:
    """containerd's configuration file has our table."""
    daemon = subject.state.daemon
    # A distribution's template is no TOML, what is made of it is; a drop-in is itself what has the table.
    is_drop_in = daemon.source is not None and daemon.source.how is How.DROP_IN
    path, file = (daemon.edited_path, daemon.edited) if is_drop_in else (daemon.config_path, daemon.config)
    config = Config(containerd.decode(file.content) if file else "")
    handler = subject.layout.handler
    own = drop_in_path(daemon.config_path, config, handler)
    if own and own in subject.imports.files and config.declared(handler) is None:
        config = subject.imports.files[own].config
    table = config.declared(handler)
    assert table is not None, because(f"{path} has no runtime {handler}", subject.install)
    assert loaded_config.same_table(table, subject.runtime.table()), because(
        f"{path} has another table for the runtime {handler}: {dict(table)}", subject.install
    )


@needs("config_table")
def check_effective_configuration(subject: Subject) -> None:
    """Nothing that containerd imports overrides our table."""
    daemon = subject.state.daemon
    handler = subject.layout.handler
    problems = import_problems(daemon, subject.runtime, subject.imports)
    assert not problems, because("; ".join(each.message for each in problems), problems[0].hint)
    table = daemon.effective.runtime(handler)
    assert loaded_config.same_table(table, subject.runtime.table()), because(
        f"containerd would read {table and dict(table)} for the runtime {handler}",
        f"{daemon.binary} -c {daemon.config_path} config dump, on the node",
    )


@needs("effective_configuration", "cri")
def check_loaded(subject: Subject) -> None:
    """The running containerd has loaded our runtime."""
    daemon, record = subject.state.daemon, subject.state.footprint.record
    loaded = loaded_config.loaded_runtime(daemon, record, subject.layout.handler, subject.imports.files)
    assert not isinstance(loaded, loaded_config.NotKnown), because(
        "nothing shows what the running containerd has loaded", subject.install
    )
    assert loaded_config.same_table(loaded, subject.runtime.table()), because(
        f"it was started with {dict(loaded) if loaded else 'no table'} for the runtime {subject.layout.handler}",
        subject.install,
    )


@needs("program_version")
def check_sandbox(subject: Subject) -> None:
    """A sandbox runs through the current shim and {config}."""
    Containerd(subject.hosts[Place.NODE], subject.state, subject.family).sandbox(subject.layout.current)
