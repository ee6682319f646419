"""What is asked about a pod from outside, while it runs: kubelet's numbers, kubectl, its processes on the node."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Host, plain
from nodeprov.kubernetes.images import PROBE
from nodeprov.kubernetes.kubectl import Kubectl
from nodeprov.node.daemon import Daemon
from nodeprov.workloads.probe_pods import running_containers, started_at
from nodeprov.workloads.probes import UNMADE

_WRAPPED = 1 << 62
"""More bytes than any machine has: a difference that was less than 0."""
_TIMES = 2
"""So many times what its containers take, and more, is what a pod takes with a sandbox around them."""
_MUCH_BYTES = 12 << 20
"""What a sandbox takes besides its programs is about twice that; a pause container takes less than 1 MiB."""
_CROWD_BYTES = 36 << 20
"""A sandbox of one container takes some 24 MiB besides its program, and one of seven 49: each adds to it."""
_MANY_TASKS = 40
"""A sandbox of two containers has twice that and more; two of our programs have some ten threads each."""
_MEASURED_BY_THEN_SECONDS = 30.0
"""cAdvisor looks at each cgroup all 10 to 15 s (kubelet: pkg/kubelet/cadvisor, maxHousekeepingInterval)."""
_CADVISOR = re.compile(r"^container_memory_working_set_bytes\{(.*)\} (\S+) (\d+)", re.MULTILINE)


@dataclass
class Round:
    """One look from outside: what several questions need of it is read once.

    Attributes:
        kubectl: how it is called, on `cluster`.
        cluster, node: the machines.
        name: the node's, in the cluster.
        namespace: that of the pods.
        daemon: the node's containerd.
        patience: how many times longer than usual all may take.
    """

    kubectl: Kubectl
    cluster: Host
    node: Host
    name: str
    namespace: str
    daemon: Daemon
    patience: int = 1

    def answer(self, question: str, pod: Mapping[str, Any]) -> str | None:
        """Answer a question about a pod; None while there is no answer yet."""
        ask = QUESTIONS.get(question)
        if ask is None:
            return f"{UNMADE}no such question: {question}"
        try:
            return ask(self, pod)
        except NodeprovError as error:
            return f"{UNMADE}{error.message}"

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What kubelet says of the pods, by their names."""
        found = json.loads(self._raw("stats/summary"))["pods"]
        return {each["podRef"]["name"]: each for each in found if each["podRef"]["namespace"] == self.namespace}

    @cached_property
    def cadvisor(self) -> str:
        """What cAdvisor says of containers, as Prometheus would read it."""
        return self._raw("metrics/cadvisor")

    @cached_property
    def processes(self) -> dict[str, str]:
        """The processes of containers on the node, by the containers' IDs."""
        line = f"{self.daemon.ctr} -a {shlex.quote(self.daemon.socket)} -n k8s.io tasks ls"
        rows = [row.split() for row in self.node.run(plain("tasks", line)).text.splitlines()[1:]]
        return {row[0]: row[1] for row in rows if len(row) > 1}

    def _raw(self, path: str) -> str:
        where = f"/api/v1/nodes/{self.name}/proxy/{path}"
        return self.kubectl.run(self.cluster, "get", "--raw", where, doing="kubelet's numbers cannot be read")


def _available(look: Round, pod: Mapping[str, Any]) -> str | None:
    containers = look.summary.get(pod["metadata"]["name"], {}).get("containers", ())
    found = [each.get("memory", {}).get("availableBytes") for each in containers]
    known = [each for each in found if each is not None]
    return ("wrapped" if max(known) > _WRAPPED else "some") if known else None


def _memory(look: Round, pod: Mapping[str, Any]) -> tuple[int, int]:
    """Return what a pod takes, and what its containers take together; 0 while kubelet does not know."""
    found = look.summary.get(pod["metadata"]["name"], {})
    parts = (each.get("memory", {}).get("workingSetBytes") for each in found.get("containers", ()))
    return found.get("memory", {}).get("workingSetBytes") or 0, sum(each or 0 for each in parts)


def _top(look: Round, pod: Mapping[str, Any]) -> str | None:
    whole, parts = _memory(look, pod)
    return ("a part" if whole > _TIMES * parts else "all") if whole and parts else None


def _besides(look: Round, pod: Mapping[str, Any]) -> str | None:
    whole, parts = _memory(look, pod)
    return ("much" if whole - parts > _MUCH_BYTES else "little") if whole and parts else None


def _metrics(look: Round, pod: Mapping[str, Any]) -> str | None:
    return series_of_containers(look.cadvisor, look.namespace, pod, look.patience)


def series_of_containers(text: str, namespace: str, pod: Mapping[str, Any], patience: int = 1) -> str | None:
    """Say whether cAdvisor knows "some" memory of a pod's containers, "none", or whether its series are "absent".

    None while that cannot be told: cAdvisor also measures a container just before there is a process in it, and
    finds 0 for any runtime, and it measures the pod itself at another time. A container without a cgroup of its
    own, as a sandbox's with systemd's driver, is never measured.
    """
    ours, started = (f'pod="{pod["metadata"]["name"]}"', f'namespace="{namespace}"'), started_at(pod)
    since = [
        (labels, float(value), int(milliseconds) / 1000 - started)
        for labels, value, milliseconds in _CADVISOR.findall(text)
        if int(milliseconds) > 1000 * started and all(each in labels for each in ours)
    ]
    containers = [value for labels, value, _ in since if 'container=""' not in labels]
    if containers:
        return "some" if any(containers) else "none"
    last = max((seconds for _, _, seconds in since), default=0.0)
    return "absent" if last > _MEASURED_BY_THEN_SECONDS * patience else None


def _process(look: Round, pod: Mapping[str, Any]) -> str | None:
    found = {look.processes.get(each) for each in running_containers(pod)}
    return "one for all" if len(found) == 1 else "one for each"


def _forwarded(look: Round, pod: Mapping[str, Any]) -> str | None:
    """Forward a port of this machine, and ask through it: by kubectl, which is there in any case.

    What is killed at the end ends in any case with the pod.
    """
    forward = look.kubectl.line("-n", look.namespace, "port-forward", pod["metadata"]["name"], ":8080")
    ask = look.kubectl.line("get", "--raw", "/", f"--request-timeout={5 * look.patience}s", "--server")
    script = f"""\
said=$(mktemp)
{forward} > "$said" 2>&1 &
for _ in $(seq {20 * look.patience}); do
    port=$(sed -n 's/^Forwarding from 127.0.0.1:\\([0-9]*\\) .*/\\1/p' "$said")
    [ -z "$port" ] || break
    sleep 0.3
done
{ask} "http://127.0.0.1:$port" > /dev/null 2>&1
sleep {0.5 * look.patience}
kill $! 2> /dev/null
cat "$said"
rm -f "$said"
"""
    said = look.cluster.run(plain("kubectl port-forward", script)).text
    if "Forwarding from" not in said:
        return f"{UNMADE}{' '.join(said.split())}"
    if "error forwarding" in said:
        return "refused"
    # that alone is said where the API server goes, too
    return f"{UNMADE}the connection was lost" if "lost connection" in said else "forwarded"


def _terminal(look: Round, pod: Mapping[str, Any]) -> str | None:
    """Ask what `kubectl exec -it` gives, by a terminal that script(1) of util-linux makes, where that is there."""
    asked = ("-n", look.namespace, "exec", "-it", pod["metadata"]["name"], "-c", "main", "--")
    line = look.kubectl.line(*asked, PROBE, "answer", "-=terminal")
    script = f"command -v script > /dev/null || exit 0\nscript -qec {shlex.quote(line)} /dev/null < /dev/null 2>&1"
    said = look.cluster.run(plain("kubectl exec", script)).text
    found = re.search(r"\t(named|nameless)", said)
    return found.group(1) if found else f"{UNMADE}{' '.join(said.split())}" if said else "no terminal"


def _tasks(look: Round, pod: Mapping[str, Any]) -> str | None:
    """Ask what the cgroup of a pod counts as processes; it is named by the UID, for systemd with `_` in it."""
    uid = pod["metadata"]["uid"]
    line = (
        f"find /sys/fs/cgroup -type d \\( -name '*{uid}*' -o -name '*{uid.replace('-', '_')}*' \\) -prune -print"
    )
    script = f"for each in $({line}); do cat $each/pids.current 2> /dev/null; done"
    found = [int(each) for each in look.node.run(plain("tasks of a pod", script)).text.split() if each.isdigit()]
    return ("many" if max(found) > _MANY_TASKS else "few") if found else None


def _counted(_look: Round, pod: Mapping[str, Any]) -> str | None:
    """Tell what quotas and the scheduler count (kubernetes: pkg/quota/v1/evaluator/core/pods.go)."""
    return "an overhead too" if pod["spec"].get("overhead") else "its containers"


def _crowd(look: Round, pod: Mapping[str, Any]) -> str | None:
    """Tell what many containers take, by what was measured when the last of them had begun."""
    measured = look.summary.get(pod["metadata"]["name"], {}).get("memory", {}).get("time")
    if not measured or datetime.fromisoformat(measured).timestamp() <= started_at(pod):
        return None
    whole, parts = _memory(look, pod)
    return ("much" if whole - parts > _CROWD_BYTES else "little") if whole and parts else None


def _debug_log(look: Round, pod: Mapping[str, Any]) -> str | None:
    """Tell whether what runs a pod's containers writes a debug log: it is started with the place of it."""
    numbers = " ".join(
        sorted({look.processes[each] for each in running_containers(pod) if each in look.processes})
    )
    script = f"for each in {numbers}; do tr '\\0' '\\n' < /proc/$each/cmdline; done"
    said = look.node.run(plain("command line of a pod", script)).text
    return ("written" if re.search(r"^--?debug-log=.", said, re.MULTILINE) else "none") if said else None


QUESTIONS: Mapping[str, Callable[[Round, Mapping[str, Any]], str | None]] = {
    "available": _available,
    "besides": _besides,
    "terminal": _terminal,
    "counted": _counted,
    "crowd": _crowd,
    "debug-log": _debug_log,
    "top": _top,
    "metrics": _metrics,
    "process": _process,
    "tasks": _tasks,
    "forwarded": _forwarded,
}
"""What may be asked, as the catalogue names it."""
