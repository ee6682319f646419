"""What gVisor and a restart need of the containerd that runs."""

from __future__ import annotations

from nodeprov.errors import Problem
from nodeprov.node.facts import Daemon, Facts, dotted
from nodeprov.runtimes.gvisor import compatibility


def of_daemon(facts: Facts, release: str) -> list[Problem]:
    """See that a containerd runs that can be restarted and works with this release."""
    daemon = facts.daemon
    if daemon is None and facts.choice.problem:
        return [facts.choice.problem]
    if daemon is None:
        return [
            Problem(
                f"containerd does not run (unit: {facts.unit_state})",
                "systemctl status containerd; if it has another unit, set [containerd] unit",
                "what a containerd has loaded can be told only while it runs",
            )
        ]
    found = []
    if not daemon.unit:
        found.append(
            Problem(
                f"containerd (process {daemon.identity.pid}) was not started by a systemd service: "
                "nothing here knows how to restart it",
                "run it as a service, or set [containerd] unit to the one that starts it",
                "containerd reads its configuration at its start only",
            )
        )
    found += _compatibility_problems(daemon, release)
    if daemon.cri_errors:
        found.append(
            Problem(
                "containerd's CRI plugin does not work now: " + "; ".join(daemon.cri_errors),
                f"{daemon.ctr} plugins ls -d; mend it first, so that a later failure has one cause",
                "kubelet runs pods through that plugin only; `ctr version` answers without it",
            )
        )
    if daemon.kill_mode not in ("process", "none", ""):
        found.append(
            Problem(
                f"{daemon.unit} has KillMode={daemon.kill_mode}: a restart would end the node's pods",
                f"set KillMode=process in {daemon.unit}",
                "systemd would kill the shims with the daemon (kubernetes#111776)",
            )
        )
    if not daemon.dump:
        found.append(
            Problem(
                f"`{daemon.binary} -c {daemon.config_path} config dump` prints nothing",
                "run it on the node and mend what it complains of",
                "what the configuration comes to, imports included, only that command tells",
            )
        )
    return found


def _compatibility_problems(daemon: Daemon, release: str) -> list[Problem]:
    for version, which in ((daemon.version, "running"), (daemon.disk_version, "on disk")):
        known = compatibility.row(version, release) if version else None
        if known and known.reason:
            said = f"containerd {dotted(version)} ({which}) is too old for gVisor {release}: {known.reason}"
            return [Problem(said, known.way_out, known.source)]
    return []
