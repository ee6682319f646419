"""What a restart needs of the containerd that runs."""

from __future__ import annotations

from collections.abc import Iterator

from nodeprov.errors import Problem
from nodeprov.node.daemon import Daemon
from nodeprov.node.facts import Facts


def runs(facts: Facts) -> Iterator[Problem]:
    """See that a containerd runs, and that it is known which one is meant."""
    if facts.undecided:
        yield facts.undecided
    elif facts.daemon is None:
        yield Problem(
            f"containerd does not run (unit: {facts.unit_state})",
            "systemctl status containerd; if it has another unit, set [containerd] unit",
            "what a containerd has loaded can be told only while it runs",
        )


def unit(daemon: Daemon) -> Iterator[Problem]:
    """See that a service has started it."""
    if not daemon.unit:
        yield Problem(
            f"containerd (process {daemon.identity.pid}) was not started by a systemd service: "
            "nothing here knows how to restart it",
            "run it as a service, or set [containerd] unit to the one that starts it",
            "containerd reads its configuration at its start only",
        )


def works(daemon: Daemon) -> Iterator[Problem]:
    """See that it serves now, that its restart ends no pod, and that it tells its configuration."""
    if daemon.cri_errors:
        yield Problem(
            "containerd's CRI plugin does not work now: " + "; ".join(daemon.cri_errors),
            f"{daemon.ctr} plugins ls -d; fix this first",
            "kubelet runs pods through that plugin only; `ctr version` answers without it",
        )
    if daemon.kill_mode not in ("process", "none", ""):
        yield Problem(
            f"{daemon.unit} has KillMode={daemon.kill_mode}: a restart would end the node's pods",
            f"set KillMode=process in {daemon.unit}",
            "systemd would kill the shims with the daemon (kubernetes#111776)",
        )
    if not daemon.dump:
        yield Problem(
            f"`{daemon.binary} -c {daemon.config_path} config dump` prints nothing",
            "run it on the node and mend what it complains of",
            "what the configuration comes to, imports included, only that command tells",
        )
