"""containerd serves the handler, and a sandbox runs."""

from __future__ import annotations

from nodeprov import effective, evidence
from nodeprov.gvisor import running_daemon
from nodeprov.verification import Subject


def check_configuration(subject: Subject) -> None:
    """The effective configuration of containerd, imports included, has our runtime."""
    daemon = running_daemon(subject.facts)
    table = effective.effective_runtime(daemon.dump, subject.layout.handler)
    assert table is not None, f"{daemon.config_path} and its imports have no runtime {subject.layout.handler}"
    wanted = subject.layout.runtime.table()
    assert evidence.same_table(table, wanted), f"the effective table is {dict(table)}, not {wanted}"


def check_loaded(subject: Subject) -> None:
    """The running containerd has loaded our runtime."""
    loaded = evidence.loaded_runtime(subject.facts, subject.layout.handler, {})
    assert not isinstance(loaded, evidence.NotKnown), "nothing shows what the running containerd has loaded"
    wanted = subject.layout.runtime.table()
    assert evidence.same_table(loaded, wanted), f"the running containerd has {loaded}: run nodeprov install"


def check_cri(subject: Subject) -> None:
    """containerd's CRI plugin works."""
    errors = running_daemon(subject.facts).cri_errors
    assert not errors, "; ".join(errors)


def check_sandbox(subject: Subject) -> None:
    """A sandbox runs through the current shim and runsc.toml."""
    assert "gvisor" in subject.containerd.sandbox(subject.layout.current).lower()
